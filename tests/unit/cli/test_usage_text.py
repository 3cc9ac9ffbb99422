"""The figures for people."""

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.usage_text import MOST_BARS, WIDTH, bars, usage_text
from app.domain.usage_figures import DayFigures, Minute, ModelFigures
from app.services.usage_documents import rate_documents, usage_document


def a_document(*days: DayFigures, minutes: tuple[Minute, ...] = ()) -> dict[str, Any]:
    return {**usage_document("2026-11", days, str), "rate": rate_documents(minutes, days)}


def columns(line: str) -> int:
    wide = sum(unicodedata.east_asian_width(character) in ("W", "F") for character in line)
    return len(line) + wide - sum(unicodedata.combining(character) > 0 for character in line)


def test_a_month_without_figures_is_one_line() -> None:
    assert list(usage_text(a_document())) == ["Tokens: 0 in, 0 of them cached; 0 out. Money: 0.00 US dollars."]


def test_a_month_is_told_in_bars_and_tables() -> None:
    day = DayFigures(
        "2026-11-01",
        outcomes={"answered": 3, "busy": 1},
        handlers={"ai_reply": 3},
        contacts={"9f86d081884c7d65": 3},
        models=(
            ModelFigures("gpt-6-luna", "gpt-6-luna@start", "estimated", 3, 12_345, 400, 0, 1_500_000, 50, 12_345_678),
        ),
    )
    minutes = (Minute(datetime(2026, 11, 1, tzinfo=UTC), "gpt-6-luna", 3, 13_845),)
    assert list(usage_text(a_document(day, minutes=minutes))) == [
        "Tokens: 12.3k in, 400 of them cached; 1.5M out. Money: ~0.0123 US dollars.",
        "",
        "Requests by day",
        "  2026-11-01  0",
        "",
        "Requests by handler",
        f"  ai_reply  3  {'#' * 65}",
        "",
        "Requests by contact",
        f"  9f86d081884c7d65  3  {'#' * 57}",
        "",
        "Turns by outcome",
        f"  answered  3  {'#' * 65}",
        f"  busy      1  {'#' * 22}",
        "",
        "Tokens and US dollars by model",
        "  MODEL                     ANSWERS    INPUT   CACHED   OUTPUT REASONED  DOLLARS",
        "  gpt-6-luna                      3    12.3k      400     1.5M       50  ~0.0123",
        "",
        "Requests and tokens per minute by model",
        "  MODEL                     MINUTES PEAK REQ MEAN REQ PEAK TOK MEAN TOK",
        "  gpt-6-luna                      1        3        3    13.8k    13.8k",
    ]


def test_the_largest_bar_fills_the_line_and_the_smallest_is_seen() -> None:
    lines = list(bars([("a", 1_000_000), ("b", 500_000), ("c", 1), ("d", 0)]))
    assert [len(lines[0]), lines[0].count("#"), lines[1].count("#"), lines[2].count("#")] == [WIDTH, 64, 32, 1]
    assert lines[3] == "  d          0"


def test_what_has_no_line_of_its_own_is_told_together() -> None:
    lines = list(bars([(f"handler-{number}", 2) for number in range(MOST_BARS + 10)]))
    assert len(lines) == MOST_BARS + 1
    assert lines[-1] == "  and 10 more with 20 together"


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        (None, "-"),
        ("a\x1b[31m\nb", "a [31m b"),
        ("x" * 25, "x" * 23 + "…"),
        ("数" * 13, "数" * 11 + "…"),
        (7, "7"),
    ],
    ids=["none", "what a terminal obeys", "long", "wide letters", "a number"],
)
def test_a_label_is_harmless_and_short(label: object, shown: str) -> None:
    (line,) = bars([(label, 0)])
    assert line == f"  {shown}  0"


@pytest.mark.parametrize(
    ("nano_dollars", "grade", "shown"),
    [
        (0, "exact", "0.00"),
        (1, "exact", "0.0000"),
        (12_345_678_901, "exact", "12.35"),
        (998_999_000_000, "estimated", "~999.00"),
        (999_000_000_000, "exact", "999"),
        (12_345_678_000_000, "estimated", "~12.3k"),
        (0, "unknown", "?"),
    ],
)
def test_money_is_short_and_marked(nano_dollars: int, grade: Any, shown: str) -> None:
    models = (ModelFigures("m", None if grade == "unknown" else "m@start", grade, 1, nano_dollars=nano_dollars),)
    lines = list(usage_text(a_document(DayFigures("2026-11-01", outcomes={"answered": 1}, models=models))))
    assert lines[-1].split()[-1] == shown


numbers = st.integers(0, 10**8)


@given(
    handlers=st.dictionaries(st.text(max_size=40), st.integers(1, 10**9), max_size=40),
    model=st.text("abc-.0123", max_size=64),
    counts=st.tuples(numbers, numbers, numbers, numbers, numbers, st.integers(0, 10**16)),
    rate=st.tuples(st.integers(1, 10**6), st.integers(0, 10**11)),
)
def test_no_line_is_longer_than_80_columns(
    handlers: dict[str, int], model: str, counts: tuple[int, ...], rate: tuple[int, int]
) -> None:
    days = [
        DayFigures(
            f"2026-11-{number:02d}",
            outcomes={"answered": 10**6},
            hours=dict.fromkeys(range(24), 10**6),
            handlers=handlers,
            models=(ModelFigures(model, f"{model}@start", "estimated", 10**6, *counts),),
        )
        for number in range(1, 31)
    ]
    at = datetime(2026, 11, 1, tzinfo=UTC)
    minutes = tuple(Minute(at + timedelta(minutes=number), model, *rate) for number in range(3))
    lines = list(usage_text(a_document(*days, minutes=minutes)))
    assert len(lines) > 60
    assert max(map(columns, lines)) <= WIDTH
    assert all(line.isprintable() for line in lines)
