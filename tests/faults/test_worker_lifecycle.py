"""Processes that are stopped, killed and frozen by others while turns are under way."""

import signal
import time

import pytest

from app.domain.turn import Status
from tests.faults.bakery import LEASE, PATIENCE, TURN_SECONDS, Bakery, reply
from tests.faults.evidence import answered_once
from tests.waiting import wait_until

# How long OpenAI takes where something happens in the meantime.
THINKING_SECONDS = 2.0
# Messages, so many that a web process is killed before it has acknowledged them all.
MANY = 100


def think(bakery: Bakery, seconds: float = THINKING_SECONDS) -> None:
    """Let OpenAI's answers take their time."""
    bakery.stack.openai.fault("slow", first_byte=0.1, total=seconds)


# With one thread the worker waits for that one when it is stopped, and not for a job.
@pytest.mark.parametrize("bakery", [{"WORKER_CONCURRENCY": "1"}], indirect=True)
def test_a_stopped_worker_finishes_what_it_holds_and_takes_nothing_more(bakery: Bakery) -> None:
    worker = bakery.worker()
    think(bakery)
    first, second = bakery.client(1), bakery.client(2)
    held = bakery.say(first, "Quanto custa?")
    bakery.wait_until_openai_answers(held)
    waiting = bakery.say(second, "Tem pão?")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE)
    assert worker.returncode == 0
    assert bakery.witness.end_of(first, held, reply("Quanto custa?")) == answered_once(reply("Quanto custa?"))
    assert bakery.witness.turn(held).claims == 1
    assert (bakery.witness.turn(waiting).status, bakery.witness.turn(waiting).claims) == (Status.ACCEPTED, 0)

    bakery.worker()
    bakery.wait_for_the_end()
    assert bakery.witness.end_of(second, waiting, reply("Tem pão?")) == answered_once(reply("Tem pão?"))
    assert bakery.witness.used_and_reserved() == (2, 0)


def test_a_second_sigterm_gives_the_turn_to_another_worker_at_once(bakery: Bakery) -> None:
    worker = bakery.worker()
    think(bakery, TURN_SECONDS / 2)
    client = bakery.client()
    webhook = bakery.say(client, "Quanto custa?")
    bakery.wait_until_openai_answers(webhook)
    worker.send_signal(signal.SIGTERM)
    bakery.worker()
    assert not worker.wait(0)
    assert bakery.witness.turn(webhook).claims == 1
    bakery.stack.openai.clear_faults()

    asked_to_leave = time.time()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE)
    assert worker.returncode == 0
    bakery.wait_for_the_end()
    assert bakery.witness.end_of(client, webhook, reply("Quanto custa?")) == answered_once(reply("Quanto custa?"))
    assert bakery.witness.used_and_reserved() == (1, 0)
    taken_over = bakery.witness.step_at(webhook, "taken_over")
    assert taken_over is not None
    assert taken_over - asked_to_leave < LEASE / 2


def test_a_killed_web_process_loses_nothing_that_it_acknowledged(bakery: Bakery) -> None:
    bakery.worker()
    clients = [bakery.client(number) for number in range(MANY)]
    for number, client in enumerate(clients):
        client.say(f"Pergunta {number}")
    wait_until(lambda: any(client.webhooks[0].accepted for client in clients))
    bakery.web.kill_group()
    webhooks = [client.webhooks[0].wait() for client in clients]
    acknowledged = [webhook for webhook in webhooks if webhook.accepted]
    lost = [webhook for webhook in webhooks if not webhook.accepted]
    assert acknowledged
    assert lost, "the kill came too late"

    bakery.start_web()
    again = [bakery.stack.kommo.resend(webhook).wait() for webhook in lost]
    assert [webhook.status for webhook in again if not webhook.accepted] == []
    bakery.wait_for_the_end()
    answered = {webhook.return_url: webhook for webhook in (*acknowledged, *again)}
    replies = [reply(f"Pergunta {number}") for number in range(MANY)]
    turns = [(client, answered[client.webhooks[0].return_url]) for client in clients]
    ends = bakery.witness.ends_of([(*turn, reply) for turn, reply in zip(turns, replies, strict=True)])
    assert ends == [answered_once(reply) for reply in replies]
    assert bakery.witness.used_and_reserved() == (MANY, 0)


@pytest.mark.parametrize("bakery", [{"TURN_DEADLINE": "10"}], indirect=True)
def test_a_worker_frozen_for_longer_than_its_lease_changes_nothing_when_it_goes_on(bakery: Bakery) -> None:
    frozen = bakery.worker()
    think(bakery)
    client = bakery.client()
    webhook = bakery.say(client, "Quanto custa?")
    bakery.wait_until_openai_answers(webhook)
    frozen.send_signal(signal.SIGSTOP)
    bakery.worker()
    bakery.wait_for_the_end()
    right = answered_once(reply("Quanto custa?"))
    assert bakery.witness.turn(webhook).claims == 2
    assert bakery.witness.end_of(client, webhook, reply("Quanto custa?")) == right

    frozen.send_signal(signal.SIGCONT)
    wait_until(lambda: "turn_lost" in bakery.log_of(frozen), PATIENCE)
    frozen.send_signal(signal.SIGTERM)
    assert frozen.wait(PATIENCE)
    assert frozen.returncode == 0
    assert bakery.witness.end_of(client, webhook, reply("Quanto custa?")) == right
    assert bakery.witness.used_and_reserved() == (1, 0)
    assert client.ask("E o pão?", PATIENCE) == ["[Padaria] Mensagem 2: E o pão?"]


def test_up_that_is_stopped_in_mid_turn_finishes_the_turn_and_exits_0(bakery: Bakery) -> None:
    bakery.web.kill_group()
    assert bakery.web.wait(PATIENCE)
    (up,) = bakery.stack.start("up")
    bakery.stack.wait_until_ready()
    think(bakery)
    client = bakery.client()
    webhook = bakery.say(client, "Quanto custa?")
    bakery.wait_until_openai_answers(webhook)
    up.send_signal(signal.SIGTERM)
    assert up.wait(PATIENCE)
    assert up.returncode == 0
    assert bakery.witness.end_of(client, webhook, reply("Quanto custa?")) == answered_once(reply("Quanto custa?"))
    assert bakery.witness.turn(webhook).claims == 1
