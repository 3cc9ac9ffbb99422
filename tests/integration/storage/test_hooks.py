"""Hooks that are not worked off yet, in a real Redis: sealed, due at their time, gone with their use."""

import threading
import time
from dataclasses import replace

import pytest
import redis
from cryptography.fernet import Fernet

from app.domain.acceptance import StoreUnavailable
from app.domain.kommo_hooks import CODE_SECONDS, Granted, Hook, InstallHook, RevokedHook
from app.domain.oauth_tokens import Tokens
from app.domain.return_url import Origin
from app.storage import keys
from app.storage.connection import connect
from app.storage.hooks import MOST, TAKEN_SECONDS, RedisHooks
from app.storage.sealing import NoKeyFits, Sealer
from tests.builders import ENCRYPTION_KEY
from tests.redis_contents import everything_in

ORIGIN = Origin.parse("http://127.0.0.1:9123")
NOW = time.time()
HOOK = InstallHook("THECODE", ORIGIN, "integration-1", NOW)
GRANTED = Granted(Tokens("THEACCESS", "THEREFRESH", NOW + 86400), ORIGIN, "integration-1", NOW)
REVOKED = RevokedHook(31000001, "integration-1", NOW)
ALL: list[Hook] = [HOOK, GRANTED, REVOKED]


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hooks(redis_client: redis.Redis, clock: Clock) -> RedisHooks:
    return RedisHooks(redis_client, Sealer([ENCRYPTION_KEY]), clock)


@pytest.mark.parametrize("hook", ALL, ids=["code", "tokens", "revoked"])
def test_a_hook_comes_back_as_it_was_kept_when_it_is_due(hooks: RedisHooks, clock: Clock, hook: Hook) -> None:
    name = hooks.add(hook, 15)
    assert hooks.take() is None
    clock.now += 15
    assert hooks.take() == (name, hook)


def test_nobody_gets_what_another_one_works_on_unless_that_one_was_killed(hooks: RedisHooks, clock: Clock) -> None:
    name = hooks.add(HOOK, 0)
    assert hooks.take() == (name, HOOK)
    clock.now += TAKEN_SECONDS - 1
    assert hooks.take() is None
    clock.now += 1
    assert hooks.take() == (name, HOOK)


def test_a_hook_is_put_off_or_ended(hooks: RedisHooks, clock: Clock, redis_client: redis.Redis) -> None:
    first, second = hooks.add(HOOK, 0), hooks.add(REVOKED, 1)
    assert first is not None
    assert second is not None
    hooks.postpone(first, 100)
    clock.now += 50
    assert hooks.take() == (second, REVOKED)
    hooks.end(second)
    clock.now += 50
    assert hooks.take() == (first, HOOK)
    hooks.end(first)
    assert redis_client.keys("bytegpt:*") == []


def test_the_same_hook_twice_is_one(hooks: RedisHooks, clock: Clock) -> None:
    assert hooks.add(HOOK, 0) == hooks.add(replace(HOOK, received_at=NOW + 1), 0)
    assert hooks.add(REVOKED, 0) == hooks.add(replace(REVOKED, received_at=NOW + 1), 0)
    assert hooks.add(replace(HOOK, code="ANOTHER"), 0) != hooks.add(HOOK, 0)


def test_no_code_and_no_token_rests_in_the_clear(hooks: RedisHooks, redis_client: redis.Redis) -> None:
    for hook in ALL:
        hooks.add(hook, 0)
    found = everything_in(redis_client)
    assert b"revoked-31000001" in found
    for secret in (b"THECODE", b"THEACCESS", b"THEREFRESH", b"9123"):
        assert secret not in found


def test_a_hook_outlives_its_use_by_nothing(hooks: RedisHooks, clock: Clock, redis_client: redis.Redis) -> None:
    name = hooks.add(HOOK, 0)
    assert 0 < redis_client.ttl(keys.unfinished_hook(name or "")) <= CODE_SECONDS
    redis_client.delete(keys.unfinished_hook(name or ""))
    assert hooks.take() is None
    assert redis_client.keys("bytegpt:*") == []


def test_a_flood_of_hooks_does_not_fill_redis(hooks: RedisHooks, redis_client: redis.Redis) -> None:
    redis_client.zadd(keys.unfinished_hooks(), {f"code-{number}": NOW for number in range(MOST)})
    assert hooks.add(HOOK, 0) is None
    assert redis_client.zcard(keys.unfinished_hooks()) == MOST


def test_many_workers_share_what_is_due(hooks: RedisHooks) -> None:
    for number in range(12):
        hooks.add(replace(REVOKED, account_id=number + 1), 0)
    taken: list[str] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        while found := hooks.take():
            taken.append(found[0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(f"revoked-{number + 1}" for number in range(12))


def test_without_the_key_that_sealed_it_a_hook_stays_shut(redis_client: redis.Redis, hooks: RedisHooks) -> None:
    hooks.add(HOOK, 0)
    with pytest.raises(NoKeyFits):
        RedisHooks(redis_client, Sealer([Fernet.generate_key().decode()])).take()


def test_a_redis_that_is_away_is_named() -> None:
    with connect("redis://127.0.0.1:1/0", for_web=True, max_connections=2) as nowhere:
        hooks = RedisHooks(nowhere, Sealer([ENCRYPTION_KEY]))
        for call in (lambda: hooks.add(HOOK, 0), hooks.take, lambda: hooks.postpone("x", 1), lambda: hooks.end("x")):
            with pytest.raises(StoreUnavailable):
                call()
