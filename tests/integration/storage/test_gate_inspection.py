"""Which OpenAI keys are told to wait, on a real Redis."""

import redis

from app.domain.failures import Failure
from app.domain.service_state import WaitingKey
from app.domain.turn import UNDECIDED, Change, Park
from app.storage.gate_inspection import GateInspection
from tests.integration.turn_store import GATE, Store

SECOND = 1000


def test_no_key_waits(redis_client: redis.Redis) -> None:
    assert GateInspection(redis_client).waiting_keys(10) == []


def test_a_key_is_told_by_its_account_until_when_and_why(redis_client: redis.Redis) -> None:
    store = Store(redis_client)
    looks = GateInspection(redis_client, store.clock)
    store.gates.close("one", 30, Failure.OPENAI_QUOTA, 31000001)
    store.gates.close("two", 300, Failure.OPENAI_UNEXPECTED, 31000002)
    now = store.clock.milliseconds
    assert looks.waiting_keys(10) == [
        WaitingKey(31000002, Failure.OPENAI_UNEXPECTED, now + 300 * SECOND, 0),
        WaitingKey(31000001, Failure.OPENAI_QUOTA, now + 30 * SECOND, 0),
    ]
    assert len(looks.waiting_keys(1)) == 1
    store.clock.seconds += 31
    assert [key.until for key in looks.waiting_keys(10)] == [now + 300 * SECOND, None]


def test_who_waits_for_a_key_is_counted_and_tells_whose_it_is(redis_client: redis.Redis) -> None:
    store = Store(redis_client, requests=10)
    until = store.clock.milliseconds + 30 * SECOND
    store.gates.close(GATE, 30, Failure.OPENAI_QUOTA)
    (nobody,) = GateInspection(redis_client, store.clock).waiting_keys(10)
    assert nobody.account_id is None
    for _ in range(2):
        taken = store.take(store.accept())
        store.advance(taken, Change(expect=UNDECIDED, park=Park(until, GATE)))
    assert GateInspection(redis_client, store.clock).waiting_keys(10) == [
        WaitingKey(31000001, Failure.OPENAI_QUOTA, until, 2)
    ]


def test_a_later_closing_by_nobody_in_particular_leaves_the_account_known(redis_client: redis.Redis) -> None:
    store = Store(redis_client)
    store.gates.close("one", 30, Failure.OPENAI_QUOTA, 31000001)
    store.gates.close("one", 60, Failure.OPENAI_QUOTA)
    (key,) = GateInspection(redis_client, store.clock).waiting_keys(10)
    assert (key.account_id, key.until) == (31000001, store.clock.milliseconds + 60 * SECOND)
