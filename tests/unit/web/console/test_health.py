"""What the overview says of the service before anything else."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask, g

from app.domain.service_minutes import LastHour, Span, span_of_fields
from app.domain.service_state import ServiceState, WorkerLoad
from app.web.console.health import findings, tone_of
from app.web.console.look import Look
from tests.builders import a_state

DEADLINE = 50.0


@pytest.fixture(autouse=True)
def request_of_an_operator() -> Iterator[None]:
    with Flask("app.web").app_context():
        g.look = Look("pt")
        yield


def an_hour(**fields: int) -> LastHour:
    """An hour whose last whole minute had this, with `openai__ok` for `openai|ok`."""
    span = span_of_fields({name.replace("__", "|"): number for name, number in fields.items()})
    return LastHour([*((number, Span()) for number in range(58)), (58, span), (59, Span())])


def found(state: ServiceState | None = None, hour: LastHour | None = None) -> list[tuple[str, str]]:
    return [(one.key, one.tone) for one in findings(state or a_state(), hour or an_hour(), DEADLINE)]


def test_a_service_that_is_well_has_none() -> None:
    assert found() == []
    assert tone_of(findings(a_state(), an_hour(accepted=100, answered=100, openai__ok=100), DEADLINE)) == "ok"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param(replace(a_state(), workers=()), ("overview.no_worker", "bad"), id="no worker"),
        pytest.param(
            replace(a_state(), workers=(WorkerLoad("a", 10, 10), WorkerLoad("b", 5, 5))),
            ("overview.workers_full", "warn"),
            id="no thread is free",
        ),
        pytest.param(a_state(work={"unattended": 1}), ("overview.unattended", "bad"), id="unattended"),
        pytest.param(a_state(work={"oldest": 5.0}), ("overview.queue_slow", "warn"), id="the queue is slow"),
        pytest.param(a_state(work={"oldest": 25.0}), ("overview.queue_slow", "bad"), id="the queue is too slow"),
        pytest.param(a_state(work={"notes_late": 2}), ("overview.notes_behind", "warn"), id="late notes"),
        pytest.param(a_state(redis={"writes_kept": False}), ("overview.redis_cannot_write", "bad"), id="a full disk"),
        pytest.param(a_state(redis={"eviction": "allkeys-lru"}), ("overview.redis_evicts", "bad"), id="evicts"),
        pytest.param(
            a_state(redis={"append_only": False}), ("overview.redis_forgets", "warn"), id="no append-only file"
        ),
        pytest.param(a_state(redis={"memory": 750_000_000}), ("overview.redis_nearly_full", "warn"), id="memory"),
    ],
)
def test_what_is_wrong_with_the_state(state: ServiceState, expected: tuple[str, str]) -> None:
    assert found(state) == [expected]


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(replace(a_state(), workers=(WorkerLoad("a", 10, 9),)), id="one thread is free"),
        pytest.param(replace(a_state(), workers=(WorkerLoad("a"),)), id="a worker that has not said"),
        pytest.param(a_state(work={"oldest": 4.9, "queued": 500}), id="a queue that moves"),
        pytest.param(a_state(redis={"memory": 749_999_999}), id="enough memory"),
    ],
)
def test_what_is_not_wrong(state: ServiceState) -> None:
    assert found(state) == []


@pytest.mark.parametrize(
    ("hour", "expected"),
    [
        pytest.param({"openai__ok": 91, "openai__openai_timeout": 9}, [], id="a few errors"),
        pytest.param(
            {"openai__ok": 9, "openai__openai_timeout": 1}, [("overview.failing.openai", "warn")], id="one of ten"
        ),
        pytest.param({"openai__ok": 8, "openai__openai_timeout": 1}, [], id="too few to tell"),
        pytest.param(
            {"openai__ok": 5, "openai__openai_connection": 5}, [("overview.failing.openai", "bad")], id="OpenAI is away"
        ),
        pytest.param({"openai__openai_authentication": 50, "openai__ok": 1}, [], id="one company's wrong key"),
        pytest.param({"kommo__accepted": 5, "kommo__try_later": 5}, [("overview.failing.kommo", "bad")], id="Kommo is"),
        pytest.param({"kommo__not_waiting": 50, "kommo__accepted": 1}, [], id="people took over"),
        pytest.param({"failed__busy": 1}, [("overview.overloaded", "bad")], id="overloaded"),
        pytest.param({"refused__busy": 1}, [("overview.flood", "warn")], id="a bot gone wild"),
        pytest.param({"failed__openai_quota": 5, "refused__plan_quota": 9}, [], id="companies without credit or plan"),
    ],
)
def test_what_is_wrong_with_the_last_minutes(hour: dict[str, int], expected: list[tuple[str, str]]) -> None:
    assert found(hour=an_hour(**hour)) == expected


def test_what_was_long_ago_is_over() -> None:
    broken = span_of_fields({"openai|openai_timeout": 100, "failed|busy": 5})
    hour = LastHour([*((number, broken) for number in range(55)), *((number, Span()) for number in range(55, 60))])
    assert found(hour=hour) == []


def test_the_worst_comes_first_and_names_the_whole() -> None:
    state: Any = replace(a_state(redis={"append_only": False}, work={"unattended": 2}), workers=())
    assert [tone for _, tone in found(state)] == ["bad", "bad", "warn"]
    assert tone_of(findings(state, an_hour(), DEADLINE)) == "bad"
    assert tone_of(findings(a_state(redis={"append_only": False}), an_hour(), DEADLINE)) == "warn"
