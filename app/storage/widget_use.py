"""What the widget's API remembers of its callers: one-time tokens that were used, and how often an account calls."""

import hashlib
import math
import secrets
import time
from collections.abc import Callable
from typing import Literal

from redis import Redis

from app.storage import keys
from app.storage.availability import availability

_MINUTE = 60
_COUNTED_SECONDS = 2 * _MINUTE


class RedisWidgetUse:
    """Shared by all web processes. Every method raises StoreUnavailable."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since the epoch, the one that tokens are verified by."""
        self._redis = redis
        self._clock = clock

    def first(self, account_id: int, token: str, expires: float) -> bool:
        """Whether a token is used for the first time; from now on it has been used.

        token: what tells it from every other one of the account. expires: when nobody takes it any more, in seconds
        since the epoch.
        """
        key = keys.widget_token(account_id, hashlib.sha256(token.encode()).hexdigest()[:32])
        # Redis may be sent the command twice when its first answer is lost: the mark says that it was us both times.
        mark = secrets.token_hex(8)
        lifetime = max(1, math.ceil(expires - self._clock()))
        with availability():
            if self._redis.set(key, mark, nx=True, ex=lifetime):
                return True
            return self._redis.get(key) == mark.encode()

    def seconds_to_wait(self, account_id: int, what: Literal["save", "check"], most: int) -> int:
        """Count one more call of this minute: 0 while there were at most so many, else seconds until the next one."""
        now = self._clock()
        minute = int(now // _MINUTE)
        key = keys.widget_minute(account_id, what, minute)
        with availability(), self._redis.pipeline(transaction=False) as pipe:
            pipe.incr(key)
            pipe.expire(key, _COUNTED_SECONDS)
            count, _ = pipe.execute()
        return 0 if int(count) <= most else math.ceil((minute + 1) * _MINUTE - now) or 1
