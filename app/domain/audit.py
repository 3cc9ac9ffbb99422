"""What the counters of a month must be, recomputed from its ledger (contract 7)."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain.quota import Entry


@dataclass(frozen=True, slots=True)
class Recomputed:
    """The counters of a month as its entries make them. boosts: what boosts gave, and in the open month have left."""

    allowance: int = 0
    used: int = 0
    reserved: int = 0
    boosts: int = 0


def recomputed(entries: Iterable[Entry]) -> Recomputed:
    """Add up a month's entries, in whatever order the turns in them ended."""
    allowance = boosts = 0
    open_turns: dict[str, int] = {}
    used = 0
    for entry in entries:
        match entry.kind:
            case "grant" | "plan_change":
                allowance += entry.requests
            case "boost" | "carry" | "expire" | "void":
                boosts += entry.requests
            case "reserve":
                open_turns[entry.request_id] = open_turns.get(entry.request_id, 0) - entry.requests
            case "release":
                open_turns[entry.request_id] = open_turns.get(entry.request_id, 0) - entry.requests
            case "settle":
                used += open_turns.pop(entry.request_id, 0)
    return Recomputed(allowance, used, sum(open_turns.values()), boosts)
