"""When the tokens of which account are looked at next, so that no two workers look at one at the same time."""

import random
import time
from collections.abc import Callable, Iterable

from redis import Redis

from app.storage import keys
from app.storage.availability import availability
from app.storage.due import DueSet

# Longer than one look takes.
TAKEN_SECONDS = 300.0
_AT_ONCE = 1000


class RedisTokenChecks:
    """Fills the port TokenChecks."""

    def __init__(self, redis: "Redis", clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since the epoch."""
        self._redis = redis
        self._clock = clock
        self._due = DueSet(redis, keys.token_checks(), TAKEN_SECONDS, clock)

    def enlist(self, account_ids: Iterable[int], within: float) -> None:
        """Give every account that has no time yet one of its own, at random within so many seconds from now."""
        now = self._clock()
        times = {str(account_id): now + random.uniform(0, within) for account_id in account_ids}  # noqa: S311 - spreads
        names = list(times)
        with availability():
            for begin in range(0, len(names), _AT_ONCE):
                some = {name: times[name] for name in names[begin : begin + _AT_ONCE]}
                self._redis.zadd(keys.token_checks(), some, nx=True)

    def take(self) -> int | None:
        """An account whose time has come; None when there is none."""
        found = self._due.take()
        return None if found is None else int(found)

    def put_off(self, account_id: int, seconds: float) -> None:
        """Look at it again in so many seconds."""
        self._due.put_off(str(account_id), seconds)

    def drop(self, account_id: int) -> None:
        """Never look at it again."""
        self._due.drop(str(account_id))
