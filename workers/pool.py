"""An RQ worker that runs its jobs on threads: they wait on sockets, so hundreds fit into one process (design 3)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Queue, SimpleWorker
from rq.exceptions import NoSuchJobError
from rq.executions import Execution
from rq.job import Job
from rq.timeouts import BaseDeathPenalty
from rq.worker import WorkerStatus

from app.domain.acceptance import StoreUnavailable
from app.jobqueue import ALLOWED_JOBS
from app.storage.availability import availability
from app.storage.taking import RawTurn, RedisTaking
from workers.slots import Slots

# How long the worker blocks in Redis before it looks whether it shall stop.
LOOK_UP_SECONDS = 1
# The same, where those who wait have their share of this process: others may come at any moment, and no bell is heard.
CROWDED_LOOK_SECONDS = 0.02
HEARTBEAT_SECONDS = 10
SHOW_STATE_SECONDS = 1.0
# From it RQ derives when a silent worker is gone from the dashboard (90 seconds).
WORKER_TTL_SECONDS = 30
LONGEST_RECONNECT_WAIT = 5.0
# Jobs that came by other means than a turn's acceptance share the threads as one account would.
NO_ACCOUNT = 0


class JobNotAllowed(Exception):
    """The job names a function that this worker does not run."""


class NoDeathPenalty(BaseDeathPenalty):
    """RQ's time limits need signals and cannot work in threads; deadlines of the turn itself replace them."""

    def setup_death_penalty(self) -> None:
        """Set no alarm."""

    def cancel_death_penalty(self) -> None:
        """Have none to cancel."""


