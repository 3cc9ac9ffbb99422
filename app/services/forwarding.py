"""Handing what a process has counted on to what all have counted, every few seconds.

No webhook and no turn waits for its being counted, and counts outlive processes. A process that is killed takes those
of its last seconds with it; charges and usage are not counted this way, but in the steps that make them.
"""

import secrets
import threading
from collections.abc import Callable

import structlog

from app.domain.acceptance import StoreUnavailable
from app.services.ports import MetricStore

log = structlog.get_logger(__name__)

FORWARD_SECONDS = 5.0


class Forwarder(threading.Thread):
    """A thread that hands counts on, also when the store is away for a while."""

    def __init__(
        self, taken: Callable[[], dict[str, int]], store: MetricStore, seconds: float = FORWARD_SECONDS
    ) -> None:
        """taken: what was counted since it was last asked."""
        super().__init__(name="metrics", daemon=True)
        self._taken = taken
        self._store = store
        self._seconds = seconds
        self._source = secrets.token_hex(6)
        self._number = 0
        self._waiting: dict[str, int] = {}
        self._round = threading.Lock()
        self._ended = threading.Event()

    def run(self) -> None:
        """Forward, wait, and begin again."""
        while not self._ended.wait(self._seconds):
            self.forward()

    def stop(self) -> None:
        """End the thread, and forward what is left."""
        self._ended.set()
        self.forward()

    def forward(self) -> None:
        """Hand on what was counted.

        What the store may have got without our hearing of it is sent again as it was, under the same number, and
        counted once.
        """
        with self._round:
            if not self._waiting:
                self._waiting = self._taken()
                self._number += 1
            if not self._waiting:
                return
            try:
                self._store.add(self._source, self._number, self._waiting)
            except StoreUnavailable as error:
                log.warning("store_unavailable", during=self.name, reason=str(error))
            else:
                self._waiting = {}
