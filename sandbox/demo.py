"""`bytegpt demo`: the main job from the client's message to the answer in the chat, on real parts, and proven right.

Real: the web process, the worker process, Redis, every socket between them. Simulated: Kommo and OpenAI. The demo
keeps its own account of what every client must see, and of what every company must be charged.
"""

import json
import os
import secrets
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from werkzeug.security import generate_password_hash

from app.childprocess import ChildProcess
from app.domain.accounts import DEFAULT_FAILURE_TEXTS
from app.domain.failures import TEXTS, Failure
from sandbox.demo_model import demo_answer
from sandbox.demo_stage import Stage
from sandbox.demo_story import (
    AT_ONCE,
    BAKERY,
    BUSY,
    CLINIC,
    CLINIC_ASSISTANT,
    CLINIC_CONTACT_LIMIT,
    PAUSED,
    PLANS,
    SHORT,
    THINKING,
    UNFRIENDLY,
    Talk,
    Unfriendly,
)
from sandbox.flows import recommended_flow, three_step_flow
from sandbox.kommo_accounts import Account as KommoAccount
from sandbox.kommo_chat import Client
from sandbox.kommo_server import KommoSimulator
from sandbox.kommo_webhook import SentWebhook
from sandbox.openai_answers import Asked
from sandbox.openai_server import OpenAISimulator
from sandbox.stack import Stack

DEADLINE, READ_TIMEOUT = 8.0, 2.0
REPLY_SECONDS = 20.0
LOAD_CLIENTS = 20
THREE_STEPS = ("ask for their name", "ask which product", "details of the product")


class DemoFailed(Exception):
    """Something was not as it must be; the message lists what."""


@dataclass(slots=True)
class Exchange:
    """One message, what the client saw, and what must have come. seconds: from the webhook to the continue call."""

    client: str
    company: str
    text: str
    expected: str
    failure: Failure | None
    seen: list[str] = field(default_factory=list)
    webhook: SentWebhook | None = None
    seconds: float = 0.0


