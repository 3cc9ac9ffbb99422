"""Which accounts are near the limit of their month: noted where turns are charged and plans change."""

from datetime import date

import pytest
import redis

from app.domain.failures import Failure
from app.domain.plans import Plan
from app.services.account_months import AccountMonths
from app.storage import keys
from app.storage.boosts import RedisBoosts
from app.storage.ledger import RedisPlanChange
from app.storage.near_limit import RedisNearLimit
from app.storage.plans import RedisPlans
from tests.integration.turn_store import FAILED, PERIOD, Store

ID = 31000001


class Shop(Store):
    """A company with a plan of ten requests, and whoever looks after it."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(client, requests=10)
        self.near = RedisNearLimit(client)
        self.months = AccountMonths(self.accounts, self.ledger, self.near)
        self.boosts = RedisBoosts(client, self.clock)
        RedisPlans(client).set(Plan("large", 1000))
        RedisPlans(client).set(Plan("tiny", 1))

    def use(self, requests: int, account_id: int = ID) -> None:
        for _ in range(requests):
            self.finish(self.accept(account_id))

    def change_plan(self, plan: str) -> None:
        account = self.accounts.get(ID)
        RedisPlanChange(self.redis, lambda _id: account.zone if account else None, self.clock).apply(ID, plan, "now")

    @property
    def seen(self) -> list[tuple[int, int]]:
        """Accounts that are shown, with what is left of their months."""
        return [(month.account.account_id, month.left) for month in self.months.near_limit(10)]


@pytest.fixture
def shop(redis_client: redis.Redis) -> Shop:
    return Shop(redis_client)


def test_who_has_used_little_costs_nothing(shop: Shop) -> None:
    shop.use(7)
    assert shop.redis.exists(keys.near_limit()) == 0
    assert shop.seen == []


def test_who_has_used_four_fifths_is_seen(shop: Shop) -> None:
    shop.use(8)
    assert shop.seen == [(ID, 2)]
    shop.use(2)
    assert shop.seen == [(ID, 0)]


def test_those_who_have_used_the_most_come_first(shop: Shop) -> None:
    shop.use(8)
    shop.use(10, account_id=31000002)
    shop.use(9, account_id=31000003)
    shop.use(3, account_id=31000004)
    assert shop.seen == [(31000002, 0), (31000003, 1), (ID, 2)]
    assert [month.account.account_id for month in shop.months.near_limit(1)] == [31000002]


def test_a_boost_takes_an_account_out_and_use_brings_it_back(shop: Shop) -> None:
    shop.use(9)
    shop.boosts.add(shop.account, "more", 10, date(2026, 1, 1))
    assert shop.seen == []
    assert shop.redis.exists(keys.near_limit()) == 0
    shop.use(7)
    assert shop.seen == [(ID, 4)]


def test_a_void_boost_brings_it_back_too(shop: Shop) -> None:
    shop.boosts.add(shop.account, "more", 100, None)
    shop.use(9)
    assert shop.seen == []
    shop.boosts.void(shop.account, "more")
    assert shop.seen == [(ID, 1)]


def test_a_change_of_plan_moves_it(shop: Shop) -> None:
    shop.use(9)
    shop.change_plan("large")
    assert shop.seen == []
    shop.change_plan("tiny")
    assert shop.seen == [(ID, 0)]


def test_who_is_refused_for_the_plan_is_seen_though_nothing_was_ever_settled(shop: Shop) -> None:
    RedisPlans(shop.redis).set(Plan("small", 0))
    shop.accept()
    assert shop.seen == [(ID, 0)]


def test_what_failed_brings_nobody_near(shop: Shop) -> None:
    for _ in range(9):
        shop.finish(shop.accept(), FAILED)
    assert shop.seen == []


def test_a_new_month_begins_at_ease(shop: Shop) -> None:
    shop.use(10)
    shop.clock.seconds += 20 * 24 * 3600
    assert shop.ledger.period_now(shop.account.zone) != PERIOD
    assert shop.seen == []
    assert shop.near.ids(10) == []


def test_a_removed_account_is_not_looked_for(shop: Shop) -> None:
    shop.use(10)
    shop.accounts.remove(ID)
    assert shop.near.ids(10) == []
    shop.redis.zadd(keys.near_limit(), {"77": 100})
    assert shop.seen == []
    assert shop.near.ids(10) == []


def test_other_refusals_tell_nothing_of_the_plan(shop: Shop) -> None:
    shop.accept(refusal=Failure.NO_MESSAGE)
    assert shop.near.ids(10) == []


def test_whoever_is_refused_again_after_a_boost_is_over_is_seen_again(shop: Shop) -> None:
    shop.use(10)
    shop.accept()
    shop.boosts.add(shop.account, "short", 100, date(2025, 11, 22))
    assert shop.seen == []
    shop.clock.seconds += 3 * 24 * 3600
    shop.accept()
    assert shop.seen == [(ID, 0)]
