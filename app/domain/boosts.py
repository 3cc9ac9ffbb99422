"""Boosts: extra requests beside the plan (contract 7)."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

BOOST_KEY = re.compile(r"[A-Za-z0-9._-]{1,64}")
BOOST_KEY_RULE = "1 to 64 letters, digits, dots, hyphens and underscores"
MOST_REQUESTS = 1_000_000_000
# Later than any boost expires, in milliseconds: where one lasts for ever.
NEVER = 9_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class Boost:
    """A boost as it was added. expires: the last day it counts, None for ever. added_at: milliseconds."""

    key: str
    requests: int
    expires: date | None
    added_at: int
    remaining: int = 0

    def __post_init__(self) -> None:
        """Raise ValueError for a key or a number that no boost may have."""
        if not BOOST_KEY.fullmatch(self.key):
            raise ValueError(f"a boost's key has {BOOST_KEY_RULE}")
        if not 1 <= self.requests <= MOST_REQUESTS:
            raise ValueError(f"a boost has 1 to {MOST_REQUESTS} requests")

    @property
    def member(self) -> str:
        """Its name among the boosts of its account; boosts sort by age by it (lua/boosts.lua)."""
        return f"{self.added_at:015d}:{self.key}"


def end_of(day: date | None, zone: ZoneInfo) -> int:
    """The first millisecond after a day where the account lives; NEVER for None, and for the last day that there is."""
    if day is None or day == date.max:
        return NEVER
    return int(datetime.combine(day + timedelta(days=1), time(), zone).timestamp() * 1000)


class BoostUnknown(Exception):
    """No boost of the account has this key, or nothing is left of it."""

    def __init__(self, key: str) -> None:
        super().__init__(f"nothing is left of a boost with the key {key}")
