"""Plans, boosts and the ledger on a real Redis: whatever happens in whatever order, the figures can be believed."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import redis
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.accounts import Account
from app.domain.audit import recomputed
from app.domain.boosts import BoostUnknown
from app.domain.failures import Failure
from app.domain.plans import Plan
from app.domain.quota import MARKS, Counters, period_of, remaining
from app.domain.turn import DECIDED, UNDECIDED, AcceptResult, AcceptStatus, Change, Hold, Status, TurnLost
from app.storage import keys
from app.storage.accounts import RedisAccounts
from app.storage.boosts import RedisBoosts
from app.storage.ledger import RedisLedger, RedisPlanChange
from app.storage.notes import RedisNotes
from app.storage.plans import RedisPlans
from app.storage.sealing import Sealer
from app.storage.taking import RedisTaking
from app.storage.turns import RedisTurns
from tests.builders import ENCRYPTION_KEY, TIMING, a_new_turn, an_account
from tests.integration.turn_store import NO_PACE

SAO_PAULO = ZoneInfo("America/Sao_Paulo")
BEGIN = datetime(2026, 1, 31, 12, tzinfo=SAO_PAULO)


class Till:
    """One company, its plan, its boosts and its turns, with the clock in the hands of the test."""

    def __init__(self, client: redis.Redis, requests: int = 3, zone: str = "America/Sao_Paulo") -> None:
        client.flushall()
        self.redis = client
        self.now = BEGIN.astimezone(UTC)
        sealer = Sealer([ENCRYPTION_KEY])
        self.turns = RedisTurns(client, sealer, TIMING, self.clock)
        self.taking = RedisTaking(client, sealer, TIMING, NO_PACE, "worker", self.clock)
        self.accounts = RedisAccounts(client, sealer, self.clock)
        self.ledger = RedisLedger(client, self.clock)
        self.boosts = RedisBoosts(client, self.clock)
        self.plans = RedisPlans(client)
        self.change = RedisPlanChange(client, lambda _: self.account.zone, self.clock)
        for name, number in (("small", requests), ("tiny", 1), ("big", 6)):
            self.plans.set(Plan(name, number))
        self.account: Account = self.accounts.add(an_account(plan="small", timezone=zone))
        self.open: list[str] = []

    def clock(self) -> float:
        return self.now.timestamp()

    @property
    def period(self) -> str:
        return period_of(self.now, self.account.zone)

    def accept(self, weight: int = 1, **overrides: Any) -> AcceptResult:
        self.account = self.accounts.get(self.account.account_id) or self.account
        new = a_new_turn(
            self.account,
            accepted_at=int(self.clock() * 1000),
            deadline_at=int(self.clock() * 1000) + 50_000,
            period=self.period,
            weight=weight,
            line=None,
            message=f"pergunta {len(self.open)} {self.clock()}",
            **overrides,
        )
        result = self.turns.accept(new)
        assert result.status is AcceptStatus.ACCEPTED
        if result.refusal is None:
            self.open.append(new.request_id)
        return result

    def decide(self, answered: bool, again: bool = False, marks: tuple[int, ...] = MARKS) -> None:
        if not self.open:
            return
        request_id = self.open[0] if again else self.open.pop(0)
        hold = Hold(request_id, "worker")
        raw = self.taking.one(hold)
        assert raw is not None
        turn = self.taking.read(raw).turn
        decision = (
            Change(expect=UNDECIDED, status=Status.ANSWERED, charge="settle", marks=marks)
            if answered
            else Change(expect=UNDECIDED, status=Status.FAILED, charge="release")
        )
        self.turns.advance(hold, turn, decision)
        if again:
            self.open.pop(0)
            with pytest.raises(TurnLost):
                self.turns.advance(hold, turn, decision)
        self.turns.advance(hold, turn, Change(expect=DECIDED, status=Status.DELIVERED, close=True))
        self.turns.collect_answers()

    def figures(self, period: str | None = None) -> Counters:
        return self.ledger.counters(self.account, period or self.period)

    def left(self) -> int:
        found = self.figures()
        return remaining(found.allowance, found.boosts, found.used, found.reserved)

    def entries(self, period: str | None = None) -> list[tuple[str, int]]:
        found = self.ledger.entries(self.account.account_id, period or self.period)
        return [(entry.kind, entry.requests) for entry in found]

    def balance(self, period: str | None = None) -> int:
        return sum(requests for _, requests in self.entries(period))

    def set_plan(self, plan: str, when: Any = "now") -> None:
        self.change.apply(self.account.account_id, plan, when)
        self.account = self.accounts.get(self.account.account_id) or self.account

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def till(redis_client: redis.Redis) -> Till:
    return Till(redis_client)


CHANGES = [("tiny", "now"), ("big", "now"), ("small", "now"), ("big", "next-period")]
ACTIONS = st.one_of(
    st.tuples(st.just("accept"), st.integers(1, 3)),
    st.tuples(st.just("decide"), st.booleans()),
    st.tuples(st.just("decide_twice"), st.booleans()),
    st.tuples(st.just("boost"), st.tuples(st.integers(1, 4), st.one_of(st.none(), st.integers(-1, 40)))),
    st.tuples(st.just("void"), st.integers(0, 5)),
    st.tuples(
        st.just("plan"), st.sampled_from([("tiny", "now"), ("big", "now"), ("small", "now"), ("big", "next-period")])
    ),
    st.tuples(st.just("pass"), st.integers(0, 20)),
    st.tuples(st.just("move"), st.sampled_from(["America/Sao_Paulo", "Asia/Tokyo", "America/Los_Angeles"])),
)


def do(till: Till, action: str, value: Any, boosts: list[str]) -> None:
    if action == "accept":
        enough = till.left() >= value
        refusal = till.accept(value).refusal
        assert refusal is (None if enough else Failure.PLAN_QUOTA)
    elif action == "decide":
        till.decide(value)
    elif action == "decide_twice":
        till.decide(value, again=True)
    elif action == "boost":
        requests, days = value
        expires = None if days is None else (till.now + timedelta(days=days)).date()
        boosts.append(f"key-{len(boosts)}")
        assert till.boosts.add(till.account, boosts[-1], requests, expires)
        assert not till.boosts.add(till.account, boosts[-1], requests + 1, None)
    elif action == "void" and value < len(boosts):
        try:
            till.boosts.void(till.account, boosts[value])
        except BoostUnknown:
            assert {one.key: one.remaining for one in till.boosts.all(till.account)}[boosts[value]] == 0
    elif action == "plan":
        till.set_plan(*value)
    elif action == "pass":
        till.pass_time(days=value)
    elif action == "move":
        moved = till.accounts.replace(_in_zone(till.account, value), till.account.version)
        till.account = moved


def _in_zone(account: Account, zone: str) -> Account:
    return an_account(version=account.version, plan=account.plan, timezone=zone)


@settings(max_examples=200)
@example([("boost", (1, None)), *[("accept", 1)] * 4, ("pass", 20), ("accept", 1), ("decide", False), ("void", 0)])
@example([("boost", (2, 0)), *[("accept", 1)] * 5, ("pass", 1), ("accept", 1), ("decide", False), ("decide", False)])
@given(st.lists(ACTIONS, max_size=40))
def test_the_ledger_sums_up_to_what_is_left_whatever_happens(actions: list[tuple[str, Any]]) -> None:
    till = Till(_CLIENT)
    boosts: list[str] = []
    for action, value in actions:
        do(till, action, value, boosts)
        till.account = till.accounts.get(till.account.account_id) or till.account
    # Every month is brought up to date by its next acceptance.
    till.accept()
    found = till.figures()
    assert till.balance() == found.allowance + found.boosts - found.used - found.reserved
    for period in _periods(till):
        month = till.figures(period)
        assert till.balance(period) == month.allowance + month.boosts - month.used - month.reserved
        moved = sum(requests for kind, requests in till.entries(period) if kind in ("reserve", "settle", "release"))
        assert moved == -(month.used + month.reserved)
    total = sum(till.figures(period).reserved for period in _periods(till))
    assert (total == 0) == (not till.open)
    for _ in range(10):
        has = till.left() > 0
        assert (till.accept().refusal is None) == has


def _periods(till: Till) -> list[str]:
    prefix = keys.ledger(till.account.account_id, "")
    return [name.decode().removeprefix(prefix) for name in till.redis.scan_iter(f"{prefix}*")]


_CLIENT: redis.Redis


@pytest.fixture(autouse=True)
def _client(redis_client: redis.Redis) -> None:
    """hypothesis runs one test many times with one fixture; each example flushes what the one before left."""
    global _CLIENT  # noqa: PLW0603
    _CLIENT = redis_client


def test_the_plan_is_used_up_before_boosts_and_boosts_by_expiry_and_age(till: Till) -> None:
    soon, late = date(2026, 2, 10), date(2026, 3, 10)
    for key, expires in (("late", late), ("never", None), ("soon", soon), ("soon-too", soon)):
        till.pass_time(seconds=1)
        till.boosts.add(till.account, key, 1, expires)
    burnt = []
    for _ in range(7):
        till.accept()
        burnt.append([one.key for one in till.boosts.all(till.account) if one.remaining == 0])
    assert burnt[2] == []
    assert [set(now) for now in burnt[3:]] == [
        {"soon"},
        {"soon", "soon-too"},
        {"soon", "soon-too", "late"},
        {"soon", "soon-too", "late", "never"},
    ]
    assert till.accept().refusal is Failure.PLAN_QUOTA


def test_unused_allowance_ends_with_the_month_and_boosts_go_on(till: Till) -> None:
    till.boosts.add(till.account, "extra", 5, None)
    till.accept()
    till.pass_time(days=1)
    assert till.left() == 3 + 5
    till.accept()
    assert till.entries() == [("carry", 5), ("grant", 3), ("reserve", -1)]
    assert till.balance("2026-01") == 2


def test_a_boost_counts_through_its_last_day_where_the_account_lives(till: Till) -> None:
    till.boosts.add(till.account, "today", 2, date(2026, 1, 31))
    till.now = datetime(2026, 1, 31, 23, 59, 59, tzinfo=SAO_PAULO).astimezone(UTC)
    assert till.left() == 5
    till.pass_time(seconds=1)
    assert till.left() == 3
    till.accept()
    assert ("expire", -2) in till.entries("2026-01") + till.entries("2026-02")


def test_a_released_request_goes_back_to_the_boost_it_came_from(till: Till) -> None:
    till.boosts.add(till.account, "extra", 1, None)
    for _ in range(4):
        till.accept()
    assert [one.remaining for one in till.boosts.all(till.account)] == [0]
    till.decide(answered=False)
    assert [one.remaining for one in till.boosts.all(till.account)] == [1]
    assert till.left() == 1


def test_a_turn_of_last_month_that_fails_in_this_one_gives_its_boost_back(till: Till) -> None:
    till.boosts.add(till.account, "extra", 1, None)
    for _ in range(4):
        till.accept()
    till.pass_time(days=1)
    till.accept()
    for _ in range(4):
        till.decide(answered=False)
    assert [one.remaining for one in till.boosts.all(till.account)] == [1]
    assert till.balance() == till.left() == 3 - 1 + 1
    assert till.balance("2026-01") == 3
    assert till.entries()[-1] == ("carry", 1)


def test_what_came_from_a_boost_that_is_over_is_not_given_back(till: Till) -> None:
    till.boosts.add(till.account, "short", 1, date(2026, 1, 31))
    for _ in range(4):
        till.accept()
    till.pass_time(days=1)
    till.accept()
    till.decide(answered=False)
    assert [one.remaining for one in till.boosts.all(till.account)] == [0]
    assert till.balance() == till.left() == 3 - 1
    assert till.entries("2026-01")[-2:] == [("release", 1), ("expire", -1)]


def test_a_smaller_plan_refuses_until_next_month_and_boosts_still_count(till: Till) -> None:
    for _ in range(3):
        till.accept()
        till.decide(answered=True)
    till.set_plan("tiny")
    assert (till.figures().allowance, till.left()) == (1, 0)
    assert till.accept().refusal is Failure.PLAN_QUOTA
    till.boosts.add(till.account, "extra", 3, None)
    assert till.left() == 1
    assert till.accept().refusal is None
    till.pass_time(days=1)
    assert till.left() == 1


@pytest.mark.parametrize(
    ("zone", "last", "first"),
    [
        pytest.param("America/Sao_Paulo", (2026, 1, 31), (2026, 2, 1), id="31 January"),
        pytest.param("America/Sao_Paulo", (2028, 2, 29), (2028, 3, 1), id="29 February"),
        pytest.param("America/New_York", (2026, 10, 31), (2026, 11, 1), id="the night in which the clocks go back"),
        pytest.param("Asia/Beirut", (2026, 3, 31), (2026, 4, 1), id="just after the clocks went ahead"),
    ],
)
def test_a_month_ends_at_midnight_where_the_account_lives(
    redis_client: redis.Redis, zone: str, last: tuple[int, int, int], first: tuple[int, int, int]
) -> None:
    till = Till(redis_client, zone=zone)
    till.now = datetime(*last, 23, 59, 59, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    for _ in range(3):
        till.accept()
    assert till.accept().refusal is Failure.PLAN_QUOTA
    before = till.period
    till.now = datetime(*first, 0, 0, 0, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert till.accept().refusal is None
    for _ in range(3):
        till.decide(answered=True)
    assert (till.figures(before).used, till.figures(before).reserved) == (3, 0)
    assert (till.figures().used, till.figures().reserved) == (0, 1)


def test_an_account_that_moves_to_another_zone_and_back_is_granted_once(till: Till) -> None:
    till.boosts.add(till.account, "extra", 2, None)
    till.now = datetime(2026, 1, 31, 20, tzinfo=SAO_PAULO).astimezone(UTC)
    till.accept()
    for zone in ("Asia/Tokyo", "America/Sao_Paulo", "Asia/Tokyo"):
        till.account = till.accounts.replace(_in_zone(till.account, zone), till.account.version)
        till.accept()
    for period in ("2026-01", "2026-02"):
        assert [kind for kind, _ in till.entries(period)].count("grant") == 1
    assert till.balance("2026-02") == till.left() == 3 - 2 + 2
    assert till.balance("2026-01") == 3 - 2


def test_each_mark_is_told_once_and_again_when_the_limit_has_risen(redis_client: redis.Redis) -> None:
    till = Till(redis_client, requests=10)
    notes = RedisNotes(redis_client, till.clock)
    told = []
    for number in range(10):
        till.accept()
        till.decide(answered=True)
        while note := notes.take():
            notes.end(note, "note_written")
            told.append((number + 1, note.alert.mark if note.alert else None))
    assert told == [(8, 80), (10, 100)]
    till.boosts.add(till.account, "extra", 2, None)
    again = []
    for number in range(2):
        till.accept()
        till.decide(answered=True)
        while note := notes.take():
            notes.end(note, "note_written")
            again.append((number + 11, note.alert.mark if note.alert else None))
    assert again == [(11, 80), (12, 100)]


def test_a_company_is_told_at_marks_of_its_own_too(redis_client: redis.Redis) -> None:
    till = Till(redis_client, requests=10)
    notes, told = RedisNotes(redis_client, till.clock), []
    for number in range(1, 11):
        till.accept()
        till.decide(answered=True, marks=(50, 80, 100))
        while note := notes.take():
            notes.end(note, "note_written")
            told.append((number, note.alert.mark if note.alert else None))
    assert told == [(5, 50), (8, 80), (10, 100)]


def test_a_bot_gone_wild_is_stopped_before_it_spends_the_plan(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    till = Till(redis_client, requests=1000)
    monkeypatch.setattr("app.storage.turns.MOST_OF_A_TEXT_A_MINUTE", 5)
    same = {"message": "oi"}
    till.account = till.accounts.get(till.account.account_id) or till.account
    refusals = []
    for _ in range(7):
        new = a_new_turn(till.account, accepted_at=int(till.clock() * 1000), period=till.period, **same)
        refusals.append(till.turns.accept(new).refusal)
    assert refusals == [None] * 5 + [Failure.BUSY] * 2
    other = a_new_turn(till.account, accepted_at=int(till.clock() * 1000), period=till.period, message="olá")
    assert till.turns.accept(other).refusal is None
    till.pass_time(minutes=1)
    later = a_new_turn(till.account, accepted_at=int(till.clock() * 1000), period=till.period, **same)
    assert till.turns.accept(later).refusal is None


# Forks, for what takes most of a process's time is to import.
PROGRAM = """
import json, os, sys
import redis
from app.domain.turn import DECIDED, UNDECIDED, Change, Hold, Status
from app.storage.accounts import RedisAccounts
from app.storage.sealing import Sealer
from app.storage.taking import RedisTaking
from app.storage.turns import RedisTurns
from tests.builders import TIMING, a_new_turn
from tests.integration.turn_store import NO_PACE
url, key = sys.argv[1:]
number = next((str(place) for place in range(15) if not os.fork()), "15")
client, sealer = redis.Redis.from_url(url), Sealer([key])
turns, account = RedisTurns(client, sealer, TIMING, lambda: 1763775600.0), RedisAccounts(client, sealer).get(31000001)
taking = RedisTaking(client, sealer, TIMING, NO_PACE, number, lambda: 1763775600.0)
accepted = 0
for place in range(50):
    new = a_new_turn(account, line=None, message=f"{number} {place}", note_lead_id=int(number) * 1000 + place)
    if turns.accept(new).refusal is None:
        accepted += 1
        hold = Hold(new.request_id, number)
        turn = taking.read(taking.one(hold)).turn
        turns.advance(hold, turn, Change(expect=UNDECIDED, status=Status.ANSWERED, charge="settle"))
        turns.advance(hold, turn, Change(expect=DECIDED, status=Status.DELIVERED, close=True))
