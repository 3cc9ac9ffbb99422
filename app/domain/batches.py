"""Many failed turns that an operator wants to be run again, after an outage."""

from collections.abc import Mapping
from dataclasses import dataclass, field

# Of one batch. What is beyond is for another one.
MOST_TURNS = 5000


@dataclass(frozen=True, slots=True)
class Batch:
    """One wish: those of an account that ended badly in a span. Times are milliseconds since the epoch.

    untold: only those whose bot was not told the failure. by: who wants it. total: how many turns it has.
    counts: how many of them became what (services/replaying.py, Outcome.became).
    takings: how often a process began to work on it; more than one means that an earlier one was stopped or lost.
    ended_at: None while it is worked on. stopping: an operator wants no further turn to be begun.
    """

    batch_id: str
    account_id: int
    since: int
    until: int
    untold: bool
    by: str
    begun_at: int
    total: int
    counts: Mapping[str, int] = field(default_factory=dict)
    takings: int = 0
    ended_at: int | None = None
    stopping: bool = False

    @property
    def done(self) -> int:
        """Of how many of its turns the result is known."""
        return sum(self.counts.values())
