"""Account records, private integrations and plan changes on a real Redis."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from cryptography.fernet import Fernet

from app.domain.acceptance import StoreUnavailable
from app.domain.accounts import Account, AccountExists, AccountUnknown, ChangedMeanwhile, Secrets
from app.domain.assistants import Profile
from app.storage import keys
from app.storage.account_record import RecordDamaged
from app.storage.accounts import INTEGRATION_KEPT_SECONDS, RedisAccounts
from app.storage.connection import connect
from app.storage.integrations import IntegrationSecrets
from app.storage.plans import RedisPlans
from app.storage.sealing import NoKeyFits, Sealer
from tests.redis_contents import everything_in

SEALER = Sealer([Fernet.generate_key().decode()])
FULL = Account(
    31000001,
    "acme",
    client_id="integration-1",
    assistant_id="asst_1",
    profile=Profile("gpt-6-luna", "Seja gentil \ud83d.", ("vs_1", "vs_2"), 0.5, "imported", active=False),
    plan="basico",
    timezone="America/Lima",
    locale="es",
    failure_text="Já falamos com você.",
    contact_daily_limit=5,
    reply_mode="handlers",
    weights={"ai_reply": 1, "ai_summary": 2},
    paused=True,
    access="lost",
    tokens_given_at=1_790_000_000,
    secrets=Secrets("sk-THEKEY", "THEACCESSTOKEN", "THEREFRESHTOKEN", "THEPREVIOUSTOKEN"),
)
BARE = Account(31000002, "12345")


@pytest.fixture
def accounts(redis_client: redis.Redis) -> RedisAccounts:
    return RedisAccounts(redis_client, SEALER)


@pytest.fixture
def integrations(redis_client: redis.Redis) -> IntegrationSecrets:
    return IntegrationSecrets(redis_client, SEALER)


@pytest.mark.parametrize("account", [FULL, BARE], ids=["everything said", "nothing said"])
def test_an_account_comes_back_as_it_was_stored(accounts: RedisAccounts, account: Account) -> None:
    stored = accounts.add(account)
    assert stored == replace(account, version=stored.version)
    assert accounts.get(account.account_id) == stored


def test_an_account_that_was_never_added_is_not_there(accounts: RedisAccounts) -> None:
    assert accounts.get(1) is None


def test_what_the_acceptance_script_needs_stands_in_the_open(
    accounts: RedisAccounts, redis_client: redis.Redis
) -> None:
    version = accounts.add(FULL).version
    fields = redis_client.hgetall(keys.account(FULL.account_id))
    assert (fields[b"plan"], fields[b"paused"], fields[b"version"]) == (b"basico", b"1", str(version).encode())
    assert redis_client.hget(keys.plans(), "teste") == b"100"
    assert redis_client.smembers(keys.accounts()) == {b"31000001"}


def test_no_secret_rests_in_the_clear(accounts: RedisAccounts, redis_client: redis.Redis) -> None:
    accounts.add(FULL, "THECLIENTSECRET")
    accounts.replace(FULL, _version(accounts), "ANOTHERCLIENTSECRET")
    found = everything_in(redis_client)
    assert b"acme" in found
    for secret in (b"sk-THEKEY", b"THEACCESSTOKEN", b"THEREFRESHTOKEN", b"THEPREVIOUSTOKEN", b"CLIENTSECRET"):
        assert secret not in found


def test_an_account_is_added_once(accounts: RedisAccounts) -> None:
    stored = accounts.add(FULL)
    with pytest.raises(AccountExists):
        accounts.add(replace(FULL, subdomain="other"))
    assert accounts.get(FULL.account_id) == stored


def test_every_change_has_a_version_of_its_own(accounts: RedisAccounts) -> None:
    first = accounts.add(FULL)
    second = accounts.replace(replace(first, locale="en"), first.version)
    assert second == replace(first, locale="en", version=first.version + 1)
    assert accounts.get(FULL.account_id) == second


def test_a_change_of_an_older_version_is_refused(accounts: RedisAccounts) -> None:
    first = accounts.add(FULL)
    second = accounts.replace(replace(first, locale="en"), first.version)
    with pytest.raises(ChangedMeanwhile):
        accounts.replace(replace(first, locale="pt"), first.version)
    assert accounts.get(FULL.account_id) == second


def test_of_many_changes_at_once_one_wins_each_version(accounts: RedisAccounts) -> None:
    first = accounts.add(FULL)
    wins, lost = [], []
    start = threading.Barrier(8)

    def change(number: int) -> None:
        start.wait()
        try:
            wins.append(accounts.replace(replace(first, failure_text=str(number)), first.version))
        except ChangedMeanwhile:
            lost.append(number)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(wins), len(lost)) == (1, 7)
    assert accounts.get(FULL.account_id) == wins[0]


def test_an_account_added_again_does_not_come_back_to_an_old_version(accounts: RedisAccounts) -> None:
    first = accounts.add(FULL)
    changed = accounts.replace(first, first.version)
    accounts.remove(FULL.account_id)
    assert accounts.add(FULL).version >= changed.version


def test_of_a_removed_account_its_integration_is_left_for_some_days(
    accounts: RedisAccounts, redis_client: redis.Redis
) -> None:
    accounts.add(FULL, "secret")
    accounts.remove(FULL.account_id)
    assert accounts.get(FULL.account_id) is None
    integration = keys.integration("integration-1")
    assert set(redis_client.keys("*")) == {keys.plans().encode(), integration.encode()}
    assert 0 < redis_client.ttl(integration) <= INTEGRATION_KEPT_SECONDS
    accounts.add(FULL)
    assert redis_client.ttl(integration) == -1


def test_what_is_not_there_can_neither_be_changed_nor_removed(accounts: RedisAccounts) -> None:
    with pytest.raises(AccountUnknown):
        accounts.replace(FULL, 1)
    with pytest.raises(AccountUnknown):
        accounts.remove(FULL.account_id)
    assert accounts.ids() == []


def test_accounts_are_read_page_by_page_in_the_order_of_their_ids(accounts: RedisAccounts) -> None:
    stored = [accounts.add(Account(number, f"a{number}")) for number in (9, 100, 20, 3)]
    expected = sorted(stored, key=lambda account: account.account_id)
    assert accounts.ids() == [3, 9, 20, 100]
    assert accounts.page() == tuple(expected)
    assert accounts.page(size=2) == tuple(expected[:2])
    assert accounts.page(after=9, size=2) == tuple(expected[2:])
    assert accounts.page(after=100) == ()


def test_an_account_that_goes_while_a_page_is_read_is_left_out(
    accounts: RedisAccounts, redis_client: redis.Redis
) -> None:
    accounts.add(BARE)
    redis_client.sadd(keys.accounts(), 5)
    assert [account.account_id for account in accounts.page()] == [BARE.account_id]


def _version(accounts: RedisAccounts) -> int:
    found = accounts.get(FULL.account_id)
    assert found is not None
    return found.version


def _damage_record(**changes: object) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda record: {**record, **changes}


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_damage_record(timezone="Nowhere/VALUE"), "timezone"),
        (_damage_record(locale="VALUE"), "locale"),
        (_damage_record(weights={"VALUE": 0}), "weights"),
        (_damage_record(contact_daily_limit="VALUE"), "contact_daily_limit"),
        (_damage_record(access="VALUE"), "access"),
        (_damage_record(tokens_given_at="VALUE"), "tokens_given_at"),
        (_damage_record(profile={"model": "VALUE"}), "profile"),
        (lambda record: {name: value for name, value in record.items() if name != "subdomain"}, "subdomain"),
        (lambda record: ["VALUE"], "_schema"),
    ],
)
def test_a_damaged_record_is_named_and_its_values_are_not(
    accounts: RedisAccounts, redis_client: redis.Redis, damage: Callable[[Any], Any], named: str
) -> None:
    accounts.add(FULL)
    key = keys.account(FULL.account_id)
    record = json.loads(redis_client.hget(key, "record") or b"")
    redis_client.hset(key, "record", json.dumps(damage(record)))
    with pytest.raises(RecordDamaged, match=named) as caught:
        accounts.get(FULL.account_id)
    assert "31000001" in str(caught.value)
    assert "VALUE" not in str(caught.value)


def test_a_record_that_is_no_json_or_incomplete_is_damaged(accounts: RedisAccounts, redis_client: redis.Redis) -> None:
    accounts.add(FULL)
    redis_client.hset(keys.account(FULL.account_id), "record", "{not json")
    with pytest.raises(RecordDamaged):
        accounts.get(FULL.account_id)
    redis_client.hdel(keys.account(FULL.account_id), "record")
    with pytest.raises(RecordDamaged):
        accounts.get(FULL.account_id)


def test_a_field_of_a_newer_version_does_not_stop_an_older_one(
    accounts: RedisAccounts, redis_client: redis.Redis
) -> None:
    stored = accounts.add(FULL)
    key = keys.account(FULL.account_id)
    record = json.loads(redis_client.hget(key, "record") or b"")
    redis_client.hset(key, "record", json.dumps({**record, "of_tomorrow": 1}))
    assert accounts.get(FULL.account_id) == stored


def test_a_record_from_before_there_were_such_fields_is_read(
    accounts: RedisAccounts, redis_client: redis.Redis
) -> None:
    stored = accounts.add(replace(BARE, secrets=Secrets("k", "a", "r")))
    key = keys.account(BARE.account_id)
    record, secrets = redis_client.hmget(key, "record", "secrets")
    older = {
        name: value for name, value in json.loads(record or b"").items() if name not in ("access", "tokens_given_at")
    }
    kept = json.loads(SEALER.unseal(secrets or b""))
    del kept["previous_refresh_token"]
    redis_client.hset(key, mapping={"record": json.dumps(older), "secrets": SEALER.seal(json.dumps(kept))})
    assert accounts.get(BARE.account_id) == stored


def test_without_the_key_that_sealed_them_secrets_stay_shut(accounts: RedisAccounts, redis_client: redis.Redis) -> None:
    accounts.add(FULL)
    with pytest.raises(NoKeyFits):
        RedisAccounts(redis_client, Sealer([Fernet.generate_key().decode()])).get(FULL.account_id)


def test_a_changed_client_secret_keeps_the_one_before_it(
    accounts: RedisAccounts, integrations: IntegrationSecrets
) -> None:
    assert integrations.of("integration-1") == []
    account = accounts.add(FULL, "one")
    seen = [integrations.of("integration-1")]
    for secret in ("two", "two", "three", "two"):
        account = accounts.replace(account, account.version, secret)
        seen.append(integrations.of("integration-1"))
    account = accounts.replace(account, account.version)
    seen.append(integrations.of("integration-1"))
    assert seen == [["one"], ["two", "one"], ["two", "one"], ["three", "two"], ["two", "three"], ["two", "three"]]


def test_an_integration_stays_while_an_account_has_it(
    accounts: RedisAccounts, integrations: IntegrationSecrets, redis_client: redis.Redis
) -> None:
    accounts.add(FULL, "secret")
    other = accounts.add(replace(BARE, client_id="integration-1"))
    accounts.remove(FULL.account_id)
    assert integrations.of("integration-1") == ["secret"]
    assert redis_client.ttl(keys.integration("integration-1")) == -1
    accounts.replace(replace(other, client_id="integration-2"), other.version, "another")
    assert redis_client.ttl(keys.integration("integration-1")) > 0
    assert integrations.of("integration-2") == ["another"]


def test_a_change_that_was_refused_leaves_the_integration_alone(
    accounts: RedisAccounts, integrations: IntegrationSecrets
) -> None:
    account = accounts.add(FULL, "secret")
    with pytest.raises(ChangedMeanwhile):
        accounts.replace(account, account.version - 1, "never")
    with pytest.raises(AccountExists):
        accounts.add(FULL, "never")
    assert integrations.of("integration-1") == ["secret"]


def test_accounts_of_one_integration_added_at_once_all_count(
    accounts: RedisAccounts, integrations: IntegrationSecrets, redis_client: redis.Redis
) -> None:
    start = threading.Barrier(6)

    def add(number: int) -> None:
        start.wait()
        accounts.add(Account(number, "acme", client_id="shared"), "secret")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(1, 7):
        assert integrations.of("shared") == ["secret"]
        assert redis_client.ttl(keys.integration("shared")) == -1
        accounts.remove(number)
    assert redis_client.ttl(keys.integration("shared")) > 0


def test_the_public_integration_stands_beside_the_private_ones(
    accounts: RedisAccounts, redis_client: redis.Redis
) -> None:
    integrations = IntegrationSecrets(redis_client, SEALER, public=("public", ["new", "old"]))
    accounts.add(FULL, "private")
    assert integrations.of("public") == ["new", "old"]
    assert integrations.of("integration-1") == ["private"]
    accounts.add(replace(BARE, client_id="public"), "stored")
    assert integrations.of("public") == ["new", "old", "stored"]


def test_an_unreachable_redis_is_told_in_one_way() -> None:
    away = connect("redis://127.0.0.1:1/0", for_web=True, max_connections=2)
    accounts, integrations = RedisAccounts(away, SEALER), IntegrationSecrets(away, SEALER)
    plans = RedisPlans(away)
    for attempt in (
        lambda: accounts.get(1),
        lambda: accounts.add(BARE),
        lambda: accounts.replace(BARE, 1),
        lambda: accounts.remove(1),
        accounts.ids,
        accounts.page,
        lambda: integrations.of("c"),
        lambda: plans.get("teste"),
        plans.all,
    ):
        with pytest.raises(StoreUnavailable):
            attempt()


# 23:59 on the last of November in Lima, and a minute later.
NOVEMBER, DECEMBER = datetime(2026, 12, 1, 4, 59, tzinfo=UTC), datetime(2026, 12, 1, 5, 0, tzinfo=UTC)


def test_a_plan_that_is_to_come_begins_with_the_account_s_month(redis_client: redis.Redis) -> None:
    before = RedisAccounts(redis_client, SEALER).add(FULL)
    key = keys.account(FULL.account_id)
    redis_client.hset(key, mapping={"next_plan": "grande", "next_plan_period": "2026-12"})
    in_november = RedisAccounts(redis_client, SEALER, NOVEMBER.timestamp)
    in_december = RedisAccounts(redis_client, SEALER, DECEMBER.timestamp)
    assert in_november.get(FULL.account_id) == replace(before, plan="basico", next_plan="grande")
    assert in_december.get(FULL.account_id) == replace(before, plan="grande", next_plan=None)
    assert in_december.page() == (replace(before, plan="grande"),)


def test_a_change_of_settings_leaves_the_plans_alone(accounts: RedisAccounts, redis_client: redis.Redis) -> None:
    before = accounts.add(FULL)
    key = keys.account(FULL.account_id)
    redis_client.hset(key, mapping={"next_plan": "grande", "next_plan_period": "9999-01"})
    stored = accounts.replace(replace(before, plan="another", locale="en"), before.version)
    assert (stored.plan, stored.next_plan, stored.locale) == ("basico", "grande", "en")
    assert redis_client.hmget(key, ["plan", "next_plan"]) == [b"basico", b"grande"]
    assert accounts.get(FULL.account_id) == stored
