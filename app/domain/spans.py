"""Minutes, hours, days and months as the clock of an account shows them. Moments must be aware."""

from calendar import monthrange
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from app.domain.quota import next_period


def minute_of_day(moment: datetime) -> int:
    """The minute of its day of UTC that a moment falls into."""
    in_utc = moment.astimezone(UTC)
    return 60 * in_utc.hour + in_utc.minute


def hour_of(moment: datetime, zone: ZoneInfo) -> int:
    """The hour of the day, 0 to 23, that it is where an account lives."""
    return moment.astimezone(zone).hour


def days_of(period: str) -> list[str]:
    """The days of a month, `YYYY-MM-DD`."""
    year, month = _numbers(period)
    return [f"{period}-{day:02d}" for day in range(1, monthrange(year, month)[1] + 1)]


def span_of(period: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The first moment of a month where an account lives, and that of the month after it."""
    return _first_moment(period, zone), _first_moment(next_period(period), zone)


def _first_moment(period: str, zone: ZoneInfo) -> datetime:
    # Where the clock is put forward at this very midnight, 00:00 is read with the offset before: the same moment.
    return datetime(*_numbers(period), day=1, tzinfo=zone).astimezone(UTC)


def _numbers(period: str) -> tuple[int, int]:
    year, month = period.split("-")
    return int(year), int(month)
