"""Outages: no way to OpenAI, a service too busy to ask it, and Redis gone (contract 4, 6).

Each needs a service of its own; all are started, and asked, at once.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from sandbox.kommo_chat import Client
from sandbox.kommo_faults import Route, slow
from sandbox.kommo_webhook import SentWebhook
from sandbox.openai_server import OpenAISimulator
from sandbox.stack import READY_SECONDS, Stack
from tests.functional.shop import PATIENCE, Shop, accepted, request_id
from tests.waiting import wait_until

FAILURE_TEXT = "Já vamos te atender, um instante."
SHORT = {"TURN_DEADLINE": "5", "OPENAI_CONNECT_TIMEOUT": "1"}
CONNECTION = "Erro de Conexão"
BUSY = "ByteGPT sobrecarregado. Tente novamente"


def nobody_listens(_: OpenAISimulator) -> str:
    return "http://127.0.0.1:9/v1"


def no_tls(openai: OpenAISimulator) -> str:
    return openai.url.replace("http://", "https://")


UNREACHABLE: dict[str, Callable[[OpenAISimulator], str]] = {
    "nobody-listens": nobody_listens,
    "no-tls": no_tls,
}


@dataclass(frozen=True)
class Asked:
    """A message of a client to a company."""

    shop: Shop
    client: Client
    webhook: SentWebhook


def ask(stack: Stack, name: str) -> Asked:
    shop = Shop(stack, name, failure_text=FAILURE_TEXT)
    client = shop.client()
    return Asked(shop, client, shop.asked("Oi", client))


def ask_twice(stack: Stack, name: str) -> tuple[Shop, list[SentWebhook]]:
    """Two messages of one client at once, the first of which takes all the time there is."""
    shop = Shop(stack, name, failure_text=FAILURE_TEXT)
    shop.fault("trickle", message="devagar")
    contact = str(shop.client().contact_id)
    said = [{"message": text, "contact_id": contact} for text in ("devagar", "Oi")]
    return shop, [accepted(shop.kommo.send_webhook(stack.door, data)) for data in said]


@dataclass(frozen=True)
class Outages:
    """Services in trouble.

    unreachable: their worker does not get through to OpenAI. narrow: Kommo holds its only thread.
    late: its worker came when the deadline of the first of `busy` had passed.
    in_line: two messages of one client, the first of which takes all the time there is.
    """

    unreachable: dict[str, Asked]
    narrow: Stack
    late: Stack
    busy: dict[str, Asked]
    in_line: tuple[Shop, list[SentWebhook]]


@pytest.fixture(scope="module")
def outages(tmp_path_factory: pytest.TempPathFactory, hasty: Stack) -> Iterator[Outages]:
    with ExitStack() as context:
        in_line = ask_twice(hasty, "na-fila")

        def started(name: str, settings: dict[str, str], *commands: str, openai: OpenAISimulator) -> Stack:
            directory: Path = tmp_path_factory.mktemp(name)
            stack = context.enter_context(Stack(directory, settings=SHORT | settings, openai=openai))
            stack.start(*commands)
            return stack

        late = started("late", {}, "web", openai=OpenAISimulator())
        narrow = started("narrow", {"WORKER_CONCURRENCY": "1"}, "web", "worker", openai=OpenAISimulator())
        cut_off = {}
        for name, address in UNREACHABLE.items():
            openai = context.enter_context(OpenAISimulator())
            wrong = {"OPENAI_BASE_URL": address(openai)}
            cut_off[name] = started(name, wrong, "web", "worker", openai=OpenAISimulator())
        wait_until(lambda: is_alive(late), READY_SECONDS)
        busy = {"nobody-worked": ask(late, "nobody-worked")}
        narrow.wait_until_ready()
        # Kommo, which takes its time with one answer, holds the only thread.
        narrow.kommo.faults.add(slow(4.5), Route.CONTINUE)
        ask(narrow, "holder")
        wait_until(lambda: narrow.kommo.continues)
        busy["every-thread-was-held"] = ask(narrow, "every-thread-was-held")
        unreachable = {}
        for name, stack in cut_off.items():
            stack.wait_until_ready()
            unreachable[name] = ask(stack, name)
        first = busy["nobody-worked"]
        deadline = first.shop.reporting.turn(request_id(first.webhook))["deadline_at"]
        wait_until(lambda: datetime.now(UTC) > datetime.fromisoformat(deadline), PATIENCE)
        late.start("worker")
        yield Outages(unreachable, narrow, late, busy, in_line)


def is_alive(stack: Stack) -> bool:
    try:
        return requests.get(f"{stack.url}/healthz", timeout=2).status_code == 200
    except requests.RequestException:
        return False


@pytest.mark.parametrize("name", UNREACHABLE)
def test_without_a_way_to_openai_the_turn_fails_after_retries_and_costs_nothing(outages: Outages, name: str) -> None:
    asked = outages.unreachable[name]
    data = asked.shop.told(asked.webhook)["data"]
    assert (data["error_code"], data["error"], data["reply"]) == ("openai_connection", CONNECTION, FAILURE_TEXT)
    assert asked.client.replies == [FAILURE_TEXT]
    retries = asked.shop.steps(asked.webhook, "retry")
    assert 1 <= len(retries) <= 5
    assert {retry["error_code"] for retry in retries} == {"openai_connection"}
    assert asked.shop.ledger()[1:] == [("reserve", -1, "ai_reply"), ("release", 1, "openai_connection")]
    wait_until(lambda: asked.shop.kommo.notes, PATIENCE)
    assert f"ByteGPT: {CONNECTION}" in asked.shop.kommo.notes[0].text


@pytest.mark.parametrize("name", ["nobody-worked", "every-thread-was-held"])
def test_our_own_slowness_is_not_blamed_on_openai(outages: Outages, name: str) -> None:
    asked = outages.busy[name]
    data = asked.shop.told(asked.webhook)["data"]
    assert (data["error_code"], data["error"], data["reply"]) == ("busy", BUSY, FAILURE_TEXT)
    assert asked.shop.calls(["*"]) == []
    assert asked.shop.turn(asked.webhook)["attempts"] == 0
    assert asked.shop.ledger()[1:] == [("reserve", -1, "ai_reply"), ("release", 1, "busy")]
    assert asked.shop.used_and_reserved() == (0, 0)
    assert asked.shop.kommo.notes == []


def test_who_waits_for_an_earlier_message_until_the_end_is_told_so_and_pays_nothing(outages: Outages) -> None:
    shop, (first, second) = outages.in_line
    assert shop.told(first)["data"]["error_code"] == "openai_timeout"
    # It may have had the last moment of its time.
    assert shop.told(second)["data"]["error_code"] in ("busy", "openai_timeout")
    assert shop.turn(second)["charge"] == "released"
    assert shop.used_and_reserved() == (0, 0)


# --- Redis ----------------------------------------------------------------------------------------------------------


def post_again(webhook: SentWebhook) -> tuple[requests.Response, float]:
    """The webhook byte for byte, its answer, and the seconds it took."""
    began = time.monotonic()
    answer = requests.post(webhook.url, data=webhook.body, headers={"Content-Type": webhook.content_type}, timeout=10)
    return answer, time.monotonic() - began


def redis_is_killed(stack: Stack) -> Callable[[], None]:
    stack.server.kill()
    return stack.server.start


def redis_hangs(stack: Stack) -> Callable[[], None]:
    os.kill(stack.server.pid, signal.SIGSTOP)
    return lambda: os.kill(stack.server.pid, signal.SIGCONT)


@pytest.mark.parametrize("trouble", [redis_is_killed, redis_hangs])
def test_without_redis_the_door_says_503_at_once(
    outages: Outages, trouble: Callable[[Stack], Callable[[], None]]
) -> None:
    stack = outages.late
    stack.wait_until_ready()
    name = trouble.__name__
    shop = Shop(stack, name)
    assert shop.client().ask("Antes") == [f"[{name}] Mensagem 1: Antes"]
    wait_until(lambda: shop.used_and_reserved() == (1, 0))
    client = shop.client()
    bring_back = trouble(stack)
    try:
        client.say("Durante")
        (webhook,) = client.webhooks
        assert webhook.wait().status == 503
        answer, seconds = post_again(webhook)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json() == {"error": {"code": "unavailable"}}
        assert seconds < 1.6
    finally:
        bring_back()
    stack.wait_until_ready()
    if trouble is redis_is_killed:
        assert shop.used_and_reserved() == (1, 0)
        assert [entry[0] for entry in shop.ledger()] == ["grant", "reserve", "settle"]
    # Sent again it is answered, and charged, once.
    again, _ = post_again(webhook)
    assert again.status_code == 200
    assert shop.told(webhook)["data"]["reply"] == f"[{name}] Mensagem 1: Durante"
    wait_until(lambda: shop.used_and_reserved() == (2, 0))
    assert len(shop.calls()) == 2
    assert shop.statuses(webhook) == [202]
