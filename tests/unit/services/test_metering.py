"""Counting in one process."""

import threading
from collections.abc import Callable

import pytest

from app.domain.assistants import Api
from app.domain.delivery import Verdict
from app.domain.failures import Failure
from app.domain.turn import Status
from app.services.metering import SILENT, Counting
from app.services.ports import Meter

EVENTS: list[tuple[Callable[[Meter], None], dict[str, int]]] = [
    (
        lambda meter: meter.webhook("accepted", 0.004),
        {
            "bytegpt_webhook_duration_seconds|accepted|0.005": 1,
            "bytegpt_webhook_duration_seconds|accepted|sum": 4000,
        },
    ),
    (lambda meter: meter.request("/healthz", 200), {"bytegpt_http_requests|/healthz|2xx": 1}),
    (lambda meter: meter.request("/x", 999), {"bytegpt_http_requests|/x|other": 1}),
    (lambda meter: meter.accepted(None), {"bytegpt_turns_accepted": 1}),
    (lambda meter: meter.accepted(Failure.PLAN_QUOTA), {"bytegpt_turns_refused|plan_quota": 1}),
    (lambda meter: meter.answered(), {"bytegpt_turns_answered": 1}),
    (lambda meter: meter.failed(Failure.OPENAI_TIMEOUT), {"bytegpt_turns_failed|openai_timeout": 1}),
    (
        lambda meter: meter.called_first(3.0, 0.02),
        {
            "bytegpt_turn_duration_seconds|3": 1,
            "bytegpt_turn_duration_seconds|sum": 3_000_000,
            "bytegpt_turn_added_latency_seconds|0.025": 1,
            "bytegpt_turn_added_latency_seconds|sum": 20_000,
        },
    ),
    (
        lambda meter: meter.continued(Verdict.TRY_LATER, 0.2),
        {
            "bytegpt_continue_call_duration_seconds|try_later|0.25": 1,
            "bytegpt_continue_call_duration_seconds|try_later|sum": 200_000,
        },
    ),
    (lambda meter: meter.closed(Status.NOT_WAITING), {"bytegpt_turns_closed|not_waiting": 1}),
    (lambda meter: meter.noted(Verdict.ACCEPTED), {"bytegpt_notes|accepted": 1}),
    (
        lambda meter: meter.asked(Api.RESPONSES, "ask", "ok", 90.0),
        {
            "bytegpt_openai_call_duration_seconds|responses|ask|ok|inf": 1,
            "bytegpt_openai_call_duration_seconds|responses|ask|ok|sum": 90_000_000,
        },
    ),
]


@pytest.mark.parametrize(("event", "fields"), EVENTS)
def test_each_event_is_counted_in_its_fields(event: Callable[[Meter], None], fields: dict[str, int]) -> None:
    counting = Counting()
    event(counting)
    event(counting)
    assert counting.taken() == {field: 2 * number for field, number in fields.items()}


def test_what_was_taken_is_not_taken_again() -> None:
    counting = Counting()
    counting.answered()
    counting.taken()
    counting.failed(Failure.BUSY)
    assert counting.taken() == {"bytegpt_turns_failed|busy": 1}
    assert counting.taken() == {}


def test_many_threads_lose_no_count() -> None:
    counting, taken = Counting(), list[int]()

    def count() -> None:
        for _ in range(2000):
            counting.answered()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken.append(counting.taken().get("bytegpt_turns_answered", 0))
    taken.append(counting.taken().get("bytegpt_turns_answered", 0))
    assert sum(taken) == 16_000


@pytest.mark.parametrize("event", [event for event, _ in EVENTS])
def test_where_nobody_asks_for_figures_every_event_is_taken_and_forgotten(event: Callable[[Meter], None]) -> None:
    event(SILENT)
