"""Walking through a turn: a worker for each of its moments, all at once, and what there is to see afterwards."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, Literal

from app.domain.failures import Failure
from app.storage import keys
from app.storage.gates import RedisGates
from sandbox.flows import recommended_flow
from sandbox.kommo_chat import Client
from sandbox.kommo_webhook import SentWebhook
from sandbox.stack import Company, Stack
from tests.faults.evidence import End, Witness, answered_once, failed_once, request_id
from tests.faults.nursery import Fate, Generation, Life, Nursery, Source
from tests.waiting import wait_until

# Workers at once. A turn has a little fewer moments, so that one wave is enough.
WAVE, THIN_WAVE = 50, 30
# A turn of 10 seconds has a lease of 2: so long is a dead worker's turn left alone.
TURN_SECONDS = 10
# Where two workers die one after the other.
LONGER_TURN_SECONDS = 14
PATIENCE = 25.0
REQUESTS = 1000
# Seconds for which nobody may use the key, or call Kommo, where a scenario says so.
WAIT_SECONDS = 4.0
# Of which there is none.
NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of turn, and what becomes of its workers.

    account: fields of the company's account.
    lock_linger: for how long OpenAI keeps a conversation locked (Behaviour). fault: what goes wrong there.
    line: a second message of the same contact waits in line behind each.
    thin: a thin walk, of a turn whose steps are for the most part those of another walk.
    waits: for what a turn must wait after its first worker: its key, or the moment of its call.
    source: where the workers take their turns from; others brought those that leave later to their wait.
    workers: how many there are at once, at most.
    fate: what becomes of the workers. before: where the worker before them was killed, whose turn they took over.
    sent_after_all: the moment from which a thawed worker sends its question in spite of everything: it had every right
    to when it was frozen, and what has been decided cannot be called back. OpenAI may have been asked twice then.
    moments: some that must be among those walked through, whatever else there is.
    """

    account: Mapping[str, Any]
    lock_linger: float = 0.0
    fault: Mapping[str, Any] | None = None
    line: bool = False
    thin: bool = False
    waits: Literal["key", "moment"] | None = None
    source: Source = "queue"
    workers: int = WAVE
    fate: Fate = "killed"
    before: str | None = None
    sent_after_all: str | None = None
    moments: tuple[str, ...] = ()

    @property
    def turn_seconds(self) -> int:
        """How long a turn may take."""
        return LONGER_TURN_SECONDS if self.before or self.waits else TURN_SECONDS


@dataclass(frozen=True, slots=True)
class Chat:
    """A client with a message, and the turn that became of it. reply: what the assistant should say to it."""

    client: Client
    webhook: SentWebhook
    reply: str


@dataclass(frozen=True, slots=True)
class Found:
    """One turn after the walk.

    worker: the moment at which its worker came to its end. end, right: how the turn ended and how it should have.
    """

    worker: str
    end: End
    right: End


@dataclass(slots=True)
class Walked:
    """What a walk brought to light.

    lives: of the workers that were to end at their moment. before: of those whose turns they took over.
    next_replies: what each client read after the next message, and what it should have been.
    open_turns, left_behind, used_and_reserved: when everything was over. exits: of the ordinary workers.
    """

    lives: list[Life] = field(default_factory=list)
    before: list[Life] = field(default_factory=list)
    found: list[Found] = field(default_factory=list)
    next_replies: list[tuple[str, str]] = field(default_factory=list)
    open_turns: int = -1
    left_behind: list[str] = field(default_factory=list)
    used_and_reserved: tuple[int, int] = (-1, -1)
    exits: list[int] = field(default_factory=list)

    @property
    def survivors(self) -> list[Life]:
        """Workers whose turn was over before their moment came."""
        return [life for life in self.lives if life.ended == "in peace"]


