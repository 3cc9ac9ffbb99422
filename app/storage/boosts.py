"""Boosts in Redis: added once per key, and voided; they are burnt where turns are charged (lua/month.lua)."""

import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import cast

from redis import Redis

from app.domain.accounts import Account, AccountUnknown
from app.domain.boosts import Boost, BoostUnknown, end_of
from app.domain.quota import period_of
from app.storage import keys
from app.storage.availability import availability
from app.storage.scripts import script


class RedisBoosts:
    """The boosts of all accounts. Every method raises StoreUnavailable."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock
        self._add = script(redis, "boost_add")
        self._void = script(redis, "boost_void")

    def add(self, account: Account, key: str, requests: int, expires: date | None) -> bool:
        """Add a boost; False when the account has one with this key already, whatever it holds.

        expires: the last day on which it counts, where the account lives. Raises ValueError and AccountUnknown.
        """
        boost = Boost(key, requests, expires, self._now())
        record = {"requests": requests, "expires": expires.isoformat() if expires else None, "added_at": boost.added_at}
        with availability():
            outcome = self._add(
                keys=[keys.account(account.account_id), keys.plans(), keys.boost_records(account.account_id)],
                args=[
                    account.account_id,
                    boost.added_at,
                    self._period(account),
                    key,
                    requests,
                    end_of(expires, account.zone),
                    json.dumps(record),
                ],
                lasting=True,
            )
        if outcome == b"no_account":
            raise AccountUnknown(account.account_id)
        return bool(outcome == b"added")

    def all(self, account: Account) -> list[Boost]:
        """Every boost ever added, the oldest first. remaining: 0 for one that is over."""
        with availability():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.hgetall(keys.boost_records(account.account_id))
            pipeline.zrangebyscore(keys.boosts(account.account_id), f"({self._now()}", "+inf")
            pipeline.hgetall(keys.boost_left(account.account_id))
            records, live, left = pipeline.execute()
        boosts = []
        for key, record in cast("dict[bytes, bytes]", records).items():
            told = json.loads(record)
            expires = date.fromisoformat(told["expires"]) if told["expires"] else None
            boost = Boost(key.decode(), told["requests"], expires, told["added_at"])
            member = boost.member.encode()
            remaining = int(left.get(member, 0)) if member in live else 0
            boosts.append(Boost(boost.key, boost.requests, expires, boost.added_at, remaining))
        return sorted(boosts, key=lambda boost: boost.member)

    def void(self, account: Account, key: str) -> None:
        """Take back what is left of a boost. Raises BoostUnknown where that is nothing."""
        member = next((boost.member for boost in self.all(account) if boost.key == key), None)
        if member is None:
            raise BoostUnknown(key)
        with availability():
            done = self._void(
                keys=[keys.account(account.account_id), keys.plans()],
                args=[account.account_id, self._now(), self._period(account), member],
                lasting=True,
            )
        if not done:
            raise BoostUnknown(key)

    def _period(self, account: Account) -> str:
        return period_of(datetime.fromtimestamp(self._clock(), UTC), account.zone)

    def _now(self) -> int:
        return int(self._clock() * 1000)
