"""Turns that wait without a worker, on a real Redis: for a moment, for their key, for their end."""

from collections.abc import Callable
from dataclasses import replace
from itertools import repeat
from unittest.mock import patch

import pytest
import redis

from app.domain.failures import Failure
from app.domain.turn import DECIDED, UNDECIDED, Change, NewTurn, Park, Status, Taken, TurnLost
from app.jobqueue import turn_queue
from app.storage import keys
from tests.builders import NOW_MS, TIMING, a_new_turn
from tests.integration.turn_store import ANSWERED, ASKING, DELIVERED, FAILED, GATE, LEAVE, ONE_CALL, Store, dump

# Until the sweep hands over what would be late: what the contract leaves for the continue call is over then.
LATEST = TIMING.turn - TIMING.reserve


@pytest.fixture
def store(redis_client: redis.Redis) -> Store:
    return Store(redis_client)


def waits_for_kommo(store: Store, seconds: float = 5.0) -> NewTurn:
    """A decided turn that waits until Kommo has time."""
    new = store.accept()
    (taken,) = store.next()
    store.advance(taken, ANSWERED)
    store.park(taken, seconds)
    return new


def waits_for_its_key(store: Store) -> NewTurn:
    """A turn whose key may not be used before its time is over."""
    new = store.accept()
    store.park(store.take(new), new.deadline_at / 1000 - TIMING.reserve - store.clock(), GATE)
    return new


def waits_to_leave(store: Store) -> NewTurn:
    """A decided turn whose call is not made yet; the address has another one to make first."""
    new = store.accept()
    (taken,) = store.next()
    store.advance(taken, ANSWERED)
    store.turns.give_back([taken.hold])
    return new


def the_id(taken: list[Taken]) -> str:
    (one,) = taken
    return one.turn.request_id


# --- waits for Kommo ------------------------------------------------------------------------------------------------


def test_a_turn_that_waits_for_kommo_leaves_when_its_wait_is_over_and_not_earlier(store: Store) -> None:
    new = waits_for_kommo(store, 5.0)
    store.clock.seconds += 4.9
    assert store.sweep() == []
    assert (store.departing(), store.taking.any_ready()) == ([], False)
    store.clock.seconds += 0.2
    assert store.sweep() == []
    assert the_id(store.departing()) == new.request_id
    assert store.steps(new) == ["accepted", "taken", "continue_call"]


def test_a_wait_is_not_taken_for_a_lost_worker(store: Store) -> None:
    new = waits_for_kommo(store, TIMING.lease * 3)
    for _ in range(5):
        store.clock.seconds += TIMING.lease / 2
        assert store.sweep() == []
    store.clock.seconds += TIMING.lease
    store.sweep()
    (leaving,) = store.departing()
    assert (leaving.turn.request_id, leaving.turn.resumed, leaving.turn.claims) == (new.request_id, False, 1)


def test_a_turn_that_waits_to_leave_does_so_for_as_long_as_it_takes(store: Store) -> None:
    new = waits_to_leave(store)
    for _ in range(50):
        store.clock.seconds += TIMING.lease
        assert store.sweep() == []
    assert the_id(store.departing()) == new.request_id


def test_who_makes_the_call_is_told_how_things_stood_and_the_record_knows_that_it_may_arrive(store: Store) -> None:
    new = waits_for_kommo(store)
    store.clock.seconds += 6
    store.sweep()
    (leaving,) = store.departing()
    assert (leaving.turn.maybe_delivered, leaving.egress) == (False, "default")
    record = store.turns.read(new.request_id)
    assert record is not None
    assert record.maybe_delivered
    store.advance(leaving, DELIVERED)
    assert store.redis.zcard(keys.open_turns()) == 0


def test_a_worker_killed_with_a_call_in_hand_is_made_up_for(store: Store) -> None:
    new = waits_for_kommo(store)
    store.clock.seconds += 6
    store.sweep()
    (killed,) = store.departing()
    store.clock.seconds += TIMING.lease + 1
    assert store.sweep() == [new.request_id]
    # Not the queue: it is only to be told.
    assert store.next() == []
    (leaving,) = store.departing()
    assert (leaving.turn.request_id, leaving.turn.resumed, leaving.turn.maybe_delivered) == (new.request_id, True, True)
    assert store.told_in_vain(killed, lambda: store.advance(killed, DELIVERED))


# --- waits for the end ----------------------------------------------------------------------------------------------


def test_a_queued_turn_is_told_about_before_its_deadline_when_no_thread_came_free(store: Store) -> None:
    new = store.accept()
    told_at = None
    while told_at is None:
        store.clock.seconds += 0.2
        assert store.clock() < new.deadline_at / 1000
        swept = store.taking.due(1)
        assert swept.lost == ()
        if swept.overdue:
            told_at = store.clock()
    assert LATEST <= told_at - NOW_MS / 1000 <= LATEST + 0.3
    # It waits nowhere any more, and its job is gone.
    assert (store.queued(), store.next()) == ([], [])
    assert store.redis.keys("rq:job:*") == []
    (raw,) = swept.overdue
    taken = store.taking.read(raw)
    assert (taken.turn.status, taken.turn.claims, taken.egress) == (Status.ACCEPTED, 1, None)
    assert store.steps(new) == ["accepted", "overdue"]
    store.advance(taken, FAILED)
    store.advance(taken, DELIVERED)
    assert store.counters() == (3, 0, 0)