class Demo:
    """One run. turns: further plain turns; fault: only this failure, None for the whole story."""

    def __init__(self, stack: Stack, stage: Stage) -> None:
        self._stack = stack
        self._stage = stage
        self._accounts: dict[str, KommoAccount] = {}
        self._clients: dict[tuple[str, str], Client] = {}
        self._exchanges: list[Exchange] = []
        self._problems: list[str] = []
        self._lock = threading.Lock()
        self._waiting = 0
        self._worker: ChildProcess

    # --- the story ----------------------------------------------------------------------------------------------

    def set_up(self) -> None:
        """Start the processes and install both companies with the CLI, as an operator does."""
        self._stage.waiting("starting Redis, web and worker")
        self._worker = self._stack.start("web", "worker")[1]
        self._stage.title("Two companies, installed with `bytegpt account add`")
        self._install(BAKERY, profile={"model": "gpt-6-luna", "instructions": "Você atende a padaria."})
        self._install(CLINIC, assistant_id=CLINIC_ASSISTANT, contact_daily_limit=CLINIC_CONTACT_LIMIT)
        self._stack.wait_until_ready()

    def tell_everything(self, turns: int) -> None:
        """The whole story."""
        self._stage.title("Three clients talk at once: a flow of three steps, memory, two OpenAI APIs")
        self._talk_at_once(AT_ONCE)
        if turns:
            self._stage.title(f"{turns} more turns, {LOAD_CLIENTS} clients at a time")
            self._talk_at_once(_load(turns), quietly=True)
        self._stage.title("The same webhook again: charged once, answered once")
        self._repeat()
        self._stage.title("A person takes over while OpenAI thinks: the answer is charged, not shown")
        self._take_over()
        self._stage.title("What can go wrong, each with its documented text")
        self._go_wrong(UNFRIENDLY)
        self._pause()
        self._freeze()

    def tell_one(self, failure: Failure) -> None:
        """One failure only."""
        self._stage.title(f"{failure}: {TEXTS[failure]}")
        if failure is Failure.ACCOUNT_PAUSED:
            self._pause()
        elif failure is Failure.BUSY:
            self._freeze()
        elif failure is Failure.PLAN_QUOTA:
            self._stack.add_plan(PLANS[CLINIC][0], 3)
            self._go_wrong([one for one in UNFRIENDLY if one.failure is failure])
        elif failure is Failure.CONTACT_LIMIT:
            self._talk_at_once([talk for talk in AT_ONCE if talk.company == CLINIC])
            self._go_wrong([one for one in UNFRIENDLY if one.failure is failure])
        else:
            self._go_wrong([one for one in UNFRIENDLY if one.failure is failure])

    def finish(self) -> None:
        """Compare everything with what must be, print the figures, and raise DemoFailed if anything is wrong."""
        self._stage.waiting("")
        self._check_turns()
        self._print_usage()
        self._print_summary()
        if self._problems:
            raise DemoFailed("\n".join(self._problems))

    def open_offices(self) -> None:
        """Put the widget into both accounts, for whoever wants to look at their pages with a browser."""
        archive = self._stack.directory / "widget.zip"
        self._bytegpt("widget", "build", "--public-url", self._stack.url, "--out", str(archive))
        for kommo in self._accounts.values():
            kommo.office.upload(archive.read_bytes()).status = "installed"

    # --- the parts ----------------------------------------------------------------------------------------------

    def _install(self, company: str, **fields: Any) -> None:
        plan, requests = PLANS[company]
        kommo = self._stack.kommo.add_account(company)
        key = f"sk-demo-{secrets.token_urlsafe(18)}"
        self._stack.openai.add_key(key, company)
        if "assistant_id" in fields:
            self._stack.openai.add_assistant(fields["assistant_id"], company, instructions="Você atende a clínica.")
        record = {
            "account_id": kommo.account_id,
            "subdomain": kommo.subdomain,
            "client_id": kommo.integration.client_id,
            "client_secret": kommo.integration.secret,
            "access_token": kommo.long_lived_token(),
            "openai_api_key": key,
            "plan": plan,
            **fields,
        }
        self._bytegpt("plan", "set", plan, "--requests", str(requests))
        self._bytegpt("account", "add", stdin=json.dumps(record))
        self._accounts[company] = kommo
        api = "Assistants API" if "assistant_id" in fields else "Responses API"
        self._stage.say(f"{company:<15} plan {plan}, {requests} requests a month, answered by the {api}")

    def _talk_at_once(self, talks: Sequence[Talk], quietly: bool = False) -> None:
        with ThreadPoolExecutor(max_workers=LOAD_CLIENTS) as threads:
            for done in [threads.submit(self._talk, talk, quietly) for talk in talks]:
                done.result()

    def _talk(self, talk: Talk, quietly: bool = False) -> None:
        client = self._client(talk)
        for number, text in enumerate(talk.messages):
            self._exchange(client, talk, number, text, quietly)

    def _client(self, talk: Talk) -> Client:
        with self._lock:
            known = self._clients.get((talk.company, talk.client))
            if known is None:
                account = self._accounts[talk.company]
                design = three_step_flow(self._stack.door) if talk.flow else recommended_flow(self._stack.door)
                known = account.client(talk.client, talk.origin, bot=account.add_bot(design))
                self._clients[talk.company, talk.client] = known
            return known

    def _exchange(self, client: Client, talk: Talk, number: int, text: str, quietly: bool) -> None:
        failure = talk.fails.get(number)
        earlier = tuple(done.text for done in self._exchanges_of(talk) if done.failure is None)
        exchange = Exchange(talk.client, talk.company, text, _expected(talk, number, text, earlier, failure), failure)
        if not quietly:
            self._stage.told(talk.client, ">", SHORT[talk.company], text)
        self._count_waiting(1)
        try:
            began = len(client.webhooks)
            exchange.seen = client.ask(text, REPLY_SECONDS)
            exchange.webhook = client.webhooks[began]
        except TimeoutError:
            self._problem(f"{talk.client}: no answer to «{text}» within {REPLY_SECONDS:.0f} s")
            return
        finally:
            self._count_waiting(-1)
        with self._lock:
            self._exchanges.append(exchange)
        if quietly:
            return
        for reply in exchange.seen:
            self._stage.told(talk.client, "<", SHORT[talk.company], reply)
        if failure:
            self._stage.aside(f"{failure}: {TEXTS[failure]}")

    def _exchanges_of(self, talk: Talk) -> list[Exchange]:
        with self._lock:
            return [one for one in self._exchanges if (one.client, one.company) == (talk.client, talk.company)]

    def _repeat(self) -> None:
        first = next(one.webhook for one in self._exchanges if one.webhook and one.failure is None)
        again = self._stack.kommo.resend(first)
        again.wait(REPLY_SECONDS)
        told, answer = first.json(), again.json()
        self._stage.say(f"answered: {answer['status']}, request {answer['request_id']}")
        if answer != {"status": "duplicate", "request_id": told["request_id"]}:
            self._problem(f"a repeated webhook was answered {answer}")

    def _take_over(self) -> None:
        talk = Talk("Nina", BAKERY, ("Posso falar com alguém?",))
        client = self._client(talk)
        self._stage.told(talk.client, ">", SHORT[BAKERY], talk.messages[0])
        client.say(talk.messages[0])
        client.human_takes_over("Oi Nina, aqui é a Rosa, da padaria.")
        self._stage.told(talk.client, "<", SHORT[BAKERY], "(Rosa) Oi Nina, aqui é a Rosa, da padaria.")
        webhook = client.webhooks[0]
        webhook.wait(REPLY_SECONDS)
        request_id = webhook.json()["request_id"]
        deadline = time.monotonic() + REPLY_SECONDS
        while (status := self._turn(request_id)["status"]) in ("accepted", "asking", "answered"):
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        self._stage.say(f"the turn is closed as {status}")
        if status != "not_waiting" or client.replies:
            self._problem(f"a conversation that a person took over was closed as {status}")
        self._charged_without_a_bot = 1

    _charged_without_a_bot = 0

    def _go_wrong(self, cases: Iterable[Unfriendly]) -> None:
        cases = list(cases)
        for case in cases:
            if case.fault:
                self._stack.openai.fault(case.fault, message=case.talk.messages[0], **case.options)
        self._talk_at_once([case.talk for case in cases])

    def _pause(self) -> None:
        account = str(self._accounts[PAUSED.talk.company].account_id)
        self._bytegpt("account", "pause", account)
        self._talk(PAUSED.talk)
        self._bytegpt("account", "resume", account)

    def _freeze(self) -> None:
        """Stop the worker for so long that the next turn's time is over before anybody can ask."""
        os.kill(self._worker.pid, signal.SIGSTOP)
        self._stage.waiting("the worker is frozen, to show a service without a free worker")
        threading.Timer(DEADLINE - 0.8, os.kill, (self._worker.pid, signal.SIGCONT)).start()
        self._talk(BUSY.talk)

    # --- the figures --------------------------------------------------------------------------------------------

    def _check_turns(self) -> None:
        for exchange in self._exchanges:
            self._check(exchange)

    def _check(self, exchange: Exchange) -> None:
        who = f"{exchange.client} («{exchange.text}»)"
        if exchange.seen != [exchange.expected]:
            self._problem(f"{who} saw {exchange.seen} instead of {exchange.expected!r}")
        if exchange.webhook is None:
            return
        calls = self._stack.kommo.accepted_continues(exchange.webhook.return_url)
        if len(calls) != 1:
            self._problem(f"{who}: {len(calls)} continue calls were accepted")
            return
        exchange.seconds = calls[0].time - exchange.webhook.sent_at
        data = calls[0].body["data"]
        told = (data["status"], data.get("error_code"), data.get("error"))
        failure = exchange.failure
        wanted = ("fail", failure.value, TEXTS[failure]) if failure else ("success", None, None)
        if told != wanted:
            self._problem(f"{who}: the bot was told {told} instead of {wanted}")

    def _print_usage(self) -> None:
        self._stage.title("Usage, as `bytegpt usage` tells it")
        rows = []
        for company, kommo in self._accounts.items():
            usage = json.loads(self._bytegpt("usage", str(kommo.account_id), "--json"))
            answered = sum(one.company == company and one.failure is None for one in self._exchanges)
            charged = answered + (self._charged_without_a_bot if company == BAKERY else 0)
            if (usage["used"], usage["reserved"]) != (charged, 0):
                self._problem(f"{company}: charged {usage['used']} with {usage['reserved']} reserved, not {charged}")
            rows.append([company, answered, usage["used"], usage["allowance"], usage["remaining"]])
        self._stage.table(("company", "answered", "charged", "plan", "remaining"), rows)

    def _print_summary(self) -> None:
        failed = Counter(one.failure for one in self._exchanges if one.failure)
        added = [one.seconds - THINKING for one in self._exchanges if one.failure is None and one.seconds]
        self._stage.title("Summary")
        self._stage.table(
            ("turns", "answered", "failed"),
            [(len(self._exchanges), len(self._exchanges) - failed.total(), failed.total())],
        )
        self._stage.say()
        self._stage.table(("failed by kind", "turns"), sorted((str(kind), count) for kind, count in failed.items()))
        if len(added) > 1:
            p50, p99 = (statistics.quantiles(added, n=100)[at] * 1000 for at in (49, 98))
            self._stage.say(f"\nadded by ByteGPT to an answer: p50 {p50:.0f} ms, p99 {p99:.0f} ms")
        verdict = "every message got exactly its one right answer"
        self._stage.say(f"\n{len(self._problems)} problems" if self._problems else f"\n{verdict}")

    # --- small things -------------------------------------------------------------------------------------------

    def _bytegpt(self, *arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            self._stack.argv(*arguments),
            input=stdin,
            env=self._stack.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise DemoFailed(f"bytegpt {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout

    def _turn(self, request_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._bytegpt("turn", "show", request_id, "--json"))
        return found

    def _count_waiting(self, change: int) -> None:
        with self._lock:
            self._waiting += change
            self._stage.waiting(f"waiting for {self._waiting} answers" if self._waiting else "")

    def _problem(self, text: str) -> None:
        with self._lock:
            self._problems.append(text)


def run(*, turns: int = 0, fault: Failure | None = None, keep_running: bool = False) -> None:
    """Run the demo. Raises DemoFailed unless everything was right."""
    password = secrets.token_urlsafe(12)
    settings = {
        "TURN_DEADLINE": str(DEADLINE),
        "OPENAI_READ_TIMEOUT": str(READ_TIMEOUT),
        "ADMIN_PASSWORD_HASH": generate_password_hash(password),
    }
    with tempfile.TemporaryDirectory(prefix="bytegpt-demo-") as directory, Stage() as stage:
        stage.say("ByteGPT's main job: real web, worker and Redis; simulated Kommo and OpenAI")
        openai = OpenAISimulator(answerer=demo_answer)
        with Stack(Path(directory), settings=settings, kommo=KommoSimulator(rate=None), openai=openai) as stack:
            openai.configure(total=THINKING)
            demo = Demo(stack, stage)
            demo.set_up()
            if fault:
                demo.tell_one(fault)
            else:
                demo.tell_everything(turns)
            demo.finish()
            if keep_running:
                demo.open_offices()
                _keep_running(stack, stage, password)


def _keep_running(stack: Stack, stage: Stage, password: str) -> None:
    stage.title("Everything is left running; Ctrl-C ends it")
    rows = [
        ("web", stack.url),
        ("webhooks go to", stack.door),
        ("simulated OpenAI", stack.openai.url),
        *((f"Kommo of {kommo.name}, simulated; open it in a browser", kommo.url) for kommo in stack.kommo.accounts),
        (f"console; user admin, password {password}", f"{stack.url}/console/"),
        ("logs", stack.directory),
    ]
    stage.table(("what", "where"), rows)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()


def _expected(talk: Talk, number: int, text: str, earlier: tuple[str, ...], failure: Failure | None) -> str:
    if failure:
        return DEFAULT_FAILURE_TEXTS["pt"]
    step = THREE_STEPS[number] if talk.flow else ""
    said = demo_answer(Asked(talk.company, "", step, earlier, text))
    # WhatsApp's own bold (contract 5).
    return said.replace("**", "*")


def _load(turns: int) -> list[Talk]:
    """Plain turns, spread over clients of the bakery."""
    shares = [turns // LOAD_CLIENTS + (number < turns % LOAD_CLIENTS) for number in range(LOAD_CLIENTS)]
    plain = Talk("", BAKERY, ())
    return [
        replace(plain, client=f"cliente {number}", messages=tuple(f"pergunta {place}" for place in range(share)))
        for number, share in enumerate(shares)
        if share
    ]
