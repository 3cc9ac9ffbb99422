"""What the widget's API remembers of its callers, on a real Redis."""

import threading
from typing import Any

import pytest
import redis

from app.domain.acceptance import StoreUnavailable
from app.storage import keys
from app.storage.connection import connect
from app.storage.widget_use import RedisWidgetUse
from tests.redis_contents import everything_in

NOW = 1_795_000_000.0
ACCOUNT_ID = 31000001


class StandingClock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def use(redis_client: redis.Redis, clock: StandingClock) -> RedisWidgetUse:
    return RedisWidgetUse(redis_client, clock)


def test_a_token_is_used_for_the_first_time_once(use: RedisWidgetUse) -> None:
    assert use.first(ACCOUNT_ID, "jti a", NOW + 60)
    assert not use.first(ACCOUNT_ID, "jti a", NOW + 60)
    assert use.first(ACCOUNT_ID, "jti b", NOW + 60)
    assert use.first(31000002, "jti a", NOW + 60)


@pytest.mark.parametrize(
    ("expires", "seconds"), [(NOW + 1830.0, 1830), (NOW + 0.5, 1), (NOW - 10, 1)], ids=["new", "nearly", "just expired"]
)
def test_it_is_remembered_until_nobody_takes_the_token_any_more(
    use: RedisWidgetUse, redis_client: redis.Redis, expires: float, seconds: int
) -> None:
    use.first(ACCOUNT_ID, "jti a", expires)
    (key,) = redis_client.scan_iter("bytegpt:widget_token:*")
    assert seconds - 1 <= redis_client.ttl(key) <= seconds


def test_of_many_at_once_one_is_the_first(redis_client: redis.Redis) -> None:
    firsts: list[bool] = []
    barrier = threading.Barrier(8)

    def use_it() -> None:
        barrier.wait()
        firsts.append(RedisWidgetUse(redis_client, lambda: NOW).first(ACCOUNT_ID, "jti a", NOW + 60))

    threads = [threading.Thread(target=use_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(firsts) == [False] * 7 + [True]


def test_a_command_that_is_sent_twice_is_one_use(
    use: RedisWidgetUse, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = redis_client.set

    def sent_twice(*arguments: Any, **options: Any) -> Any:
        send(*arguments, **options)
        return send(*arguments, **options)

    monkeypatch.setattr(redis_client, "set", sent_twice)
    assert use.first(ACCOUNT_ID, "jti a", NOW + 60)
    assert not use.first(ACCOUNT_ID, "jti a", NOW + 60)


def test_no_token_stands_in_redis(use: RedisWidgetUse, redis_client: redis.Redis) -> None:
    use.first(ACCOUNT_ID, "jti d123f123-aaaa", NOW + 60)
    assert b"d123f123" not in everything_in(redis_client)


def test_calls_beyond_the_most_of_a_minute_are_told_when_the_next_one_begins(
    use: RedisWidgetUse, clock: StandingClock
) -> None:
    clock.now = NOW - NOW % 60 + 20
    assert [use.seconds_to_wait(ACCOUNT_ID, "check", 3) for _ in range(5)] == [0, 0, 0, 40, 40]
    assert use.seconds_to_wait(ACCOUNT_ID, "save", 3) == 0
    assert use.seconds_to_wait(31000002, "check", 3) == 0
    clock.now += 40
    assert use.seconds_to_wait(ACCOUNT_ID, "check", 3) == 0


def test_counters_go_by_themselves(use: RedisWidgetUse, redis_client: redis.Redis) -> None:
    use.seconds_to_wait(ACCOUNT_ID, "check", 3)
    assert 0 < redis_client.ttl(keys.widget_minute(ACCOUNT_ID, "check", int(NOW // 60))) <= 120


def test_a_redis_that_is_away_is_told() -> None:
    away = RedisWidgetUse(connect("redis://127.0.0.1:1/0", for_web=True, max_connections=2))
    with pytest.raises(StoreUnavailable):
        away.first(ACCOUNT_ID, "jti a", NOW + 60)
    with pytest.raises(StoreUnavailable):
        away.seconds_to_wait(ACCOUNT_ID, "check", 3)
