"""What all processes have counted, in a real Redis."""

import threading

import redis

from app.domain.assistants import Api
from app.domain.delivery import Verdict
from app.domain.failures import Failure
from app.domain.metrics import Totals
from app.domain.service_metrics import ADDED_LATENCY, ANSWERED, TURNS_FAILED
from app.domain.service_minutes import Partner
from app.services.forwarding import Forwarder
from app.services.metering import Counting
from app.storage import keys
from app.storage.metrics import RedisMetrics
from tests.integration.turn_store import Clock


def test_counts_of_all_processes_add_up(redis_client: redis.Redis) -> None:
    store = RedisMetrics(redis_client)
    assert store.totals() == {}
    store.add("web-1", 1, {"a": 1, "b|x": 5})
    store.add("web-2", 1, {"a": 2})
    store.add("web-1", 2, {"a": 3})
    assert store.totals() == {"a": 6, "b|x": 5}


def test_a_batch_that_comes_twice_is_added_once(redis_client: redis.Redis) -> None:
    store = RedisMetrics(redis_client)
    for number in (1, 1, 2, 1, 2):
        store.add("web-1", number, {"a": 1})
    assert store.totals() == {"a": 2}


def test_what_is_kept_of_a_process_goes_by_itself(redis_client: redis.Redis) -> None:
    RedisMetrics(redis_client).add("web-1", 1, {"a": 1})
    assert 0 < redis_client.pttl(keys.metrics_of("web-1")) <= 3_600_000
    assert redis_client.pttl(keys.metrics()) == -1


def test_processes_that_count_at_once_lose_nothing(redis_client: redis.Redis) -> None:
    def process() -> None:
        counting = Counting()
        forwarder = Forwarder(counting.taken, RedisMetrics(redis_client))
        for _ in range(20):
            for _ in range(10):
                counting.failed(Failure.BUSY)
                counting.called_first(1.0, 0.02)
            forwarder.forward()

    threads = [threading.Thread(target=process) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    totals = Totals(RedisMetrics(redis_client).totals())
    assert totals.counter(TURNS_FAILED)["busy",] == 800
    seen = totals.histogram(ADDED_LATENCY)[()]
    assert (sum(seen.buckets), seen.seconds) == (800, 16.0)


# --- the last minutes ------------------------------------------------------------------------------------------------


def counted(**kinds: int) -> dict[str, int]:
    counting = Counting()
    for _ in range(kinds.get("answered", 0)):
        counting.answered()
    for _ in range(kinds.get("asked", 0)):
        counting.asked(Api.RESPONSES, "ask", ANSWERED, 1.0)
    for _ in range(kinds.get("continued", 0)):
        counting.continued(Verdict.TRY_LATER, 1.0)
    return counting.taken()


def test_the_last_hour_is_told_minute_by_minute(redis_client: redis.Redis) -> None:
    clock = Clock()
    store = RedisMetrics(redis_client, clock)
    assert [span.answered for _, span in store.last_hour().minutes] == [0] * 60
    store.add("web-1", 1, counted(answered=2))
    store.add("web-2", 1, counted(answered=1))
    clock.seconds += 60
    store.add("web-1", 2, counted(answered=5))
    hour = store.last_hour()
    assert [span.answered for _, span in hour.minutes] == [0] * 58 + [3, 5]
    assert [number for number, _ in hour.minutes] == list(range(hour.minutes[0][0], int(clock() // 60) + 1))
    clock.seconds += 58 * 60
    assert [span.answered for _, span in store.last_hour().minutes] == [3, 5] + [0] * 58
    clock.seconds += 60
    assert [span.answered for _, span in store.last_hour().minutes] == [5] + [0] * 59


def test_a_batch_that_comes_twice_counts_once_in_its_minute(redis_client: redis.Redis) -> None:
    store = RedisMetrics(redis_client)
    for _ in range(3):
        store.add("web-1", 1, counted(answered=2))
    assert store.last_hour().whole.answered == 2


def test_a_minute_goes_by_itself_and_is_small(redis_client: redis.Redis) -> None:
    clock = Clock()
    store = RedisMetrics(redis_client, clock)
    store.add("web-1", 1, {**counted(answered=1), **counted(continued=1)})
    minute = keys.metrics_minute(int(clock() // 60))
    assert 60 * 60_000 < redis_client.pttl(minute) <= 65 * 60_000
    assert redis_client.hlen(minute) == 2
    store.add("web-1", 2, {"bytegpt_http_requests|/kommo/salesbot|2xx": 7})
    assert redis_client.hlen(minute) == 2


def test_the_last_success_of_each_partner_is_known(redis_client: redis.Redis) -> None:
    clock = Clock()
    store = RedisMetrics(redis_client, clock)
    assert store.last_hour().last_success == {}
    store.add("web-1", 1, counted(asked=1, continued=2))
    first = clock.milliseconds
    clock.seconds += 7200
    store.add("web-1", 2, counted(continued=2))
    assert store.last_hour().last_success == {Partner.OPENAI: first}
