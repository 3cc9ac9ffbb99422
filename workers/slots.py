"""The threads of a worker process, and which account holds how many of them."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from app.domain.shares import crowded

# More than this is not taken at once, so that what waits is shared with other processes.
MOST_AT_ONCE = 8


class Slots:
    """So many threads, started when they are first needed. Safe to use from many threads."""

    def __init__(self, size: int, name: str) -> None:
        self._threads = ThreadPoolExecutor(max_workers=size, thread_name_prefix=name)
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
        self._threads.submit(self._do, account_id, work)

    def finish(self) -> None:
        """Wait until all work is done; none is taken any more."""
        self._threads.shutdown(wait=True)

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
