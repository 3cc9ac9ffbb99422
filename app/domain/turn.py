"""The life of a turn: its states, which follow which, and how its time is shared out (design 1)."""

import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from app.domain.answers import Conversation
from app.domain.assistants import Api
from app.domain.failures import Failure
from app.domain.quota import ContactLimit
from app.domain.usage import Figures


class Status(StrEnum):
    """Where a turn stands. The value is what `turn show` prints."""

    ACCEPTED = "accepted"
    ASKING = "asking"
    ANSWERED = "answered"
    FAILED = "failed"
    REFUSED = "refused"
    DELIVERED = "delivered"
    NOT_WAITING = "not_waiting"
    UNDELIVERABLE = "undeliverable"


# Still without a last word: OpenAI may be asked.
UNDECIDED = (Status.ACCEPTED, Status.ASKING)
# Decided, but Kommo has not been told.
DECIDED = (Status.ANSWERED, Status.FAILED, Status.REFUSED)
CLOSED = (Status.DELIVERED, Status.NOT_WAITING, Status.UNDELIVERABLE)


class Charge(StrEnum):
    """What became of the turn's requests. REFUSED and free turns never had any."""

    NONE = "none"
    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"


# A turn that breaks whatever takes it would be put back for ever. So many takings last far longer than any patience.
MOST_CLAIMS = 60


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things may take, in seconds.

    turn: from the webhook to the continue call (TURN_DEADLINE).
    patience: from the webhook to the last try to hand an answer over (DELIVERY_PATIENCE).
    """

    turn: float
    patience: float

    @property
    def reserve(self) -> float:
        """What is kept back from asking for the continue call."""
        return min(5.0, max(1.0, self.turn / 10))

    @property
    def lease(self) -> float:
        """How long a worker may be silent before its turn is taken over.

        Short against the turn, so that a taken-over one still meets its deadline; long against a pause of a busy
        process, so that no living worker loses a turn.
        """
        return min(6.0, max(1.0, self.turn / 5))


@dataclass(slots=True)
class Turn:
    """A turn as its record in Redis tells it. Times are milliseconds since the epoch.

    Its worker keeps it up to date (services/held.py); a new one for each change would be a tenth of a turn's CPU.

    replayed_at: when it was run again the last time, None where it never was. replays: how often it was.
    day, hour: of its acceptance, or replay, where the account lives; its figures count there.
    claims: how many workers have taken it; more than one means that an earlier one was lost.
    line: the conversation's key within the account, None for a turn without memory.
    first_refusal: the first of its month for the plan's sake.
    asked: an attempt may have reached OpenAI.
    maybe_delivered: a continue call may have reached Kommo, so that a 404 means that it had.
    offers: how often Kommo could not take the continue call. token_renewed, last_resort: what was tried when it was
    refused (contract 5). made_afresh: its conversation was replaced.
    gated: why the turn last waited for its key, None where it never did. gated_at: since when.
    openai_ms: how long OpenAI has taken, with the time for which it told the key to wait.
    """

    request_id: str
    account_id: int
    status: Status
    accepted_at: int
    deadline_at: int
    return_url: str
    period: str
    day: str
    hour: int
    weight: int
    claims: int
    line: str | None = None
    error_code: Failure | None = None
    charge: Charge = Charge.NONE
    origin: str | None = None
    handler: str | None = None
    note_lead_id: int | None = None
    first_refusal: bool = False
    asked: bool = False
    attempts: int = 0
    api: Api | None = None
    conversation_id: str | None = None
    answer_id: str | None = None
    maybe_delivered: bool = False
    remaining: int = 0
    offers: int = 0
    token_renewed: bool = False
    last_resort: bool = False
    made_afresh: bool = False
    gated: Failure | None = None
    gated_at: int = 0
    openai_ms: int = 0
    replayed_at: int | None = None
    replays: int = 0
    message: str = field(default="", repr=False)
    instructions: str = field(default="", repr=False)
    answer: str | None = field(default=None, repr=False)

    @property
    def begun_at(self) -> int:
        """When its present run began: by the acceptance, or by the last replay."""
        return self.replayed_at or self.accepted_at

    @property
    def resumed(self) -> bool:
        """Whether an earlier worker was lost with this turn in its hands."""
        return self.claims > 1

    @property
    def worn_out(self) -> bool:
        """Whether it was taken so often that it must be given up. Its texts are not read any more."""
        return self.claims > MOST_CLAIMS


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A turn about to be accepted. Times are milliseconds since the epoch of the service's clock.

    account_version: of the account record that everything here was decided with.
    refusal: decided before looking at the counters (paused, no message), None when the counters decide.
    day, hour: where the account lives.
    contact_limits: the limits of its contact, none where the contact is unknown.
    """

    request_id: str
    account_id: int
    account_version: int
    accepted_at: int
    deadline_at: int
    period: str
    day: str
    hour: int
    weight: int
    return_url: str
    refusal: Failure | None = None
    line: str | None = None
    contact_limits: tuple[ContactLimit, ...] = ()
    handler: str | None = None
    origin: str | None = None
    note_lead_id: int | None = None
    message: str = field(default="", repr=False)
    instructions: str = field(default="", repr=False)


