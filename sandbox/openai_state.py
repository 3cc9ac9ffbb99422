"""Everything the simulated OpenAI knows. Only the event loop's thread touches it, so nothing here is locked."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from sandbox import openai_errors
from sandbox.openai_answers import Answerer
from sandbox.openai_errors import ApiError
from sandbox.openai_events import EventLog, Latency
from sandbox.openai_faults import FaultTable

Json = dict[str, Any]

# Seconds from a run's creation to its `expires_at` (openai.md 2.4).
RUN_LIFETIME = 600
TERMINAL = frozenset({"completed", "failed", "incomplete", "cancelled", "expired"})


def new_id(prefix: str) -> str:
    """A fresh identifier of a kind: `resp`, `conv`, `msg`."""
    return f"{prefix}_{secrets.token_hex(12)}"


def now() -> int:
    """Unix time, as OpenAI writes it."""
    return int(time.time())


@dataclass(slots=True)
class Call:
    """One request as it arrived.

    path: below /v1, without the query. key: the API key, "" without one. headers: names in lower case, without
    Authorization. status: None while unanswered and when the client never got one. faults: what was made of it.
    at: seconds since the epoch.
    """

    method: str
    path: str
    key: str = field(repr=False)
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    at: float
    request_id: str
    status: int | None = None
    faults: tuple[str, ...] = ()


@dataclass(slots=True)
class Behaviour:
    """How the simulation goes about its work.

    deltas: pieces of a streamed text at most. context_characters: of a request to Responses with its conversation.
    lock_linger: seconds a conversation stays locked after a dropped connection. run_lifetime: seconds until a run
    expires. cancel_seconds: from the request to cancel a run to its end.
    """

    latency: Latency = field(default_factory=Latency)
    deltas: int = 8
    context_characters: int = 1_000_000
    lock_linger: float = 0.0
    run_lifetime: float = RUN_LIFETIME
    cancel_seconds: float = 0.05
    assistants_sunset: bool = False
    prompts_sunset: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """An assistant or a stored prompt: what is asked, and how."""

    id: str
    project: str
    model: str
    instructions: str
    wire: Json


@dataclass(slots=True)
class Conversation:
    """A conversation and who holds its lock.

    holder: the response that works on it. busy_until: by the event loop's clock, for locks without a holder.
    """

    id: str
    project: str
    wire: Json
    items: list[Json] = field(default_factory=list)
    holder: str | None = None
    busy_until: float = 0.0

    def locked(self) -> bool:
        """Whether a new response is refused."""
        return self.holder is not None or self.keeps_busy()

    def keeps_busy(self) -> bool:
        """Whether it is locked by nobody in particular."""
        return asyncio.get_running_loop().time() < self.busy_until

    def stay_busy(self, seconds: float) -> None:
        """Refuse new responses for so long."""
        self.busy_until = max(self.busy_until, asyncio.get_running_loop().time() + seconds)


@dataclass(slots=True)
class Response:
    """A response: its wire form, which changes as it goes, and its events.

    context: the items that went before. refusal: what a client that does not stream gets instead of the response.
    """

    id: str
    project: str
    wire: Json
    context: list[Json]
    input_items: list[Json]
    conversation: Conversation | None
    log: EventLog = field(default_factory=EventLog)
    task: "asyncio.Task[None] | None" = None
    refusal: ApiError | None = None

    def give_up(self) -> None:
        """Stop the work if it still goes on."""
        if self.task is not None:
            self.task.cancel()


@dataclass(slots=True)
class Run:
    """A run: its wire form, which changes as it goes, and its events."""

    id: str
    wire: Json
    log: EventLog = field(default_factory=EventLog)
    task: "asyncio.Task[None] | None" = None

    def active(self) -> bool:
        """Whether it locks its thread."""
        return self.wire["status"] not in TERMINAL


@dataclass(slots=True)
class Thread:
    """A thread with its messages and runs, oldest first."""

    id: str
    project: str
    wire: Json
    messages: dict[str, Json] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)

    def active_run(self) -> Run | None:
        """The run that locks the thread."""
        return next((run for run in reversed(self.runs.values()) if run.active()), None)


class Owned(Protocol):
    """Something that belongs to a project."""

    @property
    def project(self) -> str:
        """The project's name."""


OwnedT = TypeVar("OwnedT", bound=Owned)


class World:
    """The state of the service. Lookups raise the ApiError that a client of that project gets to see."""

    def __init__(self, answerer: Answerer, calls_kept: int | None) -> None:
        self.answerer = answerer
        self.behaviour = Behaviour()
        self.faults = FaultTable()
        self.calls: deque[Call] = deque(maxlen=calls_kept)
        self.keys: dict[str, str] = {}
        self.assistants: dict[str, Template] = {}
        self.prompts: dict[str, Template] = {}
        self.conversations: dict[str, Conversation] = {}
        self.responses: dict[str, Response] = {}
        self.threads: dict[str, Thread] = {}

    def assistant(self, identifier: str, project: str) -> Template:
        """An assistant of this project."""
        return _own(self.assistants.get(identifier), project, lambda: openai_errors.none_found("assistant", identifier))

    def prompt(self, identifier: str, project: str) -> Template:
        """A stored prompt of this project; none at all once prompts are gone."""
        found = None if self.behaviour.prompts_sunset else self.prompts.get(identifier)
        return _own(found, project, lambda: openai_errors.not_found("Prompt", identifier))

    def conversation(self, identifier: str, project: str) -> Conversation:
        """A conversation of this project."""
        found = self.conversations.get(identifier)
        return _own(found, project, lambda: openai_errors.not_found("Conversation", identifier))

    def response(self, identifier: str, project: str) -> Response:
        """A stored response of this project."""
        return _own(self.responses.get(identifier), project, lambda: openai_errors.not_found("Response", identifier))

    def thread(self, identifier: str, project: str) -> Thread:
        """A thread of this project."""
        return _own(self.threads.get(identifier), project, lambda: openai_errors.none_found("thread", identifier))


def _own(found: OwnedT | None, project: str, refusal: Callable[[], ApiError]) -> OwnedT:
    if found is None or found.project != project:
        raise refusal()
    return found
