"""Turns whose time runs out while they wait: their clients are told so in time, also when every thread is taken."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest

from sandbox.kommo_faults import Route, slow
from sandbox.kommo_webhook import SentWebhook
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop, request_id
from tests.waiting import wait_until

DEADLINE = 6.0
# What is kept for the continue call, and what must be left of the rest for it to be worth asking OpenAI.
RESERVE = 1.0
EARLIEST = DEADLINE - RESERVE - 1.0


@dataclass(frozen=True)
class Waiting:
    """A turn that waited until its end, and its company."""

    shop: Shop
    webhook: SentWebhook

    def told_after(self) -> float:
        """Seconds from its acceptance to the accepted continue call."""
        (call,) = self.shop.stack.kommo.wait_for(
            lambda: self.shop.stack.kommo.accepted_continues(self.webhook.return_url), PATIENCE
        )
        accepted = self.shop.steps(self.webhook, "accepted")[0]
        return float(call.time) - datetime.fromisoformat(accepted["at"]).timestamp()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A service with one thread."""
    settings = {"TURN_DEADLINE": str(int(DEADLINE)), "WORKER_CONCURRENCY": "1"}
    with Stack(tmp_path_factory.mktemp("narrow"), settings=settings) as stack:
        stack.start("web", "worker")
        stack.wait_until_ready()
        yield stack


@pytest.fixture(scope="module")
def behind_kommo(narrow: Stack) -> Waiting:
    """Kommo takes ten seconds over the first one's call, and holds the only thread."""
    holder, shop = Shop(narrow, "Lenta"), Shop(narrow, "Impaciente")
    holder.kommo.faults.add(slow(10.0), Route.CONTINUE)
    holder.asked("Oi")
    wait_until(lambda: narrow.kommo.continues, PATIENCE)
    waiting = Waiting(shop, shop.asked("Oi"))
    waiting.told_after()
    return waiting


def test_a_turn_for_which_no_thread_came_free_is_told_that_we_are_busy_before_its_deadline(
    behind_kommo: Waiting,
) -> None:
    data = behind_kommo.shop.told(behind_kommo.webhook)["data"]
    assert (data["status"], data["error_code"]) == ("fail", "busy")
    assert DEADLINE - RESERVE <= behind_kommo.told_after() < DEADLINE


def test_it_cost_nothing_and_openai_was_not_asked(behind_kommo: Waiting) -> None:
    shop = behind_kommo.shop
    assert shop.calls(["*"]) == []
    assert shop.used_and_reserved() == (0, 0)
    assert [entry[:2] for entry in shop.ledger()[1:]] == [("reserve", -1), ("release", 1)]
    steps = [step["step"] for step in shop.turn(behind_kommo.webhook)["steps"]]
    assert steps == ["accepted", "overdue", "failed", "continue_call", "delivered"]


@pytest.fixture(scope="module")
def behind_openai(narrow: Stack, behind_kommo: Waiting) -> list[Waiting]:
    """OpenAI says nothing to the first one; clients of two companies, and the next of its own, wait behind it."""
    wait_until(lambda: len(narrow.redis.keys("rq:execution:*")) == 0, 30)
    holder, other = Shop(narrow, "Muda"), Shop(narrow, "Outra")
    holder.fault("hang", message="silencio")
    contact = str(holder.client().contact_id)
    first = holder.kommo.send_webhook(narrow.door, {"message": "silencio", "contact_id": contact}).wait(PATIENCE)
    wait_until(holder.calls, PATIENCE)
    in_line = holder.kommo.send_webhook(narrow.door, {"message": "Oi", "contact_id": contact}).wait(PATIENCE)
    queued = [other.asked(f"Oi {number}", other.client()) for number in range(3)]
    assert behind_kommo.webhook.accepted
    return [Waiting(holder, first), Waiting(holder, in_line), *(Waiting(other, webhook) for webhook in queued)]


def test_whoever_waits_behind_a_silent_openai_is_told_in_time(behind_openai: list[Waiting]) -> None:
    first, *others = behind_openai
    assert first.shop.told(first.webhook)["data"]["error_code"] == "openai_timeout"
    for waiting in others:
        assert waiting.shop.told(waiting.webhook)["data"]["error_code"] == "busy"
        assert EARLIEST <= waiting.told_after() < DEADLINE
        assert waiting.shop.turn(waiting.webhook)["charge"] == "released"


def test_a_turn_that_waited_for_its_key_until_the_end_is_told_why(narrow: Stack, behind_openai: list[Waiting]) -> None:
    for waiting in behind_openai:
        waiting.told_after()
    shop = Shop(narrow, "Esperando-a-chave")
    # Told to wait, then the one that tests the ground hears nothing.
    shop.fault("rate_limit", times=1, retry_after=1)
    probe = shop.asked("primeira", shop.client())
    wait_until(lambda: "waiting_for_key" in str(shop.reporting.turn(request_id(probe))["steps"]), PATIENCE)
    shop.fault("hang")
    waiting = Waiting(shop, shop.asked("segunda", shop.client()))
    assert shop.told(waiting.webhook)["data"]["error_code"] == "openai_quota"
    assert EARLIEST <= waiting.told_after() < DEADLINE
    assert shop.told(probe)["data"]["error_code"] == "openai_timeout"
    # It never sent anything with the key.
    assert shop.turn(waiting.webhook)["attempts"] == 0
    assert shop.used_and_reserved() == (0, 0)
