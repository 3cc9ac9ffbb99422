"""The pace of calls to Kommo and the gates of OpenAI keys, on a real Redis."""

import threading
import time

import pytest
import redis

from app.domain.failures import Failure
from app.storage.gates import RedisGates
from app.storage.pacing import RedisPace

KEY = "sk-acme-0123456789abcdef"


def a_pace(client: redis.Redis, rate: float = 10.0, account_rate: float = 5.0, egress: str = "default") -> RedisPace:
    return RedisPace(client, egress=egress, rate=rate, account_rate=account_rate)


def test_calls_from_one_address_leave_one_after_another(redis_client: redis.Redis) -> None:
    pace = a_pace(redis_client)
    waits = [pace.egress_wait(60.0) for _ in range(5)]
    assert waits == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4], abs=0.05)


def test_moments_are_given_out_once_to_many_threads(redis_client: redis.Redis) -> None:
    moments: list[float] = []

    def reserve() -> None:
        wait = a_pace(redis_client, rate=100.0).egress_wait(60.0)
        assert wait is not None
        moments.append(time.monotonic() + wait)

    threads = [threading.Thread(target=reserve) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(moments) == 30
    assert max(moments) - min(moments) >= 0.25


def test_a_wait_that_is_too_long_reserves_nothing(redis_client: redis.Redis) -> None:
    pace = a_pace(redis_client)
    for _ in range(5):
        pace.egress_wait(60.0)
    assert pace.egress_wait(0.1) is None
    assert pace.egress_wait(60.0) == pytest.approx(0.5, abs=0.05)


def test_the_backlog_of_one_account_takes_no_moment_of_the_others(redis_client: redis.Redis) -> None:
    pace = a_pace(redis_client)
    for _ in range(50):
        pace.account_wait(1, 60.0)
    assert pace.account_wait(2, 60.0) == 0.0
    assert pace.egress_wait(60.0) == 0.0


def test_addresses_have_a_pace_of_their_own(redis_client: redis.Redis) -> None:
    a_pace(redis_client, egress="one").egress_wait(60.0)
    assert a_pace(redis_client, egress="two").egress_wait(60.0) == 0.0


def test_a_gate_is_open_until_it_is_closed_and_opens_by_itself(redis_client: redis.Redis) -> None:
    gates = RedisGates(redis_client)
    assert gates.closed(KEY)[0] == 0.0
    gates.close(KEY, 0.05, Failure.OPENAI_QUOTA)
    seconds, why = gates.closed(KEY)
    assert 0.0 < seconds <= 0.05
    assert why is Failure.OPENAI_QUOTA
    deadline = time.monotonic() + 5
    while gates.closed(KEY)[0]:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("first", "second", "seconds", "why"),
    [
        pytest.param(30, 60, 60, Failure.OPENAI_UNEXPECTED, id="a longer wait counts, with its reason"),
        pytest.param(60, 30, 60, Failure.OPENAI_QUOTA, id="a shorter one changes nothing"),
    ],
)
def test_a_gate_stays_closed_for_the_longest_wait(
    redis_client: redis.Redis, first: float, second: float, seconds: float, why: Failure
) -> None:
    gates = RedisGates(redis_client)
    gates.close(KEY, first, Failure.OPENAI_QUOTA)
    gates.close(KEY, second, Failure.OPENAI_UNEXPECTED)
    closed = gates.closed(KEY)
    assert closed[0] == pytest.approx(seconds, abs=1)
    assert closed[1] is why


def test_another_key_is_not_held_up_and_no_key_stands_in_redis(redis_client: redis.Redis) -> None:
    gates = RedisGates(redis_client)
    gates.close(KEY, 30, Failure.OPENAI_QUOTA)
    assert gates.closed("sk-other-0123456789abcdef")[0] == 0.0
    assert not [name for name in redis_client.keys("*") if KEY.encode() in name]
