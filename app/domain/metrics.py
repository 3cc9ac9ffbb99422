"""How figures are counted and read: counters, and histograms of seconds, each with labels that list their values.

A figure is kept as fields of whole numbers that only grow, so that many processes may add to the same ones.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Literal

# Stands for a value that no label lists, so that a fault of ours cannot make series without end.
OTHER = "other"
_SEPARATOR = "|"
_SUM, _NO_BOUND = "sum", "inf"
_MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Label:
    """A label and all its values. values None: the routes of the service, which its code lists and no stranger."""

    name: str
    values: tuple[str, ...] | None

    def bounded(self, value: str) -> str:
        """The value, or OTHER for one that is not listed."""
        if self.values is None:
            return value.replace(_SEPARATOR, "_")
        return value if value in self.values else OTHER


# eq=False: each is the only one of its name, and as a key it is looked up for every event.
@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """A counter, or a histogram of seconds where it has buckets.

    name: as Prometheus knows it, without what its format adds (`_total`, `_bucket`, `_sum`, `_count`).
    buckets: their upper bounds in seconds, rising; the one above all of them has no bound.
    """

    name: str
    meaning: str
    labels: tuple[Label, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def kind(self) -> Literal["counter", "histogram"]:
        """What Prometheus calls it."""
        return "histogram" if self.buckets else "counter"

    def counted(self, values: tuple[str, ...]) -> str:
        """The field in which a counter with these label values is kept."""
        return _field(self, values)

    def observed(self, values: tuple[str, ...], seconds: float) -> tuple[str, str, int]:
        """The fields of an observation's bucket and of the sum, and what the sum grows by: whole microseconds."""
        bound = bisect_left(self.buckets, seconds)
        bucket = self.buckets[bound] if bound < len(self.buckets) else _NO_BOUND
        return _field(self, values, bucket), _field(self, values, _SUM), round(max(0.0, seconds) * _MICRO)

    def every_series(self) -> list[tuple[str, ...]]:
        """The label values of every series it can have, as far as the labels say."""
        return list(product(*(label.values or () for label in self.labels)))


@lru_cache(maxsize=2000)
def _field(metric: Metric, values: tuple[str, ...], part: str | float | None = None) -> str:
    """part: which field of a histogram."""
    listed = [label.bounded(value) for label, value in zip(metric.labels, values, strict=True)]
    parts = [] if part is None else [part if isinstance(part, str) else f"{part:g}"]
    return _SEPARATOR.join((metric.name, *listed, *parts))


@dataclass(frozen=True, slots=True)
class Observed:
    """What a histogram has seen. buckets: how many in each, the one without bound last. seconds: all together."""

    buckets: tuple[int, ...]
    seconds: float


class Totals:
    """What was counted since counting began, read from the fields in which it is kept.

    A field that this version does not know was written by another one that runs beside it; it is passed over.
    """

    def __init__(self, fields: Mapping[str, int]) -> None:
        self._fields: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for name, value in fields.items():
            metric, *parts = name.split(_SEPARATOR)
            self._fields.setdefault(metric, []).append((tuple(parts), value))

    def counter(self, metric: Metric) -> dict[tuple[str, ...], int]:
        """Its values by their labels'. One whose labels list all their values tells those that are 0, too."""
        found = dict.fromkeys(metric.every_series(), 0)
        return found | dict(self._of(metric, len(metric.labels)))

    def histogram(self, metric: Metric) -> dict[tuple[str, ...], Observed]:
        """What it has seen, by its labels' values. One without labels is there before it has seen anything."""
        series: dict[tuple[str, ...], dict[str, int]] = {} if metric.labels else {(): {}}
        for (*values, part), value in self._of(metric, len(metric.labels) + 1):
            series.setdefault(tuple(values), {})[part] = value
        return {values: _observed(metric, parts) for values, parts in series.items()}

    def _of(self, metric: Metric, length: int) -> list[tuple[tuple[str, ...], int]]:
        return [field for field in self._fields.get(metric.name, ()) if len(field[0]) == length]


def _observed(metric: Metric, parts: Mapping[str, int]) -> Observed:
    counts = [0] * (len(metric.buckets) + 1)
    for bound, count in parts.items():
        if bound != _SUM:
            # A bound of another version counts in the next one above it.
            counts[bisect_left(metric.buckets, float(bound))] += count
    return Observed(tuple(counts), parts.get(_SUM, 0) / _MICRO)
