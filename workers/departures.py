"""The thread that lets waiting continue calls leave, each in its moment."""

import threading
from collections.abc import Callable
from functools import partial

import structlog

from app.domain.acceptance import StoreUnavailable
from app.storage.taking import RawTurn, RedisTaking
from workers.slots import Slots

log = structlog.get_logger(__name__)

# How often it looks when it knows of nothing: calls may wait that another process, with an address of its own, was too
# slow or too dead to make.
LOOK_SECONDS = 0.5
# The same, while calls wait here.
WAITING_LOOK_SECONDS = 0.1
AFTER_A_FAULT_SECONDS = 1.0


class Departures(threading.Thread):
    """Takes turns whose continue calls may leave, and runs them on the threads for that."""

    def __init__(self, taking: RedisTaking, callers: Slots, run: Callable[[RawTurn], None]) -> None:
        super().__init__(name="departures", daemon=True)
        self._taking = taking
        self._callers = callers
        self._run = run
        self._look = threading.Event()
        self._ended = False

    def look(self) -> None:
        """Something waits that was not there before."""
        self._look.set()

    def run(self) -> None:
        """Let calls leave until the thread is stopped, also when Redis is away for a while."""
        while not self._ended:
            most = self._callers.wait_for_some(LOOK_SECONDS)
            if most:
                self._look.wait(self._let_leave(most))
                self._look.clear()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._ended = True
        self._look.set()
        self.join(timeout=10)

    def _let_leave(self, most: int) -> float:
        """Seconds until it is worth looking again."""
        try:
            found = self._taking.departing(most, self._callers.crowded(most))
        except StoreUnavailable as error:
            log.warning("store_unavailable", during=self.name, reason=str(error))
            return AFTER_A_FAULT_SECONDS
        for taken in found.turns:
            self._callers.run(taken.account_id, partial(self._run, taken))
        return LOOK_SECONDS if found.again_after is None else min(found.again_after, WAITING_LOOK_SECONDS)
