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

    def reserve(self, account_id: int, longest: float) -> float | None:
        """Seconds until the reserved moment; None when it would be later than `longest` seconds from now.

        A moment that is reserved and not used is lost to all: reserve only what will be sent.
        Raises StoreUnavailable.
        """
        with availability():
            wait = self._pace(
                keys=[keys.pace_of_egress(self._egress), keys.pace_of_account(self._egress, account_id)],
                args=[self._between, self._account_between, int(longest * MICRO)],
            )
        return None if wait < 0 else int(wait) / MICRO