turns.collect_answers()
os.write(1, b"%d " % accepted)
"""


def test_sixteen_processes_spend_a_limit_of_500_to_the_last_and_no_further(redis_client: redis.Redis) -> None:
    sealer = Sealer([ENCRYPTION_KEY])
    RedisPlans(redis_client).set(Plan("five-hundred", 500))
    account = RedisAccounts(redis_client, sealer).add(an_account(plan="five-hundred"))
    url = f"unix://{redis_client.connection_pool.connection_kwargs['path']}"

    argv = [sys.executable, "-c", PROGRAM, url, ENCRYPTION_KEY]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
    accepted = [int(number) for number in done.stdout.split()]
    assert (len(accepted), sum(accepted), done.stderr) == (16, 500, "")
    counters = RedisLedger(redis_client, lambda: 1763775600.0).counters(account, "2025-11")
    assert (counters.used, counters.reserved) == (500, 0)


@pytest.mark.parametrize("damage", [{"used": 7}, {"reserved": 0}, {"allowance": 99}, {"used": 0, "reserved": 9}])
def test_counters_that_differ_from_the_ledger_are_found_and_put_right(till: Till, damage: dict[str, int]) -> None:
    till.boosts.add(till.account, "extra", 2, None)
    for answered in (True, False, True):
        till.accept()
        till.decide(answered)
    till.accept()
    right = recomputed(till.ledger.entries(till.account.account_id, till.period))
    assert (right.allowance, right.used, right.reserved, right.boosts) == (3, 2, 1, 2)
    assert till.ledger.stored(till.account.account_id, till.period) == right
    for name, value in damage.items():
        till.redis.hset(keys.quota(till.account.account_id, till.period), name, value)
    assert till.ledger.stored(till.account.account_id, till.period) != right
    till.ledger.rebuild(till.account.account_id, till.period, right)
    assert till.ledger.stored(till.account.account_id, till.period) == right
