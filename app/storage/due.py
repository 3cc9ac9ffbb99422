"""Sorted sets of what is to be done later: whoever takes a thing leaves it due again, in case they are killed."""

import time
from collections.abc import Callable

from redis import Redis

from app.storage.availability import availability

# KEYS: the set.  ARGV: now, when what is taken is due again.
_TAKE = """
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, 1)[1]
if due then
  redis.call('ZADD', KEYS[1], ARGV[2], due)
end
return due
"""


class DueSet:
    """Names by when they are due. Every method raises StoreUnavailable."""

    def __init__(self, redis: "Redis", key: str, taken_seconds: float, clock: Callable[[], float] = time.time) -> None:
        """taken_seconds: how long nobody else gets what was taken. clock: seconds since the epoch."""
        self._redis = redis
        self._key = key
        self._taken = taken_seconds
        self._clock = clock
        self._take = redis.register_script(_TAKE)

    def take(self) -> str | None:
        """The name that has been due for longest, None when there is none."""
        now = self._clock()
        with availability():
            found = self._take(keys=[self._key], args=[now, now + self._taken])
        return None if found is None else (found.decode() if isinstance(found, bytes) else str(found))

    def put_off(self, name: str, seconds: float) -> None:
        """Let it be due in so many seconds, unless it was dropped."""
        with availability():
            self._redis.zadd(self._key, {name: self._clock() + seconds}, xx=True)

    def drop(self, name: str) -> None:
        """Forget it."""
        with availability():
            self._redis.zrem(self._key, name)
