"""The steps of a turn for people: what it waited for as bars, and what each step tells in words."""

from dataclasses import dataclass
from typing import Any

from app.domain.turn_story import Phase, Run, Span, Step
from app.web.console.formats import duration_text
from app.web.console.texts import t

# Of the bars, 1000 units wide: one that is not seen tells nothing.
_WIDTH, _LEAST_WIDTH = 1000.0, 4.0
PHASE_TONES = {
    Phase.QUEUE: 6,
    Phase.LINE: 6,
    Phase.WORK: 3,
    Phase.ASKED: 1,
    Phase.ANSWERING: 1,
    Phase.RETRY: 5,
    Phase.KEY: 5,
    Phase.LEAVING: 6,
    Phase.KOMMO: 4,
    Phase.KOMMO_RETRY: 5,
}
# What a step may tell beside its name, in the order in which it is shown; all of it is ids and figures.
_DETAILS = (
    "requests",
    "attempt",
    "api",
    "error_code",
    "http_status",
    "code",
    "wait",
    "why",
    "verdict",
    "detail",
    "too_late_to_know",
    "characters",
    "model",
    "answer_id",
    "openai_request_id",
    "egress",
    "again",
    "by",
    "mark",
)


@dataclass(frozen=True, slots=True)
class Bar:
    """A span as it is drawn: 1000 units are the whole run."""

    span: Span
    x: float
    width: float
    tone: int


def bars(run: Run) -> list[Bar]:
    """The spans of a run, each where it lay in it."""
    length = max(run.length, 1)
    drawn = []
    for span in run.spans:
        width = max(_WIDTH * span.length / length, _LEAST_WIDTH)
        x = min(_WIDTH * (span.since - run.began) / length, _WIDTH - width)
        drawn.append(Bar(span, round(x, 2), round(width, 2), PHASE_TONES[span.phase]))
    return drawn


def details(step: Step) -> list[tuple[str, str]]:
    """What a step tells beside its time and name: the last parts of texts' keys, and values in words."""
    return [(name, _worded(name, step[name])) for name in _DETAILS if step.get(name) not in (None, "")]


def _worded(name: str, value: Any) -> str:
    match name:
        case "wait":
            return duration_text(1000 * value)
        case "verdict":
            return t(f"verdict.{value}")
        case "again":
            return t(f"again.{value}")
        case "too_late_to_know":
            return t("detail.yes")
        case _:
            return str(value)