class AcceptStatus(StrEnum):
    """What the atomic acceptance found. STALE: the account record changed since it was read."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    NOT_INSTALLED = "not_installed"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class AcceptResult:
    """The outcome of one acceptance; request_id is the first one's for a duplicate, "" where there is none."""

    status: AcceptStatus
    request_id: str = ""
    refusal: Failure | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One compare-and-set on a held turn.

    expect: the states it may stand in. status: the new one, None to stay.
    charge: what happens to a reservation that is still open; reason goes into the ledger.
    steps: what `turn show` tells of it; never a text of the client or of the assistant.
    fields: what to remember; sealed: texts to remember, which rest encrypted.
    conversation: the one of this client from now on. It is written in the same step, because a worker that lost the
    turn would otherwise put its own in the place of the one that was really used.
    marks: per cent of the month's limit that somebody wants to be told of when this settlement crosses them.
    close: this ends the turn and wakes the next one of its conversation.
    note: a note on the lead is due.
    usage: what this adds to the account's figures.
    gate: fingerprint of the OpenAI key whose gate must be passed before anything changes.
    gate_holds: fingerprint of a key that OpenAI has begun to answer again.
    leave: tell Kommo now; where the continue call may not leave at once, the turn waits for its moment.
    park: let go of the turn until a moment.
    """

    expect: tuple[Status, ...]
    status: Status | None = None
    charge: Literal["settle", "release"] | None = None
    reason: str = ""
    steps: tuple[tuple[str, dict[str, Any]], ...] = ()
    fields: dict[str, str | int] = field(default_factory=dict)
    sealed: dict[str, str] = field(default_factory=dict, repr=False)
    conversation: Conversation | None = None
    marks: tuple[int, ...] = ()
    close: bool = False
    note: bool = False
    usage: Figures | None = None
    gate: str | None = None
    gate_holds: str | None = None
    leave: bool = False
    park: "Park | None" = None


@dataclass(frozen=True, slots=True)
class Park:
    """How a turn waits without a worker.

    until: milliseconds since the epoch; then a worker goes on with it.
    gate: fingerprint of the key in whose line it stands; it may be woken earlier.
    """

    until: int
    gate: str | None = None


@dataclass(frozen=True, slots=True)
class Departure:
    """A moment reserved for one call to Kommo. egress: the address it leaves from. wait: seconds until then."""

    egress: str
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Advanced:
    """What a change brought.

    remaining: requests that remain in the turn's month, where the change moved its charge.
    watched: the gate that was passed looks at what comes of it.
    departure: when the continue call may leave, where the change asked for it; None then says that the turn waits for
    its moment and is ours no more.
    """

    remaining: int
    watched: bool = False
    departure: Departure | None = None


class GateClosed(Exception):
    """The key is told to wait; nothing was changed.

    wait: seconds for which it certainly is. reason: what a turn is told that cannot wait so long.
    """

    def __init__(self, wait: float, reason: Failure) -> None:
        super().__init__(f"closed for {wait:.3f} s")
        self.wait = wait
        self.reason = reason


class Parked(Exception):
    """The turn waits in the store, without a worker."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A worker's hold on a turn: its id and the token that fences every change."""

    request_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Taken:
    """A turn that a worker has just taken, with what it needs.

    account_version: of its account's record now, None where the account was removed.
    conversation: what its client's conversation was when it was taken; nobody else changes it meanwhile.
    egress: the address from which its continue call leaves now; None where that is not yet decided.
    """

    hold: Hold
    turn: Turn
    account_version: int | None
    conversation: Conversation | None = None
    egress: str | None = None


class TurnLost(Exception):
    """This worker no longer holds the turn: it was too slow, and another one goes on with it."""


_REQUEST_ID = re.compile(r"[0-9a-f]{28}")


def new_request_id(now_ms: int) -> str:
    """An id that sorts by time and cannot be guessed: 12 hex digits of milliseconds, 16 of chance."""
    return f"{now_ms:012x}{secrets.token_hex(8)}"


def is_request_id(text: str) -> bool:
    """Whether a text that somebody typed is the id of a turn; else it may be part of another key's name."""
    return _REQUEST_ID.fullmatch(text) is not None
