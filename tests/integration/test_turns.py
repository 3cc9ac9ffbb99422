"""Turns on a real Redis: what is accepted, who holds what, and what every change does to charge, line and queue."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
import redis
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from app.domain.acceptance import StoreUnavailable
from app.domain.accounts import Account
from app.domain.answers import Conversation
from app.domain.assistants import Api
from app.domain.failures import Failure
from app.domain.plans import Plan
from app.domain.quota import ContactLimit
from app.domain.turn import (
    CLOSED,
    DECIDED,
    MOST_CLAIMS,
    UNDECIDED,
    AcceptStatus,
    Change,
    Charge,
    Hold,
    Status,
    TurnLost,
)
from app.jobqueue import ANSWER_JOB, turn_queue
from app.storage import keys
from app.storage.ledger import RedisPlanChange
from app.storage.plans import RedisPlans
from app.storage.taking import SWEPT_AT_ONCE
from tests.builders import NOW_MS, TIMING, a_new_turn, an_account
from tests.integration.turn_store import ANSWERED, ASKING, DELIVERED, FAILED, Store, dump


@pytest.fixture
def store(redis_client: redis.Redis) -> Store:
    return Store(redis_client)


def test_acceptance_reserves_records_and_queues_in_one_step(store: Store) -> None:
    new = store.accept()
    turn = store.turns.read(new.request_id)
    assert turn is not None
    assert (turn.status, turn.charge, turn.weight) == (Status.ACCEPTED, Charge.RESERVED, 1)
    assert (turn.message, turn.instructions) == (new.message, new.instructions)
    assert store.counters() == (3, 0, 1)
    assert store.kinds() == [("grant", 3), ("reserve", -1)]
    assert store.queued() == [new.request_id]


def test_the_job_that_a_script_writes_is_the_job_that_rq_would_write(store: Store) -> None:
    new = store.accept()
    ours = turn_queue(store.redis).jobs[0]
    theirs = Job.create(
        ANSWER_JOB,
        args=[new.request_id],
        id=ours.id,
        description=new.request_id,
        origin="turns",
        timeout=900,
        result_ttl=300,
        failure_ttl=604800,
        status=JobStatus.QUEUED,
        connection=store.redis,
        serializer=JSONSerializer,
    )
    theirs.created_at = ours.created_at
    theirs.enqueued_at = ours.enqueued_at
    assert ours.to_dict() == theirs.to_dict()
    assert store.redis.sismember("rq:queues", "rq:queue:turns")
    fields = {name.decode() for name in cast("list[bytes]", store.redis.hkeys(ours.key))}
    # What RQ writes empty, it reads as what is not there.
    assert fields == {name for name, value in theirs.to_dict().items() if value != ""}


def test_a_return_url_is_accepted_once(store: Store) -> None:
    new = store.accept()
    before = dump(store.redis)
    again = store.turns.accept(a_new_turn(store.account, return_url=new.return_url))
    assert (again.status, again.request_id) == (AcceptStatus.DUPLICATE, new.request_id)
    assert dump(store.redis) == before


def test_a_return_url_is_remembered_for_more_than_48_hours(store: Store) -> None:
    new = store.accept()
    assert store.redis.ttl(keys.return_url(store.account.account_id, new.return_url)) > 48 * 3600


def test_the_same_return_url_of_another_account_is_another_turn(store: Store) -> None:
    other = store.accounts.add(an_account(account_id=31000002, subdomain="other"))
    new = store.accept()
    assert store.turns.accept(a_new_turn(other, return_url=new.return_url)).status is AcceptStatus.ACCEPTED


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param(lambda s: s.accounts.remove(s.account.account_id), AcceptStatus.NOT_INSTALLED, id="removed"),
        pytest.param(
            lambda s: s.accounts.replace(an_account(plan="small", paused=True), s.account.version),
            AcceptStatus.STALE,
            id="paused",
        ),
        pytest.param(
            lambda s: RedisPlanChange(s.redis, lambda _: s.account.zone, s.clock).apply(31000001, "small", "now"),
            AcceptStatus.STALE,
            id="another-plan",
        ),
    ],
)
def test_an_account_that_changed_since_it_was_read_accepts_nothing(
    store: Store, change: Callable[[Store], None], expected: AcceptStatus
) -> None:
    change(store)
    before = dump(store.redis)
    assert store.turns.accept(a_new_turn(store.account)).status is expected
    assert dump(store.redis) == before


def test_the_last_remaining_request_is_usable_and_the_next_is_refused(store: Store) -> None:
    for number in range(3):
        store.accept(line=f"contact-{number}")
    result = store.turns.accept(refused := a_new_turn(store.account, line="contact-9"))
    assert (result.status, result.refusal) == (AcceptStatus.ACCEPTED, Failure.PLAN_QUOTA)
    assert store.counters() == (3, 0, 3)
    assert store.kinds()[-1] == ("refuse", 0)
    turn = store.turns.read(refused.request_id)
    assert turn is not None
    assert (turn.status, turn.charge, turn.message, turn.first_refusal) == (Status.REFUSED, Charge.NONE, "", True)
    assert store.queued()[-1] == refused.request_id


def test_only_the_first_plan_refusal_of_a_month_is_marked(store: Store) -> None:
    for number in range(3):
        store.accept(line=f"contact-{number}")
    marks = []
    for _ in range(2):
        new = store.accept()
        turn = store.turns.read(new.request_id)
        assert turn is not None
        marks.append(turn.first_refusal)
    assert marks == [True, False]


def test_a_heavy_handler_is_refused_when_less_than_its_weight_remains(store: Store) -> None:
    store.accept(weight=2)
    assert store.turns.accept(a_new_turn(store.account, weight=2)).refusal is Failure.PLAN_QUOTA
    assert store.counters() == (3, 0, 2)


TODAY = ContactLimit("2025-11-21", 1, 3)
WEEK = ContactLimit("2025-W47", 2, 10)


def test_a_contact_is_refused_at_its_own_daily_limit_only(store: Store) -> None:
    store.accept(contact_limits=(TODAY,))
    assert store.turns.accept(a_new_turn(store.account, contact_limits=(TODAY,))).refusal is Failure.CONTACT_LIMIT
    other_day = a_new_turn(store.account, contact_limits=(replace(TODAY, span="2025-11-22"),))
    assert store.turns.accept(other_day).refusal is None
    other_contact = a_new_turn(store.account, contact_limits=(TODAY,), line="contact-2")
    assert store.turns.accept(other_contact).refusal is None


def test_whichever_limit_of_a_contact_is_reached_first_refuses(store: Store) -> None:
    days = [replace(TODAY, span=f"2025-11-{day}") for day in (18, 19, 20)]
    refusals = [store.turns.accept(a_new_turn(store.account, contact_limits=(day, WEEK))).refusal for day in days]
    assert refusals == [None, None, Failure.CONTACT_LIMIT]


def test_a_failed_turn_gives_its_contact_the_request_back(store: Store) -> None:
    limits = (TODAY, replace(WEEK, requests=1))
    store.finish(store.accept(contact_limits=limits), FAILED)
    assert store.turns.accept(a_new_turn(store.account, contact_limits=limits)).refusal is None


@pytest.mark.parametrize(
    ("decision", "counters", "entries", "charge"),
    [
        pytest.param(ANSWERED, (3, 1, 0), [("settle", 0)], Charge.SETTLED, id="answered"),
        pytest.param(FAILED, (3, 0, 0), [("release", 1)], Charge.RELEASED, id="failed"),
    ],
)
def test_a_decision_settles_or_releases_once(
    store: Store,
    decision: Change,
    counters: tuple[int, int, int],
    entries: list[tuple[str, int]],
    charge: Charge,
) -> None:
    new = store.accept()
    taken = store.take(new)
    left = store.advance(taken, decision)
    assert left == counters[0] - counters[1]
    with pytest.raises(TurnLost):
        store.advance(taken, decision)
    assert store.counters() == counters
    assert store.kinds() == [("grant", 3), ("reserve", -1), *entries]
    decided = store.turns.read(new.request_id)
    assert decided is not None
    assert (decided.charge, decided.remaining) == (charge, left)


def test_an_answer_rests_sealed_and_is_read_back(store: Store) -> None:
    new = store.accept()
    taken = store.take(new)
    store.advance(taken, ANSWERED)
    read = store.turns.read(new.request_id)
    assert read is not None
    assert read.answer == "Custa 5 reais."
    everything = b"".join(value or b"" for value in dump(store.redis).values())
    for secret in ("Custa 5 reais.", new.message, new.instructions):
        assert secret.encode() not in everything


def test_a_held_turn_is_taken_by_nobody_else_until_its_lease_ends(store: Store) -> None:
    new = store.accept()
    store.take(new)
    assert store.taking.one(Hold(new.request_id, "worker-2")) is None
    store.clock.seconds += TIMING.lease + 1
    assert store.take(new, "worker-2").turn.resumed


def test_a_slow_worker_that_lost_its_turn_changes_nothing(store: Store) -> None:
    new = store.accept()
    slow = store.take(new, "slow")
    store.clock.seconds += TIMING.lease + 1
    assert store.sweep() == [new.request_id]
    before = dump(store.redis)
    with pytest.raises(TurnLost):
        store.advance(slow, ANSWERED)
    assert dump(store.redis) == before
    quick = store.take(new, "quick")
    store.advance(quick, ANSWERED)
    before = dump(store.redis)
    assert store.told_in_vain(slow, lambda: store.advance(slow, DELIVERED))
    assert dump(store.redis) == before
    assert store.counters() == (3, 1, 0)


def test_the_id_of_an_answer_is_remembered_once_and_prolongs_the_lease(store: Store) -> None:
    taken = store.take(new := store.accept())
    store.advance(taken, replace(ASKING, fields={"attempts": 1}))
    store.clock.seconds += 5
    before = store.look_at(new)
    for _ in range(2):  # a client of Redis that lost its answer says the same again
        store.begun(taken, "resp_1")
    assert store.look_at(new) == before + 5
    assert store.steps(new).count("answer_begun") == 1
    found = store.turns.read(new.request_id)
    assert found is not None
    assert (found.answer_id, found.status) == ("resp_1", Status.ASKING)


def test_the_id_of_an_answer_to_a_turn_that_another_holds_is_not_remembered(store: Store) -> None:
    taken = store.take(new := store.accept())
    store.advance(taken, ASKING)
    store.clock.seconds += TIMING.lease + 1
    store.take(new, "worker-2")
    before = dump(store.redis)
    assert store.told_in_vain(taken, lambda: store.begun(taken, "resp_1"))
    assert dump(store.redis) == before


@pytest.mark.parametrize(
    "meanwhile",
    [ANSWERED, FAILED, replace(ASKING, gate=None, fields={"attempts": 2, "answer_id": ""})],
    ids=["answered", "failed", "asked again"],
)
def test_the_id_of_an_answer_that_is_told_too_late_is_only_noted(store: Store, meanwhile: Change) -> None:
    taken = store.take(new := store.accept())
    store.advance(taken, replace(ASKING, fields={"attempts": 1}))
    store.advance(taken, meanwhile)
    assert not store.told_in_vain(taken, lambda: store.begun(taken, "resp_1"))
    found = store.turns.read(new.request_id)
    assert found is not None
    assert (found.answer_id, found.status) == (None, meanwhile.status)
    assert store.steps(new)[-1] == "answer_begun"


def test_what_is_told_again_after_a_while_takes_nothing_back_that_came_since(store: Store) -> None:
    taken = store.take(new := store.accept())
    store.advance(taken, replace(ASKING, fields={"attempts": 1}))
    began = store.clock.seconds
    store.clock.seconds += 5
    store.turns.renew([taken.hold])
    prolonged = store.look_at(new)
    store.clock.seconds = began
    store.begun(taken, "resp_1")
    assert store.look_at(new) == prolonged + 5  # on a clock that stands 5 seconds back


def test_the_id_of_an_answer_is_noted_after_the_turn_was_let_go_of(store: Store) -> None:
    taken = store.take(new := store.accept())
    store.advance(taken, replace(ASKING, fields={"attempts": 1}))
    store.advance(taken, FAILED)
    store.advance(taken, DELIVERED)
    assert not store.told_in_vain(taken, lambda: store.begun(taken, "resp_1"))
    assert store.steps(new)[-1] == "answer_begun"
    assert store.redis.zscore(keys.open_turns(), new.request_id) is None


def test_a_renewed_lease_does_not_run_out(store: Store) -> None:
    taken = store.take(store.accept())
    store.clock.seconds += TIMING.lease - 1
    assert store.turns.renew([taken.hold]) == []
    store.clock.seconds += TIMING.lease - 1
    assert store.sweep() == []


def test_renewing_tells_what_is_not_ours_any_more(store: Store) -> None:
    taken = store.take(new := store.accept())
    store.clock.seconds += TIMING.lease + 1
    store.sweep()
    assert store.turns.renew([taken.hold]) == [new.request_id]


def test_a_queued_turn_is_not_queued_again_while_its_job_waits(store: Store) -> None:
    new = store.accept()
    store.clock.seconds += TIMING.lease + 1
    assert store.sweep() == []
    assert store.queued() == [new.request_id]


def test_a_turn_whose_job_somebody_took_off_rqs_queue_is_taken_all_the_same(store: Store) -> None:
    new = store.accept()
    store.redis.delete("rq:queue:turns")
    assert [taken.turn.request_id for taken in store.next()] == [new.request_id]


def test_a_turn_that_stands_in_no_queue_is_queued_again(store: Store) -> None:
    new = store.accept()
    store.redis.delete(keys.queued(), keys.queued_of(store.account.account_id), "rq:queue:turns")
    store.clock.seconds += TIMING.lease + 1
    assert store.sweep() == []
    assert store.queued() == [new.request_id]
    assert [taken.turn.request_id for taken in store.next()] == [new.request_id]


def test_a_closed_turn_is_neither_swept_nor_taken(store: Store) -> None:
    store.finish(new := store.accept())
    store.clock.seconds += 1000
    assert store.sweep() == []
    assert store.taking.one(Hold(new.request_id, "worker-2")) is None
    assert store.next() == []
    assert store.redis.zcard(keys.open_turns()) == 0
    assert 0 < store.redis.ttl(keys.turn(new.request_id)) <= 30 * 24 * 3600
    assert 0 < store.redis.ttl(keys.turn_steps(new.request_id)) <= 30 * 24 * 3600


def test_turns_of_one_conversation_are_queued_one_after_another_in_order(store: Store) -> None:
    turns = [store.accept() for _ in range(3)]
    woken = []
    for _ in turns:
        (taken,) = store.next()
        woken.append(taken.turn.request_id)
        assert store.queued() == []
        store.advance(taken, ANSWERED)
        assert store.queued() == []
        store.advance(taken, DELIVERED)
    assert woken == [new.request_id for new in turns]
    assert not store.redis.exists(keys.line(store.account.account_id, "contact-1"))


def test_turns_of_other_conversations_do_not_wait(store: Store) -> None:
    turns = [store.accept(line=f"contact-{number}") for number in range(3)]
    assert store.queued() == [new.request_id for new in turns]


def test_a_turn_that_waits_in_line_too_long_is_told_about_in_time_for_its_deadline(store: Store) -> None:
    first, second = store.accept(), store.accept()
    held = store.take(first)
    while store.clock() < second.deadline_at / 1000 - TIMING.reserve - 1:
        store.turns.renew([held.hold])
        assert store.sweep() == []
        store.clock.seconds += 1
    store.clock.seconds += 2
    store.turns.renew([held.hold])
    (late,) = store.overdue()
    assert late.turn.request_id == second.request_id
    store.advance(late, FAILED)
    store.advance(late, DELIVERED)
    line = keys.line(store.account.account_id, "contact-1")
    assert store.redis.lrange(line, 0, -1) == [first.request_id.encode()]
    # The first one wakes nobody when its time comes.
    store.advance(held, ANSWERED)
    store.advance(held, DELIVERED)
    assert (store.next(), store.redis.exists(line)) == ([], 0)


def test_the_next_in_line_is_woken_although_the_one_before_was_taken_over(store: Store) -> None:
    first, second = store.accept(), store.accept()
    store.take(first, "killed")
    store.clock.seconds += TIMING.lease + 1
    assert store.sweep() == [first.request_id]
    store.finish(first)
    assert store.queued() == [second.request_id]


def test_what_is_given_back_is_taken_over_at_once(store: Store) -> None:
    new = store.accept()
    (taken,) = store.next()
    store.turns.give_back([taken.hold])
    assert store.queued() == [new.request_id]
    (again,) = store.next()
    assert again.turn.request_id == new.request_id
    assert again.turn.resumed
    assert store.steps(new) == ["accepted", "taken", "put_back", "taken_over"]


def test_a_decided_turn_that_is_given_back_needs_no_thread_of_the_queue(store: Store) -> None:
    new = store.accept()
    (taken,) = store.next()
    store.advance(taken, ANSWERED)
    store.turns.give_back([taken.hold])
    assert store.next() == []
    assert [departing.turn.request_id for departing in store.departing()] == [new.request_id]


def test_what_is_not_ours_any_more_is_not_given_back(store: Store) -> None:
    new = store.accept()
    (slow,) = store.next()
    store.clock.seconds += TIMING.lease + 1
    store.sweep()
    (quick,) = store.next()
    before = dump(store.redis)
    store.turns.give_back([slow.hold])
    assert dump(store.redis) == before
    store.advance(quick, ANSWERED)
    assert store.steps(new).count("put_back") == 1


@pytest.mark.parametrize("status", CLOSED)
def test_the_steps_tell_the_life_of_a_turn(store: Store, status: Status) -> None:
    new = store.accept()
    taken = store.take(new)
    store.advance(taken, Change(expect=UNDECIDED, status=Status.ASKING, steps=(("asking", {"attempt": 1}),)))
    store.advance(taken, ANSWERED)
    close = Change(expect=DECIDED, status=status, close=True, steps=((status, {}),))
    store.advance(taken, close)
    steps = store.turns.steps(new.request_id)
    assert [step["step"] for step in steps] == ["accepted", "taken", "asking", status]
    assert {step["at"] for step in steps} == {NOW_MS}


def test_the_conversation_of_a_client_is_written_by_who_holds_the_turn(store: Store) -> None:
    slow = store.take(new := store.accept(), "slow")
    store.clock.seconds += TIMING.lease + 1
    store.sweep()
    taken = store.take(new, "quick")
    ours = Conversation(Api.RESPONSES, "conv_ours")
    store.advance(taken, Change(expect=UNDECIDED, conversation=ours))
    theirs = Conversation(Api.RESPONSES, "conv_theirs")
    with pytest.raises(TurnLost):
        store.advance(slow, Change(expect=UNDECIDED, conversation=theirs))
    assert store.conversation() == ours


def test_of_the_same_conversation_what_is_not_named_stays(store: Store) -> None:
    taken = store.take(store.accept())
    seen = []
    for told in (
        Conversation(Api.RESPONSES, "conv_1", "msg_1"),
        Conversation(Api.RESPONSES, "conv_1"),
        Conversation(Api.ASSISTANTS, "thread_1"),
    ):
        store.advance(taken, Change(expect=UNDECIDED, conversation=told))
        seen.append(store.conversation())
    assert seen == [
        Conversation(Api.RESPONSES, "conv_1", "msg_1"),
        Conversation(Api.RESPONSES, "conv_1", "msg_1"),
        Conversation(Api.ASSISTANTS, "thread_1"),
    ]


def test_a_note_is_due_with_the_closing_that_asks_for_it(store: Store) -> None:
    new = store.accept()
    taken = store.take(new)
    store.advance(taken, FAILED)
    assert store.redis.zcard(keys.notes()) == 0
    store.advance(taken, Change(expect=DECIDED, status=Status.DELIVERED, close=True, note=True))
    assert store.redis.zrange(keys.notes(), 0, -1) == [new.request_id.encode()]


def test_a_turn_of_last_month_settles_in_its_own_month(store: Store) -> None:
    new = store.accept(period="2025-10")
    store.accept()
    taken = store.take(new)
    store.advance(taken, ANSWERED)
    october = store.ledger.counters(store.account, "2025-10")
    assert (october.used, october.reserved) == (1, 0)
    assert store.counters() == (3, 0, 1)


def test_a_change_of_plan_is_recounted_at_once_and_keeps_the_ledger_whole(store: Store) -> None:
    RedisPlans(store.redis).set(Plan("tiny", 1))
    change = RedisPlanChange(store.redis, lambda _: store.account.zone, store.clock)
    store.finish(store.accept())
    store.finish(store.accept())
    change.apply(store.account.account_id, "tiny", "now")
    assert store.counters() == (1, 2, 0)
    store.account = store.accounts.get(store.account.account_id) or store.account
    assert store.turns.accept(a_new_turn(store.account)).refusal is Failure.PLAN_QUOTA
    moved = sum(requests for kind, requests in store.kinds() if kind in ("reserve", "settle", "release"))
    assert moved == -2
    granted = sum(requests for kind, requests in store.kinds() if kind in ("grant", "plan_change"))
    assert granted == 1


def test_a_change_of_plan_for_the_next_period_waits_for_it(store: Store) -> None:
    RedisPlans(store.redis).set(Plan("big", 50))
    change = RedisPlanChange(store.redis, lambda _: store.account.zone, store.clock)
    change.apply(store.account.account_id, "big", "next-period")
    account: Account = store.accounts.get(store.account.account_id) or store.account
    store.account = account
    store.accept()
    assert store.counters() == (3, 0, 1)
    assert store.ledger.counters(account, "2025-12").allowance == 50
    store.accept(period="2025-12")
    assert store.ledger.counters(account, "2025-12").plan == "big"


def test_a_lost_turn_is_found_behind_a_long_queue(store: Store) -> None:
    RedisPlans(store.redis).set(Plan("small", 1000))
    first = store.accept(line="contact-0")
    for number in range(1, 2 * SWEPT_AT_ONCE + 50):
        store.accept(line=f"contact-{number}")
    last = store.accept(line="contact-last")
    store.take(first, "killed")
    store.take(last, "killed")
    store.clock.seconds += TIMING.lease + 1
    # As often as a worker sweeps while a lease runs out, and fewer times.
    lost = [request_id for _ in range(3) for request_id in store.sweep()]
    assert set(lost) == {first.request_id, last.request_id}


def test_a_turn_that_its_holder_takes_again_was_not_lost(store: Store) -> None:
    new = store.accept()
    store.take(new)
    assert not store.take(new).turn.resumed


def test_a_turn_that_every_worker_lost_is_told_without_its_texts(store: Store) -> None:
    new = store.accept()
    store.redis.hset(keys.turn(new.request_id), mapping={"claims": MOST_CLAIMS, "sealed": b"sealed with another key"})
    turn = store.take(new).turn
    assert turn.worn_out
    assert turn.message == ""


def test_an_acceptance_that_redis_runs_too_late_does_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.accept()
    before = dump(store.redis)
    monkeypatch.setattr("app.storage.turns.ACCEPTED_WITHIN", -1.0)
    with pytest.raises(StoreUnavailable):
        store.turns.accept(a_new_turn(store.account))
    assert dump(store.redis) == before
    monkeypatch.undo()
    store.accept(line="contact-2")
