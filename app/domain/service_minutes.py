"""The service minute by minute: what of its counts is kept so for an hour, and what that says.

A minute is one hash of whole numbers with short names, at most some sixty of them however busy it was:

| field | counts |
| --- | --- |
| `accepted`, `answered` | turns |
| `refused|plan_quota`, `failed|busy` | turns by why they got no answer |
| `openai|ok`, `openai|openai_timeout` | calls to OpenAI by how they ended |
| `kommo|accepted`, `kommo|try_later` | continue calls by what Kommo said |
| `added|0.05`, `added|inf` | turns by the time that ByteGPT itself took, the upper bound of it in seconds |
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from app.domain.delivery import Verdict
from app.domain.failures import Failure
from app.domain.metrics import Metric, Totals
from app.domain.service_metrics import (
    ADDED_LATENCY,
    ANSWERED,
    CONTINUE_CALLS,
    GIVEN_UP,
    OPENAI_CALLS,
    TURNS_ACCEPTED,
    TURNS_ANSWERED,
    TURNS_FAILED,
    TURNS_REFUSED,
)

MINUTES_SHOWN = 60
_SEPARATOR = "|"
_COUNTERS: dict[str, Metric] = {
    "accepted": TURNS_ACCEPTED,
    "answered": TURNS_ANSWERED,
    "refused": TURNS_REFUSED,
    "failed": TURNS_FAILED,
}
_ADDED = "added"
_BOUNDS = (*(f"{bound:g}" for bound in ADDED_LATENCY.buckets), "inf")


class Partner(StrEnum):
    """Whom the service calls for its turns."""

    OPENAI = "openai"
    KOMMO = "kommo"


# A call that ended so was taken; that nobody waited for an answer any more is no fault of anybody's.
_GOOD: Mapping[Partner, frozenset[str]] = {
    Partner.OPENAI: frozenset({ANSWERED}),
    Partner.KOMMO: frozenset({Verdict.ACCEPTED.value, Verdict.NOT_WAITING.value}),
}
# Ends of calls that are the partner's own trouble; the others say more of an account: its key, credit or token.
_OUTAGE: Mapping[Partner, frozenset[str]] = {
    Partner.OPENAI: frozenset(
        failure.value for failure in (Failure.OPENAI_TIMEOUT, Failure.OPENAI_CONNECTION, Failure.OPENAI_UNEXPECTED)
    ),
    Partner.KOMMO: frozenset({Verdict.TRY_LATER.value}),
}
# Calls that our own side gave up say nothing of the other one.
_NOT_JUDGED: Mapping[Partner, frozenset[str]] = {Partner.OPENAI: frozenset({GIVEN_UP}), Partner.KOMMO: frozenset()}


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls to one partner. ended: how many by how they ended."""

    partner: Partner
    ended: Mapping[str, int] = field(default_factory=dict)

    @property
    def judged(self) -> int:
        """How many of them say something of the partner."""
        return sum(number for how, number in self.ended.items() if how not in _NOT_JUDGED[self.partner])

    @property
    def failed(self) -> int:
        """How many of those did not bring what was asked for."""
        return self.judged - sum(number for how, number in self.ended.items() if how in _GOOD[self.partner])

    @property
    def error_rate(self) -> float | None:
        """The share of those, 0 to 1; None where there was no call."""
        return self.failed / self.judged if self.judged else None

    @property
    def outage_rate(self) -> float | None:
        """The share that failed by the partner's own trouble, not by that of an account."""
        broken = sum(number for how, number in self.ended.items() if how in _OUTAGE[self.partner])
        return broken / self.judged if self.judged else None

    @property
    def errors(self) -> Mapping[str, int]:
        """How many of the failed ones by how they ended, most first."""
        harmless = _GOOD[self.partner] | _NOT_JUDGED[self.partner]
        found = [(how, number) for how, number in self.ended.items() if how not in harmless and number]
        return dict(sorted(found, key=lambda pair: (-pair[1], pair[0])))


