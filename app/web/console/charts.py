"""Charts as numbers that a template draws: SVG of 1000 by 100 units that stretches, with its scale and labels beside.

The same figures stand in a table below each chart (macro `chart` in charts.html).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 1000.0, 100.0
_GAP = 0.2
_STEPS = (1, 2, 2.5, 5, 10)
_LINES_OF_SCALE = 4
# Below it a figure counts as none.
_LEAST = 1e-6


@dataclass(frozen=True, slots=True)
class Series:
    """One figure over time. values: one for each label, None where it is not known.

    name: as readers see it. tone: 1 to 6, the colour (console.css, `.tone-…`); lines differ by their dashes too.
    """

    name: str
    values: Sequence[float | None]
    tone: int = 1


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a column."""

    x: float
    y: float
    width: float
    height: float
    tone: int
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line; `path` is what the attribute `d` of an SVG path holds."""

    path: str
    tone: int


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart. scale: what the lines across it stand for, the highest first. labels: of what is below it."""

    labels: Sequence[str]
    series: Sequence[Series]
    scale: Sequence[float]
    boxes: Sequence[Box] = ()
    lines: Sequence[Line] = ()

    @property
    def grid(self) -> Sequence[float]:
        """How far below the top each line of the scale is."""
        return [_r(HEIGHT * at / (len(self.scale) - 1)) for at in range(len(self.scale))]

    @property
    def ends(self) -> Sequence[str]:
        """The labels that fit below a chart of any width: the first, the middle and the last."""
        return (
            [self.labels[at] for at in sorted({0, len(self.labels) // 2, len(self.labels) - 1})] if self.labels else []
        )


def columns(labels: Sequence[str], series: Sequence[Series]) -> Chart:
    """A column for each label, with its series on top of each other."""
    totals = [sum(one.values[at] or 0 for one in series) for at in range(len(labels))]
    scale = _scale(max(totals, default=0))
    boxes = []
    slot = WIDTH / max(len(labels), 1)
    for at, label in enumerate(labels):
        top = HEIGHT
        for one in series:
            value = one.values[at] or 0
            height = HEIGHT * value / scale[0]
            top -= height
            if value:
                title = f"{label} · {one.name}: {value:g}"
                boxes.append(
                    Box(_r(slot * (at + _GAP / 2)), _r(top), _r(slot * (1 - _GAP)), _r(height), one.tone, title)
                )
    return Chart(labels, series, scale, boxes=boxes)


def lines(labels: Sequence[str], series: Sequence[Series]) -> Chart:
    """A line for each series; it breaks where a value is not known."""
    scale = _scale(max((value for one in series for value in one.values if value is not None), default=0))
    step = WIDTH / max(len(labels) - 1, 1)
    drawn = []
    for one in series:
        path, pen = [], "M"
        for at, value in enumerate(one.values):
            if value is None:
                pen = "M"
                continue
            path.append(f"{pen}{_r(step * at)} {_r(HEIGHT - HEIGHT * value / scale[0])}")
            pen = "L"
        drawn.append(Line(" ".join(path), one.tone))
    return Chart(labels, series, scale, lines=drawn)


def _scale(most: float) -> list[float]:
    """Round numbers at equal distances from one that is at least the greatest value down to 0."""
    if most < _LEAST:
        most = 1
    if most <= _LINES_OF_SCALE and most == int(most):
        return [float(at) for at in range(int(most), -1, -1)]  # a few turns: there are no halves of them
    rough = most / _LINES_OF_SCALE
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(magnitude * one for one in _STEPS if magnitude * one * _LINES_OF_SCALE >= most * (1 - 1e-9))
    return [step * at for at in range(_LINES_OF_SCALE, -1, -1)]


def _r(value: float) -> float:
    return round(value, 2)
