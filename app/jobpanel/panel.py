"""The queue as RQ shows and changes it, for its dashboard. With app/jobqueue.py the only importer of rq in app/.

What RQ does in one long step, and the whole service would wait for, is done here in short ones.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from redis import Redis
from rq import Queue, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job
from rq.registry import (
    BaseRegistry,
    CanceledJobRegistry,
    DeferredJobRegistry,
    FailedJobRegistry,
    FinishedJobRegistry,
    ScheduledJobRegistry,
    StartedJobRegistry,
)
from rq.serializers import JSONSerializer

from app.jobpanel.shown import ShownJob, ShownWorker, shown_job, shown_worker

QUEUED = "queued"
_REGISTRIES: Mapping[str, type[BaseRegistry]] = {
    "started": StartedJobRegistry,
    "failed": FailedJobRegistry,
    "finished": FinishedJobRegistry,
    "deferred": DeferredJobRegistry,
    "scheduled": ScheduledJobRegistry,
    "canceled": CanceledJobRegistry,
}
# Where a job may stand, the queue itself first.
REGISTRIES = (QUEUED, *_REGISTRIES)

# Seconds for which jobs are changed one after the other before the request is answered; the rest is left.
PATIENCE = 10.0
_AT_ONCE = 500
# What RQ raises for fields that are not as it writes them.
_UNREADABLE = (NoSuchJobError, ValueError, KeyError, TypeError, AssertionError)


class JobUnknown(Exception):
    """There is no such job; it may have been worked off or have expired."""


class JobNotFailed(Exception):
    """Only a failed job can be queued again."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What an order to change many jobs has come to. left: the order was too long for one request; give it again."""

    jobs: int
    left: bool


class _SeenWorker(Worker):
    """A worker that is only looked at."""

    def _set_connection(self, connection: Redis) -> Redis:
        """Leave the client as it is: RQ makes every new connection of its pool wait for seven minutes."""
        return connection


