"""Processes that are stopped, killed and frozen by others while turns are under way."""

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.childprocess import ChildProcess
from app.domain.turn import Status, Timing
from app.storage.presence import RedisPresence
from sandbox.flows import recommended_flow
from sandbox.kommo_chat import Client
from sandbox.kommo_webhook import SentWebhook
from sandbox.stack import Stack
from tests.faults.evidence import Witness, answered_once
from tests.waiting import wait_until

# Long against what a worker needs to start on a busy machine.
TURN_SECONDS = 30
LEASE = Timing(turn=TURN_SECONDS, patience=TURN_SECONDS).lease
SETTINGS = {"TURN_DEADLINE": str(TURN_SECONDS), "DELIVERY_PATIENCE": str(TURN_SECONDS)}
# How long OpenAI takes where something happens in the meantime.
THINKING_SECONDS = 2.0
PATIENCE = 20.0
# Messages, so many that a web process is killed before it has acknowledged them all.
MANY = 100


class Bakery:
    """A company under test, the service around it, and what its clients say."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.company = stack.add_company("Padaria", plan="bakery")
        self.company.kommo.add_bot(recommended_flow(stack.door))
        self.witness = Witness(stack, self.company)
        self.web: ChildProcess
        self.start_web()

    def start_web(self) -> None:
        """Start the web process; wait until it takes webhooks."""
        (self.web,) = self.stack.start("web")
        wait_until(self._takes_webhooks, PATIENCE)

    def _takes_webhooks(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.stack.port)) == 0

    def worker(self) -> ChildProcess:
        """One more worker that is ready to answer."""
        presence = RedisPresence(self.stack.redis)
        before = set(presence.living())
        (worker,) = self.stack.start("worker")
        wait_until(lambda: set(presence.living()) - before, PATIENCE)
        return worker

    def log_of(self, process: ChildProcess) -> str:
        """What this process has printed."""
        (log,) = [file for file in self.stack.log_files if f"-{process.pid}-" in file.read_text()]
        return log.read_text()

    def client(self, number: int = 1) -> Client:
        """A new client."""
        return self.company.kommo.client(f"Cliente {number}")

    def say(self, client: Client, text: str) -> SentWebhook:
        """Write a message, and see that it is accepted."""
        client.say(text)
        webhook = client.webhooks[-1].wait()
        assert webhook.accepted
        return webhook

    def wait_until_openai_is_asked(self, text: str) -> None:
        """Return when the question has reached OpenAI."""
        wait_until(lambda: any(text in str(call.body) for call in self.stack.openai.calls), PATIENCE)

    def wait_for_the_end(self) -> None:
        """Return when no turn is open."""
        wait_until(lambda: not self.witness.open_turns(), PATIENCE)


@pytest.fixture
def bakery(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bakery]:
    """A company at a service whose web process runs, and no worker yet. A parameter names further settings."""
    settings = {**SETTINGS, **getattr(request, "param", {})}
    with Stack(tmp_path, settings=settings) as stack:
        stack.add_plan("bakery", 1000)
        yield Bakery(stack)


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
    bakery.wait_until_openai_is_asked("Quanto custa?")
    waiting = bakery.say(second, "Tem pão?")
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE)
    assert worker.returncode == 0
    assert bakery.witness.end_of(first, held, _reply("Quanto custa?")) == answered_once(_reply("Quanto custa?"))
    assert bakery.witness.turn(held).claims == 1
    assert (bakery.witness.turn(waiting).status, bakery.witness.turn(waiting).claims) == (Status.ACCEPTED, 0)

    bakery.worker()
    bakery.wait_for_the_end()
    assert bakery.witness.end_of(second, waiting, _reply("Tem pão?")) == answered_once(_reply("Tem pão?"))
    assert bakery.witness.used_and_reserved() == (2, 0)


def test_a_second_sigterm_gives_the_turn_to_another_worker_at_once(bakery: Bakery) -> None:
    worker = bakery.worker()
    think(bakery, TURN_SECONDS / 2)
    client = bakery.client()
    webhook = bakery.say(client, "Quanto custa?")
    bakery.wait_until_openai_is_asked("Quanto custa?")
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
    assert bakery.witness.end_of(client, webhook, _reply("Quanto custa?")) == answered_once(_reply("Quanto custa?"))
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
    replies = [_reply(f"Pergunta {number}") for number in range(MANY)]
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
    bakery.wait_until_openai_is_asked("Quanto custa?")
    frozen.send_signal(signal.SIGSTOP)
    bakery.worker()
    bakery.wait_for_the_end()
    right = answered_once(_reply("Quanto custa?"))
    assert bakery.witness.turn(webhook).claims == 2
    assert bakery.witness.end_of(client, webhook, _reply("Quanto custa?")) == right

    frozen.send_signal(signal.SIGCONT)
    wait_until(lambda: "turn_lost" in bakery.log_of(frozen), PATIENCE)
    frozen.send_signal(signal.SIGTERM)
    assert frozen.wait(PATIENCE)
    assert frozen.returncode == 0
    assert bakery.witness.end_of(client, webhook, _reply("Quanto custa?")) == right
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
    bakery.wait_until_openai_is_asked("Quanto custa?")
    up.send_signal(signal.SIGTERM)
    assert up.wait(PATIENCE)
    assert up.returncode == 0
    assert bakery.witness.end_of(client, webhook, _reply("Quanto custa?")) == answered_once(_reply("Quanto custa?"))
    assert bakery.witness.turn(webhook).claims == 1


def _reply(text: str) -> str:
    return f"[Padaria] Mensagem 1: {text}"
