"""Fixtures of every test: a real Redis, and how hypothesis searches."""

import gc
from collections.abc import Generator, Iterator

import pytest
import redis
from hypothesis import settings as hypothesis_settings

from app.storage.embedded import EmbeddedRedis

# No deadline: the machines that run this are shared. No database: a run depends on nothing an earlier one left.
hypothesis_settings.register_profile("bytegpt", deadline=None, database=None, max_examples=60)
# Each round of `make fuzz` takes this one: more examples, and what repeats one that fails.
hypothesis_settings.register_profile("fuzz", deadline=None, database=None, max_examples=200, print_blob=True)
hypothesis_settings.load_profile("bytegpt")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for garbage among what tests make, and never again among ten thousand tests and all that they import.

    Going through those takes a third of a second each time, and half of the time that collecting them takes.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis server for the whole run. Whoever stops or kills one starts their own instead."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_client(redis_server: EmbeddedRedis) -> Iterator[redis.Redis]:
    """A client of the run's server, on an empty database."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client
