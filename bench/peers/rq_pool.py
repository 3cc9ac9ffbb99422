"""RQ's own worker pool, as `rq worker-pool` starts it.

The job's module is imported before the workers are forked: without that each job of a forking worker would import
requests anew, at ten times the CPU.

    python -m bench.peers.rq_pool fork|simple WORKERS
"""

import os
import sys

from redis import Redis
from rq import Queue, SimpleWorker, Worker
from rq.worker.base import BaseWorker
from rq.worker_pool import WorkerPool

from bench.peers import turn

QUEUE = "bench"
KINDS: dict[str, type[BaseWorker]] = {"fork": Worker, "simple": SimpleWorker}


def queue() -> Queue:
    """Where jobs wait."""
    return Queue(QUEUE, connection=Redis.from_url(os.environ["REDIS_URL"]))


def enqueue(number: int) -> None:
    """Hand over one turn."""
    waiting.enqueue(turn.answer, *turn.arguments(number))


waiting = queue()

if __name__ == "__main__":
    kind, workers = sys.argv[1:]
    pool = WorkerPool([QUEUE], waiting.connection, num_workers=int(workers), worker_class=KINDS[kind])
    pool.start(logging_level="WARNING")
