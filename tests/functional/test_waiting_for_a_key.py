"""A key that is told to wait, seen from OpenAI: silent for as long as it was asked to, from every worker process."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from rq.worker import Worker

from app.storage.presence import RedisPresence
from sandbox.kommo_webhook import SentWebhook
from sandbox.openai_state import Call
from sandbox.stack import Stack
from tests.functional.shop import Shop, request_id
from tests.waiting import wait_until

WAIT = 3
TURNS = 30
ANSWER_SECONDS = 0.4


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("two"), settings={"TURN_DEADLINE": "20"}) as stack:
        stack.openai.configure(total=ANSWER_SECONDS)
        stack.start("web", "worker", "worker")
        stack.wait_until_ready()
        wait_until(lambda: len(RedisPresence(stack.redis).living()) == 2, 30)
        yield stack


@dataclass(frozen=True)
class Rush:
    """Turns of one company, the first of which was told that its key must wait. calls: of all, oldest first."""

    shop: Shop
    webhooks: list[SentWebhook]
    calls: list[Call]

    @property
    def refused(self) -> Call:
        (found,) = (call for call in self.calls if call.status == 429)
        return found

    @property
    def later(self) -> list[Call]:
        """What was sent after OpenAI had said so."""
        return [call for call in self.calls if call.at > self.refused.at]


@pytest.fixture(scope="module")
def rush(two_workers: Stack) -> Rush:
    shop = Shop(two_workers, "Limitada")
    shop.fault("rate_limit", times=1, retry_after=WAIT)
    first = shop.asked("Oi 0", shop.client())
    wait_until(lambda: "waiting_for_key" in str(shop.reporting.turn(request_id(first))["steps"]))
    webhooks = [first, *(shop.asked(f"Oi {number}", shop.client()) for number in range(1, TURNS))]
    for webhook in webhooks:
        assert shop.turn(webhook)["error_code"] is None
    return Rush(shop, webhooks, shop.calls(["*"]))


def test_nothing_is_sent_with_the_key_for_as_long_as_openai_asked(rush: Rush) -> None:
    assert rush.later[0].at - rush.refused.at >= WAIT


def test_one_tests_the_ground_and_it_is_the_one_that_waited_longest(rush: Rush) -> None:
    questions = [call for call in rush.later if call.path == "/responses"]
    assert "Oi 0" in str(questions[0].body)
    # The next one comes when it has begun to be answered, and half a second later.
    assert questions[1].at - questions[0].at >= 0.5


def test_the_others_follow_one_after_another_and_without_a_burst(rush: Rush) -> None:
    questions = [call.at for call in rush.later if call.path == "/responses"]
    assert len(questions) == TURNS
    probe = questions[0]
    assert sum(at < probe + 1.4 for at in questions) <= 6
    # Nor do they dawdle.
    assert questions[-1] - probe <= 8.0


def test_they_pass_in_order_of_acceptance(rush: Rush) -> None:
    """Those that passed early had a gap between them; later ones leave so close together that threads may race."""
    questions = [str(call.body) for call in rush.later if call.path == "/responses"]
    told = [next(number for number in reversed(range(TURNS)) if f"Oi {number}" in text) for text in questions]
    assert told[:6] == [0, 1, 2, 3, 4, 5]
    assert all(abs(place - number) <= 8 for place, number in enumerate(told))


def test_both_workers_took_part(rush: Rush) -> None:
    done = [worker.successful_job_count for worker in Worker.all(connection=rush.shop.stack.redis)]
    assert len(done) == 2
    assert min(done) > 0


def test_every_turn_is_answered_once_and_costs_one_request(rush: Rush) -> None:
    assert [rush.shop.statuses(webhook) for webhook in rush.webhooks] == [[202]] * TURNS
    assert rush.shop.used_and_reserved() == (TURNS, 0)


def test_a_key_without_credit_is_tried_by_one_turn_at_a_time_and_all_are_told_so(two_workers: Stack) -> None:
    shop, other = Shop(two_workers, "Sem-credito"), Shop(two_workers, "Com-credito")
    shop.fault("credit_exhausted")
    shop.fault("slow", first_byte=0.2)
    first = shop.asked("Oi", shop.client())
    assert shop.told(first)["data"]["error_code"] == "openai_quota"
    tried = len(shop.calls())
    webhooks = [shop.asked("Oi", shop.client()) for _ in range(10)]
    answered = other.asked("Oi")
    assert other.told(answered)["data"]["status"] == "success"
    for webhook in webhooks:
        assert shop.told(webhook)["data"]["error_code"] == "openai_quota"
    # Each finds out for itself, and none before the one before it has.
    moments = [call.at for call in shop.calls()][tried:]
    assert len(moments) == 10
    for webhook in webhooks[1:]:
        assert [step["step"] for step in shop.turn(webhook)["steps"]].count("asking") == 1
    assert shop.used_and_reserved() == (0, 0)


def test_a_key_that_has_credit_again_is_found_out_by_the_next_turn(two_workers: Stack) -> None:
    shop = Shop(two_workers, "Credito-novo")
    shop.fault("credit_exhausted", times=2)
    for _ in range(2):
        assert shop.told(shop.asked("Oi", shop.client()))["data"]["error_code"] == "openai_quota"
    webhooks = [shop.asked("Oi", shop.client()) for _ in range(8)]
    assert [shop.told(webhook)["data"]["status"] for webhook in webhooks] == ["success"] * 8
    assert shop.used_and_reserved() == (8, 0)
