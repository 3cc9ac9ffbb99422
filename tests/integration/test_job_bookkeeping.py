"""What RQ's dashboard reads of a turn's job: the same that stock RQ writes when its own worker runs one."""

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import FinishedJobRegistry, StartedJobRegistry
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty
from rq.worker import Worker

from app.domain.turn import Status
from app.jobqueue import QUEUE, turn_queue
from app.storage import keys
from tests.integration.turn_store import ANSWERED, DELIVERED, GATE, LEAVE, ONE_CALL, Store

WORKER = "worker-1"
# RQ's own job beside ours: it returns what a turn's job shows.
RETURNED = {"status": "delivered"}
TIMEOUT, RESULT_TTL, FAILURE_TTL = 900, 300, 604800

# What a job cannot have alike: its own id, and moments.
Fields = dict[str, str]


class StockWorker(SimpleWorker):
    """RQ's own worker, with its own book-keeping."""

    death_penalty_class = TimerDeathPenalty

    def _install_signal_handlers(self) -> None:
        """Tests may run outside the main thread."""


class Snapshots:
    """The keys of RQ at a moment, each with its type, its fields and the time it is kept."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client
        self.during: dict[str, Any] = {}

    def take(self, job_id: str, execution: str) -> dict[str, Any]:
        """All there is, with the job, the execution and moments told by a name."""
        found = {}
        for key in sorted(key.decode() for key in cast("list[bytes]", self.redis.keys("rq:*"))):
            # What RQ notes about its workers and its own tidying is no part of a job.
            if key.endswith(":executions") or not key.startswith(("rq:worker", "rq:clean_")):
                name = key.replace(execution, "EXECUTION").replace(job_id, "JOB")
                found[name] = (self._value(key, job_id, execution), _about(self.redis.ttl(key)))
        return found

    def _value(self, key: str, job_id: str, execution: str) -> Any:
        def named(value: bytes) -> str:
            return _shape(value.decode(errors="replace").replace(execution, "EXECUTION").replace(job_id, "JOB"))

        match self.redis.type(key):
            case b"hash":
                fields = cast("Mapping[bytes, bytes]", self.redis.hgetall(key))
                return {name.decode(): named(value) for name, value in fields.items()}
            case b"set":
                return sorted(named(member) for member in cast("set[bytes]", self.redis.smembers(key)))
            case b"zset":
                scored = cast("list[tuple[bytes, float]]", self.redis.zrange(key, 0, -1, withscores=True))
                return [(named(member), _about(score - time.time())) for member, score in scored]
            case b"list":
                return [named(member) for member in cast("list[bytes]", self.redis.lrange(key, 0, -1))]
            case b"stream":
                entries = cast("list[tuple[bytes, Mapping[bytes, bytes]]]", self.redis.xrange(key))
                return [{name.decode(): named(value) for name, value in fields.items()} for _, fields in entries]
            case other:
                raise AssertionError(f"{key} is {other!r}")


def _about(seconds: float) -> int:
    """Seconds to the next ten: both jobs ran a moment ago."""
    return round(seconds / 10) * 10 if seconds > 0 else int(seconds)


def _shape(value: str) -> str:
    """A moment by its form: seconds or an ISO time; everything else as it is."""
    if value.endswith("Z") and value[:2] == "20":
        return f"an ISO time of {len(value)} signs"
    return "seconds" if re.fullmatch(r"\d{10}(\.\d+)?", value) else value


def noted_and_returned(request_id: str) -> dict[str, str]:
    """What RQ's worker runs: looks at the keys while it runs."""
    assert request_id
    _DURING.append(_LOOK())
    return RETURNED


_DURING: list[dict[str, Any]] = []


def _look_at_nothing() -> dict[str, Any]:
    return {}


_LOOK = _look_at_nothing


class Stock:
    """A job as stock RQ runs it, in a Redis of its own time: what stood there while it ran, and afterwards."""

    def __init__(self, client: redis.Redis) -> None:
        global _LOOK  # noqa: PLW0603 - RQ calls a function by its name
        client.flushall()
        queue = Queue(QUEUE, connection=client, serializer=JSONSerializer)
        job = queue.enqueue_call(
            noted_and_returned,
            args=["the-turn"],
            timeout=TIMEOUT,
            result_ttl=RESULT_TTL,
            failure_ttl=FAILURE_TTL,
            description="the-turn",
        )
        snapshots = Snapshots(client)

        def look() -> dict[str, Any]:
            (key,) = cast("list[bytes]", client.keys("rq:execution:*"))
            self.execution = key.decode().rpartition(":")[2]
            return snapshots.take(job.id, self.execution)

        _LOOK = look
        _DURING.clear()
        worker = StockWorker([queue], name=WORKER, connection=client, serializer=JSONSerializer)
        worker.work(burst=True, logging_level="ERROR")
        _LOOK = _look_at_nothing
        (self.during,) = _DURING
        self.after = snapshots.take(job.id, self.execution)
        self.worker = cast("Mapping[bytes, bytes]", client.hgetall(worker.key))


