"""Functions that tests let RQ run, and a worker that runs them."""

import logging

from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer


def say(*_texts: str, **_named: str) -> str:
    """Do nothing, and return a text that nobody may read."""
    return "a result that holds a client's text"


def fail(*texts: str, **_named: str) -> None:
    """Fail with the texts in the message."""
    raise RuntimeError(f"could not say {texts}\nand more of it: {texts}")


def work_off(queue: Queue) -> None:
    """Let a worker of RQ run all that is queued. What it sets up of the process's logging is taken back."""
    loggers = [logging.getLogger(name) for name in ("rq.worker", "rq.job")]
    before = [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    try:
        worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer)
        worker.work(burst=True, logging_level="CRITICAL")
    finally:
        for logger, (level, propagate, handlers) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.propagate, logger.handlers = propagate, handlers
