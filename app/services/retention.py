"""What clients and assistants wrote is erased when the account's time for it is over; the turns live on without it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.retention import ended_before, erased_before
from app.services.ports import Locks, Texts

LOCK = "retention"
# Longer than a round takes: one look for each account, and its turns of the last hour.
LOCKED_SECONDS = 600.0
# How often a round is made: texts outlive their time by no more than this.
EVERY_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Retention:
    """The flow. clock: seconds since the epoch."""

    texts: Texts
    locks: Locks
    clock: Callable[[], float] = time.time

    def sweep(self) -> int:
        """Erase what is due in all accounts; returns in how many turns. Does nothing while another process does it.

        Raises StoreUnavailable.
        """
        now = int(self.clock() * 1000)
        with self.locks.tried(LOCK, LOCKED_SECONDS) as ours:
            return self._round(now) if ours else 0

    def _round(self, now: int) -> int:
        erased = 0
        for account_id, days in self.texts.retention():
            erased += self.texts.erase(account_id, erased_before(now, days))
            self.texts.unlist(account_id, ended_before(now))
        self.texts.unlist_everywhere(ended_before(now))
        return erased
