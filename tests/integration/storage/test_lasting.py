"""Answers of a master that hangs, wakes up and has been replaced meanwhile."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
import redis

from app.domain.acceptance import StoreUnavailable
from app.domain.turn import AcceptStatus, Status
from app.storage.connection import connect
from app.storage.turns import RedisTurns
from tests.builders import TIMING, a_new_turn
from tests.integration.turn_store import ANSWERED, ASKING, LEAVE, Store
from tests.sentinels import Family, Member
from tests.waiting import wait_until


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    with Family(tmp_path) as family:
        yield family


@pytest.fixture
def client(family: Family) -> Iterator[redis.Redis]:
    """As workers have it."""
    with connect(family.url, for_web=False, max_connections=4) as client:
        yield client


def an_acceptance(store: Store) -> Callable[[], Any]:
    store.accept()  # its connection is kept
    new = a_new_turn(store.account)
    return lambda: store.turns.accept(new)


def a_question(store: Store) -> Callable[[], Any]:
    taken = store.take(store.accept())
    return lambda: store.turns.advance(taken.hold, taken.turn, ASKING)


def a_continue_call(store: Store) -> Callable[[], Any]:
    taken = store.take(store.accept())
    store.advance(taken, ANSWERED)
    return lambda: store.turns.advance(taken.hold, taken.turn, LEAVE)


def a_call_that_waited(store: Store) -> Callable[[], Any]:
    taken = store.take(store.accept())
    store.advance(taken, ANSWERED)
    store.turns.give_back([taken.hold])
    return store.departing


def everything(member: Member) -> set[tuple[bytes, bytes]]:
    """The turns that stand there, with their status and whether their call has left."""
    found = set()
    for key in member.client.scan_iter("bytegpt:turn:*", _type="hash"):
        told = cast("list[bytes | None]", member.client.hmget(key, "status", "maybe_delivered", "owner"))
        found.add((key, b" ".join(value or b"-" for value in told)))
    return found


@pytest.mark.parametrize("prepared", [an_acceptance, a_question, a_continue_call, a_call_that_waited])
def test_what_a_replaced_master_carries_out_late_counts_only_as_the_new_one_knows_it(
    family: Family,
    client: redis.Redis,
    prepared: Callable[[Store], Callable[[], Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.storage.turns.ACCEPTED_WITHIN", 60.0)
    store = Store(client)
    act = prepared(store)
    wait_until(lambda: all(everything(replica) == everything(family.master) for replica in family.replicas))
    before = everything(family.master)
    old = family.master
    old.freeze()
    with ThreadPoolExecutor(1) as thread:
        acting = thread.submit(act)
        new = family.replace_master()
        old.thaw()
        assert acting.result(30)
    wait_until(lambda: everything(old) != before)  # it did carry it out
    assert everything(new) != before


def test_an_answer_that_rests_on_what_no_replica_has_counts_for_nobody(family: Family, client: redis.Redis) -> None:
    store = Store(client)
    new = a_new_turn(store.account)
    for replica in family.replicas:
        replica.freeze()
    with connect(family.url, for_web=True, max_connections=2) as web:
        turns = RedisTurns(web, store.sealer, TIMING, store.clock)
        for _ in ("the first acceptance", "its duplicate"):
            with pytest.raises(StoreUnavailable):
                turns.accept(new)
        for replica in family.replicas:
            replica.thaw()
        assert turns.accept(new).status is AcceptStatus.DUPLICATE
    turn = store.turns.read(new.request_id)
    assert turn is not None
    assert turn.status is Status.ACCEPTED


@pytest.mark.parametrize("with_script", [True, False], ids=["script", "command"])
def test_a_master_that_has_lost_its_replicas_is_left_for_the_one_that_took_its_place(
    family: Family, client: redis.Redis, with_script: bool
) -> None:
    store = Store(client)
    new = family.replace_master()
    family.master.client.config_set("min-replicas-to-write", 1)
    if with_script:
        store.accept()
    else:
        client.set("kept", 1)
    assert everything(new) if with_script else new.client.exists("kept")


def test_who_waits_at_a_master_that_becomes_a_replica_goes_on_waiting(family: Family, client: redis.Redis) -> None:
    store = Store(client)
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(store.taking.wait_for_queued, 4.0)
        wait_until(lambda: family.master.client.info("clients")["blocked_clients"])
        family.master.follow(family.replace_master())
        assert waiting.exception(30) is None
