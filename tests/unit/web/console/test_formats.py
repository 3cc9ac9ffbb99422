"""Numbers and times in the operator's language."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from flask import Flask, g

from app.domain.accounts import Locale
from app.web.console import formats
from app.web.console.look import Look

MOMENT_MS = 1_795_302_453_123  # 2026-11-21 23:07:33.123 UTC


def said(locale: Locale, tell: Callable[[], object]) -> str:
    app = Flask("test")
    app.config[formats.ZONE_KEY] = ZoneInfo("America/Sao_Paulo")
    with app.test_request_context():
        g.look = Look(locale)
        return str(tell())


@pytest.mark.parametrize(
    ("locale", "expected"), [("pt", "1.234.567,50"), ("es", "1.234.567,50"), ("en", "1,234,567.50")]
)
def test_numbers_have_the_separators_of_the_language(locale: Locale, expected: str) -> None:
    assert said(locale, lambda: formats.number_text(1234567.5, 2)) == expected


TEXTS: list[tuple[Callable[[], object], str]] = [
    (lambda: formats.number_text(0), "0"),
    (lambda: formats.number_text(-1234), "-1.234"),
    (lambda: formats.percent_text(1, 3), "33 %"),
    (lambda: formats.percent_text(1, 3, 1), "33,3 %"),
    (lambda: formats.percent_text(1, 0), "—"),
    (lambda: formats.dollars_text(None), "—"),
    (lambda: formats.dollars_text("0.00"), "US$\N{NO-BREAK SPACE}0,00"),
    (lambda: formats.dollars_text("0.00123"), "US$\N{NO-BREAK SPACE}0,0012"),
    (lambda: formats.dollars_text("1234.5"), "US$\N{NO-BREAK SPACE}1.234,50"),
    (lambda: formats.month_text("2026-11"), "11/2026"),
    (lambda: formats.day_text("2026-11-21"), "21/11/2026"),
    (lambda: formats.day_text(date(2026, 11, 21)), "21/11/2026"),
    (lambda: formats.day_text(None), "—"),
    (lambda: formats.bytes_text(0), "0 B"),
    (lambda: formats.bytes_text(1023), "1.023 B"),
    (lambda: formats.bytes_text(1536), "1,5 KiB"),
    (lambda: formats.bytes_text(5 * 1024**5), "5.120,0 TiB"),
    (lambda: formats.duration_text(0), "0 ms"),
    (lambda: formats.duration_text(999), "999 ms"),
    (lambda: formats.duration_text(1234), "1,2 s"),
    (lambda: formats.duration_text(90_000), "1 min 30 s"),
    (lambda: formats.duration_text(7_260_000), "2 h 1 min"),
    (lambda: formats.moment(None), "—"),
]


@pytest.mark.parametrize(("tell", "expected"), TEXTS, ids=[expected for _, expected in TEXTS])
def test_figures_in_portuguese(tell: Callable[[], object], expected: str) -> None:
    assert said("pt", tell) == expected


@pytest.mark.parametrize(
    ("locale", "expected"),
    [("pt", "21/11/2026 20:07:33"), ("es", "21/11/2026 20:07:33"), ("en", "2026-11-21 20:07:33")],
)
def test_a_time_is_told_in_the_zone_of_the_console(locale: Locale, expected: str) -> None:
    assert said(locale, lambda: formats.moment_text(MOMENT_MS)) == expected


SAME_MOMENT = [
    pytest.param(float(MOMENT_MS), id="milliseconds"),
    pytest.param(datetime.fromtimestamp(MOMENT_MS / 1000, UTC), id="a datetime that says where"),
    pytest.param(datetime.fromtimestamp(MOMENT_MS / 1000, UTC).replace(tzinfo=None), id="one that does not: UTC"),
    pytest.param(datetime.fromtimestamp(MOMENT_MS / 1000, timezone(timedelta(hours=9))), id="one from elsewhere"),
]


@pytest.mark.parametrize("at", SAME_MOMENT)
def test_machines_can_read_it_too(at: float | datetime) -> None:
    assert said("pt", lambda: formats.moment(at)) == (
        '<time datetime="2026-11-21T20:07:33.123-03:00">21/11/2026 20:07:33</time>'
    )


def test_english_writes_days_and_months_as_iso_8601() -> None:
    assert said("en", lambda: formats.day_text("2026-11-21")) == "2026-11-21"
    assert said("en", lambda: formats.month_text("2026-11")) == "2026-11"
