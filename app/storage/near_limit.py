"""Accounts that were near the limit of their month when it last mattered (lua/month.lua writes them)."""

from collections.abc import Sequence
from typing import cast

from redis import Redis

from app.storage import keys
from app.storage.availability import availability


class RedisNearLimit:
    """Fills the port NearLimit."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def ids(self, most: int) -> list[int]:
        """So many accounts at most, those that had used the most first. One look, whatever the number of accounts."""
        with availability():
            found = cast("list[bytes]", self._redis.zrevrange(keys.near_limit(), 0, most - 1))
        return [int(account_id) for account_id in found]

    def forget(self, account_ids: Sequence[int]) -> None:
        """These are not near any more; they come back with what brings them near again."""
        if account_ids:
            with availability():
                self._redis.zrem(keys.near_limit(), *account_ids)
