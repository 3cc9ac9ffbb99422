"""`GET /metrics`: what Prometheus reads, and what nobody shall read there."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.acceptance import StoreUnavailable
from app.domain.accounts import Account
from app.domain.failures import Failure
from app.domain.service_metrics import METRICS
from app.domain.service_state import WorkerLoad
from tests.builders import a_state
from tests.webhooks import ACCOUNT_ID, MESSAGE, Door, some_form

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(text: str) -> Samples:
    """Every sample by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def samples(door: Door) -> Samples:
    answer = door.client().get("/metrics")
    assert answer.status_code == 200
    return read(answer.get_data(as_text=True))


def sample(door: Door, name: str, **labels: str) -> float | None:
    return samples(door).get((name, tuple(sorted(labels.items()))))


def test_it_is_prometheus_text_unless_open_metrics_is_asked_for() -> None:
    plain = Door().client().get("/metrics")
    assert plain.content_type.startswith("text/plain; version=")
    asked = Door().client().get("/metrics", headers={"Accept": OPEN_METRICS})
    assert asked.content_type.startswith("application/openmetrics-text")
    assert asked.get_data(as_text=True).endswith("# EOF\n")


def test_every_figure_is_there_with_its_meaning() -> None:
    text = Door().client().get("/metrics").get_data(as_text=True)
    for metric in METRICS:
        name = metric.name + ("_total" if metric.kind == "counter" else "")
        assert f"# TYPE {name} {metric.kind}\n" in text
        assert f"# HELP {name} {metric.meaning}\n" in text


def test_webhooks_are_counted_by_what_they_were_answered() -> None:
    door = Door()
    client = door.client()
    for fields in (some_form(), some_form(), some_form(token="x"), some_form(return_url="")):
        client.post("/kommo/salesbot", data=fields)
    seen = samples(door)
    counts = {
        labels[0][1]: value
        for (name, labels), value in seen.items()
        if name == "bytegpt_webhook_duration_seconds_count"
    }
    assert counts == {"accepted": 1, "duplicate": 1, "unauthorized": 1, "invalid_request": 1}
    total = seen["bytegpt_webhook_duration_seconds_sum", (("outcome", "accepted"),)]
    assert 0 < total < 5
    assert seen["bytegpt_webhook_duration_seconds_bucket", (("le", "+Inf"), ("outcome", "accepted"))] == 1


def test_what_is_our_fault_is_counted_as_such() -> None:
    door = Door(trouble={"accept": StoreUnavailable("TimeoutError")})
    door.send()
    assert sample(door, "bytegpt_webhook_duration_seconds_count", outcome="unavailable") == 1


def test_requests_are_counted_by_route_and_never_by_path() -> None:
    door = Door()
    client = door.client()
    for path in ("/healthz", "/healthz", "/a/secret/path", "/another", "/metrics"):
        client.get(path)
    client.post("/kommo/salesbot")
    counted = {
        labels: value for (name, labels), value in samples(door).items() if name == "bytegpt_http_requests_total"
    }
    assert counted == {
        (("route", "/healthz"), ("status", "2xx")): 2,
        (("route", "/kommo/salesbot"), ("status", "4xx")): 1,
        (("route", "/metrics"), ("status", "2xx")): 1,
        (("route", "none"), ("status", "4xx")): 2,
    }


def test_histograms_are_cumulative() -> None:
    door = Door()
    for seconds in (0.001, 0.02, 0.02, 300.0):
        door.counting.called_first(seconds, seconds)
    seen = samples(door)
    name = "bytegpt_turn_added_latency_seconds"
    below = [seen[f"{name}_bucket", (("le", bound),)] for bound in ("0.005", "0.01", "0.025", "120.0", "+Inf")]
    assert below == [1, 1, 3, 3, 4]
    assert seen[f"{name}_count", ()] == 4
    assert seen[f"{name}_sum", ()] == pytest.approx(300.041)


def test_failures_that_never_happened_are_told_as_0() -> None:
    seen = samples(Door())
    for failure in Failure:
        assert seen["bytegpt_turns_failed_total", (("error_code", failure.value),)] == 0


