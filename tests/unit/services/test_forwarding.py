"""Handing on what was counted: each count once, whatever the store does."""

from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs

from app.domain.acceptance import StoreUnavailable
from app.services.forwarding import Forwarder
from tests.waiting import wait_until


class Store:
    """Port MetricStore. away: what it does to each call: `before` it has added, `after` it has."""

    def __init__(self, *away: str) -> None:
        self.away = list(away)
        self.fields: dict[str, int] = {}
        self.last: dict[str, int] = {}
        self.batches: list[Mapping[str, int]] = []

    def add(self, source: str, number: int, counted: Mapping[str, int]) -> None:
        trouble = self.away.pop(0) if self.away else ""
        if trouble == "before":
            raise StoreUnavailable("TimeoutError")
        if self.last.get(source, 0) < number:
            self.last[source] = number
            self.batches.append(counted)
            for field, grown in counted.items():
                self.fields[field] = self.fields.get(field, 0) + grown
        if trouble == "after":
            raise StoreUnavailable("TimeoutError")

    def totals(self) -> dict[str, int]:
        return self.fields


class Counted:
    """What a process has counted: `a` is 1 more each time somebody takes it."""

    def __init__(self, *batches: dict[str, int]) -> None:
        self.batches = list(batches)

    def taken(self) -> dict[str, int]:
        return self.batches.pop(0) if self.batches else {}


@pytest.mark.parametrize("away", [[], ["before"], ["after"], ["before", "after", "before"], ["after", "after"]])
def test_everything_arrives_once_whatever_the_store_does(away: list[str]) -> None:
    store = Store(*away)
    forwarder = Forwarder(Counted({"a": 1}, {"a": 2, "b": 5}).taken, store)
    with capture_logs() as lines:
        for _ in range(2 + len(away)):
            forwarder.forward()
    assert store.totals() == {"a": 3, "b": 5}
    assert [line["event"] for line in lines] == ["store_unavailable"] * len(away)


def test_nothing_counted_is_nothing_sent() -> None:
    store = Store("before")
    Forwarder(Counted().taken, store).forward()
    assert store.away == ["before"]


def test_the_thread_forwards_by_itself() -> None:
    store = Store("after")
    forwarder = Forwarder(Counted({"a": 1}, {"a": 1}).taken, store, seconds=0.01)
    forwarder.start()
    wait_until(lambda: store.totals() == {"a": 2})
    forwarder.stop()
    forwarder.join(5)
    assert not forwarder.is_alive()


def test_what_is_left_at_the_end_is_forwarded_too() -> None:
    store = Store()
    forwarder = Forwarder(Counted({"a": 1}).taken, store, seconds=600)
    forwarder.start()
    forwarder.stop()
    assert store.totals() == {"a": 1}


def test_two_processes_are_two_sources() -> None:
    store = Store()
    for _ in range(2):
        Forwarder(Counted({"a": 1}).taken, store).forward()
    assert store.totals() == {"a": 2}
