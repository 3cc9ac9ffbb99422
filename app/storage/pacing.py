"""The pace of calls to Kommo, shared by all processes and machines behind one egress address (kommo.md 8.8)."""

from redis import Redis

from app.storage import keys
from app.storage.availability import availability
from app.storage.scripts import script

MICRO = 1_000_000


class RedisPace:
    """Hands out the moments at which calls may leave.

    rate, account_rate: calls per second from one egress address, and for one account.
    egress: name of the public address the calls leave from.
    """

    def __init__(self, redis: "Redis", *, egress: str, rate: float, account_rate: float) -> None:
        self._pace = script(redis, "pace")
        self._egress = egress
        self._between = int(MICRO / rate)
        self._account_between = int(MICRO / account_rate)

    def account_wait(self, account_id: int, longest: float) -> float | None:
        """Seconds until the moment reserved in the account's own pace; None when more than `longest` away.

        Wait for it, then ask for egress_wait. Raises StoreUnavailable.
        """
        return self._reserve(keys.pace_of_account(self._egress, account_id), self._account_between, longest)

    def egress_wait(self, longest: float) -> float | None:
        """Seconds until the moment reserved for one call from this address; None when more than `longest` away.

        A moment that is reserved and not used is lost to all: reserve only what will be sent.
        Raises StoreUnavailable.
        """
        return self._reserve(keys.pace_of_egress(self._egress), self._between, longest)

    def _reserve(self, key: str, between: int, longest: float) -> float | None:
        with availability():
            wait = self._pace(keys=[key], args=[between, int(longest * MICRO)])
        return None if wait < 0 else int(wait) / MICRO
