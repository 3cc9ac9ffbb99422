"""The ports of the flows of a turn, filled from memory, and a clock that moves only when somebody sleeps.

Scripts say what a partner does, one entry a call; a script that has run out fails the test.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from app.domain.accounts import Account, AccountUnknown, ChangedMeanwhile
from app.domain.answers import Answer, Conversation, Deadline, Question
from app.domain.assistants import Api, Profile
from app.domain.delivery import CallOutcome, Verdict
from app.domain.failures import AskError, Failure
from app.domain.notes import DueNote
from app.domain.turn import (
    AcceptResult,
    AcceptStatus,
    Advanced,
    Change,
    Charge,
    Departure,
    GateClosed,
    Hold,
    NewTurn,
    Park,
    Status,
    Taken,
    Turn,
    TurnLost,
)
from app.domain.usage_figures import DayFigures, Minute
from tests.builders import NOW_MS

NOW = NOW_MS / 1000
HOLD = Hold("r1", "worker-1")
AT_ONCE = Departure("default")


class Clock:
    """Seconds since the epoch. sleeps: every wait so far."""

    def __init__(self) -> None:
        self.now = NOW
        self.sleeps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


def a_turn(**overrides: Any) -> Turn:
    """A turn of account 31000001 that was accepted a moment ago."""
    turn = Turn(
        request_id="r1",
        account_id=31000001,
        status=Status.ACCEPTED,
        accepted_at=NOW_MS,
        deadline_at=NOW_MS + 50_000,
        return_url="https://acme.kommo.com/api/v4/salesbot/1/continue/1",
        period="2025-11",
        day="2025-11-21",
        hour=22,
        weight=1,
        claims=1,
        line="contact-1",
        charge=Charge.RESERVED,
        origin="whatsapp",
        handler="ai_reply",
        note_lead_id=7,
        message="Quanto custa?",
    )
    return replace(turn, **overrides)


@dataclass
class FakeConversations:
    known: dict[tuple[int, str], Conversation] = field(default_factory=dict)

    def of(self, account_id: int, line: str) -> Conversation | None:
        return self.known.get((account_id, line))

    def write(self, account_id: int, line: str, told: Conversation) -> None:
        """As the script does: of the same conversation, what is not named stays."""
        known = self.known.get((account_id, line))
        if known and known.conversation_id == told.conversation_id and told.last_item is None:
            told = replace(told, last_item=known.last_item)
        self.known[account_id, line] = told


@dataclass
class FakeGates:
    """Gates by the clock. watching: gates that look at what comes of a turn that passes. told_of: whose was closed."""

    clock: Clock
    until: dict[str, tuple[float, Failure]] = field(default_factory=dict)
    watching: set[str] = field(default_factory=set)
    closings: list[tuple[str, float, Failure]] = field(default_factory=list)
    told_of: list[int | None] = field(default_factory=list)
    freed: list[tuple[str, str]] = field(default_factory=list)
    entered: list[str] = field(default_factory=list)

    def name(self, api_key: str) -> str:
        return f"gate of {api_key}"

    def enter(self, gate: str, request_id: str) -> bool:
        opens_at, reason = self.until.get(gate, (0.0, Failure.OPENAI_QUOTA))
        if opens_at > self.clock():
            raise GateClosed(opens_at - self.clock(), reason)
        self.entered.append(request_id)
        return gate in self.watching

    def close(self, gate: str, seconds: float, reason: Failure, account_id: int | None = None) -> None:
        self.told_of.append(account_id)
        self.until[gate] = (self.clock() + seconds, reason)
        self.watching.add(gate)
        self.closings.append((gate, seconds, reason))

    def free(self, gate: str, request_id: str) -> None:
        self.freed.append((gate, request_id))


# What a change may remember, and what of it is a truth value in the record.
_TRUTHS = ("asked", "maybe_delivered", "token_renewed", "last_resort", "made_afresh")


@dataclass
class FakeTurns:
    """One turn, in the hands of its worker until that lets go of it. lost_at: the step at which another has taken it.

    departures: for each continue call when it may leave, None where it must wait for its moment; the last ones leave at
    once. parks: how the turn was let go of to wait. told_gates: those that heard that an answer has begun.
    """

    turn: Turn | None = field(default_factory=a_turn)
    remaining: int = 99
    lost_at: str | None = None
    lost: bool = False
    departures: list[Departure | None] = field(default_factory=list)
    gates: FakeGates | None = None
    changes: list[Change] = field(default_factory=list)
    told_gates: list[str] = field(default_factory=list)
    parks: list[Park] = field(default_factory=list)
    accepted: list[NewTurn] = field(default_factory=list)
    answers: list[AcceptResult] = field(default_factory=list)
    conversations: FakeConversations = field(default_factory=FakeConversations)
    story: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    let_go: bool = False

    def accept(self, new: NewTurn) -> AcceptResult:
        self.accepted.append(new)
        return self.answers.pop(0) if self.answers else AcceptResult(AcceptStatus.ACCEPTED, new.request_id, new.refusal)

    def taken(self, account_version: int | None = 1) -> Taken:
        """The turn in the hands of a worker, the first one or one that goes on with it."""
        assert self.turn is not None
        self.let_go = False
        known = self.conversations.of(self.turn.account_id, self.turn.line or "")
        return Taken(HOLD, replace(self.turn), account_version, known)

    def departed(self, egress: str = "default") -> Taken:
        """The same, where its continue call leaves now: the record knows that it may arrive, its maker does not."""
        taken = replace(self.taken(), egress=egress)
        self._leaves(egress)
        return taken

    def advance(self, hold: Hold, turn: Turn, change: Change) -> Advanced:
        assert self.turn is not None
        assert not self.let_go, "a worker changed a turn that it had let go of"
        told = [*(name for name, _ in change.steps), *(["continue_call"] if change.leave else [])]
        if self.lost or self.lost_at in told or self.turn.status not in change.expect:
            raise TurnLost(hold.request_id)
        watched = bool(change.gate) and self._gates().enter(change.gate or "", hold.request_id)
        self.changes.append(change)
        self.story += change.steps
        self.turn = _changed(self.turn, change, self.remaining)
        if change.conversation and turn.line:
            self.conversations.write(turn.account_id, turn.line, change.conversation)
        self.let_go = change.close
        if change.park:
            self.parks.append(change.park)
            self.let_go = True
        return Advanced(self.remaining, watched, self._departure() if change.leave else None)

    def begun(self, hold: Hold, attempt: int, answer_id: str, gate: str | None = None) -> None:
        assert self.turn is not None
        assert not self.let_go, "a worker changed a turn that it had let go of"
        assert attempt == self.turn.attempts
        if self.lost_at == "answer_begun":
            self.lost = True  # it is told only, and finds out later
            return
        assert self.turn.status is Status.ASKING
        self.story.append(("answer_begun", {"answer_id": answer_id}))
        self.turn = replace(self.turn, answer_id=answer_id)
        if gate:
            self.told_gates.append(gate)

    def read(self, request_id: str) -> Turn | None:
        return self.turn if self.turn and self.turn.request_id == request_id else None

    @property
    def steps(self) -> list[str]:
        """Names of what was told, in order."""
        return [name for name, _ in self.story]

    def told(self, step: str) -> list[dict[str, Any]]:
        """Details of every step of this name."""
        return [details for name, details in self.story if name == step]

    @property
    def charges(self) -> list[str]:
        """What became of the reservation; one entry in all."""
        return [change.charge for change in self.changes if change.charge]

    @property
    def closings(self) -> list[Change]:
        """The changes that closed the turn."""
        return [change for change in self.changes if change.close]

    def _departure(self) -> Departure | None:
        departure = self.departures.pop(0) if self.departures else AT_ONCE
        if departure is None:
            self.let_go = True
            self.story.append(("waiting_to_leave", {}))
        else:
            self._leaves(departure.egress)
        return departure

    def _leaves(self, egress: str) -> None:
        assert self.turn is not None
        self.turn = replace(self.turn, maybe_delivered=True)
        self.story.append(("continue_call", {"egress": egress}))

    def _gates(self) -> FakeGates:
        assert self.gates is not None
        return self.gates


def _changed(turn: Turn, change: Change, remaining: int) -> Turn:
    """The record after a change."""
    fields: dict[str, Any] = {name: value for name, value in change.fields.items() if hasattr(turn, name)}
    fields |= {name: bool(fields[name]) for name in _TRUTHS if name in fields}
    fields |= {name: fields[name] or None for name in ("answer_id", "gated") if name in fields}
    fields |= change.sealed
    if change.charge:
        fields["remaining"] = remaining
    return replace(turn, status=change.status or turn.status, **fields)


Reaction = Answer | AskError | Callable[[Deadline, Callable[[str], None]], Answer]


@dataclass
class FakeEngine:
    """An API of OpenAI. script: how it reacts to questions; finds: what a look finds; opens: how opening goes.

    asks_anew: a look that finds an answer had to ask for it again.
    """

    api: Api = Api.RESPONSES
    script: list[Reaction] = field(default_factory=list)
    finds: list[Answer | AskError | None] = field(default_factory=list)
    opens: list[AskError] = field(default_factory=list)
    asked: list[tuple[Question, str]] = field(default_factory=list)
    looked: list[tuple[str, str | None, str | None]] = field(default_factory=list)
    opened: int = 0
    asks_anew: bool = False

    def open_conversation(self, api_key: str, deadline: Deadline) -> str:
        if self.opens:
            raise self.opens.pop(0)
        self.opened += 1
        return f"{self.api}-{self.opened}"

    def ask(
        self,
        question: Question,
        conversation_id: str,
        api_key: str,
        deadline: Deadline,
        answer_id_known: Callable[[str], None],
    ) -> Answer:
        self.asked.append((question, conversation_id))
        reaction = self.script.pop(0)
        if isinstance(reaction, AskError):
            raise reaction
        if isinstance(reaction, Answer):
            answer_id_known(reaction.answer_id)
            return reaction
        return reaction(deadline, answer_id_known)

    def find(
        self,
        question: Question,
        conversation_id: str,
        answer_id: str | None,
        after_item: str | None,
        api_key: str,
        deadline: Deadline,
        answer_id_known: Callable[[str], None],
    ) -> Answer | None:
        self.looked.append((conversation_id, answer_id, after_item))
        found = self.finds.pop(0)
        if isinstance(found, AskError):
            raise found
        if found and self.asks_anew:
            answer_id_known(found.answer_id)
        return found


@dataclass
class FakeSwitch:
    """profile: the one that wakes."""

    profile: Profile | None = None
    woken: list[int] = field(default_factory=list)

    def wake_profile(self, account: Account) -> Profile | None:
        self.woken.append(account.account_id)
        return self.profile


@dataclass
class FakeAccounts:
    """rivals: changes that somebody else makes before ours, one each time we try."""

    stored: dict[int, Account] = field(default_factory=dict)
    rivals: list[Callable[[Account], Account | None]] = field(default_factory=list)

    def get(self, account_id: int) -> Account | None:
        return self.stored.get(account_id)

    def at(self, account_id: int, version: int) -> Account | None:
        return self.stored.get(account_id)

    def add(self, account: Account, client_secret: str | None = None) -> Account:
        self.stored[account.account_id] = account
        return account

    def replace(self, account: Account, expected_version: int, client_secret: str | None = None) -> Account:
        if self.rivals:
            changed = self.rivals.pop(0)(self.stored.pop(account.account_id))
            if changed is not None:
                self.stored[account.account_id] = replace(changed, version=changed.version + 1)
        found = self.stored.get(account.account_id)
        if found is None:
            raise AccountUnknown(account.account_id)
        if found.version != expected_version:
            raise ChangedMeanwhile(account.account_id)
        return self.add(replace(account, version=expected_version + 1))

    def remove(self, account_id: int) -> None:
        del self.stored[account_id]

    def page(self, after: int = 0, size: int = 100) -> tuple[Account, ...]:
        raise NotImplementedError


ACCEPTED = CallOutcome(Verdict.ACCEPTED, 202)


@dataclass
class FakeCrm:
    """Kommo. script: outcomes of calls; notes are taken with the outcomes of note_script.

    egresses: the address from which each call and note came.
    """

    script: list[CallOutcome] = field(default_factory=list)
    note_script: list[CallOutcome] = field(default_factory=list)
    calls: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    notes: list[tuple[str, int, str, str, str]] = field(default_factory=list)
    egresses: list[str] = field(default_factory=list)

    def continue_bot(
        self, return_url: str, body: dict[str, Any], access_token: str, deadline: Deadline, egress: str
    ) -> CallOutcome:
        self.calls.append((return_url, body, access_token))
        self.egresses.append(egress)
        return self.script.pop(0)

    def add_note(
        self, origin: str, lead_id: int, text: str, note_key: str, access_token: str, deadline: Deadline, egress: str
    ) -> CallOutcome:
        self.notes.append((origin, lead_id, text, note_key, access_token))
        self.egresses.append(egress)
        return self.note_script.pop(0)


@dataclass
class FakeTokens:
    """renewals: what each renewal brings."""

    access: str | None = "old"
    renewals: list[str | Exception | None] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def current(self, account: Account) -> str | None:
        return self.access

    def renewed(self, account: Account, refused: str) -> str | None:
        self.refused.append(refused)
        found = self.renewals.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


@dataclass
class FakePace:
    """departures: for each call that is no continue call when it may leave, None where there is no room; the last ones
    leave at once. holds: for how long the calls of an account were held back.
    """

    departures: list[Departure | None] = field(default_factory=list)
    holds: list[tuple[int, float]] = field(default_factory=list)

    def departure(self, account_id: int, *, ahead: bool = False, within: float = 0.02) -> Departure | None:
        return self.departures.pop(0) if self.departures else AT_ONCE

    def hold(self, account_id: int, seconds: float) -> None:
        self.holds.append((account_id, seconds))


@dataclass
class FakeNotes:
    due: list[str] = field(default_factory=list)
    postponed: list[tuple[str, float]] = field(default_factory=list)
    ended: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def take(self) -> DueNote | None:
        return DueNote.read(self.due[0]) if self.due else None

    def postpone(self, note: DueNote, seconds: float) -> None:
        self.due.remove(note.name)
        self.postponed.append((note.name, seconds))

    def end(self, note: DueNote, step: str, **details: Any) -> None:
        self.due.remove(note.name)
        self.ended.append((note.name, step, details))


@dataclass
class FakeUsageFigures:
    days_known: dict[str, DayFigures] = field(default_factory=dict)
    minutes_known: list[Minute] = field(default_factory=list)

    def days(self, account_id: int, days: Iterable[str]) -> list[DayFigures]:
        return [self.days_known[day] for day in days if day in self.days_known]

    def minutes(self, account_id: int, begin: datetime, end: datetime) -> Iterator[Minute]:
        return (minute for minute in self.minutes_known if begin <= minute.at < end)


@dataclass
class FakeLocks:
    """taken: whether somebody else holds the lock, at each try."""

    taken: list[bool] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    @contextmanager
    def tried(self, name: str, seconds: float) -> Iterator[bool]:
        self.names.append(name)
        yield not (self.taken.pop(0) if self.taken else False)


def outcomes(*statuses: int) -> list[CallOutcome]:
    """What Kommo's answers with these statuses mean (app/clients/kommo.py)."""
    verdicts = {
        400: Verdict.BODY_REFUSED,
        401: Verdict.TOKEN_REFUSED,
        404: Verdict.NOT_WAITING,
        429: Verdict.TRY_LATER,
        503: Verdict.TRY_LATER,
        200: Verdict.ACCEPTED,
        202: Verdict.ACCEPTED,
        500: Verdict.TRY_LATER,
    }
    return [
        CallOutcome(verdicts.get(status, Verdict.GIVEN_UP), status, maybe_arrived=status >= 500) for status in statuses
    ]


def answers(*texts: str) -> Sequence[Answer]:
    """Answers with ids of their own."""
    return [Answer(text, f"resp_{number}", f"msg_{number}", "gpt-6-luna") for number, text in enumerate(texts, 1)]
