"""Which states of OAuth windows have been used."""

import secrets

from redis import Redis

from app.storage import keys
from app.storage.availability import availability


class RedisStates:
    """States that work once, across all processes."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    def use(self, nonce: str, seconds: int) -> bool:
        """Use a state up for so many seconds; False where it has been used. Raises StoreUnavailable."""
        key = keys.oauth_state(nonce)
        # Redis may be sent the command twice when its first answer is lost: the mark says that it was us both times.
        mark = secrets.token_hex(8)
        with availability():
            return bool(self._redis.set(key, mark, nx=True, ex=seconds)) or self._redis.get(key) == mark.encode()
