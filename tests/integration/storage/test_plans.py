"""Plans on a real Redis."""

import pytest
import redis

from app.domain.plans import Plan, PlanUnknown
from app.storage.plans import RedisPlans


def test_the_free_plan_is_always_there(redis_client: redis.Redis) -> None:
    assert RedisPlans(redis_client).get("teste") == Plan("teste", 100)
    redis_client.flushall()
    assert RedisPlans(redis_client).all() == [Plan("teste", 100)]


def test_the_free_plan_may_be_changed(redis_client: redis.Redis) -> None:
    plans = RedisPlans(redis_client)
    plans.set(Plan("teste", 0))
    assert plans.get("teste") == Plan("teste", 0)
    assert plans.all() == [Plan("teste", 0)]


def test_plans_are_listed_from_small_to_large(redis_client: redis.Redis) -> None:
    plans = RedisPlans(redis_client)
    for plan in (Plan("b", 500), Plan("a", 500), Plan("x-1_y", 50)):
        plans.set(plan)
    assert plans.all() == [Plan("x-1_y", 50), Plan("teste", 100), Plan("a", 500), Plan("b", 500)]


def test_a_plan_that_nobody_made_is_unknown(redis_client: redis.Redis) -> None:
    with pytest.raises(PlanUnknown):
        RedisPlans(redis_client).get("basico")


@pytest.mark.parametrize(
    ("name", "requests"),
    [("", 1), ("Basico", 1), ("básico", 1), ("a b", 1), ("a\n", 1), ("x" * 41, 1), ("a", -1), ("a", 10**9 + 1)],
)
def test_a_plan_that_cannot_be_is_not_made(name: str, requests: int) -> None:
    with pytest.raises(ValueError, match=r"a plan"):
        Plan(name, requests)
