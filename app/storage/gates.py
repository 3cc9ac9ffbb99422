"""Gates of OpenAI keys: while a key is told to wait, no worker sends with it (contract 6)."""

import hashlib

from redis import Redis

from app.domain.failures import Failure
from app.storage import keys
from app.storage.availability import availability

_CLOSE = """
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
"""


class RedisGates:
    """One gate per API key, known by a fingerprint; closed for as long as its entry lives in Redis.

    Every method raises StoreUnavailable when Redis is away.
    """

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._close = redis.register_script(_CLOSE)

    def closed(self, api_key: str) -> tuple[float, Failure]:
        """Seconds for which nothing may be sent with this key, and why. 0 seconds when the gate is open."""
        key = keys.gate(_fingerprint(api_key))
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.pttl(key)
            pipeline.get(key)
            left, reason = pipeline.execute()
        return (left / 1000, Failure(reason.decode())) if reason and left > 0 else (0.0, Failure.OPENAI_QUOTA)

    def close(self, api_key: str, seconds: float, reason: Failure) -> None:
        """Close the gate for so many seconds; one that is closed for longer stays so.

        reason: what a turn is told that cannot wait so long.
        """
        with availability():
            self._close(keys=[keys.gate(_fingerprint(api_key))], args=[reason.value, max(1, int(seconds * 1000))])


def _fingerprint(api_key: str) -> str:
    return hashlib.sha256(api_key.encode()).hexdigest()[:32]
