"""How commands print: tables for people, one JSON document for programs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

_LONGEST_CELL = 80


def print_json(document: object) -> None:
    """One document on stdout, in ASCII."""
    click.echo(json.dumps(document, indent=2))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns of plain text. What is long is cut, and what a terminal would obey is made harmless."""
    lines = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_turn(told: Mapping[str, Any]) -> None:
    """A turn as `turn show` tells it: its fields, then its steps."""
    print_table(("FIELD", "VALUE"), [(name, value) for name, value in told.items() if name != "steps"])
    click.echo()
    rows = []
    for step in told["steps"]:
        details = (f"{name} {value}" for name, value in step.items() if name not in ("at", "step"))
        rows.append((step["at"], step["step"], ", ".join(details)))
    print_table(("AT", "STEP", "DETAILS"), rows)


def print_warnings(warnings: Iterable[str]) -> None:
    """One line each on stderr."""
    for warning in warnings:
        click.echo(f"Warning: {warning}", err=True)


def plain(text: str) -> str:
    """One line in which nothing stands that a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    line = plain(text)
    return line if len(line) <= _LONGEST_CELL else f"{line[: _LONGEST_CELL - 1]}…"
