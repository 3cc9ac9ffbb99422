"""The figures of usage as tables with fixed columns, safe to open in a spreadsheet."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_MONEY = (
    "tokens_input",
    "tokens_cached",
    "tokens_written",
    "tokens_output",
    "tokens_reasoning",
    "dollars",
    "grade",
)

# The tables by name; `minute` is that of UsageReporting.minutes, the others stand in the document of a month.
COLUMNS: dict[str, tuple[str, ...]] = {
    "day": ("day", "requests", "answers", "failed", "refused", *_MONEY),
    "hour": ("hour", "requests"),
    "handler": ("handler", "requests"),
    "contact": ("contact", "requests"),
    "outcome": ("outcome", "turns"),
    "model": ("model", "price_id", "answers", *_MONEY),
    "rate": (
        "model",
        "minutes",
        "requests",
        "tokens",
        "peak_requests",
        "peak_requests_at",
        "mean_requests",
        "peak_tokens",
        "peak_tokens_at",
        "mean_tokens",
        "dollars_per_peak_hour",
    ),
    "minute": ("minute", "model", "requests", "tokens"),
}

# A spreadsheet takes a cell that begins so for a formula, in full width too. Where numbers have commas, as in Brazil,
# it splits at semicolons and new lines whatever is quoted, so a formula may also begin behind one of these.
_FORMULA_START = re.compile(r"(?:^|(?<=[;\t\r\n]))(?=[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20])")


def rows_of(document: Mapping[str, Any], table: str) -> list[Mapping[str, Any]]:
    """The rows of a table in the document of a month (UsageReporting.of), or in one with `by_minute`."""
    rows: list[Mapping[str, Any]] = document["rate" if table == "rate" else f"by_{table}"]
    return rows


def safe_rows(rows: Iterable[Mapping[str, Any]], columns: Iterable[str]) -> Iterator[list[Any]]:
    """The cells of a CSV file. Every row must have every column."""
    names = tuple(columns)
    for row in rows:
        yield [safe_cell(row[name]) for name in names]


def safe_cell(value: Any) -> Any:
    """A cell that no spreadsheet runs: what looks like a formula gets an apostrophe before it. Numbers stay numbers."""
    return _FORMULA_START.sub("'", value) if isinstance(value, str) else value
