"""The final table, as Markdown that is readable as it stands."""

from collections.abc import Sequence
from statistics import median

from tests.faults.soak.marks import Tally

HEADS = (
    "fault", "tried", "in flight", "turns", "lost", "doubled", "mischarged", "late", "told a failure", "undeliverable",
    "next answered, s: median", "worst",
)  # fmt: skip

Row = tuple[str, str, Tally]


def drawn(rows: Sequence[Row]) -> str:
    """One line for each kind, and one for all."""
    whole = Tally()
    for _, _, tally in rows:
        whole.add(tally)
    cells = [_cells(what, tally) for _, what, tally in rows] + [_cells("all", whole)]
    widths = [max(len(line[place]) for line in [HEADS, *cells]) for place in range(len(HEADS))]
    lines = [
        _line(HEADS, widths),
        "|" + "|".join("-" * (width + 1) + (":" if place else "-") for place, width in enumerate(widths)) + "|",
    ]
    return "\n".join([*lines, *(_line(each, widths) for each in cells)])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if place else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(padded) + " |"


def _cells(name: str, tally: Tally) -> tuple[str, ...]:
    waits = tally.next_answered
    wrong = (tally.lost, tally.doubled, tally.mischarged)
    counts = (tally.tried, tally.in_flight, tally.turns, *wrong, tally.late, tally.failed, tally.undeliverable)
    times = (f"{median(waits):.1f}", f"{max(waits):.1f}") if waits else ("-", "-")
    return (name, *map(str, counts), *times)
