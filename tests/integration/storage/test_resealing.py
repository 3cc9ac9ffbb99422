"""Everything that is sealed is sealed anew with the first key, on a real Redis, while others go on writing."""

import json
import re
import threading
from dataclasses import replace

import pytest
import redis
from cryptography.fernet import Fernet

from app.domain.accounts import Secrets
from app.domain.kommo_hooks import Granted, InstallHook, RevokedHook
from app.domain.oauth_tokens import Tokens
from app.domain.return_url import Origin
from app.domain.turn import Turn
from app.domain.turn_search import Wanted
from app.storage import keys
from app.storage.accounts import RedisAccounts
from app.storage.hooks import RedisHooks
from app.storage.integrations import IntegrationSecrets
from app.storage.resealing import RedisResealing, Resealed
from app.storage.sealing import Sealer
from app.storage.turn_search import RedisTurnSearch
from app.storage.turns import RedisTurns
from tests.builders import ENCRYPTION_KEY as OLD
from tests.builders import NOW_MS, TIMING, an_account
from tests.integration.turn_store import Store
from tests.redis_contents import everything_in

NEW, LOST = Fernet.generate_key().decode(), Fernet.generate_key().decode()
SEALED = re.compile(rb"gAAAA[A-Za-z0-9_-]+=*")
ORIGIN = Origin("https", "acme.kommo.com", 443)
NOW = NOW_MS / 1000


def run(client: redis.Redis, *encryption_keys: str, change: bool = True) -> Resealed:
    return list(RedisResealing(client, Sealer(encryption_keys)).run(change=change))[-1]


def needs(client: redis.Redis, key: str) -> int:
    """How many sealed values this key alone opens."""
    alone = Fernet(key)
    return sum(1 for sealed in set(SEALED.findall(everything_in(client))) if _opens(alone, sealed))


def _opens(key: Fernet, sealed: bytes) -> bool:
    try:
        key.decrypt(sealed)
    except Exception:  # noqa: BLE001 - whatever it says, it does not open it
        return False
    return True


@pytest.fixture
def store(redis_client: redis.Redis) -> Store:
    """A company with everything that can be sealed, by the old key."""
    store = Store(redis_client, requests=10_000)
    account = store.accounts.get(store.account.account_id)
    assert account is not None
    store.account = store.accounts.replace(replace(account, client_id="private"), account.version, "client-secret")
    store.finish(store.accept(message="words of a client"))
    store.accept(line="contact-2", message="words still open")
    hooks = RedisHooks(redis_client, store.sealer, lambda: NOW)
    hooks.add(InstallHook("a-code", ORIGIN, "public", NOW), 60.0)
    hooks.add(Granted(Tokens("access", "refresh", NOW + 3600.0), ORIGIN, "public", NOW), 60.0)
    hooks.add(RevokedHook(31000001, "public", NOW), 60.0)
    return store


def kept(turns: RedisTurns, client: redis.Redis) -> list[Turn]:
    """All turns of the company, with their texts."""
    found = (turns.read(one.request_id) for one in RedisTurnSearch(client).all(Wanted(31000001)))
    return [turn for turn in found if turn]


def test_all_that_an_older_key_has_sealed_is_sealed_anew(store: Store, redis_client: redis.Redis) -> None:
    sealed = needs(redis_client, OLD)
    assert sealed == 8
    lives = {key: redis_client.pttl(key) for key in redis_client.keys("bytegpt:*")}
    found = run(redis_client, NEW, OLD)
    assert found.resealed == {"account": 1, "integration": 1, "turn": 3, "hook": 3}
    assert (needs(redis_client, OLD), needs(redis_client, NEW)) == (0, sealed)
    # With the new key alone, all of it is as it was, and lives no longer and no shorter.
    new = Sealer([NEW])
    assert RedisAccounts(redis_client, new).get(31000001) == store.account
    assert IntegrationSecrets(redis_client, new).of("private") == ["client-secret"]
    turns = RedisTurns(redis_client, new, TIMING)
    texts = [(turn.message, turn.answer) for turn in kept(turns, redis_client)]
    assert sorted(texts, key=str) == [("words of a client", "Custa 5 reais."), ("words still open", None)]
    hooks = RedisHooks(redis_client, new, lambda: NOW + 120)
    taken = [hooks.take() for _ in range(3)]
    assert {type(one[1]) for one in taken if one} == {InstallHook, Granted, RevokedHook}
    for key, life in lives.items():
        now = redis_client.pttl(key)
        assert (now == -1) == (life == -1)
        assert life - 5000 <= now <= life