@pytest.mark.parametrize(
    ("state", "name", "value"),
    [
        (a_state(work={"queued": 3}), "bytegpt_queue_turns", 3),
        (a_state(work={"queued": 3, "oldest": 2.5}), "bytegpt_queue_oldest_seconds", 2.5),
        (a_state(), "bytegpt_queue_oldest_seconds", 0),
        (a_state(work={"ready": 4}), "bytegpt_ready_turns", 4),
        (a_state(work={"open": 5}), "bytegpt_open_turns", 5),
        (a_state(work={"unattended": 1}), "bytegpt_unattended_turns", 1),
        (a_state(work={"gates_closed": 2}), "bytegpt_gates_closed", 2),
        (a_state(work={"notes": 6}), "bytegpt_notes_waiting", 6),
        (a_state(work={"notes_late": 1}), "bytegpt_notes_late", 1),
        (a_state(work={"hooks": 1}), "bytegpt_hooks_waiting", 1),
        (a_state(workers=()), "bytegpt_workers", 0),
        (a_state(workers=(WorkerLoad("a", 100, 7), WorkerLoad("b", 50, 3))), "bytegpt_workers", 2),
        (a_state(workers=(WorkerLoad("a", 100, 7), WorkerLoad("b", 50, 3))), "bytegpt_worker_threads", 150),
        (a_state(workers=(WorkerLoad("a", 100, 7), WorkerLoad("b"))), "bytegpt_worker_threads_busy", 7),
        (a_state(redis={"memory": 5_000}), "bytegpt_redis_memory_bytes", 5_000),
        (a_state(redis={"memory_limit": 9_000}), "bytegpt_redis_memory_limit_bytes", 9_000),
        (a_state(redis={"memory_limit": None}), "bytegpt_redis_memory_limit_bytes", None),
        (a_state(redis={"memory": 10, "memory_limit": 40}), "bytegpt_redis_memory_share", 0.25),
        (a_state(redis={"memory": 1, "memory_limit": None}), "bytegpt_redis_memory_share", 1 / 8_000_000_000),
        (a_state(redis={"append_only": False}), "bytegpt_redis_append_only", 0),
        (a_state(redis={"writes_kept": False}), "bytegpt_redis_writes_kept", 0),
        (a_state(redis={"evicted": 8}), "bytegpt_redis_evicted_keys_total", 8),
        (a_state(redis={"clients": 40}), "bytegpt_redis_clients", 40),
        (a_state(redis={"ahead": -2.0}), "bytegpt_redis_ahead_seconds", -2),
    ],
)
def test_how_the_service_stands_is_told(state: Any, name: str, value: float | None) -> None:
    assert sample(Door(state=state), name) == value


def test_accounts_are_told_by_access() -> None:
    door = Door(state=a_state(access={"granted": 3, "lost": 2, "revoked": 1}))
    told = {access: sample(door, "bytegpt_accounts", access=access) for access in ("granted", "lost", "revoked")}
    assert told == {"granted": 3, "lost": 2, "revoked": 1}


@pytest.mark.parametrize("port", ["totals", "state"])
def test_while_redis_is_away_that_is_what_is_told(port: str) -> None:
    seen = samples(Door(trouble={port: StoreUnavailable("TimeoutError")}))
    assert {name for name, _ in seen} == {"bytegpt_redis_up", "bytegpt_build_info"}
    assert seen["bytegpt_redis_up", ()] == 0
    assert sample(Door(), "bytegpt_redis_up") == 1


def test_what_runs_is_told() -> None:
    ((_, labels),) = [key for key in samples(Door()) if key[0] == "bytegpt_build_info"]
    assert set(dict(labels)) == {"version", "python"}


def texts(door: Door) -> Iterator[str]:
    yield door.client().get("/metrics").get_data(as_text=True)
    yield door.client().get("/metrics", headers={"Accept": OPEN_METRICS}).get_data(as_text=True)


def test_nothing_of_companies_and_clients_stands_in_it() -> None:
    door = Door(accounts={ACCOUNT_ID: Account(ACCOUNT_ID, "acme")})
    client = door.client()
    for fields in (some_form(), some_form(token="segredo"), some_form(data__contact_name="segredo")):
        client.post("/kommo/salesbot", data=fields)
    client.get("/segredo?token=segredo", headers={"X-Request-Id": "segredo"})
    for text in texts(door):
        for told in (str(ACCOUNT_ID), "acme", MESSAGE, "segredo", "777", "5551"):
            assert told not in re.sub(r" [0-9.e+-]+$", "", text, flags=re.MULTILINE)
