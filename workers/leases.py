"""The turns that this process holds, and the threads that look after all open turns."""

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from app.domain.acceptance import StoreUnavailable
from app.domain.turn import Hold
from app.storage.turns import RedisTurns

log = structlog.get_logger(__name__)


class Leases:
    """Which turns are held here. Used by many threads."""

    def __init__(self, turns: RedisTurns) -> None:
        self._turns = turns
        self._lock = threading.Lock()
        self._held: dict[str, Hold] = {}

    @contextmanager
    def kept(self, hold: Hold) -> Iterator[None]:
        """Keep the lease of a turn alive for as long as the block runs."""
        with self._lock:
            self._held[hold.token] = hold
        try:
            yield
        finally:
            with self._lock:
                self._held.pop(hold.token, None)

    def held(self) -> list[Hold]:
        """What is held now."""
        with self._lock:
            return list(self._held.values())

    def renew(self) -> None:
        """Prolong every lease. Who lost a turn finds out by itself, at its next change."""
        holds = self.held()
        if holds:
            self._turns.renew(holds)

    def give_back(self) -> None:
        """Let other workers take everything over at once."""
        holds = self.held()
        if holds:
            self._turns.give_back(holds)


class Every(threading.Thread):
    """A thread that does something every so many seconds, until it is stopped, also when Redis is away."""

    def __init__(self, name: str, seconds: float, *work: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._seconds = seconds
        self._work = work
        self._ended = threading.Event()

    def run(self) -> None:
        """Work, wait, and begin again."""
        while not self._ended.is_set():
            for work in self._work:
                self._do(work)
            self._ended.wait(self._seconds)

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._ended.set()
        self.join(timeout=10)

    def _do(self, work: Callable[[], None]) -> None:
        try:
            work()
        except StoreUnavailable as error:
            log.warning("store_unavailable", during=self.name, reason=str(error))
        except Exception as error:  # noqa: BLE001 - the thread must outlive a fault in one round of its work
            # Its kind and place only: a text may stand in the message of an exception.
            frames = traceback.format_tb(error.__traceback__)
            log.error("housekeeping_failed", during=self.name, kind=type(error).__name__, frames=frames)  # noqa: TRY400
