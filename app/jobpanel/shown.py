"""What RQ's dashboard tells of a job and of a worker: ids, times and kinds of error.

Nothing that a job's arguments, its result or an error's text say. Jobs are read as JSON; nothing is ever unpickled.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rq.exceptions import DeserializationError
from rq.job import Job, JobStatus
from rq.worker import BaseWorker

from app.domain.traceback_text import without_texts

_SHOWN_OF_A_WORKER = 5
# Descriptions that are ids; RQ's own repeat the arguments.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OURS = re.compile(r"([0-9a-f]{28})-\d{1,9}")
_FUNCTION = re.compile(r"[\w.]{1,100}")


@dataclass(frozen=True, slots=True)
class ShownJob:
    """One job.

    name: its description where that is an id (of our jobs, the turn's), else the function it names.
    error: where the last attempt failed and with which kind of error, None where it did not.
    """

    job_id: str
    name: str
    queue: str
    status: str
    created_at: datetime | None
    enqueued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    worker: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class ShownWorker:
    """One worker as it has last described itself. running: how many jobs; jobs: the ids of some of them."""

    name: str
    host: str | None
    pid: int | None
    queues: Sequence[str]
    state: str
    running: int
    jobs: Sequence[str]
    born_at: datetime | None
    heard_at: datetime | None
    done: int
    failed: int
    working_seconds: float
    rq_version: str
    python_version: str


def turn_of(job_id: str) -> str | None:
    """The turn that a job carries, as its id says (lua/queue.lua); None for a job that is none of ours."""
    found = _OURS.fullmatch(job_id)
    return found[1] if found else None


def shown_job(job: Job) -> ShownJob:
    """The job as it stands in Redis now."""
    status = job.get_status(refresh=False)
    return ShownJob(
        job_id=job.id,
        name=_name(job),
        queue=job.origin,
        status=str(status.value if status else ""),
        created_at=job.created_at,
        enqueued_at=job.enqueued_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        worker=job.worker_name,
        error=_error(job) if status == JobStatus.FAILED else None,
    )


def _name(job: Job) -> str:
    if _ID.fullmatch(job.description or ""):
        return str(job.description)
    try:
        function = str(job.func_name)
    except (DeserializationError, ValueError, TypeError):
        return ""
    return function if _FUNCTION.fullmatch(function) else ""


def _error(job: Job) -> str | None:
    try:
        result = job.latest_result()
    except (ValueError, TypeError, zlib.error):  # not as RQ writes it, or not as JSON
        return ""
    return without_texts(result.exc_string) if result is not None and result.exc_string else None


def shown_worker(worker: BaseWorker) -> ShownWorker:
    """The worker as it has last described itself."""
    running = worker.get_current_executions()
    return ShownWorker(
        name=worker.name,
        host=worker.hostname,
        pid=worker.pid,
        queues=[queue.name for queue in worker.queues],
        state=str(worker.get_state()),
        running=len(running),
        jobs=sorted(execution.job_id for execution in running)[:_SHOWN_OF_A_WORKER],
        born_at=worker.birth_date,
        heard_at=worker.last_heartbeat,
        done=worker.successful_job_count,
        failed=worker.failed_job_count,
        working_seconds=worker.total_working_time,
        rq_version=worker.version,
        python_version=worker.python_version.split(" ", 1)[0],
    )