class ThreadWorker(SimpleWorker):
    """RQ's SimpleWorker with as many jobs at a time as it has threads.

    Turns come from our own script, several at once and with RQ's book-keeping done (lua/take.lua); `run` works on one,
    and what it raises must hold no text, for the dashboard shows it. Any other job in RQ's queue goes RQ's way. A job
    is taken only when a thread is free, and none once the worker is told to stop; then it finishes what it holds. RQ's
    dashboard sees it as any other worker.
    """

    death_penalty_class = NoDeathPenalty

    def __init__(
        self,
        queue: Queue,
        *,
        name: str,
        connection: "Redis",
        taking: RedisTaking,
        threads: Slots,
        run: Callable[[RawTurn], None],
    ) -> None:
        super().__init__(
            [queue],
            name=name,
            connection=connection,
            serializer=queue.serializer,
            log_job_description=False,
            worker_ttl=WORKER_TTL_SECONDS,
        )
        self._taking = taking
        self._threads = threads
        self._work_on = run
        self._last_beat = 0.0
        self._last_shown = 0.0
        # What a signal handler may put into while its thread reads from it; an Event would lock the two together.
        self._stop_asked: SimpleQueue[None] = SimpleQueue()
        self.takes_no_more = threading.Event()

    def request_stop(self, signum: Any, frame: FrameType | None) -> None:  # noqa: ARG002 - RQ's signature
        """Stop taking jobs; called by the signal handlers."""
        self._stop_requested = True
        self._stop_asked.put(None)

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return bool(self._stop_requested)

    def _install_signal_handlers(self) -> None:
        """Leave the signals to the process that runs this worker (workers/run.py)."""

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,  # noqa: ARG002 - RQ's signature
        max_idle_time: int | None = None,  # noqa: ARG002 - RQ's signature
    ) -> tuple[Job, Queue] | None:
        """Take turns and give them to threads, for as long as nothing else comes.

        Returns a job that is none of ours, and None when the worker shall stop.
        """
        wait = 0.1
        while not self._stop_requested:
            self.heartbeat()
            self._show_state()
            most = self._threads.wait_for_some(LOOK_UP_SECONDS)
            if not most:
                continue
            if self.stopping:  # while all threads were taken
                break
            try:
                stray = self._take(most)
            except (StoreUnavailable, RedisConnectionError, RedisTimeoutError) as error:
                self.log.warning("Redis is away (%s); trying again in %.1f s", error, wait)
                self.pause(wait)
                wait = min(wait * 2, LONGEST_RECONNECT_WAIT)
            else:
                wait = 0.1
                if stray is not None:
                    return stray, self.queues[0]
        return None

    def pause(self, seconds: float) -> None:
        """Wait so long, or until it is asked to stop."""
        with suppress(Empty):
            self._stop_asked.get(timeout=seconds)

    def _take(self, most: int) -> Job | None:
        found = self._taking.queued(most, self._threads.crowded(most))
        for taken in found.turns:
            self._threads.run(taken.account_id, partial(self._run_turn, taken))
        if found.stray is not None:
            with suppress(NoSuchJobError):
                return Job.fetch(found.stray, connection=self.connection, serializer=self.serializer)
        elif found.more and not found.turns:
            # Those who wait have their share of this process.
            self._threads.wait_for_change(CROWDED_LOOK_SECONDS)
        elif not found.more and len(found.turns) < most:
            # Only with a thread left: a stroke of the bell that wakes a full process is lost to the idle ones.
            self._taking.wait_for_queued(LOOK_UP_SECONDS)
        return None

    def _run_turn(self, taken: RawTurn) -> None:
        try:
            self._work_on(taken)
        except Exception as error:  # noqa: BLE001 - what breaks one turn must not take the worker with it
            self._show_failed(taken, error)

    def _show_failed(self, taken: RawTurn, error: Exception) -> None:
        """Let the dashboard show the job as failed. Its turn goes on: its lease runs out, and a new job takes over."""
        if taken.job is None:
            return
        with suppress(NoSuchJobError), _as_far_as_redis_lets():
            job = Job.fetch(taken.job, connection=self.connection, serializer=self.serializer)
            execution = Execution(taken.hold.token, job.id, self.connection, self.name)
            self._finalize_failure(job, self.queues[0], execution, _raised(error))

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Hand a job that is none of ours to a thread; one is free."""
        self._threads.run(NO_ACCOUNT, partial(self._run_stray, job, queue))

    def _run_stray(self, job: Job, queue: Queue) -> None:
        try:
            execution = self.prepare_execution(job)
            self.perform_job(job, queue, execution)
        except Exception as error:  # noqa: BLE001 - a broken job must not take the worker with it
            # Texts may stand in the message of an exception, so only its kind is told.
            self.log.error("job %s ended in %s", job.id, type(error).__name__)  # noqa: TRY400 - see above

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Perform the job, if it is one of ours."""
        if job.func_name not in ALLOWED_JOBS:
            self._finalize_failure(job, queue, execution, _raised(JobNotAllowed(job.func_name)))
            return False
        return bool(super().perform_job(job, queue, execution))

    # What RQ's loop does around every job. A Redis that is away, or takes no writes, must not end the worker there: the
    # taking that follows meets the same fault and waits.

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Tell RQ now and then that this worker lives; every job would do it otherwise."""
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
        elif time.monotonic() - self._last_beat >= HEARTBEAT_SECONDS:
            with _as_far_as_redis_lets():
                super().heartbeat(timeout)
                self._last_beat = time.monotonic()

    def check_for_suspension(self, burst: bool) -> None:
        """Know no suspension: accounts are paused, not workers."""

    def run_maintenance_tasks(self) -> None:
        """Tidy RQ's registries."""
        with _as_far_as_redis_lets():
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]

    def procline(self, message: str) -> None:
        """Leave the process title alone: with many jobs at once it would tell nothing."""

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """Tell RQ the state only when it changes: every job would say it twice otherwise."""
        if state != self._state:
            super().set_state(state, pipeline)

    def _show_state(self) -> None:
        if time.monotonic() - self._last_shown >= SHOW_STATE_SECONDS:
            self._last_shown = time.monotonic()
            with _as_far_as_redis_lets():
                self.set_state(WorkerStatus.BUSY if self._threads.busy() else WorkerStatus.IDLE)

    def teardown(self) -> None:
        """Finish what is held, then sign off."""
        self.takes_no_more.set()
        self._threads.finish()
        with _as_far_as_redis_lets():
            self.set_state(WorkerStatus.IDLE)
            super().teardown()  # type: ignore[no-untyped-call]


@contextmanager
def _as_far_as_redis_lets() -> Iterator[None]:
    """Leave RQ's book-keeping where Redis is away, out of memory, full or a replica: it is only for the dashboard."""
    with suppress(StoreUnavailable), availability():
        yield


def _raised(error: Exception) -> tuple[type[Exception], Exception, None]:
    return type(error), error, None
