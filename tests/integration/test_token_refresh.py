"""Refreshing against the simulated Kommo: threads, a real Redis, lost answers, renamed accounts, old age."""

import threading
import time
from collections.abc import Iterator

import pytest
import redis

from app.domain.accounts import Account, Secrets
from app.domain.kommo_hooks import HookOutcome, InstallHook
from app.domain.oauth_tokens import TokensUnavailable
from app.domain.return_url import Origin
from app.storage import keys
from app.storage.sealing import Sealer
from sandbox.kommo_accounts import ADMIN_USER
from sandbox.kommo_accounts import Account as KommoAccount
from sandbox.kommo_faults import Fault, Route, hang, reset, slow, status
from sandbox.kommo_server import KommoSimulator
from tests.builders import ENCRYPTION_KEY
from tests.oauth_flows import Flows

CALLBACK = "https://bot.example.com/kommo/oauth/callback"
DAY = 24 * 3600.0


class Clock:
    """Kommo's and ours."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kommo(clock: Clock) -> Iterator[KommoSimulator]:
    with KommoSimulator(rate=None, public_redirect_uri=CALLBACK, clock=clock) as kommo:
        yield kommo


@pytest.fixture
def flows(redis_client: redis.Redis, kommo: KommoSimulator, clock: Clock) -> Iterator[Flows]:
    flows = Flows(redis_client, Sealer([ENCRYPTION_KEY]), kommo, CALLBACK, clock, read_timeout=1.0)
    with flows.session:
        yield flows


class Company:
    """An installed account, here and at Kommo."""

    def __init__(self, flows: Flows, kommo: KommoSimulator, *, long_lived: bool = False) -> None:
        self.kommo: KommoAccount = kommo.add_account("Acme", private=long_lived)
        self.flows, self.simulator = flows, kommo
        integration = self.kommo.integration
        if long_lived:
            tokens = Secrets("sk-key", self.kommo.long_lived_token())
        else:
            code = self.kommo.tokens.issue_code(integration, ADMIN_USER, True)
            tokens = Secrets("sk-key", *self.kommo.tokens.exchange_code(code, integration.client_id))
        flows.accounts.add(
            Account(
                self.kommo.account_id,
                self.kommo.subdomain,
                client_id=integration.client_id if long_lived else None,
                tokens_given_at=None if long_lived else int(time.time()),
                secrets=tokens,
            ),
            integration.secret if long_lived else None,
        )

    @property
    def account(self) -> Account:
        found = self.flows.accounts.get(self.kommo.account_id)
        assert found is not None
        return found

    def access(self) -> str:
        """What the record says of its access now."""
        return self.account.access

    def works(self) -> bool:
        """Whether the stored access token opens the account."""
        return self.kommo.tokens.access_of(self.account.secrets.access_token or "") is not None

    def renewed(self) -> str | None:
        return self.flows.tokens.renewed(self.account, self.account.secrets.access_token or "")

    def refreshes(self) -> int:
        return len([call for call in self.simulator.calls if call.route is Route.TOKEN])


@pytest.fixture
def company(flows: Flows, kommo: KommoSimulator) -> Company:
    return Company(flows, kommo)


def test_twenty_at_once_with_an_expired_token_refresh_once_and_are_all_served(company: Company) -> None:
    company.kommo.tokens.expire_access()
    expired = company.account
    got: list[str | None] = []
    start = threading.Barrier(20)

    def ask() -> None:
        start.wait()
        got.append(company.flows.tokens.renewed(expired, expired.secrets.access_token or ""))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [company.account.secrets.access_token] * 20
    assert company.works()
    assert company.refreshes() == 1


def test_twenty_at_once_wait_for_a_slow_refresh(company: Company) -> None:
    company.kommo.faults.add(slow(0.6), Route.TOKEN)
    test_twenty_at_once_with_an_expired_token_refresh_once_and_are_all_served(company)


@pytest.mark.parametrize("fault", [reset(after_effect=True), reset()], ids=["after the work", "before the work"])
def test_an_answer_that_is_lost_on_the_way_leaves_the_account_working(company: Company, fault: Fault) -> None:
    company.kommo.tokens.expire_access()
    company.kommo.faults.add(fault, Route.TOKEN)
    assert company.renewed() == company.account.secrets.access_token
    assert company.works()
    assert company.refreshes() == 2
    company.kommo.tokens.expire_access()
    assert company.renewed() is not None
    assert company.works()


@pytest.mark.parametrize("fault", [hang(after_effect=True), status(502, after_effect=True), status(503), status(429)])
def test_trouble_that_lasts_longer_is_left_to_the_caller_and_loses_nothing(company: Company, fault: Fault) -> None:
    company.kommo.tokens.expire_access()
    company.kommo.faults.add(fault, Route.TOKEN, times=2)
    with pytest.raises(TokensUnavailable):
        company.renewed()
    company.kommo.faults.clear()
    assert company.renewed() is not None
    assert company.works()
    assert company.access() == "granted"


def test_a_pair_that_was_lost_with_redis_is_given_again(company: Company, redis_client: redis.Redis) -> None:
    """A fail-over may bring back the record as it was before the refresh: the used token still works."""
    company.kommo.tokens.expire_access()
    before = redis_client.dump(keys.account(company.kommo.account_id))
    assert company.renewed() is not None
    redis_client.restore(keys.account(company.kommo.account_id), 0, before or b"", replace=True)
    assert not company.works()
    assert company.renewed() is not None
    assert company.works()


def test_a_pair_that_kommo_never_finished_gives_way_to_the_one_before_it(company: Company) -> None:
    company.kommo.tokens.expire_access()
    assert company.renewed() is not None
    account = company.account
    broken = Secrets(
        "sk-key", account.secrets.access_token, "never-known-to-kommo", account.secrets.previous_refresh_token
    )
    company.flows.accounts.replace(
        Account(account.account_id, account.subdomain, tokens_given_at=account.tokens_given_at, secrets=broken),
        account.version,
    )
    company.kommo.tokens.expire_access()
    assert company.renewed() is not None
    assert company.works()
    assert company.access() == "granted"


def test_by_the_strict_reading_a_lost_pair_is_seen_as_lost(company: Company) -> None:
    """Where Kommo ends the old refresh token at once, a lost answer loses the account: operators see it."""
    company.kommo.tokens.overlap = False
    company.kommo.tokens.expire_access()
    company.kommo.faults.add(reset(after_effect=True), Route.TOKEN)
    assert company.renewed() is None
    assert company.access() == "lost"


@pytest.mark.parametrize("old_answers", [401, 404, 301, 307])
def test_a_renamed_account_is_refreshed_where_it_lives_now(
    company: Company, kommo: KommoSimulator, old_answers: int
) -> None:
    company.kommo.tokens.expire_access()
    old = company.account.subdomain
    kommo.rename(company.kommo, old_answers=old_answers)
    assert company.renewed() is not None
    assert company.account.subdomain == company.kommo.subdomain != old
    assert company.works()


# --- the regular look -----------------------------------------------------------------------------------------------


def look(flows: Flows, clock: Clock, days: float) -> None:
    """Let days go by, and the accounts be looked at."""
    flows.health.enlist()
    clock.ahead += days * DAY
    flows.health.look_round()


def test_tokens_of_an_account_that_nobody_writes_to_live_for_ever(company: Company, flows: Flows, clock: Clock) -> None:
    for _ in range(30):
        look(flows, clock, 7.0)
        assert company.works()
    assert clock.ahead > 200 * DAY
    assert company.access() == "granted"


def test_an_account_that_could_not_be_looked_at_for_weeks_is_refreshed_before_the_end(
    company: Company, flows: Flows, clock: Clock
) -> None:
    flows.health.enlist()
    look(flows, clock, 85.0)
    clock.ahead += 10 * DAY
    assert company.renewed() is not None


def test_a_dead_token_is_shown_and_a_new_installation_mends_it(
    company: Company, flows: Flows, kommo: KommoSimulator, clock: Clock
) -> None:
    company.kommo.tokens.revoke(company.kommo.integration.client_id)
    look(flows, clock, 2.0)
    assert company.access() == "lost"
    dead = company.account
    look(flows, clock, 2.0)
    assert company.account == dead
    query = company.kommo.install_query()
    origin = Origin.parse(company.kommo.url)
    hook = InstallHook(query["code"], origin, query["client_id"], clock())
    assert flows.hooks.received(hook) is HookOutcome.INSTALLED
    assert company.access() == "granted"
    assert company.works()


def test_a_long_lived_token_is_proved_every_day(flows: Flows, kommo: KommoSimulator, clock: Clock) -> None:
    company = Company(flows, kommo, long_lived=True)
    look(flows, clock, 1.0)
    assert company.access() == "granted"
    company.kommo.change_private_secret()
    look(flows, clock, 1.5)
    assert company.access() == "lost"


@pytest.mark.parametrize("long_lived", [False, True], ids=["oauth", "long-lived"])
def test_a_renamed_account_is_found_again_without_a_message(
    flows: Flows, kommo: KommoSimulator, clock: Clock, long_lived: bool
) -> None:
    company = Company(flows, kommo, long_lived=long_lived)
    kommo.rename(company.kommo)
    look(flows, clock, 2.0)
    assert company.account.subdomain == company.kommo.subdomain
    assert company.access() == "granted"
    assert company.works()


@pytest.mark.parametrize("code", [402, 403, 429, 500, 503])
def test_an_account_in_other_trouble_is_not_called_lost(
    company: Company, flows: Flows, clock: Clock, code: int
) -> None:
    company.kommo.faults.add(status(code), times=None)
    look(flows, clock, 2.0)
    assert company.access() == "granted"
    company.kommo.faults.clear()
    clock.ahead += 3600
    flows.health.look_round()
    assert company.works()
