"""The console over a real Redis."""

import pytest
import redis

from tests.console_browser import Console


@pytest.fixture
def console(redis_client: redis.Redis) -> Console:
    """A browser that nobody has logged in with."""
    return Console(redis_client)


@pytest.fixture
def operator(console: Console) -> Console:
    """The browser of an operator who has logged in."""
    return console.logged_in()
