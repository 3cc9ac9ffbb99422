"""Kommo's limit of calls per second and address, and how busy a second was (kommo.md 8.8)."""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum


class Admission(StrEnum):
    """What becomes of a call before anybody looks at it."""

    ADMITTED = "admitted"
    TOO_MANY = "too many"  # 429
    BLOCKED = "blocked"  # 403, whatever is called


@dataclass(frozen=True, slots=True)
class RateRules:
    """The limit of one source address.

    per_second: calls in any second, None for no limit. Refused calls count too.
    retry_after: seconds that a 429 names.
    block_after: refusals within a minute after which the address is blocked.
    block_seconds: how long; Kommo does not say.
    """

    per_second: int | None = 7
    retry_after: int = 1
    block_after: int = 20
    block_seconds: float = 60


@dataclass(slots=True)
class _Source:
    recent: deque[float] = field(default_factory=deque)
    refusals: deque[float] = field(default_factory=deque)
    blocked_until: float = 0.0


class RateLimiter:
    """Counts calls in a sliding second per source address. Usable from any thread."""

    def __init__(self, rules: RateRules) -> None:
        self.rules = rules
        self._sources: dict[str, _Source] = {}
        self._lock = threading.Lock()

    def admit(self, address: str, now: float) -> Admission:
        """Count a call of this address at this moment (seconds, never going back) and say what becomes of it."""
        limit = self.rules.per_second
        if limit is None:
            return Admission.ADMITTED
        with self._lock:
            source = self._sources.setdefault(address, _Source())
            if now < source.blocked_until:
                return Admission.BLOCKED
            _forget(source.recent, now - 1)
            source.recent.append(now)
            if len(source.recent) <= limit:
                return Admission.ADMITTED
            self._refuse(source, now)
            return Admission.TOO_MANY

    def _refuse(self, source: _Source, now: float) -> None:
        _forget(source.refusals, now - 60)
        source.refusals.append(now)
        if len(source.refusals) >= self.rules.block_after:
            source.blocked_until = now + self.rules.block_seconds
            source.refusals.clear()


def _forget(moments: deque[float], until: float) -> None:
    while moments and moments[0] <= until:
        moments.popleft()


def busiest_second(moments: Iterable[float]) -> int:
    """The most moments that fall into any second, its end not included."""
    window: deque[float] = deque()
    most = 0
    for moment in sorted(moments):
        _forget(window, moment - 1)
        window.append(moment)
        most = max(most, len(window))
    return most
