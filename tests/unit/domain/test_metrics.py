"""How figures are kept as fields, and read from them."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.metrics import OTHER, Label, Metric, Observed, Totals

COLOUR = Label("colour", ("red", "blue"))
ROUTE = Label("route", None)
COUNTED = Metric("counted", "", (COLOUR,))
PLAIN = Metric("plain", "")
TIMED = Metric("timed", "", (COLOUR,), (0.1, 1.0, 2.5))
BARE = Metric("bare", "", (), (0.1, 1.0))


def observed(metric: Metric, *seconds: float, labels: tuple[str, ...] = ()) -> dict[str, int]:
    """The fields after these observations."""
    fields: Counter[str] = Counter()
    for one in seconds:
        bucket, total, grown = metric.observed(labels, one)
        fields[bucket] += 1
        fields[total] += grown
    return dict(fields)


@pytest.mark.parametrize(
    ("metric", "values", "field"),
    [
        (PLAIN, (), "plain"),
        (COUNTED, ("red",), "counted|red"),
        (COUNTED, ("a text of a client",), "counted|other"),
        (Metric("by_route", "", (ROUTE,)), ("/widget/<a|b>",), "by_route|/widget/<a_b>"),
    ],
)
def test_a_counter_has_a_field_for_each_of_its_labels_values(
    metric: Metric, values: tuple[str, ...], field: str
) -> None:
    assert metric.counted(values) == field


@pytest.mark.parametrize(
    ("seconds", "bound"),
    [(0.0, "0.1"), (0.1, "0.1"), (0.11, "1"), (1.0, "1"), (2.5, "2.5"), (2.51, "inf"), (1e9, "inf"), (-3.0, "0.1")],
)
def test_an_observation_falls_into_the_first_bucket_that_holds_it(seconds: float, bound: str) -> None:
    bucket, total, grown = TIMED.observed(("red",), seconds)
    assert (bucket, total) == (f"timed|red|{bound}", "timed|red|sum")
    assert grown == max(0, round(seconds * 1_000_000))


def test_a_counter_that_lists_its_values_shows_those_that_never_happened() -> None:
    assert Totals({}).counter(COUNTED) == {("red",): 0, ("blue",): 0}
    assert Totals({"counted|red": 3}).counter(COUNTED) == {("red",): 3, ("blue",): 0}
    assert Totals({"counted|other": 1}).counter(COUNTED)[OTHER,] == 1
    assert Totals({}).counter(PLAIN) == {(): 0}


def test_a_counter_by_route_shows_the_routes_that_were_asked_for() -> None:
    by_route = Metric("by_route", "", (ROUTE,))
    assert Totals({}).counter(by_route) == {}
    assert Totals({"by_route|/healthz": 2}).counter(by_route) == {("/healthz",): 2}


def test_a_histogram_without_labels_is_there_from_the_beginning() -> None:
    assert Totals({}).histogram(BARE) == {(): Observed((0, 0, 0), 0.0)}
    assert Totals({}).histogram(TIMED) == {}


def test_fields_of_another_version_are_passed_over_or_fall_into_the_next_bucket() -> None:
    fields = {"unknown": 1, "counted": 1, "counted|red|blue": 1, "timed|red": 1, "timed|red|0.5": 2, "timed|red|9": 1}
    assert Totals(fields).counter(COUNTED) == {("red",): 0, ("blue",): 0}
    assert Totals(fields).histogram(TIMED) == {("red",): Observed((0, 2, 0, 1), 0.0)}


@given(st.lists(st.floats(0, 10), max_size=30), st.lists(st.floats(0, 10), max_size=30))
def test_what_two_processes_saw_adds_up(one: list[float], other: list[float]) -> None:
    together = Counter(observed(BARE, *one)) + Counter(observed(BARE, *other))
    seen = Totals(together).histogram(BARE)[()]
    assert sum(seen.buckets) == len(one) + len(other)
    assert seen.buckets[0] == sum(seconds <= 0.1 for seconds in one + other)
    assert seen.seconds == pytest.approx(sum(one) + sum(other), abs=1e-4)


@given(st.text())
def test_no_value_makes_a_series_of_its_own(value: str) -> None:
    assert COUNTED.counted((value,)) in {"counted|red", "counted|blue", "counted|other"}
