"""When a call to Kommo may leave."""

from collections.abc import Callable

from app.services.ports import Pace


def may_leave(pace: Pace, account_id: int, longest: Callable[[], float], sleep: Callable[[float], None]) -> bool:
    """Wait until a call of this account may leave; False when that would be longer than `longest` seconds.

    The account waits at its own pace first, and only then asks for a moment of the address that all share: its backlog
    takes none of theirs. Raises StoreUnavailable.
    """
    return _waited(pace.account_wait(account_id, longest()), sleep) and _waited(pace.egress_wait(longest()), sleep)


def _waited(wait: float | None, sleep: Callable[[float], None]) -> bool:
    if wait:
        sleep(wait)
    return wait is not None
