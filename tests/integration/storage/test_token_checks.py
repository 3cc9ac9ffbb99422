"""When whose tokens are looked at, and which states were used, in a real Redis."""

from typing import Any

import pytest
import redis

from app.domain.acceptance import StoreUnavailable
from app.storage import keys
from app.storage.connection import connect
from app.storage.oauth_states import RedisStates
from app.storage.token_checks import TAKEN_SECONDS, RedisTokenChecks

DAY = 24 * 3600.0


class Clock:
    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def checks(redis_client: redis.Redis, clock: Clock) -> RedisTokenChecks:
    return RedisTokenChecks(redis_client, clock)


def times(redis_client: redis.Redis) -> list[float]:
    found: Any = redis_client.zrange(keys.token_checks(), 0, -1, withscores=True)
    return [float(at) for _, at in found]


def test_accounts_are_spread_over_the_time_there_is(
    checks: RedisTokenChecks, clock: Clock, redis_client: redis.Redis
) -> None:
    checks.enlist(range(1, 2501), DAY)
    found = [(at - clock.now) / DAY for at in times(redis_client)]
    assert len(found) == 2500
    assert 0 <= min(found) < 0.01
    assert 0.99 < max(found) <= 1
    assert 0.45 < sum(found) / len(found) < 0.55


def test_who_has_a_time_keeps_it(checks: RedisTokenChecks, redis_client: redis.Redis) -> None:
    checks.enlist([1, 2], DAY)
    before = times(redis_client)
    checks.enlist([1, 2], DAY)
    assert times(redis_client) == before


def test_nobody_to_enlist_is_no_error(checks: RedisTokenChecks) -> None:
    checks.enlist([], DAY)
    assert checks.take() is None


def test_an_account_is_looked_at_by_one_at_a_time(checks: RedisTokenChecks, clock: Clock) -> None:
    checks.enlist([7], 0)
    assert checks.take() == 7
    assert checks.take() is None
    clock.now += TAKEN_SECONDS
    assert checks.take() == 7


def test_an_account_is_put_off_or_dropped(checks: RedisTokenChecks, clock: Clock) -> None:
    checks.enlist([7, 8], 0)
    checks.put_off(7, 100)
    assert checks.take() == 8
    checks.drop(8)
    checks.put_off(8, 1)
    clock.now += 100
    assert checks.take() == 7
    clock.now += 10 * TAKEN_SECONDS
    assert checks.take() == 7


def test_a_state_is_used_once_and_remembered_as_long_as_it_lives(redis_client: redis.Redis) -> None:
    states = RedisStates(redis_client)
    assert states.use("nonce", 900)
    assert not states.use("nonce", 900)
    assert states.use("another", 900)
    assert 890 < redis_client.ttl(keys.oauth_state("nonce")) <= 900


def test_a_redis_that_is_away_is_named() -> None:
    with connect("redis://127.0.0.1:1/0", for_web=True, max_connections=2) as nowhere:
        checks = RedisTokenChecks(nowhere)
        for call in (
            checks.take,
            lambda: checks.enlist([1], 1),
            lambda: checks.put_off(1, 1),
            lambda: checks.drop(1),
            lambda: RedisStates(nowhere).use("x", 1),
        ):
            with pytest.raises(StoreUnavailable):
                call()
