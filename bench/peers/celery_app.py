"""Celery with Redis as its broker and no result backend; everything else as it comes.

celery --app bench.peers.celery_app worker --pool gevent|threads --concurrency TURNS_AT_ONCE
"""

import os

from celery import Celery

from bench.peers import turn

# Celery has a word of its own for unix sockets.
app = Celery("bench", broker=os.environ["REDIS_URL"].replace("unix://", "redis+socket://"))
app.conf.task_ignore_result = True
answer = app.task(name="bench.answer")(turn.answer)


def enqueue(number: int) -> None:
    """Hand over one turn."""
    answer.delay(*turn.arguments(number))
