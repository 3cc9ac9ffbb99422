"""The plans on sale, in Redis."""

from redis import Redis

from app.domain.plans import DEFAULT_PLAN, DEFAULT_PLAN_REQUESTS, Plan, PlanUnknown
from app.storage import keys
from app.storage.availability import availability


class RedisPlans:
    """One hash of all plans. The default plan is always there; its number may be changed.

    Every method raises StoreUnavailable.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def get(self, name: str) -> Plan:
        """The plan of this name. Raises PlanUnknown."""
        with availability(), self._redis.pipeline() as pipe:
            pipe.hsetnx(keys.plans(), DEFAULT_PLAN, DEFAULT_PLAN_REQUESTS)
            pipe.hget(keys.plans(), name)
            requests = pipe.execute()[-1]
        if requests is None:
            raise PlanUnknown(name)
        return Plan(name, int(requests))

    def set(self, plan: Plan) -> None:
        """Put a plan on sale, or give one that is another number of requests."""
        with availability():
            self._redis.hset(keys.plans(), plan.name, plan.requests)

    def all(self) -> list[Plan]:
        """Every plan, by number of requests and then by name."""
        with availability(), self._redis.pipeline() as pipe:
            pipe.hsetnx(keys.plans(), DEFAULT_PLAN, DEFAULT_PLAN_REQUESTS)
            pipe.hgetall(keys.plans())
            found: dict[bytes, bytes] = pipe.execute()[-1]
        plans = [Plan(name.decode(), int(requests)) for name, requests in found.items()]
        return sorted(plans, key=lambda plan: (plan.requests, plan.name))
