"""Locks that a killed holder loses by itself."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis

from app.storage import keys
from app.storage.availability import availability

_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


class RedisLocks:
    """Short exclusive work, across all processes and machines. Raises StoreUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._release = redis.register_script(_RELEASE)

    @contextmanager
    def tried(self, name: str, seconds: float) -> Iterator[bool]:
        """Whether the lock was free; then it is ours until the block ends, or so many seconds have passed."""
        key, token = keys.lock(name), secrets.token_hex(8)
        with availability():
            ours = bool(self._redis.set(key, token, nx=True, px=int(seconds * 1000)))
        try:
            yield ours
        finally:
            if ours:
                with availability():
                    self._release(keys=[key], args=[token])