def test_a_look_tells_what_needs_an_older_key_and_changes_nothing(store: Store, redis_client: redis.Redis) -> None:
    before = everything_in(redis_client)
    found = run(redis_client, NEW, OLD, change=False)
    assert everything_in(redis_client) == before
    assert (found.older, found.resealed.total()) == (8, 0)
    assert found.by_key == {("account", 2): 1, ("integration", 2): 1, ("turn", 2): 3, ("hook", 2): 3}
    run(redis_client, NEW, OLD)
    again = run(redis_client, NEW, OLD)
    assert (again.older, again.resealed.total()) == (0, 0)
    assert again.by_key == {("account", 1): 1, ("integration", 1): 1, ("turn", 1): 3, ("hook", 1): 3}


def test_what_no_key_opens_is_named_and_left_alone(store: Store, redis_client: redis.Redis) -> None:
    damaged = Sealer([LOST]).seal("a text")
    redis_client.hset(keys.turn("0123"), "sealed", damaged)
    found = run(redis_client, NEW, OLD)
    assert found.unreadable == ["bytegpt:turn:0123 sealed"]
    assert found.by_key["turn", 0] == 1
    assert redis_client.hget(keys.turn("0123"), "sealed") == damaged
    assert needs(redis_client, OLD) == 0


def test_what_is_written_anew_in_between_is_kept_and_what_is_gone_stays_gone(
    store: Store, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading and exchanging, one account changes its key, with an old process, and one text is erased."""
    (turn,) = [turn for turn in kept(store.turns, redis_client) if turn.answer]
    seal = Sealer.seal
    meanwhile = iter([True])

    def overtaken(self: Sealer, text: str) -> bytes:
        if next(meanwhile, False):
            account = store.accounts.get(31000001)
            assert account is not None
            store.accounts.replace(replace(account, secrets=Secrets("sk-changed-meanwhile")), account.version)
            redis_client.hdel(keys.turn(turn.request_id), "sealed", "answer")
        return seal(self, text)

    monkeypatch.setattr(Sealer, "seal", overtaken)
    found = run(redis_client, NEW, OLD)
    assert needs(redis_client, OLD) == 0
    assert found.older == found.resealed.total()
    account = RedisAccounts(redis_client, Sealer([NEW])).get(31000001)
    assert account is not None
    assert account.secrets == Secrets("sk-changed-meanwhile")
    assert redis_client.hmget(keys.turn(turn.request_id), "sealed", "answer") == [None, None]


def test_under_load_nothing_is_lost(store: Store, redis_client: redis.Redis) -> None:
    """Accounts change and turns run, by processes that know both keys, while everything is sealed anew."""
    both = Sealer([NEW, OLD])
    accounts, turns = RedisAccounts(redis_client, both), RedisTurns(redis_client, both, TIMING, store.clock)
    for number in range(40):
        store.accounts.add(an_account(account_id=100 + number, secrets=Secrets(f"sk-{number}-0")))
        store.finish(store.accept(line=f"contact-{number}", message=f"message {number}"))
    stop = threading.Event()
    failures: list[Exception] = []
    written: dict[int, str] = {}

    def change(first: int) -> None:
        count = 0
        try:
            while not stop.is_set():
                count += 1
                for account_id in range(first, first + 10):
                    account = accounts.get(account_id)
                    assert account is not None
                    key = f"sk-{account_id}-{count}"
                    accounts.replace(replace(account, secrets=Secrets(key)), account.version)
                    written[account_id] = key
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=change, args=(first,)) for first in (100, 110, 120, 130)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        run(redis_client, NEW, OLD)
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert needs(redis_client, OLD) == 0
    new = RedisAccounts(redis_client, Sealer([NEW]))
    for account_id, key in written.items():
        account = new.get(account_id)
        assert account is not None
        assert account.secrets.openai_api_key == key
    messages = {turn.message for turn in kept(turns, redis_client)}
    assert {f"message {number}" for number in range(40)} <= messages


def test_nothing_is_sealed_in_a_place_that_is_not_looked_at(store: Store, redis_client: redis.Redis) -> None:
    places = {
        re.sub(rb"[0-9a-f]{28}|[0-9]{8}", b"*", line.split(b" ", 1)[0])
        for line in everything_in(redis_client).split(b"\n")
        if b"gAAAA" in line
    }
    assert {re.sub(rb"hook:.*", b"hook:*", place) for place in places} == {
        b"bytegpt:account:*",
        b"bytegpt:turn:*",
        b"bytegpt:integration:private",
        b"bytegpt:hook:*",
    }
    assert json.loads(redis_client.hget(keys.account(31000001), "record") or b"{}")["client_id"] == "private"