class Walk:
    """One walk, on a ground that nobody else walks on at the same time."""

    def __init__(self, stack: Stack, nursery: Nursery, scenario: Scenario) -> None:
        self._stack = stack
        self._nursery = nursery
        self._scenario = scenario
        self._walked = Walked()
        self._company = self._new_company()
        self._witness = Witness(stack, self._company)

    def run(self) -> Walked:
        """End a worker at every moment there is."""
        walked = self._walked
        while not walked.survivors:
            self._wave(len(walked.lives) + 1)
        walked.open_turns = self._witness.open_turns()
        walked.left_behind = self._witness.left_behind()
        walked.used_and_reserved = self._witness.used_and_reserved()
        return walked

    def _new_company(self) -> Company:
        self._stack.add_plan("walk", REQUESTS)
        company = self._stack.add_company("Padaria", plan="walk", **self._scenario.account)
        company.kommo.add_bot(recommended_flow(self._stack.door))
        return company

    def _wave(self, first: int) -> None:
        scenario = self._scenario
        moments = range(first, first + min(scenario.workers, THIN_WAVE if scenario.thin else WAVE))
        generations = [Generation(moments, scenario.source)]
        if scenario.before or scenario.source == "calls":
            generations.insert(0, Generation([scenario.before or NEVER] * len(moments)))
        self._nursery.breed(generations, fate=scenario.fate, thin=scenario.thin)
        self._stack.wait_until_ready()
        self._stack.openai.configure(lock_linger=scenario.lock_linger)
        if scenario.fault:
            self._stack.openai.fault(**scenario.fault)
        self._hold_up()
        chats = [list(self._begin(moment)) for moment in moments]
        lives = self._nursery.release()
        self._wait_for_the_end()
        self._nursery.thaw()
        self._stack.openai.clear_faults()
        self._walked.before += lives[: -len(moments)]
        self._walked.lives += lives[-len(moments) :]
        self._look_at(chats, {life.turn: life.trail[-1] for life in self._walked.lives if life.ended != "in peace"})
        self._walked.exits.append(self._nursery.stop())

    def _hold_up(self) -> None:
        """Let turns wait for a while for what the scenario says."""
        if self._scenario.waits == "key":
            gates = RedisGates(self._stack.redis)
            key = self._company.account.secrets.openai_api_key or ""
            gates.close(gates.name(key), WAIT_SECONDS, Failure.OPENAI_QUOTA)
        elif self._scenario.waits == "moment":
            seconds, microseconds = self._stack.redis.time()
            now = seconds * 1_000_000 + microseconds
            told = f"{now + int(WAIT_SECONDS * 1_000_000)} {now}"
            self._stack.redis.set(keys.pace_of_egress("default"), told, px=int(WAIT_SECONDS * 1000))

    def _begin(self, moment: int) -> Iterator[Chat]:
        """One client writes; where another waits in line, the same contact does so on a second channel too."""
        client = self._company.kommo.client(f"Cliente {moment}")
        yield self._say(client, f"Pergunta {moment}", 1)
        if self._scenario.line:
            second = self._company.kommo.client("", placeholders={"contact.id": str(client.contact_id)})
            yield self._say(second, f"E mais: {moment}", 2)

    def _say(self, client: Client, text: str, number: int) -> Chat:
        client.say(text)
        webhook = client.webhooks[-1].wait()
        assert webhook.accepted, (webhook.status, webhook.error)
        return Chat(client, webhook, f"[Padaria] Mensagem {number}: {text}")

    def _wait_for_the_end(self) -> None:
        # Which turns do not come to it, the test shall tell.
        with suppress(AssertionError):
            wait_until(lambda: not self._witness.open_turns(), PATIENCE)

    def _look_at(self, chats: list[list[Chat]], workers: Mapping[str, str]) -> None:
        """See how the turns ended, those of one contact together, and what becomes of each contact's next message."""
        ends = iter(self._witness.ends_of([(chat.client, chat.webhook, chat.reply) for chat in chain(*chats)]))
        again = []
        for contact in chats:
            asked = 0
            for chat, end in zip(contact, ends, strict=False):  # takes from all ends those of this contact
                worker = workers.get(request_id(chat.webhook), "none")
                self._walked.found.append(Found(worker, end, self._right_end(chat, end, worker)))
                asked += end.asked
            again.append(self._say(contact[0].client, f"Depois: {contact[0].reply}", asked + 1))
        self._wait_for_the_end()
        self._walked.next_replies += [("".join(chat.client.replies[-1:]), chat.reply) for chat in again]

    def _right_end(self, chat: Chat, end: End, worker: str) -> End:
        text = self._scenario.account.get("failure_text")
        right = failed_once(text) if text else answered_once(chat.reply)
        if worker == self._scenario.sent_after_all and end.asked == 2:
            return replace(right, asked=2)
        return right
