"""The threads of a worker process: who has how many of them, and who waits for one."""

import threading
from collections.abc import Iterator

import pytest

from tests.waiting import wait_until
from workers.slots import MOST_AT_ONCE, Slots


class Desk:
    """Threads whose work lasts until the test ends it."""

    def __init__(self, size: int) -> None:
        self.slots = Slots(size, "work")
        self.begun = 0
        self._ends = threading.Semaphore(0)

    def work(self, account_id: int, times: int = 1) -> None:
        """Give so many threads something to do for an account."""
        for _ in range(times):
            self.slots.run(account_id, self._work)

    def end(self, times: int = 1) -> None:
        """Let so many of them come to their end."""
        self._ends.release(times)

    def _work(self) -> None:
        self.begun += 1
        self._ends.acquire()


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk(10)
    yield desk
    desk.end(1000)
    desk.slots.finish()


def test_no_more_than_are_free_and_not_too_many_at_once_are_given_away(desk: Desk) -> None:
    assert desk.slots.wait_for_some(0.0) == MOST_AT_ONCE
    desk.work(1, 7)
    assert desk.slots.wait_for_some(0.0) == 3
    desk.work(2, 3)
    assert desk.slots.wait_for_some(0.01) == 0


def test_whoever_waits_for_a_thread_gets_the_first_that_is_free(desk: Desk) -> None:
    desk.work(1, 10)
    found: list[int] = []
    waiting = threading.Thread(target=lambda: found.append(desk.slots.wait_for_some(20.0)))
    waiting.start()
    desk.end()
    waiting.join(10)
    assert found == [1]


def test_threads_are_counted_by_account(desk: Desk) -> None:
    assert not desk.slots.busy()
    desk.work(1, 8)
    wait_until(lambda: desk.begun == 8)
    assert desk.slots.busy()
    # Two are free: eight are less than eight times two, nine would not be less than eight times one.
    assert desk.slots.crowded(2) == {1: 1}
    desk.work(2, 1)
    assert desk.slots.crowded(1) == {1: 0}
    desk.end(9)
    wait_until(lambda: not desk.slots.busy())
    assert desk.slots.crowded(8) == {}


def test_work_that_breaks_gives_its_thread_back(desk: Desk) -> None:
    def breaks() -> None:
        raise RuntimeError("broken")

    for _ in range(30):
        assert desk.slots.wait_for_some(5.0)
        desk.slots.run(1, breaks)
    wait_until(lambda: not desk.slots.busy())
    assert desk.slots.wait_for_some(0.0) == MOST_AT_ONCE


def test_finishing_waits_for_what_is_under_way(desk: Desk) -> None:
    desk.work(1, 3)
    finishing = threading.Thread(target=desk.slots.finish)
    finishing.start()
    wait_until(lambda: desk.begun == 3)
    assert finishing.is_alive()
    desk.end(3)
    finishing.join(10)
    assert not finishing.is_alive()