class Ours:
    """The same of a turn: taken, brought to its end by the script that closes it."""

    def __init__(self, client: redis.Redis) -> None:
        client.flushall()
        store = Store(client)
        store.clock.seconds = time.time()
        queue = turn_queue(client)
        worker = StockWorker([queue], name=WORKER, connection=client, serializer=JSONSerializer)
        worker.register_birth()  # type: ignore[no-untyped-call]
        snapshots = Snapshots(client)
        new = store.accept()
        (self.job,) = queue.jobs
        (taken,) = store.next()
        self.during = snapshots.take(self.job.id, taken.hold.token)
        store.advance(taken, ANSWERED)
        store.clock.seconds += 2.5
        store.advance(taken, DELIVERED)
        self.after = snapshots.take(self.job.id, taken.hold.token)
        self.worker = cast("Mapping[bytes, bytes]", client.hgetall(worker.key))
        self.turn_id, self.execution, self.store = new.request_id, taken.hold.token, store


@pytest.fixture
def stock(redis_client: redis.Redis) -> Stock:
    return Stock(redis_client)


@pytest.fixture
def ours(stock: Stock, redis_client: redis.Redis) -> Ours:
    return Ours(redis_client)


def without(fields: Fields, *names: str) -> Fields:
    return {name: value for name, value in fields.items() if name not in names}


JOB = "rq:job:JOB"
# What a job's function and argument are, and where they come from.
NAMED = ("data", "description")


@pytest.mark.parametrize("moment", ["during", "after"])
def test_the_same_keys_stand_there_for_the_same_time(stock: Stock, ours: Ours, moment: str) -> None:
    theirs, found = getattr(stock, moment), getattr(ours, moment)
    assert found.keys() == theirs.keys()
    assert {name: ttl for name, (_, ttl) in found.items()} == {name: ttl for name, (_, ttl) in theirs.items()}


@pytest.mark.parametrize("moment", ["during", "after"])
def test_they_hold_the_same(stock: Stock, ours: Ours, moment: str) -> None:
    theirs, found = getattr(stock, moment), getattr(ours, moment)
    for name, (value, _) in theirs.items():
        if name == JOB:
            # What RQ writes empty is not written at all; it reads both the same.
            assert without(found[name][0], *NAMED) == {
                field: told for field, told in without(value, *NAMED).items() if told != ""
            }
        else:
            assert found[name][0] == value, name


def test_a_worker_is_told_to_have_worked_as_by_rq(stock: Stock, ours: Ours) -> None:
    assert (stock.worker[b"successful_job_count"], ours.worker[b"successful_job_count"]) == (b"1", b"1")
    assert float(stock.worker[b"total_working_time"]) < 2.5
    assert float(ours.worker[b"total_working_time"]) == pytest.approx(2.5, abs=0.01)


def test_rq_reads_what_became_of_a_turn(ours: Ours) -> None:
    client = ours.store.redis
    job = Job.fetch(ours.job.id, connection=client, serializer=JSONSerializer)
    assert (job.get_status(), job.return_value(), job.description) == (JobStatus.FINISHED, RETURNED, ours.turn_id)
    assert (job.worker_name, job.func_name, job.args) == (WORKER, "workers.jobs.answer", [ours.turn_id])
    assert job.started_at is not None
    assert job.ended_at is not None
    assert (job.ended_at - job.started_at).total_seconds() == pytest.approx(2.5, abs=0.01)
    (result,) = job.results()
    assert (result.type, result.return_value) == (Result.Type.SUCCESSFUL, RETURNED)
    assert FinishedJobRegistry(QUEUE, connection=client).get_job_ids() == [job.id]
    assert StartedJobRegistry(QUEUE, connection=client).get_job_ids() == []


def test_rq_sees_a_turn_that_is_worked_on(redis_client: redis.Redis) -> None:
    store = Store(redis_client)
    store.clock.seconds = time.time()
    queue = turn_queue(redis_client)
    worker = StockWorker([queue], name=WORKER, connection=redis_client, serializer=JSONSerializer)
    worker.register_birth()  # type: ignore[no-untyped-call]
    store.accept()
    (taken,) = store.next()
    registry = StartedJobRegistry(QUEUE, connection=redis_client)
    (job_id,) = registry.get_job_ids()
    job = Job.fetch(job_id, connection=redis_client, serializer=JSONSerializer)
    assert (job.get_status(), job.worker_name) == (JobStatus.STARTED, WORKER)
    (execution,) = job.get_executions()
    assert (execution.id, execution.worker_name) == (taken.hold.token, WORKER)
    assert Execution.fetch(taken.hold.token, job_id, redis_client).created_at.timestamp() == pytest.approx(
        store.clock(), abs=1
    )
    (found,) = Worker.all(connection=redis_client)
    assert found.name == WORKER
    assert queue.count == 0
    assert queue.started_job_registry.count == 1


