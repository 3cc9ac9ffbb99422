"""Turns that wait without a worker, while workers are stopped and killed: nothing is lost and nobody waits for them."""

import signal
import time
from collections.abc import Callable

import pytest

from app.domain.turn import Status
from app.storage import keys
from sandbox.kommo_chat import Client
from sandbox.kommo_faults import Route, status
from sandbox.kommo_webhook import SentWebhook
from tests.faults.bakery import PATIENCE, Bakery, reply
from tests.faults.evidence import answered_once
from tests.waiting import wait_until

# How long a key, or Kommo, asks to be left alone: longer than it takes to kill a worker and to start another one.
WAIT = 4


def told_to_wait_by_openai(bakery: Bakery) -> tuple[Client, SentWebhook]:
    """A turn in the line of its key."""
    bakery.stack.openai.fault("rate_limit", times=1, retry_after=WAIT)
    client = bakery.client()
    webhook = bakery.say(client, "Quanto custa?")
    bakery.wait_for_step(webhook, "waiting_for_key")
    return client, webhook


def told_to_wait_by_kommo(bakery: Bakery) -> tuple[Client, SentWebhook]:
    """A decided turn that Kommo has no time for."""
    bakery.company.kommo.faults.add(status(429, retry_after=WAIT), Route.CONTINUE)
    client = bakery.client()
    webhook = bakery.say(client, "Quanto custa?")
    bakery.wait_for_step(webhook, "retry_continue")
    return client, webhook


PARKED = [told_to_wait_by_openai, told_to_wait_by_kommo]


@pytest.mark.parametrize("parked", PARKED)
def test_a_worker_killed_when_its_turn_waits_takes_nothing_with_it(
    new_bakery: Bakery, parked: Callable[[Bakery], tuple[Client, SentWebhook]]
) -> None:
    worker = new_bakery.worker()
    client, webhook = parked(new_bakery)
    worker.kill_group()
    assert worker.wait(PATIENCE)

    new_bakery.worker()
    new_bakery.wait_for_the_end()
    assert new_bakery.witness.end_of(client, webhook, reply("Quanto custa?")) == answered_once(reply("Quanto custa?"))
    # Nobody was lost with it, so nothing had to be looked for.
    assert new_bakery.witness.turn(webhook).claims == 1
    assert new_bakery.witness.step_at(webhook, "put_back") is None
    assert new_bakery.witness.used_and_reserved() == (1, 0)
    assert new_bakery.witness.left_behind() == []


@pytest.mark.parametrize("parked", PARKED)
def test_a_worker_that_is_stopped_does_not_wait_for_turns_that_wait(
    new_bakery: Bakery, parked: Callable[[Bakery], tuple[Client, SentWebhook]]
) -> None:
    worker = new_bakery.worker()
    client, webhook = parked(new_bakery)
    asked_to_leave = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE)
    assert worker.returncode == 0
    assert time.monotonic() - asked_to_leave < WAIT
    assert new_bakery.witness.turn(webhook).status in (Status.ASKING, Status.ANSWERED)

    new_bakery.worker()
    new_bakery.wait_for_the_end()
    assert new_bakery.witness.end_of(client, webhook, reply("Quanto custa?")) == answered_once(reply("Quanto custa?"))


def test_a_second_sigterm_leaves_waiting_turns_where_they_are_and_gives_back_the_others(new_bakery: Bakery) -> None:
    worker = new_bakery.worker()
    client, webhook = told_to_wait_by_kommo(new_bakery)
    new_bakery.stack.openai.fault("slow", message="devagar", first_byte=0.1, total=15.0)
    other = new_bakery.client(2)
    held = new_bakery.say(other, "devagar")
    new_bakery.wait_until_openai_answers(held)
    worker.send_signal(signal.SIGTERM)
    new_bakery.worker()
    assert not worker.wait(0)
    new_bakery.stack.openai.clear_faults()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE)
    assert worker.returncode == 0

    new_bakery.wait_for_the_end()
    replies = [reply("Quanto custa?"), reply("devagar")]
    ends = new_bakery.witness.ends_of([(client, webhook, replies[0]), (other, held, replies[1])])
    assert ends == [answered_once(text) for text in replies]
    assert new_bakery.witness.step_at(webhook, "put_back") is None
    assert new_bakery.witness.step_at(held, "put_back") is not None
    assert (new_bakery.witness.turn(webhook).claims, new_bakery.witness.turn(held).claims) == (1, 2)
    assert new_bakery.witness.used_and_reserved() == (2, 0)


# Two calls a second: what is ready together leaves over some seconds.
@pytest.mark.parametrize("bakery", [{"KOMMO_RATE": "2", "KOMMO_ACCOUNT_RATE": "2"}], indirect=True)
def test_a_worker_that_is_stopped_lets_the_calls_leave_that_wait_for_their_moment(bakery: Bakery) -> None:
    worker = bakery.worker()
    clients = [bakery.client(number) for number in range(7)]
    webhooks = [bakery.say(client, f"Pergunta {number}") for number, client in enumerate(clients)]
    wait_until(lambda: all(bakery.witness.step_at(webhook, "answered") for webhook in webhooks), PATIENCE)
    assert bakery.stack.redis.exists(keys.ready())
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE)
    assert worker.returncode == 0
    assert bakery.witness.open_turns() == 0
    turns = [
        (client, webhook, reply(f"Pergunta {n}"))
        for n, (client, webhook) in enumerate(zip(clients, webhooks, strict=True))
    ]
    assert bakery.witness.ends_of(turns) == [answered_once(text) for _, _, text in turns]
    moments = sorted(call.moment for call in bakery.stack.kommo.continues)
    assert moments[-1] - moments[0] >= 2.5


@pytest.mark.parametrize("bakery", [{"KOMMO_RATE": "1", "KOMMO_ACCOUNT_RATE": "1"}], indirect=True)
def test_a_second_sigterm_ends_the_wait_for_calls_too_and_another_worker_makes_them(bakery: Bakery) -> None:
    worker = bakery.worker()
    clients = [bakery.client(number) for number in range(6)]
    webhooks = [bakery.say(client, f"Pergunta {number}") for number, client in enumerate(clients)]
    wait_until(lambda: all(bakery.witness.step_at(webhook, "answered") for webhook in webhooks), PATIENCE)
    worker.send_signal(signal.SIGTERM)
    assert not worker.wait(0.5)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE)
    assert worker.returncode == 0
    assert bakery.witness.open_turns() >= 2

    bakery.worker()
    bakery.wait_for_the_end()
    turns = [
        (client, webhook, reply(f"Pergunta {n}"))
        for n, (client, webhook) in enumerate(zip(clients, webhooks, strict=True))
    ]
    assert bakery.witness.ends_of(turns) == [answered_once(text) for _, _, text in turns]
    assert bakery.witness.used_and_reserved() == (6, 0)
