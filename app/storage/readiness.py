"""Whether the service can do its work now."""

from redis import Redis

from app.domain.acceptance import StoreUnavailable
from app.storage.availability import availability
from app.storage.presence import RedisPresence


class Readiness:
    """Looks at Redis and at the workers."""

    def __init__(self, redis: Redis, presence: RedisPresence) -> None:
        self._redis = redis
        self._presence = presence

    def reasons(self) -> list[str]:
        """Why the service cannot do its work now, in words for an operator; empty when it can."""
        try:
            with availability():
                self._redis.ping()
            living = self._presence.living()
        except StoreUnavailable as error:
            return [f"Redis does not answer ({error}): is it running, and is REDIS_URL right?"]
        return [] if living else ["no worker lives: start `bytegpt worker`"]
