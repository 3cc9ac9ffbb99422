"""The threads of a worker process, and which account holds how many of them."""

import threading
from collections import Counter
from collections.abc import Callable
from queue import SimpleQueue

import structlog

from app.domain.shares import crowded

log = structlog.get_logger(__name__)

# More than this is not taken at once, so that what waits is shared with other processes.
MOST_AT_ONCE = 8


class Slots:
    """So many threads, started when they are first needed. Safe to use from many threads.

    An executor of the standard library makes a future with a lock of its own for each piece of work; nobody asks for
    it here.
    """

    def __init__(self, size: int, name: str) -> None:
        self._name = name
        self._threads: list[threading.Thread] = []
        self._work: SimpleQueue[tuple[int, Callable[[], None]] | None] = SimpleQueue()
        self._change = threading.Condition()
        self._size = self._free = size
        self._held: Counter[int] = Counter()

    def wait_for_some(self, seconds: float) -> int:
        """How many threads may be given work at once now; waits so long for the first of them."""
        with self._change:
            self._change.wait_for(lambda: self._free > 0, seconds)
            return min(self._free, MOST_AT_ONCE)

    def wait_for_change(self, seconds: float) -> None:
        """Return when a thread becomes free, or after so many seconds."""
        with self._change:
            self._change.wait(seconds)

    def crowded(self, most: int) -> dict[int, int]:
        """How many of `most` threads each of those accounts may have that hold many already."""
        with self._change:
            return crowded(self._held, self._free, most)

    def load(self) -> tuple[int, int]:
        """How many threads there are, and how many of them have work."""
        with self._change:
            return self._size, self._size - self._free

    def busy(self) -> bool:
        """Whether any thread has work."""
        with self._change:
            return bool(self._held)

    def run(self, account_id: int, work: Callable[[], None]) -> None:
        """Give a free thread work for an account. `work` raises nothing."""
        with self._change:
            self._free -= 1
            self._held[account_id] += 1
            if len(self._threads) < self._size - self._free:
                self._start_one()
        self._work.put((account_id, work))

    def finish(self) -> None:
        """Wait until all work is done; none is given any more."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()

    def _start_one(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"{self._name}_{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (given := self._work.get()) is not None:
            try:
                self._do(*given)
            except Exception as error:  # noqa: BLE001 - the thread must outlive what breaks on it
                log.error("work_broken_off", kind=type(error).__name__)  # noqa: TRY400 - a text may stand in its message

    def _do(self, account_id: int, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            with self._change:
                self._free += 1
                self._held[account_id] -= 1
                if not self._held[account_id]:
                    del self._held[account_id]
                self._change.notify()
