"""One worker process, from its first second to its last: `bytegpt worker` calls main."""

import gc
import logging
import os
import signal
import sys
import threading
from types import FrameType

import structlog

from app.jobqueue import turn_queue
from app.one_core import OneCore
from app.storage.connection import connect_blocking
from config.settings import Settings
from workers import runtime
from workers.pool import LOOK_UP_SECONDS, ThreadWorker

log = structlog.get_logger(__name__)

# How long a thread may compute while others wait to. Every one that waits wakes up as often, to ask for its turn: at
# Python's own 5 ms hundreds of threads spend more CPU on that than on their work. They all wait for a partner soon.
SWITCH_SECONDS = 0.1
# After so many new objects Python looks for cycles among them. Turns make none but where something fails, and at
# Python's own 700 every turn's objects are looked through many times while it waits.
COLLECT_AFTER = 20_000


def main(settings: Settings) -> int:
    """Answer turns until SIGTERM or SIGINT, then finish what is held. Returns the exit code.

    A second signal gives what is still held back to other workers at once.
    """
    OneCore().start()  # before all threads, for each is where the one was that started it
    sys.setswitchinterval(SWITCH_SECONDS)
    name = runtime.worker_name(os.getpid())
    running = runtime.Runtime(settings, name)
    runtime.install(running)
    # RQ's own: its heartbeat, its listening for commands, and jobs that are none of ours.
    blocking = connect_blocking(settings.redis_url or "", max_connections=settings.worker_concurrency + 10)
    worker = ThreadWorker(
        turn_queue(blocking),
        name=name,
        connection=blocking,
        taking=running.taking,
        threads=running.threads,
        run=running.work_on,
    )
    _obey_signals(worker, running)
    gc.set_threshold(COLLECT_AFTER)
    gc.freeze()  # what is there now stays
    running.start()
    log.info("worker_started", worker=name, concurrency=settings.worker_concurrency)
    worker.work(logging_level="WARNING")
    running.drain()
    running.stop()
    asked = worker.stopping
    log.log(logging.INFO if asked else logging.ERROR, "worker_stopped", worker=name, asked=asked)
    return 0 if asked else 1


def _obey_signals(worker: ThreadWorker, running: runtime.Runtime) -> None:
    def stop(signum: int, frame: FrameType | None) -> None:
        if worker.stopping:
            # Not in the handler: the main thread may be inside a call to Redis.
            threading.Thread(target=_give_back_and_leave, args=(worker, running), daemon=True).start()
        else:
            worker.request_stop(signum, frame)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _give_back_and_leave(worker: ThreadWorker, running: runtime.Runtime) -> None:
    try:
        # A dequeue that still waits in Redis would get what is put back, and take it to the grave.
        worker.takes_no_more.wait(2 * LOOK_UP_SECONDS)
        running.give_back()
    finally:
        os._exit(0)