def woken_by_its_conversation(store: Store, new: NewTurn, before: NewTurn) -> None:
    store.finish(before)
    assert store.queued() == [new.request_id]


def woken_by_its_gate(store: Store, new: NewTurn, before: NewTurn) -> None:
    store.finish(before)
    (taken,) = store.next()
    store.park(taken, 600, GATE)
    store.taking.wake()
    assert store.queued() == [new.request_id]


def given_back(store: Store, new: NewTurn, before: NewTurn) -> None:
    store.finish(before)
    (taken,) = store.next()
    store.turns.give_back([taken.hold])
    assert store.queued() == [new.request_id]


@pytest.mark.parametrize("queued", [woken_by_its_conversation, woken_by_its_gate, given_back])
@pytest.mark.parametrize("left", [0.3, 2.0, 5.5])
def test_a_turn_that_is_queued_late_is_told_about_before_its_deadline_too(
    store: Store, queued: Callable[[Store, NewTurn, NewTurn], None], left: float
) -> None:
    before, new = store.accept(), store.accept()
    store.clock.seconds += LATEST - left
    queued(store, new, before)
    store.clock.seconds += left + 0.01
    assert the_id(store.overdue()) == new.request_id


def test_a_turn_that_waits_for_its_key_until_the_end_is_told_why(store: Store) -> None:
    new = waits_for_its_key(store)
    store.clock.seconds += LATEST - 0.3
    assert store.sweep() == []
    store.clock.seconds += 0.4
    (taken,) = store.overdue()
    assert (taken.turn.request_id, taken.turn.gated) == (new.request_id, Failure.OPENAI_QUOTA)
    assert store.redis.zcard(keys.gate_line(GATE)) == 0
    # Nor is it woken any more.
    store.taking.wake()
    assert store.next() == []


def test_of_many_overdue_turns_only_so_many_are_handed_out_as_can_be_told_about(store: Store) -> None:
    turns = [store.accept(line=f"contact-{number}") for number in range(3)]
    store.clock.seconds += LATEST + 0.1
    seen = []
    for most in (0, 2, 0, 1, 1):
        seen.append(sorted(taken.turn.request_id for taken in store.overdue(most)))
        # The others are looked at again in a moment.
        store.clock.seconds += 0.25
    everybody = sorted(new.request_id for new in turns)
    assert [len(batch) for batch in seen] == [0, 2, 0, 1, 0]
    assert sorted(seen[1] + seen[3]) == everybody


def test_the_end_of_its_time_takes_no_turn_out_of_the_hands_of_a_living_worker(store: Store) -> None:
    new = store.accept()
    (taken,) = store.next()
    while store.clock() < new.deadline_at / 1000 + 10:
        store.clock.seconds += 1
        store.turns.renew([taken.hold])
        assert store.sweep() == []
    store.advance(taken, FAILED)


def test_a_lost_workers_turn_whose_time_is_over_goes_to_no_queue(store: Store) -> None:
    new = store.accept()
    (killed,) = store.next()
    store.clock.seconds += LATEST + 1
    swept = store.taking.due(8)
    assert swept.lost == (new.request_id,)
    (raw,) = swept.overdue
    assert store.taking.read(raw).turn.resumed
    assert store.queued() == []
    with pytest.raises(TurnLost):
        store.advance(killed, ANSWERED)


@pytest.mark.parametrize("late", [10.0, 49.0, 300.0])
def test_a_refused_turn_needs_no_thread_of_the_queue_for_long(store: Store, late: float) -> None:
    new = a_new_turn(store.account, refusal=Failure.NO_MESSAGE)
    assert store.turns.accept(new).refusal is Failure.NO_MESSAGE
    store.clock.seconds += late
    assert store.sweep() == []
    assert the_id(store.departing()) == new.request_id
    assert (store.queued(), store.redis.keys("rq:job:*")) == ([], [])


# --- lost workers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decided", "place"), [(False, "the queue"), (True, "the calls")], ids=["undecided", "decided"]
)
def test_what_a_lost_worker_held_goes_on_where_it_stood(store: Store, decided: bool, place: str) -> None:
    new = store.accept()
    (taken,) = store.next()
    if decided:
        store.advance(taken, ANSWERED)
    store.clock.seconds += TIMING.lease + 0.1
    assert store.sweep() == [new.request_id]
    queued, leaving = store.next(), store.departing()
    assert the_id(leaving if place == "the calls" else queued) == new.request_id
    assert len(queued) + len(leaving) == 1
    assert store.steps(new)[-2:] == ["put_back", "continue_call" if decided else "taken_over"]


