"""How the service stands, read from a real Redis."""

from dataclasses import replace

import pytest
import redis

from app.domain.acceptance import StoreUnavailable
from app.domain.accounts import Access
from app.domain.service_state import WorkerLoad
from app.domain.turn import new_request_id
from app.jobqueue import QUEUE, turn_queue
from app.storage import keys
from app.storage.accounts import RedisAccounts
from app.storage.connection import connect
from app.storage.inspection import LATE_SECONDS, UNATTENDED_SECONDS, RedisInspection
from app.storage.presence import SILENT_SECONDS, RedisPresence
from app.storage.sealing import Sealer
from app.storage.turns import RedisTurns
from tests.builders import ENCRYPTION_KEY, TIMING, a_new_turn, an_account

NOW = 1_763_775_600.0


@pytest.fixture
def inspection(redis_client: redis.Redis) -> RedisInspection:
    return RedisInspection(redis_client, lambda: NOW)


def test_an_empty_service_is_calm(inspection: RedisInspection) -> None:
    state = inspection.state()
    work = state.work
    assert (work.queued, work.oldest, work.ready, work.open, work.unattended) == (0, None, 0, 0, 0)
    assert (work.gates_closed, work.notes, work.notes_late, work.hooks) == (0, 0, 0, 0)
    assert state.workers == ()
    assert state.access == {"granted": 0, "lost": 0, "revoked": 0}


def test_redis_is_told_by_its_own_words(redis_client: redis.Redis) -> None:
    found = RedisInspection(redis_client).state().redis
    assert found.version >= (6, 2)
    assert found.server.split()[0] in ("redis", "valkey")
    assert (found.mode, found.role, found.eviction) == ("standalone", "master", "noeviction")
    assert found.append_only
    assert found.writes_kept
    assert found.memory > 100_000
    assert (found.memory_limit, found.evicted) == (None, 0)
    assert abs(found.ahead) < 1.0
    assert found.clients >= 1


def test_the_distance_of_the_clocks_is_told_from_our_side(redis_client: redis.Redis) -> None:
    behind, _ = redis_client.time()
    assert RedisInspection(redis_client, lambda: behind - 100.0).state().redis.ahead == pytest.approx(100, abs=2)


def test_snapshots_are_told_where_redis_tells(redis_client: redis.Redis) -> None:
    inspection = RedisInspection(redis_client)
    assert inspection.snapshots() is False
    redis_client.config_set("save", "900 1")
    try:
        assert inspection.snapshots() is True
    finally:
        redis_client.config_set("save", "")