@dataclass(frozen=True, slots=True)
class Span:
    """What was counted in a minute, or in several together. refused, failed: turns by the code of their failure.

    added: turns by the time that ByteGPT itself took, one number for each bucket of ADDED_LATENCY.
    """

    accepted: int = 0
    answered: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)
    openai: Calls = field(default_factory=lambda: Calls(Partner.OPENAI))
    kommo: Calls = field(default_factory=lambda: Calls(Partner.KOMMO))
    added: tuple[int, ...] = (0,) * len(_BOUNDS)

    @property
    def came(self) -> int:
        """Turns that came in, charged or not."""
        return self.accepted + sum(self.refused.values())

    @property
    def failures(self) -> int:
        """Turns that were charged and not answered."""
        return sum(self.failed.values())

    def added_quantile(self, share: float) -> float | None:
        """Seconds that ByteGPT itself took for so many of the turns (0.95: 19 of 20); None where there were none.

        Within a bucket it is taken to be spread evenly, as Prometheus does. What is above the highest bound counts as
        that bound.
        """
        wanted, below = share * sum(self.added), 0
        if not wanted:
            return None
        bounds = ADDED_LATENCY.buckets
        for place, count in enumerate(self.added[:-1]):
            if below + count >= wanted:
                lower = bounds[place - 1] if place else 0.0
                return lower + (bounds[place] - lower) * (wanted - below) / count
            below += count
        return bounds[-1]


@dataclass(frozen=True, slots=True)
class LastHour:
    """The last minutes of the service, oldest first; the last one is not over.

    minutes: each with its number since the epoch. last_success: of each partner, in milliseconds.
    """

    minutes: Sequence[tuple[int, Span]]
    last_success: Mapping[Partner, int] = field(default_factory=dict)

    def last(self, minutes: int) -> Span:
        """The last so many minutes together, with the one that is not over."""
        return together(span for _, span in self.minutes[-minutes:])

    def rate(self, minutes: int) -> float:
        """Turns a minute that came in the last so many whole ones."""
        return sum(span.came for _, span in self.minutes[:-1][-minutes:]) / minutes

    @property
    def whole(self) -> Span:
        """All of it together."""
        return together(span for _, span in self.minutes)


def minute_fields(counted: Mapping[str, int]) -> dict[str, int]:
    """What a minute keeps of counts, which have the fields of domain/metrics.py."""
    totals = Totals(counted)
    found: Counter[str] = Counter()
    for name, metric in _COUNTERS.items():
        for values, number in totals.counter(metric).items():
            found[_SEPARATOR.join((name, *values))] += number
    for values, seen in totals.histogram(OPENAI_CALLS).items():
        found[f"{Partner.OPENAI}{_SEPARATOR}{values[-1]}"] += sum(seen.buckets)
    for values, seen in totals.histogram(CONTINUE_CALLS).items():
        found[f"{Partner.KOMMO}{_SEPARATOR}{values[-1]}"] += sum(seen.buckets)
    for bound, number in zip(_BOUNDS, totals.histogram(ADDED_LATENCY)[()].buckets, strict=True):
        found[f"{_ADDED}{_SEPARATOR}{bound}"] += number
    return {name: number for name, number in found.items() if number}


def succeeded(fields: Mapping[str, int]) -> list[Partner]:
    """The partners who have taken a call in a minute with these fields."""
    return [partner for partner in Partner if any(fields.get(f"{partner}{_SEPARATOR}{how}") for how in _GOOD[partner])]


def span_of_fields(fields: Mapping[str, int]) -> Span:
    """What the fields of a minute say. One that this version does not know is passed over."""
    told: dict[str, dict[str, int]] = {}
    for name, number in fields.items():
        kind, _, value = name.partition(_SEPARATOR)
        told.setdefault(kind, {})[value] = number
    return Span(
        accepted=told.get("accepted", {}).get("", 0),
        answered=told.get("answered", {}).get("", 0),
        refused=told.get("refused", {}),
        failed=told.get("failed", {}),
        openai=Calls(Partner.OPENAI, told.get(Partner.OPENAI, {})),
        kommo=Calls(Partner.KOMMO, told.get(Partner.KOMMO, {})),
        added=_buckets(told.get(_ADDED, {})),
    )


def together(spans: Iterable[Span]) -> Span:
    """Several spans as one."""
    every = list(spans)
    return Span(
        accepted=sum(span.accepted for span in every),
        answered=sum(span.answered for span in every),
        refused=_added(span.refused for span in every),
        failed=_added(span.failed for span in every),
        openai=Calls(Partner.OPENAI, _added(span.openai.ended for span in every)),
        kommo=Calls(Partner.KOMMO, _added(span.kommo.ended for span in every)),
        added=tuple(sum(span.added[place] for span in every) for place in range(len(_BOUNDS))),
    )


def _buckets(by_bound: Mapping[str, int]) -> tuple[int, ...]:
    counts = [0] * len(_BOUNDS)
    for bound, number in by_bound.items():
        # A bound of another version counts in the next one above it.
        counts[bisect_left(ADDED_LATENCY.buckets, float(bound))] += number
    return tuple(counts)


def _added(numbers: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in numbers:
        total.update(one)
    return dict(total)
