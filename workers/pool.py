"""An RQ worker that runs its jobs on threads: they wait on sockets, so hundreds fit into one process (design 3)."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import FrameType
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.executions import Execution
from rq.job import Job
from rq.timeouts import BaseDeathPenalty
from rq.worker import WorkerStatus

from app.jobqueue import ALLOWED_JOBS

# How long the worker blocks in Redis before it looks whether it shall stop.
LOOK_UP_SECONDS = 1
HEARTBEAT_SECONDS = 10
# From it RQ derives how long an answer of Redis may take (25 seconds), so that a connection that was lost without a
# word is noticed, and when a silent worker is gone from the dashboard (90 seconds).
WORKER_TTL_SECONDS = 30
LONGEST_RECONNECT_WAIT = 5.0


class JobNotAllowed(Exception):
    """The job names a function that this worker does not run."""


class NoDeathPenalty(BaseDeathPenalty):
    """RQ's time limits need signals and cannot work in threads; deadlines of the turn itself replace them."""

    def setup_death_penalty(self) -> None:
        """Set no alarm."""

    def cancel_death_penalty(self) -> None:
        """Have none to cancel."""


class ThreadWorker(SimpleWorker):
    """RQ's SimpleWorker with `concurrency` jobs at a time.

    It takes a job only when a thread is free, and stops taking jobs when it is told to stop; then it finishes what it
    holds. RQ's own dashboard sees it as any other worker.
    """

    death_penalty_class = NoDeathPenalty

    def __init__(self, queue: Queue, *, name: str, connection: "Redis", concurrency: int) -> None:
        super().__init__(
            [queue],
            name=name,
            connection=connection,
            serializer=queue.serializer,
            log_job_description=False,
            worker_ttl=WORKER_TTL_SECONDS,
        )
        self._free = threading.Semaphore(concurrency)
        self._threads = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="turn")
        self._last_beat = 0.0
        self.stopping = threading.Event()
        self.takes_no_more = threading.Event()

    def request_stop(self, signum: Any, frame: FrameType | None) -> None:  # noqa: ARG002 - RQ's signature
        """Stop taking jobs; called by the signal handlers."""
        self._stop_requested = True
        self.stopping.set()

    def _install_signal_handlers(self) -> None:
        """Leave the signals to the process that runs this worker (workers/run.py)."""

    def dequeue_job_and_maintain_ttl(
        self,
        timeout: int | None,  # noqa: ARG002 - RQ's signature
        max_idle_time: int | None = None,  # noqa: ARG002 - RQ's signature
    ) -> tuple[Job, Queue] | None:
        """Wait for a free thread and then for a job; None when the worker shall stop."""
        wait = 0.1
        while not self._stop_requested:
            self.heartbeat()
            if not self._free.acquire(timeout=LOOK_UP_SECONDS):
                continue
            if self.stopping.is_set():  # while all threads were taken
                self._free.release()
                break
            try:
                taken = self.queue_class.dequeue_any(
                    self._ordered_queues,
                    LOOK_UP_SECONDS,
                    connection=self.connection,
                    job_class=self.job_class,
                    serializer=self.serializer,
                    death_penalty_class=self.death_penalty_class,
                )
            except DequeueTimeout:
                self._free.release()
            except (RedisConnectionError, RedisTimeoutError) as error:
                self._free.release()
                self.log.warning("Redis is away (%s); trying again in %.1f s", type(error).__name__, wait)
                self.stopping.wait(wait)
                wait = min(wait * 2, LONGEST_RECONNECT_WAIT)
            except BaseException:
                self._free.release()
                raise
            else:
                if taken is not None:
                    return taken
                self._free.release()
        return None

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Hand the job to a thread. The slot was taken before the job was; the thread gives it back."""
        try:
            self._threads.submit(self._run, job, queue)
        except BaseException:
            self._free.release()
            raise

    def _run(self, job: Job, queue: Queue) -> None:
        try:
            execution = self.prepare_execution(job)
            self.perform_job(job, queue, execution)
        except Exception as error:  # noqa: BLE001 - a broken job must not take the worker with it
            # The turn's record decides what happens next; the sweeper puts it back. Texts may stand in the message of
            # an exception, so only its kind is told.
            self.log.error("job %s ended in %s", job.id, type(error).__name__)  # noqa: TRY400 - see above
        finally:
            self._free.release()

    def perform_job(self, job: Job, queue: Queue, execution: Execution) -> bool:
        """Perform the job, if it is one of ours."""
        if job.func_name not in ALLOWED_JOBS:
            self._finalize_failure(job, queue, execution, _raised(JobNotAllowed(job.func_name)))
            return False
        return bool(super().perform_job(job, queue, execution))

    # What RQ's loop does around every job. A Redis that is away must not end the worker there: the dequeue that follows
    # meets the same fault and waits.

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Tell RQ now and then that this worker lives; every job would do it otherwise."""
        if pipeline is not None:
            super().heartbeat(timeout, pipeline)
        elif time.monotonic() - self._last_beat >= HEARTBEAT_SECONDS:
            with suppress(RedisConnectionError, RedisTimeoutError):
                super().heartbeat(timeout)
                self._last_beat = time.monotonic()

    def check_for_suspension(self, burst: bool) -> None:
        """Know no suspension: accounts are paused, not workers."""

    def run_maintenance_tasks(self) -> None:
        """Tidy RQ's registries."""
        with suppress(RedisConnectionError, RedisTimeoutError):
            super().run_maintenance_tasks()  # type: ignore[no-untyped-call]

    def procline(self, message: str) -> None:
        """Leave the process title alone: with many jobs at once it would tell nothing."""

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """Tell RQ the state only when it changes: every job would say it twice otherwise."""
        if state != self._state:
            super().set_state(state, pipeline)

    def teardown(self) -> None:
        """Finish what is held, then sign off."""
        self.takes_no_more.set()
        self._threads.shutdown(wait=True)
        with suppress(RedisConnectionError, RedisTimeoutError):
            self.set_state(WorkerStatus.IDLE)
            super().teardown()  # type: ignore[no-untyped-call]


def _raised(error: Exception) -> tuple[type[Exception], Exception, None]:
    return type(error), error, None