@pytest.mark.parametrize("parked", [waits_for_kommo, waits_for_its_key, waits_to_leave])
def test_a_worker_killed_after_it_let_go_takes_nothing_with_it(
    store: Store, parked: Callable[[Store], NewTurn]
) -> None:
    """Nothing of the worker is left but the record: no lease, no owner, no job."""
    new = parked(store)
    assert store.redis.hmget(keys.turn(new.request_id), "owner", "worker", "job") == [None, None, None]
    store.clock.seconds += LATEST + 1
    swept = store.taking.due(8)
    assert swept.lost == ()
    found = [store.taking.read(raw) for raw in swept.overdue] + store.departing()
    assert the_id(found) == new.request_id


def test_a_record_that_is_gone_is_looked_after_no_more(store: Store) -> None:
    new = store.accept()
    store.redis.delete(keys.turn(new.request_id))
    store.clock.seconds += TIMING.lease + 1
    assert store.sweep() == []
    assert store.redis.zcard(keys.open_turns()) == 0


def test_a_sweep_that_finds_nothing_writes_nothing(store: Store) -> None:
    store.accept()
    before = dump(store.redis)
    assert store.sweep() == []
    assert dump(store.redis) == before


# --- an answer of Redis that was lost -------------------------------------------------------------------------------


PARKED_AT_GATE = Change(
    expect=UNDECIDED, fields={"gated": Failure.OPENAI_QUOTA, "asked": 0}, park=Park(NOW_MS + 40_000, GATE)
)
PARKED = Change(expect=DECIDED, fields={"offers": 1}, park=Park(NOW_MS + 9_000))
DECIDED_AND_LEFT = Change(
    expect=UNDECIDED, status=Status.ANSWERED, charge="settle", leave=True, marks=(30, 80), sealed={"answer": "Custa 5."}
)


@pytest.mark.parametrize(
    ("before", "change"),
    [
        pytest.param((), ASKING, id="asks"),
        pytest.param((), ANSWERED, id="is answered"),
        pytest.param((), DECIDED_AND_LEFT, id="is answered and leaves, or waits to leave"),
        pytest.param((ANSWERED,), LEAVE, id="leaves, or waits to leave"),
        pytest.param((), PARKED_AT_GATE, id="waits for its key"),
        pytest.param((ANSWERED,), PARKED, id="waits for Kommo"),
        pytest.param((ANSWERED,), DELIVERED, id="is closed"),
    ],
)
@pytest.mark.parametrize("rate", ["quick", "slow"])
def test_a_change_that_is_sent_again_is_answered_as_before_and_changes_nothing(
    redis_client: redis.Redis, before: tuple[Change, ...], change: Change, rate: str
) -> None:
    store = Store(redis_client, pace=ONE_CALL) if rate == "slow" else Store(redis_client)
    if rate == "slow":
        # The only call that may leave for a long time.
        store.accept(31000002)
        (other,) = store.next()
        store.advance(other, ANSWERED)
        assert store.changed(other, LEAVE).departure
    store.accept(line="contact-2")
    store.accept(line="contact-2")
    taken = store.next()[0]
    for one in before:
        store.advance(taken, one)
    with patch("app.storage.turns._changes", repeat("the same change")):
        first = store.turns.advance(taken.hold, taken.turn, change)
        store.turns.collect_answers()
        there = dump(store.redis)
        again = store.turns.advance(taken.hold, taken.turn, change)
        store.turns.collect_answers()
    assert again == first
    assert dump(store.redis) == there
    if change.leave:
        assert (first.departure is None) is (rate == "slow")
    if change.close or change.park or (change.leave and first.departure is None):
        # The worker has let go: another change of it is one too many.
        with pytest.raises(TurnLost):
            store.advance(taken, replace(change, close=False))
        assert dump(store.redis) == there


def test_a_change_that_is_sent_again_when_another_worker_goes_on_is_too_late(store: Store) -> None:
    new = store.accept()
    (first,) = store.next()
    store.advance(first, ANSWERED)
    with patch("app.storage.turns._changes", repeat("the same change")):
        store.turns.advance(first.hold, first.turn, LEAVE)
    store.turns.give_back([first.hold])
    (second,) = store.departing()
    store.advance(second, Change(expect=DECIDED, fields={"offers": 1}))
    before = dump(store.redis)
    with patch("app.storage.turns._changes", repeat("the same change")), pytest.raises(TurnLost):
        store.turns.advance(first.hold, first.turn, LEAVE)
    assert dump(store.redis) == before
    assert store.steps(new).count("continue_call") == 2


def test_a_turn_that_is_queued_again_has_a_job_of_its_own(store: Store) -> None:
    new = store.accept()
    jobs = []
    for _ in range(3):
        (job,) = turn_queue(store.redis).jobs
        jobs.append(job.id)
        (taken,) = store.next()
        store.turns.give_back([taken.hold])
    assert len(set(jobs)) == 3
    assert {job.rpartition("-")[0] for job in jobs} == {new.request_id}
