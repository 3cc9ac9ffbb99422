"""One word for every way in which Redis can be away."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import (
    BusyLoadingError,
    ConnectionError,  # noqa: A004 - redis-py's own name
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,  # noqa: A004 - redis-py's own name
)

from app.domain.acceptance import StoreUnavailable

_AWAY = (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, OutOfMemoryError)
# Answers of a server that is there and refuses to work: out of memory, its disk full, or a script in its way.
_REFUSING = ("OOM", "MISCONF", "READONLY", "LOADING", "MASTERDOWN", "BUSY", "NOREPLICAS")


@contextmanager
def availability() -> Iterator[None]:
    """Raise StoreUnavailable for what redis-py raises when Redis is away or refuses writes."""
    try:
        yield
    except _AWAY as error:
        raise StoreUnavailable(type(error).__name__) from error
    except ResponseError as error:
        if str(error).startswith(_REFUSING):
            raise StoreUnavailable(str(error).split(" ", 1)[0]) from error
        raise
