"""Results for people and for programs."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Goal:
    """Something that was promised. got: what came out, None where it was not measured."""

    what: str
    got: float | None
    met: bool


def at_most(what: str, got: float | None, most: float) -> Goal:
    """A goal that is met by this and all below."""
    return Goal(what, got, got is not None and got <= most)


def at_least(what: str, got: float | None, least: float) -> Goal:
    """A goal that is met by this and all above."""
    return Goal(what, got, got is not None and got >= least)


def show(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table: the first column to the left, the others to the right."""
    texts = [list(columns), *([_text(cell) for cell in row] for row in rows)]
    widths = [max(len(line[place]) for line in texts) for place in range(len(columns))]
    for line in texts:
        cells = (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))
        click.echo("  ".join([line[0].ljust(widths[0]), *cells]))


def show_goals(goals: Sequence[Goal]) -> None:
    """Print what was promised and whether it was kept."""
    click.echo()
    show(
        ("goal", "here", ""),
        [(goal.what, goal.got, "met" if goal.met else "NOT MET") for goal in goals],
    )


def save(part: str, result: dict[str, Any], goals: Sequence[Goal]) -> None:
    """Write bench/results/<part>.json."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    told = [{"goal": goal.what, "got": goal.got, "met": goal.met} for goal in goals]
    path = RESULTS / f"{part}.json"
    path.write_text(json.dumps({"machine": machine, **result, "goals": told}, indent=2) + "\n")
    click.echo(f"→ {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")


def ratio(part: float | None, whole: float | None, digits: int = 2) -> float | None:
    """One over the other; None where one of them is missing."""
    return round(part / whole, digits) if part is not None and whole else None


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.1f}" if abs(cell) >= 100 else f"{cell:.3g}"
    return str(cell)
