"""One word for every way in which Redis can be away."""

from types import TracebackType

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
# Answers of a server that is there and refuses to work: out of memory, its disk full, a script in its way, or another
# one in its place (UNBLOCKED goes to those who wait when that happens).
_REFUSING = ("OOM", "MISCONF", "READONLY", "LOADING", "MASTERDOWN", "BUSY", "NOREPLICAS", "UNBLOCKED")

_IN_A_PIPELINE = " of pipeline caused error: "


class _Availability:
    """One for all: it holds nothing, and a generator for each use would cost more than what it guards in Python."""

    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, _AWAY):
            raise StoreUnavailable(type(error).__name__) from error
        if isinstance(error, ResponseError):
            # redis-py puts the command in front of what a pipeline was answered.
            told = str(error).rpartition(_IN_A_PIPELINE)[2]
            if told.startswith(_REFUSING):
                raise StoreUnavailable(told.split(" ", 1)[0]) from error


_AVAILABILITY = _Availability()


def availability() -> _Availability:
    """Raise StoreUnavailable for what redis-py raises, within this context, when Redis is away or refuses writes."""
    return _AVAILABILITY
