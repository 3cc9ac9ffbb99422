"""What a worker is built with for its access to Kommo, from settings, over a real Redis and real sockets."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis
import time_machine

from app.clients.http import Timeouts
from app.domain.accounts import Account, Secrets
from app.domain.kommo_hooks import InstallHook
from app.domain.return_url import Origin
from app.storage import keys
from app.storage.accounts import RedisAccounts
from app.storage.embedded import EmbeddedRedis
from app.storage.hooks import RedisHooks
from app.storage.pacing import KommoPace, RedisPace
from app.storage.sealing import Sealer
from config.settings import load_settings
from sandbox.kommo_accounts import Account as KommoAccount
from sandbox.kommo_server import KommoSimulator
from tests.builders import ENCRYPTION_KEY
from workers.kommo_access import KommoAccess

CALLBACK = "https://bot.example.com/kommo/oauth/callback"


@pytest.fixture
def kommo() -> Iterator[KommoSimulator]:
    with KommoSimulator(rate=None, public_redirect_uri=CALLBACK) as kommo:
        yield kommo


@pytest.fixture
def accounts(redis_client: redis.Redis) -> RedisAccounts:
    return RedisAccounts(redis_client, Sealer([ENCRYPTION_KEY]))


@pytest.fixture
def access(
    redis_client: redis.Redis, redis_server: EmbeddedRedis, accounts: RedisAccounts, kommo: KommoSimulator
) -> KommoAccess:
    public = kommo.public_integration
    settings = load_settings(
        {
            "REDIS_URL": redis_server.url,
            "SECRET_KEY": "session-signing",
            "ENCRYPTION_KEYS": ENCRYPTION_KEY,
            "ADMIN_USERNAME": "ana",
            "ADMIN_PASSWORD_HASH": "scrypt:32768:8:1$salt$0123456789abcdef",
            "PUBLIC_URL": "https://bot.example.com",
            "KOMMO_BASE_URL": kommo.base_url,
            "KOMMO_CLIENT_ID": public.client_id,
            "KOMMO_CLIENT_SECRET": public.secret,
            "DEFAULT_LOCALE": "es",
        },
        dotenv=None,
    )
    pace = RedisPace(redis_client, KommoPace(("default",), 100, 100))
    return KommoAccess(settings, redis_client, accounts, Sealer([ENCRYPTION_KEY]), pace, Timeouts(5.0, 15.0))


@pytest.fixture
def company(kommo: KommoSimulator) -> KommoAccount:
    return kommo.add_account("Acme", private=False)


def installed(company: KommoAccount, accounts: RedisAccounts) -> Account:
    query = company.install_query()
    pair = company.tokens.exchange_code(query["code"], query["client_id"])
    return accounts.add(Account(company.account_id, company.subdomain, secrets=Secrets("sk-key", *pair)))


def stored(company: KommoAccount, accounts: RedisAccounts) -> Account:
    found = accounts.get(company.account_id)
    assert found is not None
    return found


def test_unfinished_hooks_are_finished(
    access: KommoAccess, accounts: RedisAccounts, company: KommoAccount, redis_client: redis.Redis
) -> None:
    query = company.install_query()
    hooks = RedisHooks(redis_client, Sealer([ENCRYPTION_KEY]))
    hooks.add(InstallHook(query["code"], Origin.parse(company.url), query["client_id"], time.time()), 0)
    access.resume_hooks()
    found = stored(company, accounts)
    assert company.tokens.access_of(found.secrets.access_token or "") is not None
    assert (found.locale, found.plan, found.client_id) == ("es", "teste", None)
    assert redis_client.keys("bytegpt:hook*") == []


def test_a_refused_token_is_renewed(access: KommoAccess, accounts: RedisAccounts, company: KommoAccount) -> None:
    account = installed(company, accounts)
    company.tokens.expire_access()
    token = access.tokens.renewed(account, access.tokens.current(account) or "")
    assert token == stored(company, accounts).secrets.access_token
    assert company.tokens.access_of(token or "") is not None


def test_a_renamed_account_is_found_while_its_token_is_renewed(
    access: KommoAccess, accounts: RedisAccounts, company: KommoAccount, kommo: KommoSimulator
) -> None:
    account = installed(company, accounts)
    company.tokens.expire_access()
    kommo.rename(company)
    assert access.tokens.renewed(account, account.secrets.access_token or "") is not None
    assert stored(company, accounts).subdomain == company.subdomain


@pytest.mark.parametrize(("revoked", "access_after"), [(False, "granted"), (True, "lost")])
def test_tokens_are_looked_at_within_a_day(
    access: KommoAccess,
    accounts: RedisAccounts,
    company: KommoAccount,
    redis_client: redis.Redis,
    revoked: bool,
    access_after: str,
) -> None:
    account = installed(company, accounts)
    accounts.replace(replace(account, tokens_given_at=1), account.version)
    if revoked:
        company.tokens.revoke(company.integration.client_id)
    access.health.enlist()
    assert redis_client.zscore(keys.token_checks(), str(company.account_id)) is not None
    with time_machine.travel(time.time() + 24 * 3600 + 1, tick=True):
        access.health.look_round()
    assert stored(company, accounts).access == access_after
