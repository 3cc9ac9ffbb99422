"""What `bytegpt doctor` says of one thing, and what it says of Redis, the clocks and the work that is done."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from app.domain.failures import Failure
from app.domain.service_state import RedisState, Work, WorkerLoad

# RQ moves its jobs with BLMOVE; what is older than 7 gets no more repairs.
OLDEST_REDIS, GOOD_REDIS = (6, 2), (7,)
MEMORY_WARNING, MEMORY_FAILURE = 0.75, 0.9
# Kommo's tokens are taken 30 seconds before and after their time (contract 4).
CLOCK_WARNING, CLOCK_FAILURE = 5.0, 25.0
QUEUE_WARNING = 5.0


class State(StrEnum):
    """How good it is. The value is what people and programs read."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Said:
    """What a finding says, for pages in other languages: they have a text for each key.

    failure: a documented one, whose text and remedy stand in all languages already.
    """

    key: str
    values: Mapping[str, str | int] = field(default_factory=dict)
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check-up. what: its subject. found: a short sentence. remedy: what to do, "" where all is well.

    said: the same for pages in other languages; None of what no page shows.
    """

    what: str
    state: State
    found: str
    remedy: str = ""
    said: Said | None = field(default=None, compare=False)

    def saying(self, key: str, failure: Failure | None = None, **values: str | int) -> "Finding":
        """The same finding, for pages in other languages too."""
        return replace(self, said=Said(key, values, failure))


@dataclass(frozen=True, slots=True)
class Probed:
    """What an address answered. ahead: seconds by which its clock is ahead of ours, None where it does not say.

    body: the first bytes of it.
    """

    status: int
    ahead: float | None
    body: bytes = b""


class Unreachable(Exception):
    """No answer came from an address. detail: our own word for what was seen."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def ok(what: str, found: str) -> Finding:
    """All is well."""
    return Finding(what, State.OK, found)


def warning(what: str, found: str, remedy: str) -> Finding:
    """It works, and may not for long."""
    return Finding(what, State.WARNING, found, remedy)


def failed(what: str, found: str, remedy: str) -> Finding:
    """It does not work, or something will be lost."""
    return Finding(what, State.FAILED, found, remedy)


def worst(findings: Sequence[Finding]) -> State:
    """The state of all of them together."""
    states = {finding.state for finding in findings}
    return next((state for state in (State.FAILED, State.WARNING) if state in states), State.OK)


def of_redis(redis: RedisState, snapshots: bool | None) -> Iterator[Finding]:
    """What a Redis that answers says of itself. snapshots: as storage/inspection.py tells it."""
    yield _version(redis)
    yield _persistence(redis, snapshots)
    yield _eviction(redis)
    yield _memory(redis)


def _version(redis: RedisState) -> Finding:
    what = "redis version"
    if redis.mode == "cluster":
        return failed(what, f"{redis.server} is a cluster.", "Use one Redis, with replicas: scripts need all keys.")
    if redis.role != "master":
        return failed(what, f"{redis.server} is a replica.", "Let REDIS_URL name the master, or the sentinels.")
    if redis.version < OLDEST_REDIS:
        return failed(what, f"{redis.server} is too old.", "Install Redis 7 or newer, or Valkey.")
    if redis.version < GOOD_REDIS:
        return warning(what, f"{redis.server} gets no repairs any more.", "Install Redis 7 or newer, or Valkey.")
    return ok(what, redis.server)


def _persistence(redis: RedisState, snapshots: bool | None) -> Finding:
    what = "redis persistence"
    if not redis.writes_kept:
        return failed(what, "its last write to disk failed.", "Look at its log and at the room on its disk.")
    if redis.append_only:
        return ok(what, "append-only file")
    if snapshots is False:
        return failed(what, "nothing is kept on disk.", "Set `appendonly yes`: a restart would lose turns and charges.")
    return warning(
        what, "no append-only file.", "Set `appendonly yes`: a crash would lose what came since the last snapshot."
    )


