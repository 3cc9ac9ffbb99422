"""When what happened to turns, and what follows from it."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.stage import Stage


@dataclass(frozen=True, slots=True)
class Moments:
    """By the numbers of turns, on the monotonic clock.

    sent: handed over. asked: OpenAI was asked, and had answered. continued: Kommo was called.
    twice, wrong: continue calls too many, and with the answer to another question.
    """

    sent: Mapping[int, float]
    asked: Mapping[int, tuple[float, float]]
    continued: Mapping[int, float]
    twice: int
    wrong: int

    @property
    def unfinished(self) -> int:
        """How many turns Kommo has not heard of."""
        return len(self.sent.keys() - self.continued.keys())

    def added(self, since: float, until: float = float("inf")) -> list[float]:
        """Seconds that each turn took beyond OpenAI's own time, of those handed over between two moments."""
        return [
            self.continued[number] - sent - (self.asked[number][1] - self.asked[number][0])
            for number, sent in self.sent.items()
            if since <= sent < until and number in self.continued and number in self.asked
        ]


def moments_of(stage: Stage, sent: Mapping[int, float]) -> Moments:
    """What became of these turns so far."""
    asked, told = stage.openai.noted(), stage.kommo.noted()
    return Moments(
        sent,
        {int(number): (begun, ended) for number, (begun, ended) in asked["moments"].items()},
        {int(number): moment for number, moment in told["moments"].items()},
        told["twice"],
        told["wrong"],
    )


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The value that so many per cent do not exceed; None of nothing."""
    if len(values) < 2:
        return values[0] if values else None
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def milliseconds(seconds: float | None) -> float | None:
    """For people."""
    return None if seconds is None else round(seconds * 1000, 1)


def latency(added: Sequence[float]) -> dict[str, Any]:
    """How long turns took beyond OpenAI's own time."""
    return {
        "samples": len(added),
        "p50_ms": milliseconds(percentile(added, 50)),
        "p99_ms": milliseconds(percentile(added, 99)),
        "longest_ms": milliseconds(max(added, default=None)),
    }
