"""Redis is there and takes no writes: the worker lives on, and what was accepted is answered when it does again."""

from collections.abc import Callable

import pytest
from redis import Redis

from tests.faults.bakery import PATIENCE, Bakery, reply
from tests.faults.evidence import answered_once
from tests.waiting import wait_until

# What a worker says every three seconds then: after the second one all of its threads have met the refusal.
REFUSED = '"during": "presence", "reason"'


def out_of_memory(redis: Redis) -> Callable[[], object]:
    redis.config_set("maxmemory", 1)
    return lambda: redis.config_set("maxmemory", 0)


def a_replica(redis: Redis) -> Callable[[], object]:
    """Of nobody: what a master becomes when Sentinel has put another one in its place."""
    redis.replicaof("127.0.0.1", 1)
    return lambda: redis.replicaof("NO", "ONE")


@pytest.mark.parametrize("refusing", [out_of_memory, a_replica])
def test_a_worker_outlives_a_redis_that_takes_no_writes(
    bakery: Bakery, refusing: Callable[[Redis], Callable[[], object]]
) -> None:
    worker = bakery.worker()
    bakery.stack.openai.fault("slow", first_byte=0.1, total=1.0)
    client = bakery.client()
    webhook = bakery.say(client, "Quanto custa?")
    bakery.wait_until_openai_answers(webhook)
    end = refusing(bakery.stack.redis)
    other = bakery.client(2)
    other.say("Tem pão?")
    assert other.webhooks[-1].wait().status == 503
    wait_until(lambda: worker.returncode is not None or bakery.log_of(worker).count(REFUSED) > 1, PATIENCE)
    assert worker.returncode is None
    end()
    bakery.wait_for_the_end()
    assert bakery.witness.end_of(client, webhook, reply("Quanto custa?")) == answered_once(reply("Quanto custa?"))
    assert bakery.witness.used_and_reserved() == (1, 0)
