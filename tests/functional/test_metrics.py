"""`/metrics` of a running service: the same figures from every process, also of those that have ended."""

import http.client
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop
from tests.waiting import wait_until


def read(stack: Stack) -> dict[tuple[str, ...], float]:
    """Every sample by its name and its labels' values."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


ACCEPTED = ("bytegpt_webhook_duration_seconds_count", "accepted")


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A service of whose past nothing is left to count."""
    with Stack(tmp_path_factory.mktemp("counting")) as stack:
        stack.start("web", "worker")
        stack.wait_until_ready()
        yield stack


def test_what_happens_is_counted_and_shown(counting: Stack) -> None:
    shop = Shop(counting, "Contadora")
    for _ in range(3):
        shop.turn(shop.asked("oi"))
    shop.turn(shop.asked(""))
    wait_until(lambda: read(counting).get(ACCEPTED, 0) == 4, PATIENCE)
    now = read(counting)
    assert now["bytegpt_turns_accepted_total",] == 3
    assert now["bytegpt_turns_refused_total", "no_message"] == 1
    assert now["bytegpt_http_requests_total", "/kommo/salesbot", "2xx"] == 4
    assert now["bytegpt_redis_up",] == 1
    assert now["bytegpt_workers",] == 1
    assert now["bytegpt_redis_append_only",] == 1
    assert now["bytegpt_accounts", "granted"] == 1
    assert now["bytegpt_open_turns",] == 0


def test_turns_are_counted_by_whoever_works_on_them(counting: Stack) -> None:
    shop = Shop(counting, "Medida")
    for _ in range(3):
        shop.turn(shop.asked("oi"))
    shop.fault("credit_exhausted", message="falhe", times=1)
    shop.turn(shop.asked("falhe"))
    shop.turn(shop.asked(""))
    wait_until(lambda: read(counting).get(("bytegpt_turns_closed_total", "delivered"), 0) == 9, PATIENCE)
    now = read(counting)
    assert now["bytegpt_turns_answered_total",] == 6
    assert now["bytegpt_turns_failed_total", "openai_quota"] == 1
    assert now["bytegpt_turn_added_latency_seconds_count",] == 9
    assert now["bytegpt_continue_call_duration_seconds_count", "accepted"] == 9
    asked = ("bytegpt_openai_call_duration_seconds_count", "responses", "ask")
    assert (now[*asked, "ok"], now[*asked, "openai_quota"]) == (6, 1)
    assert 0 < now["bytegpt_turn_added_latency_seconds_sum",] < now["bytegpt_turn_duration_seconds_sum",]
    assert now["bytegpt_worker_threads",] == 100
    assert now["bytegpt_worker_threads_busy",] <= 100


def test_every_process_tells_of_all_and_none_takes_its_counts_with_it(tmp_path: Path) -> None:
    with Stack(tmp_path, settings={"WEB_PROCESSES": "3"}) as stack:
        (web,) = stack.start("web")
        wait_until(lambda: _answers(stack), PATIENCE)
        for _ in range(40):
            _answers(stack)
        wait_until(lambda: _healthz(stack) >= 41, PATIENCE)
        # Whichever process answers: the same, and never less than before.
        seen = [_healthz(stack) for _ in range(20)]
        assert seen == sorted(seen)
        assert _answers(stack)
        web.send_signal(signal.SIGTERM)
        web.wait(PATIENCE)
        stack.start("web")
        wait_until(lambda: _answers(stack), PATIENCE)
        assert _healthz(stack) >= seen[-1] + 1


def _answers(stack: Stack) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=10)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _healthz(stack: Stack) -> float:
    return read(stack).get(("bytegpt_http_requests_total", "/healthz", "2xx"), 0.0)