def test_a_managed_redis_that_tells_no_settings_is_no_error(redis_client: redis.Redis) -> None:
    redis_client.acl_setuser("looker", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-config"])
    try:
        arguments = {**redis_client.connection_pool.connection_kwargs, "username": "looker", "password": "any"}
        pool = redis.ConnectionPool(redis_client.connection_pool.connection_class, **arguments)
        with redis.Redis.from_pool(pool) as looker:
            assert RedisInspection(looker).snapshots() is None
            assert RedisInspection(looker).state().redis.role == "master"
    finally:
        redis_client.acl_deluser("looker")


def test_turns_that_wait_are_counted_and_the_next_one_is_timed(redis_client: redis.Redis) -> None:
    sealer = Sealer([ENCRYPTION_KEY])
    account = RedisAccounts(redis_client, sealer).add(an_account())
    turns = RedisTurns(redis_client, sealer, TIMING, lambda: NOW)
    for seconds, line in ((7.5, "contact-1"), (3.0, "contact-2"), (2.0, "contact-1")):
        accepted_at = int((NOW - seconds) * 1000)
        turns.accept(
            a_new_turn(account, request_id=new_request_id(accepted_at), accepted_at=accepted_at, line=line,
                       return_url=f"https://acme.kommo.com/api/v4/salesbot/1/continue/{accepted_at}")
        )  # fmt: skip
    work = RedisInspection(redis_client, lambda: NOW).state().work
    # The third waits in its conversation's line.
    assert (work.queued, work.open, work.unattended) == (2, 3, 0)
    assert work.oldest == pytest.approx(7.5)
    later = RedisInspection(redis_client, lambda: NOW + 300).state().work
    assert later.unattended == 3


def test_the_queue_is_the_one_that_workers_listen_on(redis_client: redis.Redis) -> None:
    queue = turn_queue(redis_client)
    redis_client.rpush(queue.key, "a job of somebody else")
    work = RedisInspection(redis_client).state().work
    assert (QUEUE, work.queued, work.oldest) == ("turns", 1, None)


def test_open_turns_that_nobody_looks_after_are_counted(redis_client: redis.Redis, inspection: RedisInspection) -> None:
    late, soon = (NOW - UNATTENDED_SECONDS) * 1000, (NOW - UNATTENDED_SECONDS + 1) * 1000
    redis_client.zadd(keys.open_turns(), {"t1": late, "t2": soon, "t3": NOW * 1000 + 6000})
    work = inspection.state().work
    assert (work.open, work.unattended) == (3, 1)


def test_notes_hooks_and_gates_are_counted(redis_client: redis.Redis, inspection: RedisInspection) -> None:
    redis_client.zadd(keys.notes(), {"n1": (NOW - LATE_SECONDS) * 1000, "n2": NOW * 1000})
    redis_client.zadd(keys.unfinished_hooks(), {"h1": NOW})
    redis_client.zadd(keys.gates(), {"g1": NOW * 1000, "g2": NOW * 1000})
    work = inspection.state().work
    assert (work.notes, work.notes_late, work.hooks, work.gates_closed) == (2, 1, 1, 2)


def test_continue_calls_that_wait_are_summed_over_accounts(
    redis_client: redis.Redis, inspection: RedisInspection
) -> None:
    redis_client.zadd(keys.ready(), {"31000001": 1, "31000002": 2})
    redis_client.zadd(keys.ready_of(31000001), {"t1": 1, "t2": 2})
    redis_client.zadd(keys.ready_of(31000002), {"t3": 1})
    assert inspection.state().work.ready == 3


def test_living_workers_are_told_with_their_load(redis_client: redis.Redis, inspection: RedisInspection) -> None:
    for worker, silent, load in (("w-1", 1.0, (100, 7)), ("w-2", 2.0, None), ("w-3", SILENT_SECONDS + 1, (50, 50))):
        now = NOW - silent
        RedisPresence(redis_client, lambda now=now: now).say(worker, load)  # type: ignore[misc]
    assert set(inspection.state().workers) == {WorkerLoad("w-1", 100, 7), WorkerLoad("w-2")}


def test_what_a_worker_says_of_its_load_goes_with_it(redis_client: redis.Redis) -> None:
    RedisPresence(redis_client).say("w-1", (100, 7))
    assert 0 < redis_client.pttl(keys.worker("w-1")) <= SILENT_SECONDS * 1000


@pytest.mark.parametrize("access", ["lost", "revoked"])
def test_accounts_are_counted_by_the_access_that_kommo_gives(redis_client: redis.Redis, access: Access) -> None:
    accounts, inspection = RedisAccounts(redis_client, Sealer([ENCRYPTION_KEY])), RedisInspection(redis_client)
    first = accounts.add(an_account())
    accounts.add(an_account(account_id=31000002, access=access))
    assert inspection.state().access == {"granted": 1, "lost": 0, "revoked": 0, access: 1}
    first = accounts.replace(replace(first, access=access), first.version)
    assert inspection.state().access[access] == 2
    accounts.replace(replace(first, access="granted"), first.version)
    accounts.remove(31000002)
    assert inspection.state().access == {"granted": 1, "lost": 0, "revoked": 0}
    assert redis_client.exists(keys.access_trouble()) == 0


def test_a_redis_that_is_away_is_told_as_such() -> None:
    with connect("redis://127.0.0.1:1", for_web=True, max_connections=1) as away:
        for look in (RedisInspection(away).state, RedisInspection(away).snapshots):
            with pytest.raises(StoreUnavailable):
                look()
