"""How long an operator stays logged in to the console."""

from dataclasses import dataclass

# Seconds without anything done by hand, and from the login on whatever is done.
IDLE_SECONDS = 30 * 60
LONGEST_SECONDS = 12 * 3600


@dataclass(frozen=True, slots=True)
class OperatorSession:
    """One login that has not been ended.

    began_at, seen_at: in seconds since the epoch; seen_at is when the operator last did something by hand.
    credentials: a digest of the name and the password hash that it was opened with.
    """

    operator: str
    began_at: float
    seen_at: float
    credentials: str

    def seconds_left(self, now: float) -> float:
        """How long it still lasts where nothing more is done; not above 0 when it is over."""
        return min(self.seen_at + IDLE_SECONDS, self.began_at + LONGEST_SECONDS) - now
