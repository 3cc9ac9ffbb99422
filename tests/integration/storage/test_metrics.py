"""What all processes have counted, in a real Redis."""

import threading

import redis

from app.domain.failures import Failure
from app.domain.metrics import Totals
from app.domain.service_metrics import ADDED_LATENCY, TURNS_FAILED
from app.services.forwarding import Forwarder
from app.services.metering import Counting
from app.storage import keys
from app.storage.metrics import RedisMetrics


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
