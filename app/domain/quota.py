"""Months, days and what is left of a plan (contract 7). Times come in as arguments: the service's clock decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

_PERIOD_LENGTH = len("2026-11")
# Per cent of the month's limit at which everybody is told (contract 7).
MARKS = (80, 100)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger. at: milliseconds. requests: what it does to the balance. request_id "" for none."""

    at: int
    request_id: str
    kind: str
    requests: int
    reason: str


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Lines of the ledger, newest first. older: the cursor of the page after this one, None for the last page."""

    entries: Sequence[Entry]
    older: str | None


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters of one month.

    plan: the one the allowance comes from. boosts: what boosts gave to the month, and in the present one also what is
    left of them.
    """

    plan: str
    allowance: int
    used: int = 0
    reserved: int = 0
    boosts: int = 0


def period_of(moment: datetime, zone: ZoneInfo) -> str:
    """The month, `YYYY-MM`, that a moment belongs to where the account lives. moment must be aware."""
    return day_of(moment, zone)[:_PERIOD_LENGTH]


def day_of(moment: datetime, zone: ZoneInfo) -> str:
    """The day, `YYYY-MM-DD`, that a moment belongs to where the account lives. moment must be aware."""
    return moment.astimezone(zone).date().isoformat()


@dataclass(frozen=True, slots=True)
class ContactLimit:
    """How many requests one contact has in one span of time. days_kept: how long its counter is needed."""

    span: str
    requests: int
    days_kept: int


def contact_limits(
    moment: datetime, zone: ZoneInfo, daily: int | None, weekly: int | None, monthly: int | None
) -> tuple[ContactLimit, ...]:
    """The limits that hold for a contact at a moment; a week begins on Monday where the account lives."""
    if daily is weekly is monthly is None:
        return ()
    week = moment.astimezone(zone).strftime("%G-W%V")
    spans = ((day_of(moment, zone), daily, 3), (week, weekly, 10), (period_of(moment, zone), monthly, 40))
    return tuple(ContactLimit(span, limit, kept) for span, limit, kept in spans if limit is not None)


def next_period(period: str) -> str:
    """The month after this one."""
    year, month = (int(part) for part in period.split("-"))
    return f"{year + month // 12:04d}-{month % 12 + 1:02d}"


def remaining(allowance: int, boosts: int, used: int, reserved: int) -> int:
    """Requests that can still be accepted; never below 0, also after a change to a smaller plan."""
    return max(0, allowance + boosts - used - reserved)
