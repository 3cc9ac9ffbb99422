"""Which worker processes live."""

import json
import time
from collections.abc import Callable
from typing import cast

from redis import Redis

from app.storage import keys
from app.storage.availability import availability

# A worker says so every three seconds; one that has missed four times is gone.
SILENT_SECONDS = 15.0


class RedisPresence:
    """The worker processes of all machines. Every method raises StoreUnavailable."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock

    def say(self, worker: str, load: tuple[int, int] | None = None) -> None:
        """This worker lives. load: how many threads it has, and how many of them are busy."""
        now = self._clock()
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.zadd(keys.workers(), {worker: now})
            pipeline.zremrangebyscore(keys.workers(), "-inf", now - SILENT_SECONDS)
            if load is not None:
                told = json.dumps(dict(zip(("threads", "busy"), load, strict=True)))
                pipeline.set(keys.worker(worker), told, px=int(SILENT_SECONDS * 1000))
            pipeline.execute()

    def leave(self, worker: str) -> None:
        """This worker has stopped."""
        with availability():
            self._redis.zrem(keys.workers(), worker)

    def living(self) -> list[str]:
        """The names of the workers that live."""
        with availability():
            alive = self._redis.zrangebyscore(keys.workers(), self._clock() - SILENT_SECONDS, "+inf")
        found = cast("list[bytes]", alive)
        return [name.decode() for name in found]
