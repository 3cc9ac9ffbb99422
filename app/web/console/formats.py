"""Numbers and times as the operator's language writes them. Each is a filter of the templates."""

from datetime import UTC, date, datetime, tzinfo
from typing import cast

from flask import current_app
from markupsafe import Markup

from app.domain.accounts import Locale
from app.web.console.look import look

ZONE_KEY = "CONSOLE_ZONE"
# Stands where there is nothing to show.
NOTHING = "—"

# Thousands, decimals.
_SEPARATORS: dict[Locale, tuple[str, str]] = {"pt": (".", ","), "es": (".", ","), "en": (",", ".")}
_MOMENTS: dict[Locale, str] = {"pt": "%d/%m/%Y %H:%M:%S", "es": "%d/%m/%Y %H:%M:%S", "en": "%Y-%m-%d %H:%M:%S"}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def number_text(value: float, digits: int = 0) -> str:
    """`1234.5` as `1.234,5`, with so many decimals."""
    thousands, decimals = _SEPARATORS[look().locale]
    return f"{value:,.{digits}f}".translate({ord(","): thousands, ord("."): decimals})


def percent_text(part: float, whole: float, digits: int = 0) -> str:
    """How much of a whole a part is: `42 %`; NOTHING of a whole of 0."""
    return f"{number_text(100 * part / whole, digits)} %" if whole else NOTHING


def bytes_text(value: float) -> str:
    """`1536` as `1,5 KiB`."""
    unit = 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{number_text(value, 1 if unit else 0)} {_UNITS[unit]}"


def dollars_text(dollars: str | None) -> str:
    """`1234.5` (domain/prices.py, dollars) as `US$ 1.234,50`, a sum of less than a dollar with four decimals."""
    if dollars is None:
        return NOTHING
    amount = float(dollars)
    return f"US$\N{NO-BREAK SPACE}{number_text(amount, 2 if amount >= 1 or not amount else 4)}"


def month_text(period: str) -> str:
    """`2026-11` as `11/2026`."""
    year, month = period.split("-")
    return f"{year}-{month}" if look().locale == "en" else f"{month}/{year}"


def day_text(day: str | date | None) -> str:
    """`2026-11-21` as `21/11/2026`; NOTHING for None."""
    if day is None:
        return NOTHING
    year, month, number = str(day).split("-")
    return f"{year}-{month}-{number}" if look().locale == "en" else f"{number}/{month}/{year}"


def duration_text(milliseconds: float) -> str:
    """`843` as `843 ms`, `1234` as `1,2 s`, `90000` as `1 min 30 s`, `7260000` as `2 h 1 min`."""
    if milliseconds < 1000:
        return f"{number_text(milliseconds)} ms"
    if milliseconds < 60_000:
        return f"{number_text(milliseconds / 1000, 1)} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{number_text(hours)} h {minutes} min"


def moment_text(at: float | datetime) -> str:
    """A time in milliseconds since the epoch, or a datetime (UTC where it does not say), in the console's zone."""
    return _local(at).strftime(_MOMENTS[look().locale])


def moment(at: float | datetime | None) -> str:
    """The same as an HTML element that machines can read; NOTHING for None."""
    if at is None:
        return NOTHING
    iso = _local(at).isoformat(timespec="milliseconds")
    return Markup('<time datetime="{}">{}</time>').format(iso, moment_text(at))


def _local(at: float | datetime) -> datetime:
    zone = cast("tzinfo", current_app.config[ZONE_KEY])
    if isinstance(at, datetime):
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(zone)
    return datetime.fromtimestamp(at / 1000, zone)


FILTERS = {
    "number": number_text,
    "percent_of": percent_text,
    "bytes": bytes_text,
    "duration": duration_text,
    "moment": moment,
    "dollars": dollars_text,
    "month": month_text,
    "day": day_text,
}