def _eviction(redis: RedisState) -> Finding:
    what, remedy = (
        "redis eviction",
        "Set `maxmemory-policy noeviction`: keys that are thrown away are turns and charges.",
    )
    if redis.evicted:
        return failed(what, f"{redis.evicted} keys were thrown away since it started.", remedy)
    if redis.eviction == "noeviction":
        return ok(what, redis.eviction)
    if redis.memory_limit:
        return failed(what, f"{redis.eviction}: keys will be thrown away.", remedy)
    return warning(what, f"{redis.eviction}, but no limit of memory.", remedy)


def _memory(redis: RedisState) -> Finding:
    what, used = "redis memory", f"{redis.memory / 1_000_000:,.0f} MB"
    share = redis.memory_share
    if share is None:
        return ok(what, used)
    told = f"{used} used, {share:.0%} of {'its limit' if redis.memory_limit else 'the memory of its machine'}"
    remedy = "Give Redis more memory: when it is full, webhooks are answered with 503."
    if share >= MEMORY_FAILURE:
        return failed(what, f"{told}.", remedy)
    return warning(what, f"{told}.", remedy) if share >= MEMORY_WARNING else ok(what, told)


def of_clock(whose: str, ahead: float, remedy: str) -> Finding:
    """How far another clock is from ours. ahead: seconds."""
    what, told = f"clock against {whose}", f"{abs(ahead):.1f} s {'behind' if ahead > 0 else 'ahead'}"
    if abs(ahead) >= CLOCK_FAILURE:
        return failed(what, f"ours is {told}.", remedy)
    return warning(what, f"ours is {told}.", remedy) if abs(ahead) >= CLOCK_WARNING else ok(what, "together")


def of_workers(workers: Sequence[WorkerLoad]) -> Finding:
    """Whether anybody answers."""
    what = "workers"
    if not workers:
        return failed(what, "none lives.", "Start `bytegpt worker`: nothing is answered without one.")
    threads, busy = sum(one.threads or 0 for one in workers), sum(one.busy or 0 for one in workers)
    told = f"{len(workers)} alive"
    if threads and busy >= threads:
        return warning(
            what, f"{told}, all of their {threads} threads busy.", "Raise WORKER_CONCURRENCY or WORKER_PROCESSES."
        )
    return ok(what, f"{told}, {busy} of {threads} threads busy" if threads else told)


def of_work(work: Work, turn_deadline: float) -> Iterator[Finding]:
    """What waits. turn_deadline: the setting TURN_DEADLINE."""
    yield _queue(work, turn_deadline)
    if work.unattended:
        yield failed(
            "open turns", f"{work.unattended} of {work.open} are looked after by nobody.", "Look at the workers' logs."
        )
    else:
        yield ok("open turns", f"{work.open}")
    if work.gates_closed:
        yield warning(
            "openai keys",
            f"{work.gates_closed} are told to wait.",
            "Their companies have reached a limit at OpenAI, or spent their credit.",
        )
    else:
        yield ok("openai keys", "none is told to wait")
    if work.notes_late:
        yield warning(
            "notes on leads",
            f"{work.notes_late} of {work.notes} are late.",
            "Kommo has no room for them: continue calls go first. See KOMMO_RATE and KOMMO_EGRESS.",
        )
    else:
        yield ok("notes on leads", f"{work.notes} waiting")


def _queue(work: Work, turn_deadline: float) -> Finding:
    what = "queue"
    if work.oldest is None or work.oldest < QUEUE_WARNING:
        return ok(what, f"{work.queued} turns wait for a worker")
    told = f"{work.queued} turns wait for a worker, the next one since {work.oldest:.0f} s."
    remedy = "Start more workers: WORKER_PROCESSES, WORKER_CONCURRENCY, or another machine."
    return (failed if work.oldest >= turn_deadline else warning)(what, told, remedy)
