"""Whether the service works, in one word and a list of reasons: what the overview says before anything else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from app.domain.checkup import MEMORY_WARNING, QUEUE_WARNING
from app.domain.failures import Failure
from app.domain.service_minutes import Calls, LastHour, Span
from app.domain.service_state import RedisState, ServiceState, Work, WorkerLoad
from app.web.console.formats import duration_text, number_text, percent_text

# Minutes that are looked at, and of how many calls a share says something.
RECENT_MINUTES = 5
_ENOUGH_CALLS = 10
# Shares of the calls to a partner that fail by its own trouble.
_FAILING, _DOWN = 0.1, 0.5


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an operator has to see to. key: of the text that says what is wrong and what to do.

    tone: bad where clients get no answer or data may be lost, else warn. values: of the text.
    """

    key: str
    tone: str
    values: dict[str, str] = field(default_factory=dict)


def findings(state: ServiceState, hour: LastHour, turn_deadline: float) -> Sequence[Finding]:
    """All of them, the worst first. turn_deadline: the setting TURN_DEADLINE."""
    recent = hour.last(RECENT_MINUTES)
    found = [
        *_of_workers(state.workers),
        *_of_work(state.work, turn_deadline),
        *_of_partner(recent.openai, "openai"),
        *_of_partner(recent.kommo, "kommo"),
        *_of_overload(recent),
        *_of_redis(state.redis),
    ]
    return sorted(found, key=lambda finding: finding.tone != "bad")


def tone_of(found: Sequence[Finding]) -> str:
    """How the service is: ok, warn or bad."""
    tones = {finding.tone for finding in found}
    return next((tone for tone in ("bad", "warn") if tone in tones), "ok")


def _of_workers(workers: Sequence[WorkerLoad]) -> Iterator[Finding]:
    if not workers:
        yield Finding("overview.no_worker", "bad")
    threads, busy = sum(one.threads or 0 for one in workers), sum(one.busy or 0 for one in workers)
    if threads and busy >= threads:
        yield Finding("overview.workers_full", "warn", {"threads": number_text(threads)})


def _of_work(work: Work, turn_deadline: float) -> Iterator[Finding]:
    if work.unattended:
        yield Finding("overview.unattended", "bad")
    if work.oldest is not None and work.oldest >= QUEUE_WARNING:
        late = work.oldest >= turn_deadline / 2
        yield Finding("overview.queue_slow", "bad" if late else "warn", {"time": duration_text(1000 * work.oldest)})
    if work.notes_late:
        yield Finding("overview.notes_behind", "warn", {"number": number_text(work.notes_late)})


def _of_partner(calls: Calls, name: str) -> Iterator[Finding]:
    share = calls.outage_rate
    if share is None or calls.judged < _ENOUGH_CALLS or share < _FAILING:
        return
    values = {"share": percent_text(share, 1), "minutes": number_text(RECENT_MINUTES)}
    yield Finding(f"overview.failing.{name}", "bad" if share >= _DOWN else "warn", values)


def _of_overload(recent: Span) -> Iterator[Finding]:
    late, flood = recent.failed.get(Failure.BUSY, 0), recent.refused.get(Failure.BUSY, 0)
    if late:
        yield Finding("overview.overloaded", "bad", {"number": number_text(late)})
    if flood:
        yield Finding("overview.flood", "warn", {"number": number_text(flood)})


def _of_redis(redis: RedisState) -> Iterator[Finding]:
    if not redis.writes_kept:
        yield Finding("overview.redis_cannot_write", "bad")
    if redis.eviction != "noeviction":
        yield Finding("overview.redis_evicts", "bad")
    if not redis.append_only:
        yield Finding("overview.redis_forgets", "warn")
    if (redis.memory_share or 0) >= MEMORY_WARNING:
        yield Finding("overview.redis_nearly_full", "warn")