# --- every way in which a worker may let go -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("way", "status"),
    [
        ("waits for its key", Status.ACCEPTED),
        ("waits for Kommo", Status.ANSWERED),
        ("waits for its moment", Status.ANSWERED),
        ("is closed", Status.DELIVERED),
    ],
)
def test_a_worker_that_lets_go_in_order_has_finished_its_job(
    redis_client: redis.Redis, way: str, status: Status
) -> None:
    store = Store(redis_client, pace=ONE_CALL)
    new = store.accept()
    (job,) = turn_queue(redis_client).jobs
    (taken,) = store.next()
    if way == "waits for its key":
        store.park(taken, 10.0, GATE)
    else:
        store.advance(taken, ANSWERED)
    if way == "waits for Kommo":
        store.park(taken, 1.0)
    if way == "waits for its moment":
        now = int(time.time() * 1_000_000)
        store.redis.set(keys.pace_of_egress("default"), f"{now + 60_000_000} {now - 1_000_000}")
        store.advance(taken, LEAVE)
    if way == "is closed":
        store.advance(taken, DELIVERED)
    finished = Job.fetch(job.id, connection=redis_client, serializer=JSONSerializer)
    assert (finished.get_status(), finished.return_value()) == (JobStatus.FINISHED, {"status": status})
    assert redis_client.keys("rq:execution*") == []
    assert StartedJobRegistry(QUEUE, connection=redis_client).count == 0
    turn = store.turns.read(new.request_id)
    assert turn is not None
    # A taking that was over in order, and no end, counts no more.
    assert (turn.status, turn.claims) == (status, 1 if way == "is closed" else 0)


@pytest.mark.parametrize("failed", [False, True], ids=["it was killed", "it broke"])
def test_nothing_is_left_of_a_lost_workers_job_but_what_failed_is_shown(
    redis_client: redis.Redis, failed: bool
) -> None:
    store = Store(redis_client)
    store.accept()
    (job,) = turn_queue(redis_client).jobs
    (taken,) = store.next()
    if failed:
        redis_client.hset(job.key, "status", "failed")
    store.clock.seconds += 10
    assert store.sweep() == [taken.hold.request_id]
    assert bool(redis_client.exists(job.key)) is failed
    assert redis_client.keys("rq:execution*") == []
    assert StartedJobRegistry(QUEUE, connection=redis_client).count == 0
    (next_job,) = turn_queue(redis_client).jobs
    assert next_job.id != job.id


def test_a_call_that_leaves_later_has_no_job(redis_client: redis.Redis) -> None:
    store = Store(redis_client)
    store.accept()
    (taken,) = store.next()
    store.advance(taken, ANSWERED)
    store.park(taken, 1.0)
    before = set(redis_client.keys("rq:*"))
    store.clock.seconds += 1.1
    assert store.sweep() == []
    (leaving,) = store.departing()
    store.advance(leaving, DELIVERED)
    assert set(redis_client.keys("rq:*")) == before


def test_a_queue_that_is_emptied_on_the_dashboard_takes_no_turn_with_it(redis_client: redis.Redis) -> None:
    store = Store(redis_client)
    new = store.accept()
    queue = turn_queue(redis_client)
    assert queue.empty() == 1  # type: ignore[no-untyped-call]
    (taken,) = store.next()
    assert taken.turn.request_id == new.request_id
    store.advance(taken, ANSWERED)
    store.advance(taken, DELIVERED)
    # What is noted of a job that was deleted goes with its result.
    assert all(redis_client.ttl(key) > 0 for key in redis_client.keys("rq:job:*"))
    assert redis_client.keys("rq:execution*") == []


def test_a_result_is_shown_for_every_state_a_job_may_end_in(redis_client: redis.Redis) -> None:
    store = Store(redis_client)
    for status in (Status.DELIVERED, Status.NOT_WAITING, Status.UNDELIVERABLE):
        store.accept(line=None)
        (job,) = turn_queue(redis_client).jobs
        (taken,) = store.next()
        store.advance(taken, ANSWERED)
        store.advance(taken, replace(DELIVERED, status=status))
        shown = Job.fetch(job.id, connection=redis_client, serializer=JSONSerializer).return_value()
        assert shown == {"status": status}
