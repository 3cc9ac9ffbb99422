"""Running turns again on a real Redis: charged anew or not at all, once, whoever does it at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import redis

from app.domain.answers import Conversation
from app.domain.assistants import Api
from app.domain.audit import recomputed
from app.domain.failures import Failure
from app.domain.replays import Again, EndedBadly, NotReplayable, Obstacle
from app.domain.turn import DECIDED, UNDECIDED, Change, Charge, NewTurn, Status, Turn
from app.services.replaying import Replaying
from app.storage import keys
from app.storage.contact_memory import RedisContactMemory
from app.storage.replays import RedisReplays
from app.storage.turns import CLOSED_KEPT_MS, DAY_MS
from tests.builders import NOW_MS, TIMING
from tests.integration.turn_store import ANSWERED, DELIVERED, FAILED, LEAVE, PERIOD, Store, dump

UNDELIVERABLE = Change(expect=DECIDED, status=Status.UNDELIVERABLE, close=True)
CONTACT = "contact-1"
# As workers change them: with the step that tells of it.
FAILED_TOLD = replace(FAILED, steps=(("failed", {"error_code": Failure.OPENAI_TIMEOUT}),))
UNDELIVERABLE_TOLD = replace(UNDELIVERABLE, steps=(("undeliverable", {}),))


@pytest.fixture
def store(redis_client: redis.Redis) -> Store:
    return Store(redis_client)


def flow(store: Store) -> Replaying:
    return Replaying(store.turns, store.accounts, RedisReplays(store.redis, TIMING), TIMING, store.clock)


def replay(store: Store, new: NewTurn) -> Again:
    return flow(store).replay(new.request_id, "test").again


def obstacle(store: Store, new: NewTurn) -> Obstacle:
    before = dump(store.redis)
    with pytest.raises(NotReplayable) as refused:
        replay(store, new)
    assert dump(store.redis) == before
    return refused.value.obstacle


def closed(store: Store, *changes: Change, **fields: Any) -> NewTurn:
    new = store.accept(**fields)
    taken = store.take(new)
    for change in changes:
        store.advance(taken, change)
    return new


def failed(store: Store, **fields: Any) -> NewTurn:
    return closed(store, FAILED, DELIVERED, **fields)


def undelivered(store: Store, **fields: Any) -> NewTurn:
    return closed(store, ANSWERED, LEAVE, UNDELIVERABLE, **fields)


def read(store: Store, new: NewTurn) -> Turn:
    found = store.turns.read(new.request_id)
    assert found is not None
    return found


def books_are_right(store: Store, period: str = PERIOD) -> bool:
    right = recomputed(store.ledger.entries(store.account.account_id, period))
    return store.ledger.stored(store.account.account_id, period) == right


# --- run again ------------------------------------------------------------------------------------------------------


def test_a_failed_turn_is_charged_anew_and_answered(store: Store) -> None:
    new = failed(store)
    assert store.counters() == (3, 0, 0)
    assert replay(store, new) is Again.ANSWER
    assert store.counters() == (3, 0, 1)
    (taken,) = store.next()
    turn = taken.turn
    assert (turn.status, turn.charge, turn.error_code) == (Status.ACCEPTED, Charge.RESERVED, None)
    assert (turn.message, turn.attempts, turn.claims, turn.replays) == (new.message, 0, 1, 1)
    store.advance(taken, ANSWERED)
    store.advance(taken, DELIVERED)
    assert store.counters() == (3, 1, 0)
    assert store.kinds() == [("grant", 3), ("reserve", -1), ("release", 1), ("reserve", -1), ("settle", 0)]
    assert books_are_right(store)
    assert obstacle(store, new) is Obstacle.DELIVERED


def test_one_that_fails_again_costs_nothing_and_may_be_run_again(store: Store) -> None:
    new = failed(store)
    for number in (1, 2):
        replay(store, new)
        (taken,) = store.next()
        store.advance(taken, FAILED)
        store.advance(taken, DELIVERED)
        assert read(store, new).replays == number
    assert store.counters() == (3, 0, 0)
    assert books_are_right(store)
    assert store.steps(new).count("replayed") == 2


def test_it_has_the_time_of_a_turn_that_was_just_accepted(store: Store) -> None:
    new = failed(store)
    store.clock.seconds += 3600
    replay(store, new)
    turn = read(store, new)
    assert (turn.accepted_at, turn.begun_at) == (new.accepted_at, store.clock.milliseconds)
    assert turn.deadline_at == store.clock.milliseconds + int(TIMING.turn * 1000)
    assert store.look_at(new) <= TIMING.lease
    store.clock.seconds += TIMING.turn
    (late,) = store.overdue()
    assert late.hold.request_id == new.request_id


def test_it_stands_behind_what_was_accepted_before_its_replay(store: Store) -> None:
    again = failed(store)
    store.clock.seconds += 60
    other = store.accept(line="contact-2")
    store.clock.seconds += 1
    replay(store, again)
    assert [taken.hold.request_id for taken in store.next()] == [other.request_id, again.request_id]


def test_in_another_month_it_is_charged_there(store: Store) -> None:
    new = failed(store)
    store.clock.seconds += 15 * 24 * 3600
    replay(store, new)
    (taken,) = store.next()
    assert (taken.turn.period, taken.turn.day) == ("2025-12", "2025-12-06")
    store.advance(taken, ANSWERED)
    assert store.counters() == (3, 0, 0)
    entries = [(one.kind, one.requests) for one in store.ledger.entries(store.account.account_id, "2025-12")]
    assert entries == [("grant", 3), ("reserve", -1), ("settle", 0)]
    assert books_are_right(store)
    assert books_are_right(store, "2025-12")


def test_it_keeps_the_weight_of_its_acceptance(store: Store) -> None:
    new = failed(store, weight=2)
    replay(store, new)
    assert store.counters() == (3, 0, 2)


def test_it_waits_in_the_line_of_its_conversation(store: Store) -> None:
    new = failed(store)
    other = store.accept()
    replay(store, new)
    (first,) = store.next()
    assert first.hold.request_id == other.request_id
    store.advance(first, ANSWERED)
    store.advance(first, DELIVERED)
    (second,) = store.next()
    assert second.hold.request_id == new.request_id
    store.advance(second, ANSWERED)
    store.advance(second, DELIVERED)
    assert store.redis.exists(keys.line(store.account.account_id, CONTACT)) == 0
    assert store.redis.exists(keys.open_turns()) == 0


def asked_in(conversation: Conversation) -> Change:
    fields: dict[str, str | int] = {
        "asked": 1,
        "api": conversation.api,
        "conversation_id": conversation.conversation_id,
        "answer_id": "resp_1",
    }
    return Change(expect=UNDECIDED, status=Status.ASKING, fields=fields, conversation=conversation)


def test_it_looks_for_what_the_failed_run_left_while_the_conversation_is_the_same(store: Store) -> None:
    new = closed(store, asked_in(Conversation(Api.RESPONSES, "conv_1")), FAILED, DELIVERED)
    replay(store, new)
    turn = read(store, new)
    assert (turn.asked, turn.conversation_id, turn.answer_id) == (True, "conv_1", "resp_1")


def test_where_the_client_has_another_conversation_by_now_it_is_asked_there(store: Store) -> None:
    new = closed(store, asked_in(Conversation(Api.RESPONSES, "conv_1")), FAILED, DELIVERED)
    closed(store, asked_in(Conversation(Api.RESPONSES, "conv_2")), ANSWERED, DELIVERED)
    replay(store, new)
    turn = read(store, new)
    assert (turn.asked, turn.conversation_id, turn.answer_id) == (False, None, None)
    # Whoever forgets the contact must still find the old one.
    assert store.redis.smembers(keys.past_conversations(store.account.account_id, CONTACT)) == {b"responses conv_1"}


def test_its_record_lives_while_it_is_open_and_no_longer_than_its_index_afterwards(store: Store) -> None:
    new = failed(store)
    store.clock.seconds += 25 * 24 * 3600
    replay(store, new)
    for key in (keys.turn(new.request_id), keys.turn_steps(new.request_id)):
        assert store.redis.ttl(key) == -1
    (taken,) = store.next()
    store.advance(taken, ANSWERED)
    store.advance(taken, DELIVERED)
    left = CLOSED_KEPT_MS + DAY_MS - 25 * DAY_MS
    for key in (keys.turn(new.request_id), keys.turn_steps(new.request_id)):
        assert left - 60_000 < int(store.redis.pttl(key)) <= left


# --- offered again --------------------------------------------------------------------------------------------------


def test_an_answer_that_exists_is_only_offered_again(store: Store) -> None:
    new = undelivered(store)
    books = store.kinds()
    store.clock.seconds += 3600
    assert replay(store, new) is Again.DELIVERY
    assert store.next() == []
    (taken,) = store.departing()
    assert (taken.turn.status, taken.turn.answer) == (Status.ANSWERED, "Custa 5 reais.")
    assert taken.turn.begun_at == store.clock.milliseconds
    store.advance(taken, DELIVERED)
    assert store.kinds() == books
    assert store.counters() == (3, 1, 0)
    assert obstacle(store, new) is Obstacle.DELIVERED


def test_it_does_not_hold_up_its_conversation(store: Store) -> None:
    replay(store, undelivered(store))
    other = store.accept()
    assert [taken.hold.request_id for taken in store.next()] == [other.request_id]


def test_it_needs_nothing_of_the_plan(store: Store) -> None:
    new = undelivered(store)
    store.finish(store.accept(line="contact-2", weight=2))
    assert store.counters() == (3, 3, 0)
    assert replay(store, new) is Again.DELIVERY


# --- refused --------------------------------------------------------------------------------------------------------


def test_without_requests_left_nothing_is_changed(store: Store) -> None:
    new = failed(store, weight=2)
    store.finish(store.accept(line="contact-2", weight=2))
    assert obstacle(store, new) is Obstacle.PLAN_QUOTA


def test_the_last_request_is_usable(store: Store) -> None:
    new = failed(store)
    store.finish(store.accept(line="contact-2", weight=2))
    assert replay(store, new) is Again.ANSWER
    assert store.counters() == (3, 2, 1)


def test_the_limit_of_the_contact_holds_too_and_counts_once(store: Store) -> None:
    store.account = store.accounts.replace(replace(store.account, contact_daily_limit=1), store.account.version)
    new, other = failed(store), failed(store)
    replay(store, new)
    assert obstacle(store, other) is Obstacle.CONTACT_LIMIT
    (taken,) = store.next()
    store.advance(taken, FAILED)
    store.advance(taken, DELIVERED)
    # What failed was given back, once.
    assert replay(store, other) is Again.ANSWER


@pytest.mark.parametrize(("fields", "expected"), [({"paused": True}, Obstacle.PAUSED), (None, Obstacle.NOT_INSTALLED)])
def test_an_account_that_cannot_answer_is_said(store: Store, fields: dict[str, Any] | None, expected: Obstacle) -> None:
    new = failed(store)
    if fields is None:
        store.accounts.remove(store.account.account_id)
    else:
        store.accounts.replace(replace(store.account, **fields), store.account.version)
    assert obstacle(store, new) is expected


def test_a_pause_that_comes_in_between_is_not_overlooked(store: Store) -> None:
    new = failed(store)
    judging = flow(store)
    judged = judging._judged(new.request_id, "test")
    store.accounts.replace(replace(store.account, paused=True), store.account.version)
    before = dump(store.redis)
    assert judging.replays.replay(judged) == "stale"
    assert dump(store.redis) == before


def test_a_contact_that_is_being_forgotten_is_asked_nothing_more(store: Store) -> None:
    new = failed(store)
    memory = RedisContactMemory(store.redis, store.sealer, store.clock)
    assert memory.begin(store.account.account_id, CONTACT)
    assert obstacle(store, new) is Obstacle.TEXTS_GONE
    memory.erase_turns(store.account.account_id, CONTACT, [new.request_id])
    assert obstacle(store, new) is Obstacle.TEXTS_GONE
    # The contact has written again.
    store.clock.seconds += 1
    assert replay(store, failed(store)) is Again.ANSWER


def test_an_open_one_is_left_alone(store: Store) -> None:
    new = failed(store)
    replay(store, new)
    assert obstacle(store, new) is Obstacle.OPEN


# --- at once --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [failed, undelivered])
def test_of_many_who_replay_it_at_once_one_does(store: Store, make: Any) -> None:
    new = make(store)
    used = store.counters()[1]

    def attempt(_: int) -> Obstacle | None:
        try:
            replay(store, new)
        except NotReplayable as refused:
            return refused.obstacle
        return None

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(attempt, range(24)))
    assert (found.count(None), found.count(Obstacle.OPEN)) == (1, 23)
    assert store.steps(new).count("replayed") == 1
    assert store.counters() == (3, used, 1 if make is failed else 0)


def test_one_that_was_judged_before_another_replay_had_ended_does_nothing(store: Store) -> None:
    new = failed(store)
    slow = flow(store)
    judged = slow._judged(new.request_id, "slow")
    replay(store, new)
    (taken,) = store.next()
    store.advance(taken, FAILED)
    store.advance(taken, DELIVERED)
    assert slow.replays.replay(judged) == "stale"


def test_a_command_that_redis_got_twice_counts_once(store: Store) -> None:
    new = failed(store)
    replays = RedisReplays(store.redis, TIMING)
    judged = flow(store)._judged(new.request_id, "test")
    script = replays._replay

    def twice(**arguments: Any) -> Any:
        assert script(**arguments) == script(**arguments)
        return script(**arguments)

    replays._replay = twice  # type: ignore[assignment]
    assert replays.replay(judged) == "replayed"
    assert store.counters() == (3, 0, 1)
    assert store.queued() == [new.request_id]


def test_a_note_on_a_failure_that_may_be_none_is_taken_back(store: Store) -> None:
    closing = replace(DELIVERED, note=True)
    new = closed(store, replace(FAILED, fields={"error_code": Failure.OPENAI_TIMEOUT}), closing)
    assert store.redis.zcard(keys.notes()) == 1
    replay(store, new)
    assert store.redis.zcard(keys.notes()) == 0


# --- many -----------------------------------------------------------------------------------------------------------


def test_those_that_ended_badly_are_found_with_when_they_did_and_whether_it_was_told(store: Store) -> None:
    store.accept(line=None)
    found = {}
    for name, changes in {
        "answered": (ANSWERED, DELIVERED),
        "told": (FAILED_TOLD, DELIVERED),
        "untold": (FAILED_TOLD, UNDELIVERABLE_TOLD),
        "undelivered": (ANSWERED, LEAVE, UNDELIVERABLE_TOLD),
    }.items():
        store.clock.seconds += 1
        found[name] = (closed(store, *changes, line=None).request_id, store.clock.milliseconds)
    store.clock.seconds += 1
    store.finish(store.accept(line=None, refusal=Failure.ACCOUNT_PAUSED), decision=LEAVE)
    closed(store, LEAVE, UNDELIVERABLE_TOLD, line=None, refusal=Failure.ACCOUNT_PAUSED)
    replays = RedisReplays(store.redis, TIMING)
    account = store.account.account_id
    places = replays.badly_ended(account, 0, store.clock.milliseconds)
    refused = places.pop()
    ids = [request_id for _, request_id in (*places, refused)]
    bad = list(replays.ends_of(ids, untold=False))
    assert bad == [EndedBadly(*found[name], told=name == "told") for name in ("told", "untold", "undelivered")]
    assert list(replays.ends_of(ids, untold=True)) == bad[1:]
    assert [(one.at, one.request_id) for one in bad] == places
    assert replays.badly_ended(account, 0, store.clock.milliseconds, 2) == places[:2]
    first = found["told"][1]
    assert replays.badly_ended(account, first, first) == places[:1]
    assert replays.badly_ended(99, 0, store.clock.milliseconds) == []
    with pytest.raises(NotReplayable):
        flow(store).replay(refused[1], "test")


@pytest.mark.parametrize("gone", [keys.turn, keys.turn_steps], ids=["record", "steps"])
def test_those_whose_record_has_ended_are_not_run_again(store: Store, gone: Callable[[str], str]) -> None:
    new = closed(store, FAILED_TOLD, DELIVERED)
    store.redis.delete(gone(new.request_id))
    replays = RedisReplays(store.redis, TIMING)
    assert len(replays.badly_ended(store.account.account_id, 0, NOW_MS + DAY_MS)) == 1
    assert list(replays.ends_of([new.request_id], untold=False)) == []


def test_the_steps_of_those_that_are_not_wanted_are_not_read(store: Store) -> None:
    told = [closed(store, FAILED_TOLD, DELIVERED, line=None).request_id for _ in range(3)]
    for request_id in told:
        store.redis.delete(keys.turn_steps(request_id))
        store.redis.set(keys.turn_steps(request_id), "whoever reads this fails")
    replays = RedisReplays(store.redis, TIMING)
    assert list(replays.ends_of(told, untold=True)) == []
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        list(replays.ends_of(told, untold=False))
