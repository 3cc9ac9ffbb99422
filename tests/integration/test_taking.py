"""Turns from the queue for free threads, on a real Redis: whose, how many, in which order, and with what they need."""

import time

import pytest
import redis
from rq.job import Job
from rq.serializers import JSONSerializer

from app.domain.answers import Conversation
from app.domain.assistants import Api
from app.domain.plans import Plan
from app.domain.turn import UNDECIDED, Change, Hold, NewTurn
from app.jobqueue import turn_queue
from app.storage import keys
from app.storage.plans import RedisPlans
from app.storage.taking import Queued
from tests.builders import TIMING
from tests.integration.turn_store import ANSWERED, DELIVERED, Store, dump

OURS, OTHERS, THIRDS = 31000001, 31000002, 31000003


@pytest.fixture
def store(redis_client: redis.Redis) -> Store:
    return Store(redis_client, requests=1000)


def accept_many(store: Store, number: int, account_id: int = OURS) -> list[NewTurn]:
    """Turns of as many clients of a company, one after another."""
    turns = []
    for place in range(number):
        turns.append(store.accept(account_id, line=f"contact-{place}"))
        store.clock.seconds += 0.01
    return turns


def ids(turns: list[NewTurn]) -> list[str]:
    return [turn.request_id for turn in turns]


def taken_ids(found: Queued) -> list[str]:
    return [raw.hold.request_id for raw in found.turns]


def test_turns_come_in_order_of_acceptance_several_at_once(store: Store) -> None:
    turns = accept_many(store, 20)
    batches = [taken_ids(store.taking.queued(8, {})) for _ in range(4)]
    assert [len(batch) for batch in batches] == [8, 8, 4, 0]
    assert [one for batch in batches for one in batch] == ids(turns)


def test_companies_take_turns_whoever_came_first(store: Store) -> None:
    ours = accept_many(store, 6)
    theirs = accept_many(store, 6, OTHERS)
    assert (
        taken_ids(store.taking.queued(8, {}))
        == [one for pair in zip(ids(ours), ids(theirs), strict=True) for one in pair][:8]
    )


def test_two_workers_share_what_waits_without_taking_anything_twice(store: Store) -> None:
    turns = accept_many(store, 10)
    other = store.worker("worker-2")
    found = [taken_ids(worker.queued(2, {})) for worker in (store.taking, other, store.taking, other, other)]
    assert [one for batch in found for one in batch] == ids(turns)
    assert store.redis.hget(keys.turn(turns[2].request_id), "worker") == b"worker-2"


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_an_account_that_has_its_share_of_the_worker_takes_no_more_of_it(store: Store, allowed: int) -> None:
    ours, theirs = accept_many(store, 5), accept_many(store, 2, OTHERS)
    found = store.taking.queued(8, {OURS: allowed})
    assert sorted(taken_ids(found)) == sorted(ids(ours)[:allowed] + ids(theirs))
    assert found.more
    assert found.stray is None
    # Another worker has room for it.
    assert taken_ids(store.worker("worker-2").queued(8, {})) == ids(ours)[allowed:]


def test_a_taken_turn_comes_with_all_that_its_worker_needs(store: Store) -> None:
    first, second = store.accept(), store.accept()
    (taken,) = store.next()
    assert taken.turn == store.turns.read(first.request_id)
    assert (taken.turn.message, taken.turn.instructions) == (first.message, first.instructions)
    assert (taken.account_version, taken.conversation, taken.egress) == (store.account.version, None, None)
    told = Conversation(Api.RESPONSES, "conv_1", "msg_1")
    store.advance(taken, Change(expect=UNDECIDED, conversation=told))
    store.advance(taken, ANSWERED)
    store.advance(taken, DELIVERED)
    (taken,) = store.next()
    assert (taken.turn.request_id, taken.conversation) == (second.request_id, told)


def test_a_turn_of_a_removed_account_says_so(store: Store) -> None:
    store.accept()
    store.accounts.remove(store.account.account_id)
    (taken,) = store.next()
    assert taken.account_version is None


def test_a_turn_without_memory_comes_without_a_conversation(store: Store) -> None:
    store.accept(line=None)
    (taken,) = store.next()
    assert taken.conversation is None


def test_taking_makes_the_turn_its_workers_and_leaves_no_trace_of_it_in_the_queue(store: Store) -> None:
    new = store.accept()
    (taken,) = store.next()
    assert store.steps(new) == ["accepted", "taken"]
    assert store.look_at(new) == pytest.approx(TIMING.lease)
    assert store.turns.renew([taken.hold]) == []
    assert store.queued() == []
    assert not store.redis.exists(keys.queued(), keys.queued_of(OURS), f"{keys.queued()}:round")


