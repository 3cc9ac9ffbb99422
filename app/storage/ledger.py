"""The ledger and its counters, for reading, and the change of a plan (contract 7). Charges are made in turns.py."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import cast
from zoneinfo import ZoneInfo

from redis import Redis

from app.domain.accounts import Account, AccountUnknown
from app.domain.audit import Recomputed
from app.domain.plans import When
from app.domain.quota import Counters, Entry, LedgerPage, next_period, period_of
from app.storage import keys
from app.storage.availability import availability
from app.storage.scripts import script

ENTRIES_AT_ONCE = 1000
_CURSOR = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")


class RedisLedger:
    """The figures of all accounts. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, redis: "Redis", clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock

    def period_now(self, zone: ZoneInfo) -> str:
        """The month that it is where an account lives."""
        return period_of(datetime.fromtimestamp(self._clock(), UTC), zone)

    def counters(self, account: Account, period: str) -> Counters:
        """The counters of a month. The present one, and one in which nothing happened, show the plan as it is now."""
        with availability():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.hmget(keys.quota(account.account_id, period), "plan", "allowance", "used", "reserved", "boosted")
            pipeline.hmget(keys.account(account.account_id), "plan", "next_plan", "next_plan_period")
            pipeline.hgetall(keys.plans())
            pipeline.zrangebyscore(keys.boosts(account.account_id), f"({self._clock() * 1000}", "+inf")
            pipeline.hgetall(keys.boost_left(account.account_id))
            month, changes, plans, live, left = pipeline.execute()
        used, reserved, boosted = int(month[2] or 0), int(month[3] or 0), int(month[4] or 0)
        if month[1] is not None and period != self.period_now(account.zone):
            return Counters(month[0].decode(), int(month[1]), used, reserved, boosted)
        boosts = boosted + sum(int(left.get(boost, 0)) for boost in live)
        coming = changes[1] is not None and period >= changes[2].decode()
        plan = (changes[1] if coming else changes[0]) or account.plan.encode()
        return Counters(plan.decode(), int(plans.get(plan, 0)), used, reserved, boosts)

    def stored(self, account_id: int, period: str) -> Recomputed:
        """The counters of a month as they are stored, beside what the boosts have left if this is the open month."""
        with availability():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.hmget(keys.quota(account_id, period), "allowance", "used", "reserved", "boosted")
            pipeline.get(keys.open_month(account_id))
            pipeline.hget(keys.boost_left(account_id), "*")
            month, open_month, left = pipeline.execute()
        allowance, used, reserved, boosted = (int(value or 0) for value in month)
        open_left = int(left or 0) if open_month is not None and open_month.decode() == period else 0
        return Recomputed(allowance, used, reserved, boosted + open_left)

    def rebuild(self, account_id: int, period: str, right: Recomputed) -> None:
        """Put the counters of a month to what its ledger says; what boosts gave follows with the next charge."""
        counters: list[str | int] = ["allowance", right.allowance, "used", right.used, "reserved", right.reserved]
        with availability():
            self._redis.hset(keys.quota(account_id, period), items=counters)

    def entries(self, account_id: int, period: str) -> Iterator[Entry]:
        """The entries of a month, oldest first."""
        key, after = keys.ledger(account_id, period), "-"
        while True:
            with availability():
                found = cast(
                    "list[tuple[bytes, dict[bytes, bytes]]]", self._redis.xrange(key, after, "+", ENTRIES_AT_ONCE)
                )
            for _, fields in found:
                yield _entry(fields)
            if len(found) < ENTRIES_AT_ONCE:
                return
            after = f"({found[-1][0].decode()}"

    def page(self, account_id: int, period: str, older_than: str | None, size: int) -> LedgerPage:
        """The newest entries of a month, or those that follow the cursor of another page; costs what it shows.

        Raises ValueError for what is no cursor.
        """
        if older_than is not None and not _CURSOR.fullmatch(older_than):
            raise ValueError("no cursor of a ledger")
        newest = "+" if older_than is None else f"({older_than}"
        with availability():
            raw = self._redis.xrevrange(keys.ledger(account_id, period), newest, "-", count=size + 1)
        found = cast("list[tuple[bytes, dict[bytes, bytes]]]", raw)
        shown = found[:size]
        older = shown[-1][0].decode() if len(found) > size else None
        return LedgerPage([_entry(fields) for _, fields in shown], older)


def _entry(fields: dict[bytes, bytes]) -> Entry:
    return Entry(
        at=int(fields[b"at"]),
        request_id=fields[b"turn"].decode(),
        kind=fields[b"kind"].decode(),
        requests=int(fields[b"requests"]),
        reason=fields[b"reason"].decode(),
    )


class RedisPlanChange:
    """Implements the port PlanChange."""

    def __init__(
        self, redis: "Redis", zone_of: Callable[[int], ZoneInfo | None], clock: Callable[[], float] = time.time
    ) -> None:
        self._recount = script(redis, "recount")
        self._zone_of = zone_of
        self._clock = clock

    def apply(self, account_id: int, plan: str, when: When) -> None:
        """Let the account have this plan from now or from its next month on. Raises AccountUnknown."""
        zone = self._zone_of(account_id)
        if zone is None:
            raise AccountUnknown(account_id)
        now = self._clock()
        period = period_of(datetime.fromtimestamp(now, UTC), zone)
        with availability():
            done = self._recount(
                keys=[keys.account(account_id), keys.plans()],
                args=[account_id, int(now * 1000), period, next_period(period), plan, when],
            )
        if not done:
            raise AccountUnknown(account_id)
