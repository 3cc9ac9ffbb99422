"""What a turn spent its time on, read from its steps: for people who ask why an answer came late or not at all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from app.domain.answers import Usage

Step = Mapping[str, Any]


class Phase(StrEnum):
    """What a turn was waiting for.

    line: the turn before it of its conversation. queue: a worker. work: what a worker prepares. asked: OpenAI's first
    sign. answering: the rest of the answer. retry: the next attempt. key: its OpenAI key, which is told to wait.
    leaving: its moment at Kommo's pace. kommo: Kommo's answer. kommo_retry: the next continue call.
    """

    LINE = "line"
    QUEUE = "queue"
    WORK = "work"
    ASKED = "asked"
    ANSWERING = "answering"
    RETRY = "retry"
    KEY = "key"
    LEAVING = "leaving"
    KOMMO = "kommo"
    KOMMO_RETRY = "kommo_retry"


_BEGINS: Mapping[str, Phase] = {
    "accepted": Phase.QUEUE,
    "refused": Phase.QUEUE,
    "replayed": Phase.QUEUE,
    "woken": Phase.QUEUE,
    "key_may_be_used": Phase.QUEUE,
    "put_back": Phase.QUEUE,
    "waiting": Phase.LINE,
    "taken": Phase.WORK,
    "taken_over": Phase.WORK,
    "overdue": Phase.WORK,
    "fresh_conversation": Phase.WORK,
    "switched_to_profile": Phase.WORK,
    "asking": Phase.ASKED,
    "answer_begun": Phase.ANSWERING,
    "retry": Phase.RETRY,
    "waiting_for_key": Phase.KEY,
    "answered": Phase.LEAVING,
    "failed": Phase.LEAVING,
    "waiting_to_leave": Phase.LEAVING,
    "continue_call": Phase.KOMMO,
    "retry_continue": Phase.KOMMO_RETRY,
}
_ENDS = frozenset({"delivered", "not_waiting", "undeliverable"})
# They change nothing about what is waited for.
_BESIDE = frozenset({"found", "alert", "note_written", "note_dropped", "note_unknown", "texts_erased", "forgotten"})
# Every step that there is.
STEPS = frozenset(_BEGINS) | _ENDS | _BESIDE


@dataclass(frozen=True, slots=True)
class Span:
    """A time of one phase, in milliseconds since the epoch. open: it goes on."""

    phase: Phase
    since: int
    until: int
    open: bool = False

    @property
    def length(self) -> int:
        """In milliseconds."""
        return self.until - self.since


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a turn: from its acceptance, or from a replay, to its end. steps: those after the end belong to it."""

    steps: Sequence[Step]
    spans: Sequence[Span]
    began: int
    ended: int | None

    @property
    def length(self) -> int:
        """Milliseconds that it took so far."""
        return max((span.until for span in self.spans), default=self.began) - self.began


def runs(steps: Sequence[Step], now: int) -> list[Run]:
    """The runs of a turn, the first one first. now: milliseconds since the epoch, for one that is not over."""
    begins = [at for at, step in enumerate(steps) if at == 0 or step["step"] == "replayed"]
    return [_run(steps[begin:end], now) for begin, end in pairwise([*begins, len(steps)])]


def _run(steps: Sequence[Step], now: int) -> Run:
    ended = next((step["at"] for step in steps if step["step"] in _ENDS), None)
    return Run(steps, list(_spans(steps, ended, now)), steps[0]["at"], ended)


def _spans(steps: Sequence[Step], ended: int | None, now: int) -> Iterator[Span]:
    begins = [(step["at"], _phase(step)) for step in steps if step["step"] in _BEGINS]
    last = ended if ended is not None else max(now, begins[-1][0]) if begins else now
    for number, ((since, phase), (until, _)) in enumerate(pairwise([*begins, (last, None)]), start=1):
        goes_on = ended is None and number == len(begins)
        if phase is not None and (until > since or goes_on):
            yield Span(phase, since, until, goes_on)


def _phase(step: Step) -> Phase:
    only_delivery = step["step"] == "replayed" and step.get("again") == "delivery"
    return Phase.LEAVING if only_delivery else _BEGINS[step["step"]]


@dataclass(frozen=True, slots=True)
class Answered:
    """What OpenAI told of an answer. at: milliseconds since the epoch. characters: of its text."""

    at: int
    characters: int
    model: str | None
    usage: Usage | None


def answered(steps: Sequence[Step]) -> Answered | None:
    """The last answer of a turn, None where it has none."""
    step = next((step for step in reversed(steps) if step["step"] == "answered"), None)
    if step is None:
        return None
    usage = None
    if "tokens_input" in step:
        usage = Usage(
            input=int(step["tokens_input"]),
            cached=int(step["tokens_cached"]),
            output=int(step["tokens_output"]),
            reasoning=int(step["tokens_reasoning"]),
            written=int(step["tokens_written"]),
        )
    return Answered(step["at"], int(step.get("characters", 0)), step.get("model"), usage)
