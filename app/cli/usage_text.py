"""The figures of usage for people: bars and small tables, no line longer than 80 columns."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

WIDTH = 80
# The days of the longest month; handlers and contacts beyond as many are told in one line.
MOST_BARS = 31

_INDENT = "  "
_LONGEST_LABEL = 24
_SIZES = ((10**9, "G"), (10**6, "M"), (10**3, "k"))
# What an estimated sum begins with, and one that lacks the money of some answers.
_MARKS = {"exact": "", "estimated": "~", "unknown": ">="}
_BARS = (
    ("Requests by day", "by_day", "day", "requests"),
    ("Requests by hour", "by_hour", "hour", "requests"),
    ("Requests by handler", "by_handler", "handler", "requests"),
    ("Requests by contact", "by_contact", "contact", "requests"),
    ("Turns by outcome", "by_outcome", "outcome", "turns"),
)
_MODELS = ("MODEL", "ANSWERS", "INPUT", "CACHED", "OUTPUT", "REASONED", "DOLLARS")
_RATES = ("MODEL", "MINUTES", "PEAK REQ", "MEAN REQ", "PEAK TOK", "MEAN TOK")


def usage_text(document: Mapping[str, Any]) -> Iterator[str]:
    """The lines of an account's month (UsageReporting.of)."""
    yield (
        f"Tokens: {_short(document['tokens_input'])} in, {_short(document['tokens_cached'])} of them cached; "
        f"{_short(document['tokens_output'])} out. Money: {_money(document)} US dollars."
    )
    for title, table, name, number in _BARS:
        yield from _section(title, bars([(row[name], row[number]) for row in document[table]]))
    yield from _section("Tokens and US dollars by model", _table(_MODELS, map(_model, document["by_model"])))
    yield from _section("Requests and tokens per minute by model", _table(_RATES, map(_rate, document["rate"])))


def bars(rows: Sequence[tuple[object, int]]) -> Iterator[str]:
    """A line for each label and number, its bar as long against the longest as the number against the largest."""
    shown, rest = rows[:MOST_BARS], [number for _, number in rows[MOST_BARS:]]
    largest = max((number for _, number in rows), default=0)
    labels = [_label(label) for label, _ in shown]
    label_width, number_width = max(map(_width, labels), default=0), len(f"{largest:,}")
    room = WIDTH - len(_INDENT) - label_width - number_width - 4
    for label, (_, number) in zip(labels, shown, strict=True):
        bar = "#" * -(-room * number // largest) if largest else ""
        yield f"{_INDENT}{_padded(label, label_width)}  {number:>{number_width},}  {bar}".rstrip()
    if rest:
        yield f"{_INDENT}and {len(rest):,} more with {sum(rest):,} together"


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines under their title; nothing where there are none."""
    for number, line in enumerate(lines):
        if number == 0:
            yield from ("", title)
        yield line


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A label to the left, short numbers to the right."""
    for number, (label, *cells) in enumerate(rows):
        if number == 0:
            yield f"{_INDENT}{_padded(headings[0], _LONGEST_LABEL)}{''.join(f'{one:>9}' for one in headings[1:])}"
        yield f"{_INDENT}{_padded(label, _LONGEST_LABEL)}{''.join(f'{cell:>9}' for cell in cells)}"


def _model(row: Mapping[str, Any]) -> tuple[str, ...]:
    counts = ("answers", "tokens_input", "tokens_cached", "tokens_output", "tokens_reasoning")
    return (_label(row["model"]), *(_short(row[name]) for name in counts), _money(row))


def _rate(row: Mapping[str, Any]) -> tuple[str, ...]:
    counts = ("minutes", "peak_requests", "mean_requests", "peak_tokens", "mean_tokens")
    return (_label(row["model"]), *(_short(row[name]) for name in counts))


def _money(row: Mapping[str, Any]) -> str:
    """Dollars in at most 8 columns, with the mark of their grade; `?` where no price is known."""
    if row["dollars"] is None:
        return "?"
    amount = Decimal(row["dollars"])
    text = f"{amount:.2f}" if amount >= 10 or not amount else f"{amount:.4f}"
    return _MARKS[row["grade"]] + (text if amount < 999 else _short(int(amount)))


def _short(number: float) -> str:
    """A number in at most 6 columns: `999`, `12.5k`, `3.4M`."""
    for size, letter in _SIZES:
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return f"{number:g}"


def _label(value: object) -> str:
    """A label of one line and at most 24 columns; what a terminal would obey is made harmless."""
    text = "-" if value is None else str(value)
    line = "".join(character if character.isprintable() else " " for character in text)
    if _width(line) <= _LONGEST_LABEL:
        return line
    while _width(line) > _LONGEST_LABEL - 1:
        line = line[:-1]
    return f"{line}…"


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """The columns that a terminal needs: two for wide letters, none for marks that stand on another one."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
