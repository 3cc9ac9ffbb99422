"""Renamed accounts: found again at addresses of Kommo's, and nowhere else (kommo.md 5.3, 9.2)."""

from dataclasses import replace

import pytest

from app.domain.accounts import Account, Secrets
from app.domain.answers import Deadline
from app.domain.oauth_tokens import AccessRefused, KommoAccount, KommoUnavailable
from app.domain.return_url import Origin
from app.services.renaming import Renaming
from tests.unit.services.kommo_in_memory import API_TOKEN, INSTALLED, TEMPLATE, FakeLookUp, Registry, a_jwt
from tests.unit.services.ports_in_memory import Clock

API = "https://api-c.kommo.com"
NOVO = Origin.parse("https://novo.kommo.com")
MOVED = KommoAccount(INSTALLED.account_id, "novo")
LONG_LIVED = replace(INSTALLED, secrets=Secrets("sk-key", API_TOKEN))
OPAQUE = replace(INSTALLED, secrets=Secrets("sk-key", "opaque", "refresh-1"))


def relearned(
    look_up: FakeLookUp, account: Account = INSTALLED, told: Origin | None = None, accounts: Registry | None = None
) -> Account | None:
    clock = Clock()
    renaming = Renaming(accounts or Registry(account), look_up, TEMPLATE, clock)
    return renaming.relearned(account, Deadline(clock() + 5, clock), told)


def test_the_shared_host_tells_where_the_refresh_token_is_at_home() -> None:
    accounts = Registry(INSTALLED)
    look_up = FakeLookUp().says(API, "refresh-1", MOVED)
    found = relearned(look_up, accounts=accounts)
    assert found == accounts.one == replace(INSTALLED, subdomain="novo", version=INSTALLED.version + 1)
    assert look_up.asked == [(API, "refresh-1")]


def test_a_long_lived_token_is_asked_about_itself() -> None:
    look_up = FakeLookUp().says(API, API_TOKEN, MOVED)
    found = relearned(look_up, LONG_LIVED)
    assert found is not None
    assert found.subdomain == "novo"
    assert look_up.asked == [(API, API_TOKEN)]


def test_where_the_refresh_token_is_refused_the_access_token_may_do() -> None:
    look_up = FakeLookUp().says(API, "refresh-1", AccessRefused(401)).says(API, API_TOKEN, MOVED)
    found = relearned(look_up)
    assert found is not None
    assert found.subdomain == "novo"


def test_a_token_without_a_shared_host_is_asked_about_where_a_signed_token_says_it_lives() -> None:
    look_up = FakeLookUp().says(str(NOVO), "opaque", MOVED)
    found = relearned(look_up, OPAQUE, NOVO)
    assert found is not None
    assert found.subdomain == "novo"
    assert look_up.asked == [(str(NOVO), "opaque")]


def test_what_a_signed_token_says_is_not_asked_where_there_is_a_shared_host() -> None:
    look_up = FakeLookUp()
    assert relearned(look_up, told=NOVO) is None
    assert {origin for origin, _ in look_up.asked} == {API}


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "api.kommo.com.evil.example",
        "evil@api-c.kommo.com",
        "api-c.kommo.com:8443",
        "api-c.kommo.com/x",
        "127.0.0.1",
        "169.254.169.254",
        "",
    ],
)
def test_no_token_leads_to_a_foreign_host(host: str) -> None:
    look_up = FakeLookUp()
    account = replace(INSTALLED, secrets=Secrets("sk-key", a_jwt(api_domain=host), "refresh-1"))
    assert relearned(look_up, account) is None
    assert look_up.asked == []


def test_without_tokens_nobody_is_asked() -> None:
    look_up = FakeLookUp()
    assert relearned(look_up, replace(INSTALLED, secrets=Secrets("sk-key")), NOVO) is None
    assert look_up.asked == []


def test_an_account_that_was_not_renamed_stays_as_it_is() -> None:
    accounts = Registry(INSTALLED)
    look_up = FakeLookUp().says(API, "refresh-1", KommoAccount(INSTALLED.account_id, "acme"))
    assert relearned(look_up, accounts=accounts) is None
    assert accounts.one == INSTALLED


def test_a_name_that_somebody_else_has_stored_already_is_found() -> None:
    accounts = Registry(replace(INSTALLED, subdomain="novo", version=8))
    found = relearned(FakeLookUp().says(API, "refresh-1", MOVED), accounts=accounts)
    assert found == accounts.one
    assert accounts.one.version == 8


def test_what_kommo_says_of_another_account_is_not_taken() -> None:
    accounts = Registry(INSTALLED)
    with pytest.raises(KommoUnavailable, match="another_account"):
        relearned(FakeLookUp().says(API, "refresh-1", KommoAccount(5, "novo")), accounts=accounts)
    assert accounts.one == INSTALLED


def test_a_name_that_leads_to_no_address_is_not_stored() -> None:
    accounts = Registry(INSTALLED)
    found = relearned(FakeLookUp().says(API, "refresh-1", KommoAccount(INSTALLED.account_id, "a.b")), accounts=accounts)
    assert found is None
    assert accounts.one == INSTALLED


def test_where_kommo_cannot_be_asked_the_caller_hears_it() -> None:
    with pytest.raises(KommoUnavailable, match="503"):
        relearned(FakeLookUp().says(API, "refresh-1", KommoUnavailable("503")))


def test_an_account_that_was_removed_meanwhile_is_none() -> None:
    assert relearned(FakeLookUp().says(API, "refresh-1", MOVED), accounts=Registry()) is None
