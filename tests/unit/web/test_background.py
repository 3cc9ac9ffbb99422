"""Work that may outlast the request that asked for it."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.web.background import Background, TooMuchWork
from tests.waiting import wait_until

PATIENCE = 10.0


class Work:
    """A piece of work that ends when it is let go."""

    def __init__(self, ends_with: str | Exception = "done") -> None:
        self.begun, self.go = threading.Event(), threading.Event()
        self.times = 0
        self._ends_with = ends_with

    def __call__(self) -> str:
        self.times += 1
        self.begun.set()
        assert self.go.wait(PATIENCE)
        if isinstance(self._ends_with, Exception):
            raise self._ends_with
        return self._ends_with


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.go.set()


def test_work_that_ends_in_time_is_returned() -> None:
    assert Background[str](1, 4, 1).done_within(PATIENCE, "a", lambda: "done") == "done"


def test_what_it_raises_in_time_is_raised() -> None:
    def fails() -> str:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        Background[str](1, 4, 1).done_within(PATIENCE, "a", fails)


def test_work_that_takes_longer_goes_on_after_the_answer(work: Work) -> None:
    background = Background[str](1, 4, 1)
    ended = threading.Event()

    def tells_its_end() -> str:
        outcome = work()
        ended.set()
        return outcome

    assert background.done_within(0.0, "a", tells_its_end) is None
    assert not ended.is_set()
    work.go.set()
    assert ended.wait(PATIENCE)


def test_what_it_raises_later_is_told_without_its_words() -> None:
    work = Work(ValueError("SECRET"))
    lines: list[Any]
    with capture_logs() as lines:
        assert Background[str](1, 4, 1).done_within(0.0, "a", work) is None
        work.go.set()
        wait_until(lambda: lines)
    assert [(line["event"], line["kind"]) for line in lines] == [("background_work_failed", "ValueError")]
    assert "SECRET" not in str(lines)


def test_the_same_work_is_not_begun_twice_at_a_time(work: Work) -> None:
    background = Background[str](2, 4, 2)
    assert background.done_within(0.0, "a", work) is None
    assert background.done_within(0.0, "a", work) is None
    work.go.set()
    wait_until(lambda: background.done_within(PATIENCE, "a", lambda: "again") == "again")
    assert work.times == 1


def test_only_so_much_is_taken(work: Work) -> None:
    background = Background[str](1, 2, 1)
    for name in ("a", "b"):
        assert background.done_within(0.0, name, work) is None
    with pytest.raises(TooMuchWork):
        background.done_within(0.0, "c", work)
    work.go.set()
    wait_until(lambda: work.times == 2)
    assert background.done_within(PATIENCE, "d", lambda: "done") == "done"


def test_requests_that_would_be_one_too_many_do_not_wait(work: Work) -> None:
    background = Background[str](1, 8, 1)
    waiting = threading.Thread(target=background.done_within, args=(PATIENCE, "a", work))
    waiting.start()
    assert work.begun.wait(PATIENCE)
    # Its one place is taken: an answer comes at once, although the work would end in time.
    assert background.done_within(PATIENCE, "b", lambda: "done") is None
    work.go.set()
    waiting.join(PATIENCE)
    assert not waiting.is_alive()
