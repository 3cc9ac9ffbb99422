"""What an installation makes of accounts: new ones like those that operators add, old ones with their settings."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.accounts import Account, Secrets
from app.domain.kommo_hooks import Granted, InstallHook
from app.domain.oauth_tokens import AccessRefused, GrantRefused, KommoAccount, KommoUnavailable, Tokens
from app.domain.return_url import Origin
from app.services.administration import Defaults
from app.services.grants import Grants
from app.services.installing import Installing, NotAdministrator, NotAnAccount
from tests.builders import an_account
from tests.unit.services.kommo_in_memory import (
    ACME,
    CLIENT_ID,
    GIVEN,
    PRIVATE_ID,
    TEMPLATE,
    FakeIntegrations,
    FakeLookUp,
    FakeTokenEndpoint,
    Registry,
)
from tests.unit.services.ports_in_memory import NOW, Clock

ITSELF = KommoAccount(31000001, "acme", 9001)
GRANTED = Granted(GIVEN, ACME, CLIENT_ID, NOW)
HOOK = InstallHook("the-code", ACME, CLIENT_ID, NOW)
OLD = an_account(
    plan="basico",
    failure_text="Já falamos.",
    weights={"ai": 2},
    locale="es",
    paused=True,
    version=7,
    secrets=Secrets("sk-key", "old-access", "old-refresh", "older-refresh"),
)


class Desk:
    def __init__(self, accounts: Registry, said: KommoAccount | Exception = ITSELF, template: str = TEMPLATE) -> None:
        self.accounts = accounts
        self.look_up = FakeLookUp().says(str(ACME), GIVEN.access, said)
        self.endpoint = FakeTokenEndpoint()
        clock = Clock()
        grants = Grants(self.endpoint, FakeIntegrations(), template, "https://bot/cb", CLIENT_ID, clock)
        defaults = Defaults("America/Lima", "es")
        self.installing = Installing(accounts, grants, self.look_up, template, defaults, CLIENT_ID, clock)

    def installed(self, **changes: Any) -> Account:
        return self.installing.installed(replace(GRANTED, **changes))


def test_a_code_is_exchanged_and_nothing_is_stored() -> None:
    desk = Desk(Registry())
    desk.endpoint.grants = [GIVEN]
    assert desk.installing.exchanged(HOOK) == GRANTED
    assert desk.endpoint.calls == [("https://acme.kommo.com", "secret", "the-code")]
    assert desk.accounts.stored == {}


def test_a_code_that_kommo_refuses_stores_nothing() -> None:
    desk = Desk(Registry())
    desk.endpoint.grants = [GrantRefused(400)]
    with pytest.raises(GrantRefused):
        desk.installing.exchanged(HOOK)
    assert (desk.accounts.stored, desk.look_up.asked) == ({}, [])


@pytest.mark.parametrize(("client_id", "own"), [(CLIENT_ID, None), (PRIVATE_ID, PRIVATE_ID)], ids=["public", "private"])
def test_a_new_account_gets_what_an_operators_would(client_id: str, own: str | None) -> None:
    desk = Desk(Registry())
    desk.installed(client_id=client_id)
    assert desk.accounts.one == Account(
        31000001,
        "acme",
        client_id=own,
        plan="teste",
        timezone="America/Lima",
        locale="es",
        tokens_given_at=int(NOW),
        secrets=Secrets(None, GIVEN.access, GIVEN.refresh),
    )


@pytest.mark.parametrize("access", ["granted", "lost", "revoked"])
def test_an_account_that_is_there_keeps_all_but_its_access(access: Any) -> None:
    desk = Desk(Registry(replace(OLD, access=access, client_id=PRIVATE_ID)), KommoAccount(31000001, "novo"))
    desk.installed()
    assert desk.accounts.one == replace(
        OLD,
        version=8,
        subdomain="novo",
        client_id=None,
        access="granted",
        tokens_given_at=int(NOW),
        secrets=Secrets("sk-key", GIVEN.access, GIVEN.refresh),
    )


def test_an_account_that_arrives_meanwhile_keeps_its_settings() -> None:
    desk = Desk(Registry(arrivals=[OLD]))
    desk.installed()
    assert desk.accounts.one.failure_text == OLD.failure_text
    assert desk.accounts.one.secrets.access_token == GIVEN.access


def test_a_change_meanwhile_is_kept() -> None:
    accounts = Registry(OLD)
    accounts.rivals = [lambda found: replace(found, failure_text="outro")]
    Desk(accounts).installed()
    assert (accounts.one.failure_text, accounts.one.secrets.access_token) == ("outro", GIVEN.access)


@pytest.mark.parametrize("said", [False, True, None], ids=["no", "yes", "Kommo does not say"])
def test_working_tokens_are_not_replaced_by_those_of_a_user_who_may_not_continue_bots(said: bool | None) -> None:
    desk = Desk(Registry(OLD))
    desk.look_up.administrator = said
    if said is False:
        with pytest.raises(NotAdministrator):
            desk.installed()
        assert desk.accounts.one == OLD
    else:
        assert desk.installed().secrets.access_token == GIVEN.access
    assert desk.look_up.users == [9001]


@pytest.mark.parametrize(
    "accounts",
    [
        Registry(),
        Registry(replace(OLD, access="lost")),
        Registry(replace(OLD, access="revoked")),
        Registry(replace(OLD, secrets=Secrets("sk-key"))),
    ],
    ids=["none", "lost", "revoked", "no tokens"],
)
def test_where_there_are_no_working_tokens_nobody_asks_who_gave_the_new_ones(accounts: Registry) -> None:
    desk = Desk(accounts)
    desk.look_up.administrator = False
    desk.installed()
    assert desk.look_up.users == []


@pytest.mark.parametrize("status", [301, 401, 402, 404])
def test_tokens_that_open_nothing_are_no_account(status: int) -> None:
    desk = Desk(Registry(), AccessRefused(status))
    with pytest.raises(NotAnAccount) as refused:
        desk.installed()
    assert refused.value.status == status
    assert desk.accounts.stored == {}


@pytest.mark.parametrize("said", [KommoUnavailable("503"), AccessRefused(403)], ids=["down", "blocked"])
def test_where_kommo_cannot_be_asked_whose_they_are_nothing_is_stored_yet(said: Exception) -> None:
    desk = Desk(Registry(), said)
    with pytest.raises(KommoUnavailable):
        desk.installed()
    assert desk.accounts.stored == {}


def test_kommos_name_of_the_account_counts_and_not_that_of_the_hook() -> None:
    desk = Desk(Registry(), KommoAccount(31000001, "matriz"))
    assert desk.installed().subdomain == "matriz"


@pytest.mark.parametrize(
    ("template", "named", "stored"),
    [
        ("http://127.0.0.1:{subdomain}", "acme", "9123"),
        ("http://127.0.0.1:{subdomain}", "9555", "9555"),
        ("http://127.0.0.1:9123", "acme", "acme"),
    ],
    ids=["no place for the name", "a place for it", "one address for all"],
)
def test_a_name_that_the_address_has_no_place_for_gives_way_to_where_the_account_answered(
    template: str, named: str, stored: str
) -> None:
    desk = Desk(Registry(), template=template)
    origin = Origin.parse("http://127.0.0.1:9123")
    desk.look_up.says(str(origin), GIVEN.access, KommoAccount(31000001, named))
    assert desk.installed(origin=origin).subdomain == stored


def test_the_tokens_that_are_stored_are_shown_nowhere() -> None:
    tokens = Tokens("the-access", "the-refresh", 0.0)
    assert "the-" not in repr(Granted(tokens, ACME, CLIENT_ID, NOW)) + repr(HOOK)