@pytest.mark.parametrize("gone", ["closed", "status", "held"])
def test_what_is_not_to_be_worked_on_any_more_is_dropped_with_its_job(store: Store, gone: str) -> None:
    new, other = store.accept(line="contact-1"), store.accept(line="contact-2")
    (job,) = (job for job in turn_queue(store.redis).jobs if job.args == [new.request_id])
    match gone:
        case "closed":
            store.redis.zrem(keys.open_turns(), new.request_id)
        case "status":
            store.redis.hdel(keys.turn(new.request_id), "status")
        case "held":
            store.redis.hset(keys.turn(new.request_id), "owner", "somebody")
    assert [taken.turn.request_id for taken in store.next()] == [other.request_id]
    assert not store.redis.exists(job.key)
    assert store.steps(new) == ["accepted"]


@pytest.mark.parametrize("waits", ["in the queue", "to leave"])
def test_a_record_that_was_deleted_while_its_turn_waited_stops_nobody(store: Store, waits: str) -> None:
    gone, other = store.accept(line="contact-1"), store.accept(line="contact-2")
    if waits == "to leave":
        held = store.next()
        for taken in held:
            store.advance(taken, ANSWERED)
        store.turns.give_back([taken.hold for taken in held])
    store.redis.delete(keys.turn(gone.request_id))
    found = store.next() if waits == "in the queue" else store.departing()
    assert [taken.turn.request_id for taken in found] == [other.request_id]
    assert (store.next(), store.departing()) == ([], [])
    assert not store.redis.exists(keys.queued(), keys.ready())


def test_a_job_that_somebody_else_put_into_the_queue_is_handed_out_when_no_turn_waits(store: Store) -> None:
    new = store.accept()
    foreign = turn_queue(store.redis).enqueue_call("os.getcwd")
    found = store.taking.queued(8, {})
    assert (taken_ids(found), found.stray) == ([new.request_id], None)
    found = store.taking.queued(8, {})
    assert (found.turns, found.stray, found.more) == ((), foreign.id, False)
    assert store.taking.queued(8, {}) == Queued()
    assert Job.fetch(foreign.id, connection=store.redis, serializer=JSONSerializer).func_name == "os.getcwd"


# --- the bell -------------------------------------------------------------------------------------------------------


def rings(store: Store) -> bool:
    """Whether a worker that waits now returns at once."""
    began = time.monotonic()
    store.taking.wait_for_queued(0.5)
    return time.monotonic() - began < 0.4


def test_whoever_waits_for_the_queue_hears_of_a_turn_at_once(store: Store) -> None:
    assert not rings(store)
    store.accept()
    assert rings(store)
    assert not rings(store)


def test_a_worker_that_leaves_something_behind_rings_for_the_next_one(store: Store) -> None:
    accept_many(store, 3)
    assert rings(store)
    store.taking.queued(2, {})
    assert rings(store)
    store.taking.queued(2, {})
    assert not rings(store)


def test_the_bell_is_struck_once_however_many_come(store: Store) -> None:
    accept_many(store, 20)
    assert store.redis.llen(keys.bell()) == 1


# --- a certain turn -------------------------------------------------------------------------------------------------


def test_a_turn_that_is_taken_by_its_id_waits_nowhere_any_more(store: Store) -> None:
    new = store.accept()
    store.take(new)
    assert store.queued() == []
    assert store.next() == []
    assert not store.redis.keys("rq:job:*")


def test_a_ready_turn_that_is_taken_by_its_id_leaves_from_there(store: Store) -> None:
    new = store.accept()
    (taken,) = store.next()
    store.advance(taken, ANSWERED)
    store.turns.give_back([taken.hold])
    assert store.taking.any_ready()
    store.take(new)
    assert not store.taking.any_ready()
    assert store.departing() == []


def test_taking_by_an_id_that_means_nothing_changes_nothing(store: Store) -> None:
    store.finish(closed := store.accept())
    before = dump(store.redis)
    for request_id in ("0123456789abcdef", closed.request_id):
        assert store.taking.one(Hold(request_id, "worker-1")) is None
    assert dump(store.redis) == before


def test_fairness_holds_for_many_companies_and_unequal_floods(store: Store) -> None:
    RedisPlans(store.redis).set(Plan("small", 1000))
    floods = {OURS: 60, OTHERS: 20, THIRDS: 5}
    for account_id, number in floods.items():
        accept_many(store, number, account_id)
    order = [raw.account_id for _ in range(11) for raw in store.taking.queued(8, {}).turns]
    # As long as all three wait, each has a third; then two have halves.
    assert {account: order[:15].count(account) for account in floods} == dict.fromkeys(floods, 5)
    assert (order[15:45].count(OURS), order[15:45].count(OTHERS)) == (15, 15)
    assert len(order) == 85
