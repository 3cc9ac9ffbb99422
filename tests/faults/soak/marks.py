"""Faults as they happened, and what each kind of them did."""

from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True)
class Mark:
    """One fault: when it began, in seconds since the epoch, and how many turns were in flight then."""

    at: float
    in_flight: int


@dataclass(slots=True)
class Tally:
    """What one kind of fault has done so far.

    failed: turns whose client was told a failure. late: answered after their deadline.
    next_answered: for each fault, seconds until a message that was sent after it had its answer.
    breaches: what must not be, in words.
    """

    tried: int = 0
    in_flight: int = 0
    turns: int = 0
    refused: int = 0
    failed: int = 0
    undeliverable: int = 0
    lost: int = 0
    doubled: int = 0
    mischarged: int = 0
    late: int = 0
    next_answered: list[float] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Count another one's faults too."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.next_answered += other.next_answered
        self.breaches += other.breaches


_COUNTS = [one.name for one in fields(Tally) if one.type is int]
