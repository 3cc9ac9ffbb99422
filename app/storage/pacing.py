"""The pace of calls to Kommo, shared by all processes and machines behind one egress address (kommo.md 8.8)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from app.domain.turn import Departure
from app.storage.availability import availability
from app.storage.scripts import script

MICRO = 1_000_000
# A call whose moment is so near waits for it where it is; every other one waits in its place, without a thread.
NEAR_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class KommoPace:
    """rate, account_rate: calls a second from one egress address, and for one account.

    egress: names of the public addresses that calls leave from here.
    """

    egress: Sequence[str]
    rate: float
    account_rate: float

    def arguments(self) -> dict[str, Any]:
        """As lua/pacing.lua wants it."""
        return {
            "egress": [[name, int(MICRO / self.rate)] for name in self.egress],
            "account": int(MICRO / self.account_rate),
            "within": int(NEAR_SECONDS * MICRO),
        }


class RedisPace:
    """Hands out the moments of calls that are no continue calls. Raises StoreUnavailable."""

    def __init__(self, redis: "Redis", pace: KommoPace) -> None:
        self._leave = script(redis, "leave")
        self._hold_account = script(redis, "hold_account")
        self._pace = pace.arguments()

    def departure(self, account_id: int, *, ahead: bool = False, within: float = NEAR_SECONDS) -> Departure | None:
        """The moment of one call, reserved; None where continue calls wait for theirs, or it is further away.

        ahead: the call may not wait for them, because they may wait for it. within: seconds.
        """
        pace = self._pace | {"within": int(within * MICRO)}
        with availability():
            found = self._leave(args=[account_id, json.dumps(pace), int(ahead)])
        return Departure(found[0].decode(), found[1] / MICRO) if found else None

    def hold(self, account_id: int, seconds: float) -> None:
        """Let no call leave for this account for so long."""
        with availability():
            self._hold_account(args=[account_id, int(seconds * MICRO)])
