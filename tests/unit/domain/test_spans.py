"""Months and hours as the clocks of accounts show them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.quota import day_of, period_of
from app.domain.spans import days_of, hour_of, minute_of_day, span_of

# Without daylight saving, with it, far ahead, far behind, half an hour off, and one that once skipped a 00:00 of a 1st.
ZONES = [
    "America/Sao_Paulo",
    "Europe/Lisbon",
    "America/New_York",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "Asia/Kolkata",
    "America/Asuncion",
]
periods = st.builds("{:04d}-{:02d}".format, st.integers(2000, 2099), st.integers(1, 12))
zones = st.sampled_from(ZONES).map(ZoneInfo)


@pytest.mark.parametrize(
    ("period", "number", "last"),
    [
        ("2026-11", 30, "2026-11-30"),
        ("2026-12", 31, "2026-12-31"),
        ("2026-02", 28, "2026-02-28"),
        ("2028-02", 29, "2028-02-29"),
    ],
)
def test_a_month_has_its_days(period: str, number: int, last: str) -> None:
    days = days_of(period)
    assert (len(days), days[0], days[-1]) == (number, f"{period}-01", last)


@pytest.mark.parametrize(
    ("period", "zone", "begin", "end"),
    [
        ("2026-11", "America/Sao_Paulo", "2026-11-01T03:00+00:00", "2026-12-01T03:00+00:00"),
        ("2026-12", "America/Sao_Paulo", "2026-12-01T03:00+00:00", "2027-01-01T03:00+00:00"),
        ("2026-03", "Europe/Lisbon", "2026-03-01T00:00+00:00", "2026-03-31T23:00+00:00"),
        ("2026-11", "Pacific/Kiritimati", "2026-10-31T10:00+00:00", "2026-11-30T10:00+00:00"),
        ("2023-10", "America/Asuncion", "2023-10-01T04:00+00:00", "2023-11-01T03:00+00:00"),
    ],
    ids=["São Paulo", "a year ends", "summer time begins", "far ahead", "00:00 of the 1st does not exist"],
)
def test_a_month_begins_at_midnight_of_the_account(period: str, zone: str, begin: str, end: str) -> None:
    assert span_of(period, ZoneInfo(zone)) == (datetime.fromisoformat(begin), datetime.fromisoformat(end))


@given(periods, zones, st.integers(0, 999_999))
def test_every_moment_of_a_span_and_none_beside_it_is_of_the_month(period: str, zone: ZoneInfo, part: int) -> None:
    begin, end = span_of(period, zone)
    assert period_of(begin, zone) == period
    assert period_of(begin + (end - begin) * part // 1_000_000, zone) == period
    assert period_of(end - timedelta(microseconds=1), zone) == period
    assert period_of(begin - timedelta(microseconds=1), zone) < period < period_of(end, zone)


@given(periods, zones, st.integers(0, 999_999))
def test_the_day_of_every_moment_is_among_those_of_its_month(period: str, zone: ZoneInfo, part: int) -> None:
    begin, end = span_of(period, zone)
    assert day_of(begin + (end - begin) * part // 1_000_000, zone) in days_of(period)


@pytest.mark.parametrize(
    ("moment", "zone", "hour"),
    [
        ("2026-12-01T02:59:59.999999+00:00", "America/Sao_Paulo", 23),
        ("2026-12-01T03:00:00+00:00", "America/Sao_Paulo", 0),
        ("2026-11-01T05:30:00+00:00", "America/New_York", 1),
        ("2026-11-01T06:30:00+00:00", "America/New_York", 1),
    ],
    ids=["before midnight", "midnight", "the hour that comes twice", "the same again"],
)
def test_an_hour_is_that_of_the_clock_on_the_wall(moment: str, zone: str, hour: int) -> None:
    assert hour_of(datetime.fromisoformat(moment), ZoneInfo(zone)) == hour


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), zones)  # noqa: DTZ001 - hypothesis adds the zone
def test_the_minute_of_a_day_is_that_of_utc(moment: datetime, zone: ZoneInfo) -> None:
    in_utc = moment.replace(tzinfo=UTC)
    midnight = in_utc.replace(hour=0, minute=0, second=0, microsecond=0)
    assert minute_of_day(in_utc.astimezone(zone)) == (in_utc - midnight) // timedelta(minutes=1)
