"""Work that may outlast the request that asked for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillRunning
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")


class TooMuchWork(Exception):
    """So much is waiting already that nothing more is taken."""


class Background(Generic[T]):
    """A few threads of this process and a short queue before them.

    The process ends when what was taken is done, or when its supervisor loses patience.
    """

    def __init__(self, threads: int, most: int, watchers: int) -> None:
        """most: pieces of work that run or wait. watchers: requests that wait for the end of theirs at one time.

        A request that waits holds one of the threads that take webhooks, so the others do not wait at all.
        """
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="background")
        self._most = most
        self._watchers = threading.BoundedSemaphore(watchers)
        self._lock = threading.Lock()
        self._taken: set[str] = set()

    def done_within(self, seconds: float, name: str, work: Callable[[], T]) -> T | None:
        """Begin the work, and return what it returns where that comes in time; None where it is still going on.

        name: the same work under way already is not begun again. Raises what the work raises in time; what it raises
        later stands in the log. Raises TooMuchWork.
        """
        with self._lock:
            if name in self._taken:
                return None
            if len(self._taken) >= self._most:
                raise TooMuchWork
            self._taken.add(name)
            future = self._pool.submit(self._run, name, work)
        if not self._watchers.acquire(blocking=False):
            future.add_done_callback(_tell)
            return None
        try:
            return future.result(seconds)
        except StillRunning:
            future.add_done_callback(_tell)
            return None
        finally:
            self._watchers.release()

    def _run(self, name: str, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            with self._lock:
                self._taken.discard(name)


def _tell(future: Future[T]) -> None:
    """Write down how work ended that nobody waited for: its kind only, a secret may stand in the message."""
    error = future.exception()
    if error is not None:
        log.error("background_work_failed", kind=type(error).__name__)