class JobPanel:
    """Every method raises what redis-py raises when Redis is away.

    connection: one client for the whole process.
    """

    def __init__(self, connection: Redis, clock: Callable[[], float] = time.monotonic) -> None:
        self.connection = connection
        self._clock = clock

    def queues(self) -> list[str]:
        """The names of all queues, in order."""
        return sorted(queue.name for queue in Queue.all(connection=self.connection))

    def count(self, queue: str, registry: str) -> int:
        """How many jobs stand there."""
        if registry == QUEUED:
            return self.connection.llen(self._queue(queue).key)
        return self.connection.zcard(self._registry(queue, registry).key)

    def jobs(self, queue: str, registry: str, *, first: int, most: int, newest_first: bool) -> list[ShownJob]:
        """Those jobs from the place `first` on, counted from 0; jobs that have expired meanwhile are left out."""
        found = self._read(self._ids(queue, registry, first, most, newest_first))
        return [shown_job(job) for job in found if job is not None]

    def job(self, job_id: str) -> ShownJob:
        """One job. Raises JobUnknown."""
        return shown_job(self._fetch(job_id))

    def dependencies(self, job_id: str) -> Mapping[str, bool]:
        """The ids of the jobs that this one waits for, and whether each is still there."""
        ids = sorted(self._fetch(job_id).dependency_ids)
        return {one: job is not None for one, job in zip(ids, self._read(ids), strict=True)}

    def workers(self) -> list[ShownWorker]:
        """All workers that RQ knows, those at work first."""
        workers = _SeenWorker.all(connection=self.connection, serializer=JSONSerializer)
        return sorted((shown_worker(worker) for worker in workers), key=lambda one: (one.state, one.name))

    def requeue(self, job_id: str) -> None:
        """Put a failed job into its queue again. Raises JobUnknown and JobNotFailed."""
        job = self._fetch(job_id)
        try:
            job.requeue()
        except InvalidJobOperation:
            raise JobNotFailed from None

    def requeue_failed(self, queue: str) -> Changed:
        """Put every failed job into its queue again."""
        registry = self._registry(queue, "failed")

        def requeue(job_id: str) -> bool:
            try:
                self.requeue(job_id)
            except JobUnknown:
                self.connection.zrem(registry.key, job_id)
                return False
            except JobNotFailed:  # somebody else was quicker
                return False
            return True

        return self._change(registry.get_job_ids(cleanup=False), requeue)

    def delete(self, job_id: str) -> None:
        """Delete a job wherever it stands. Raises JobUnknown."""
        self._fetch(job_id).delete()

    def empty(self, queue: str, registry: str) -> Changed:
        """Delete every job that stands there."""
        if registry == QUEUED:
            return self._empty_queue(queue)
        place = self._registry(queue, registry)

        def delete(job_id: str) -> bool:
            try:
                self.delete(job_id)
            except JobUnknown:
                self.connection.zrem(place.key, job_id)
                return False
            return True

        return self._change(place.get_job_ids(cleanup=False), delete)

    def compact(self, queue: str) -> Changed:
        """Take ids out of a queue whose jobs are gone. The others stay where they are, unlike with RQ's own."""
        place = self._queue(queue)
        ids = [_text(job_id) for job_id in cast("list[bytes]", self.connection.lrange(place.key, 0, -1))]
        gone: list[str] = []
        for some in _in_parts(ids):
            with self.connection.pipeline(transaction=False) as pipe:
                for job_id in some:
                    pipe.exists(Job.key_for(job_id))
                gone += [job_id for job_id, there in zip(some, pipe.execute(), strict=True) if not there]
        return self._change(gone, lambda job_id: bool(self.connection.lrem(place.key, 0, job_id)))

    def _empty_queue(self, queue: str) -> Changed:
        place, deadline, deleted = self._queue(queue), self._clock() + PATIENCE, 0
        while self._clock() < deadline:
            ids = cast("list[bytes] | None", self.connection.lpop(place.key, _AT_ONCE))
            if not ids:
                return Changed(deleted, left=False)
            with self.connection.pipeline(transaction=False) as pipe:
                for job_id in map(_text, ids):
                    job = Job(job_id, connection=self.connection, serializer=JSONSerializer)
                    pipe.delete(job.key, job.dependents_key, job.dependencies_key)
                deleted += sum(1 for gone in pipe.execute() if gone)
        return Changed(deleted, left=bool(self.connection.llen(place.key)))

    def _change(self, ids: Iterable[str], change: Callable[[str], bool]) -> Changed:
        deadline, changed = self._clock() + PATIENCE, 0
        for job_id in ids:
            if self._clock() >= deadline:
                return Changed(changed, left=True)
            changed += change(job_id)
        return Changed(changed, left=False)

    def _queue(self, name: str) -> Queue:
        return Queue(name, connection=self.connection, serializer=JSONSerializer)

    def _registry(self, queue: str, registry: str) -> BaseRegistry:
        return _REGISTRIES[registry](queue, connection=self.connection, serializer=JSONSerializer)

    def _ids(self, queue: str, registry: str, first: int, most: int, newest_first: bool) -> list[str]:
        begin, end = (-first - most, -first - 1) if newest_first else (first, first + most - 1)
        if registry == QUEUED:
            found = [
                _text(one) for one in cast("list[bytes]", self.connection.lrange(self._queue(queue).key, begin, end))
            ]
        else:
            found = self._registry(queue, registry).get_job_ids(begin, end, cleanup=False)
        return found[::-1] if newest_first else found

    def _fetch(self, job_id: str) -> Job:
        (job,) = self._read([job_id])
        if job is None:
            raise JobUnknown
        return job

    def _read(self, ids: Sequence[str]) -> list[Job | None]:
        """The jobs of these ids; None for one that is gone or that RQ could not read either."""
        with self.connection.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.hgetall(Job.key_for(job_id))
            return [self._job(job_id, fields) for job_id, fields in zip(ids, pipe.execute(), strict=True)]

    def _job(self, job_id: str, fields: Mapping[bytes, bytes]) -> Job | None:
        if not fields:
            return None
        try:
            job = Job(job_id, connection=self.connection, serializer=JSONSerializer)
            job.restore(fields)
        except _UNREADABLE:
            return None
        return job


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(ids), _AT_ONCE):
        yield ids[begin : begin + _AT_ONCE]


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace")
