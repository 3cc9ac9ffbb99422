"""Running turns again: judged, begun, waited for, a few at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from app.domain.failures import Failure
from app.domain.replays import Again, EndedBadly, NotReplayable, Obstacle, Replay, ReplayStatus
from app.domain.turn import Charge, Status, Turn
from app.services.replaying import AT_ONCE, Replayed, Replaying
from app.services.reporting import TurnUnknown
from tests.builders import NOW_MS, TIMING, an_account
from tests.unit.services.ports_in_memory import Clock, FakeAccounts, a_turn

FAILED = a_turn(status=Status.DELIVERED, error_code=Failure.BUSY, charge=Charge.RELEASED)


@dataclass
class FakeStore:
    """Turns, and replays of them. answers: what the next replays find. ends: a turn is over when it is looked at."""

    turns: dict[str, Turn] = field(default_factory=dict)
    answers: list[ReplayStatus] = field(default_factory=list)
    replays: list[Replay] = field(default_factory=list)
    ends: bool = True
    most_open: int = 0
    bad: list[EndedBadly] = field(default_factory=list)
    span: tuple[int, int] = (0, 0)

    def replay(self, replay: Replay) -> ReplayStatus:
        self.replays.append(replay)
        status = self.answers.pop(0) if self.answers else ReplayStatus.REPLAYED
        if status is ReplayStatus.REPLAYED:
            again = replace(replay.turn, status=Status.ACCEPTED, error_code=None, replayed_at=replay.at)
            self.turns[replay.turn.request_id] = again
            self.most_open = max(self.most_open, sum(turn.status is Status.ACCEPTED for turn in self.turns.values()))
        return status

    def badly_ended(self, account_id: int, since: int, until: int, most: int | None = None) -> list[tuple[int, str]]:
        self.span = since, until
        return [(turn.at - 1, turn.request_id) for turn in self.bad][:most]

    def ends_of(self, request_ids: Sequence[str], *, untold: bool) -> Iterator[EndedBadly]:
        yield from (turn for turn in self.bad if turn.request_id in request_ids and not (untold and turn.told))

    def read(self, request_id: str) -> Turn | None:
        found = self.turns.get(request_id)
        if found and found.status is Status.ACCEPTED and self.ends:
            found = self.turns[request_id] = replace(found, status=Status.DELIVERED, charge=Charge.SETTLED)
        return found

    def steps(self, request_id: str) -> list[dict[str, Any]]:
        raise AssertionError("nobody tells stories here")


@pytest.fixture
def store() -> FakeStore:
    return FakeStore({"r1": FAILED})


def replaying(store: FakeStore, clock: Clock, **account: Any) -> Replaying:
    accounts = FakeAccounts({31000001: an_account(version=4, **account)})
    return Replaying(store, accounts, store, TIMING, clock, clock.sleep)


def test_a_turn_is_run_again_in_the_month_of_now_with_a_deadline_of_its_own(store: FakeStore, clock: Clock) -> None:
    clock.now += 9 * 24 * 3600 + 3600
    flow = replaying(store, clock, contact_daily_limit=5)
    assert flow.replay("r1", "cli") == Replayed("r1", Again.ANSWER, told_before=True)
    (done,) = store.replays
    assert (done.period, done.day, done.hour) == ("2025-11", "2025-11-30", 23)
    assert done.deadline_at - done.at == 50_000
    assert (done.account_version, done.by, done.look_first) == (4, "cli", False)
    assert [(limit.span, limit.requests) for limit in done.contact_limits] == [("2025-11-30", 5)]


def test_a_turn_that_is_not_there_is_said_so(store: FakeStore, clock: Clock) -> None:
    with pytest.raises(TurnUnknown):
        replaying(store, clock).replay("r2", "cli")


@pytest.mark.parametrize(
    ("found", "obstacle"),
    [
        (ReplayStatus.PLAN_QUOTA, Obstacle.PLAN_QUOTA),
        (ReplayStatus.CONTACT_LIMIT, Obstacle.CONTACT_LIMIT),
        (ReplayStatus.TEXTS_GONE, Obstacle.TEXTS_GONE),
    ],
)
def test_what_the_store_refuses_is_said(
    store: FakeStore, clock: Clock, found: ReplayStatus, obstacle: Obstacle
) -> None:
    store.answers = [found]
    with pytest.raises(NotReplayable) as refused:
        replaying(store, clock).replay("r1", "cli")
    assert refused.value.obstacle is obstacle


def test_what_changed_meanwhile_is_judged_anew(store: FakeStore, clock: Clock) -> None:
    store.answers = [ReplayStatus.STALE, ReplayStatus.STALE]
    replaying(store, clock).replay("r1", "cli")
    assert len(store.replays) == 3


def test_nobody_tries_for_ever(store: FakeStore, clock: Clock) -> None:
    store.answers = [ReplayStatus.STALE] * 99
    with pytest.raises(NotReplayable):
        replaying(store, clock).replay("r1", "cli")
    assert len(store.replays) == 5


def test_a_turn_is_waited_for_no_longer_than_it_may_take(store: FakeStore, clock: Clock) -> None:
    flow = replaying(store, clock)
    store.ends = False
    flow.replay("r1", "cli")
    told: list[float] = []
    began = clock()
    assert flow.outcome("r1", lambda _, waited: told.append(waited)).status is Status.ACCEPTED
    assert clock() - began == pytest.approx(130, abs=1)
    assert told == sorted(told)
    store.ends = True
    assert flow.outcome("r1", lambda *_: None).status is Status.DELIVERED


def test_those_of_a_span_ended_in_it_and_may_have_been_accepted_before(store: FakeStore, clock: Clock) -> None:
    ends = {"before": -1, "first": 0, "last": 10_000, "after": 10_001}
    store.bad = [EndedBadly(name, NOW_MS + at, told=name == "last") for name, at in ends.items()]
    flow = replaying(store, clock)
    found = flow.ended_badly(31000001, NOW_MS, NOW_MS + 10_000)
    assert [turn.request_id for turn in found.turns] == ["first", "last"]
    assert store.span == (NOW_MS - 130_000, NOW_MS + 10_000)
    untold = flow.ended_badly(31000001, NOW_MS, NOW_MS + 10_000, untold=True)
    assert [turn.request_id for turn in untold.turns] == ["first"]


@pytest.mark.parametrize(
    ("most_looked_at", "found", "seen_until"),
    [(1, ["a"], NOW_MS), (2, ["a", "b"], NOW_MS + 1), (4, ["a", "b", "c"], None), (None, ["a", "b", "c"], None)],
)
def test_how_far_was_looked_is_told_where_there_may_be_more(
    store: FakeStore, clock: Clock, most_looked_at: int | None, found: list[str], seen_until: int | None
) -> None:
    store.bad = [EndedBadly(name, NOW_MS + at, told=False) for at, name in enumerate("abc", 1)]
    bad = replaying(store, clock).ended_badly(31000001, NOW_MS, NOW_MS + 10_000, most_looked_at=most_looked_at)
    assert ([turn.request_id for turn in bad.turns], bad.seen_until) == (found, seen_until)


def test_where_no_worker_lives_all_are_given_up_at_once(store: FakeStore, clock: Clock) -> None:
    names = [f"r{number}" for number in range(AT_ONCE)]
    store.turns = {name: replace(FAILED, request_id=name) for name in names}
    store.ends = False
    began = clock()
    outcomes = list(replaying(store, clock).replay_all(names, "cli"))
    assert [outcome.became for outcome in outcomes] == ["in_work"] * AT_ONCE
    assert clock() - began == pytest.approx(130, abs=1)


def test_of_many_a_few_are_open_at_once(store: FakeStore, clock: Clock) -> None:
    names = [f"r{number}" for number in range(50)]
    store.turns = {name: replace(FAILED, request_id=name) for name in names}
    outcomes = list(replaying(store, clock).replay_all(names, "cli"))
    assert sorted(outcome.request_id for outcome in outcomes) == sorted(names)
    assert all(outcome.turn and outcome.turn.charge is Charge.SETTLED for outcome in outcomes)
    assert store.most_open == AT_ONCE


def test_when_the_plan_is_used_up_nothing_more_is_tried(store: FakeStore, clock: Clock) -> None:
    names = [f"r{number}" for number in range(6)]
    store.turns = {name: replace(FAILED, request_id=name) for name in names}
    store.answers = [ReplayStatus.TEXTS_GONE, ReplayStatus.REPLAYED, ReplayStatus.PLAN_QUOTA]
    outcomes = {one.request_id: one for one in replaying(store, clock).replay_all([*names, "unknown"], "cli")}
    assert [outcomes[name].obstacle for name in names] == [
        Obstacle.TEXTS_GONE,
        None,
        *([Obstacle.PLAN_QUOTA] * 4),
    ]
    assert len(store.replays) == 3
