"""Complete settings for a command, wherever it runs: with REDIS_URL, beside a running `bytegpt up`, or alone."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.storage.embedded import EmbeddedRedis, running_url
from config.local import with_local_secrets
from config.settings import Settings, load_settings


@contextmanager
def complete_settings() -> Iterator[Settings]:
    """The settings with a Redis and every secret.

    Without REDIS_URL the Redis is that of the `bytegpt up` running on the same data directory, else one of our own
    for as long as the context is open. Raises ConfigError, EmbeddedRedisError.
    """
    settings = load_settings()
    if settings.redis_url is not None:
        yield settings
    elif (url := running_url(settings.data_dir.resolve())) is not None:
        yield with_local_secrets(settings, url)
    else:
        with EmbeddedRedis(settings.data_dir) as server:
            yield with_local_secrets(settings, server.url)
