"""The queue of turns as RQ knows it. The only module of app/ that knows RQ.

Turns are queued by the scripts in storage/lua, in the step that changes them; the names there are the ones here.
"""

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

QUEUE = "turns"
ANSWER_JOB = "workers.jobs.answer"
# The only functions a worker runs: a JSON job may name any function, and Redis may be written by others (stack.md 4).
ALLOWED_JOBS = frozenset({ANSWER_JOB})


def turn_queue(redis: "Redis") -> Queue:
    """The queue that workers listen on; jobs are JSON, so that nothing is ever unpickled."""
    return Queue(QUEUE, connection=redis, serializer=JSONSerializer)
