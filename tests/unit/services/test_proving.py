"""Whether Kommo still takes the tokens of an account: with every token and at every address that it may have now."""

from dataclasses import replace

import pytest

from app.domain.accounts import Account, Secrets
from app.domain.oauth_tokens import AccessRefused, KommoAccount, KommoUnavailable, TokensUnavailable
from app.services.proving import Proving
from app.services.renaming import Renaming
from tests.unit.services.kommo_in_memory import API_TOKEN, INSTALLED, TEMPLATE, FakeLookUp, Registry, a_jwt
from tests.unit.services.ports_in_memory import Clock, FakeTokens

OLD, NEW, API = "https://acme.kommo.com", "https://novo.kommo.com", "https://api-c.kommo.com"
ITSELF = KommoAccount(INSTALLED.account_id, "acme", 9001)
MOVED = KommoAccount(INSTALLED.account_id, "novo", 9001)
RENEWED = a_jwt(api_domain="api-c.kommo.com", n=2)
LONG_LIVED = replace(INSTALLED, secrets=Secrets("sk-key", API_TOKEN))


class Desk:
    """renewals: what asking for new tokens brings; a new one is stored before it is returned."""

    def __init__(self, account: Account = INSTALLED, *renewals: str | Exception | None) -> None:
        self.accounts = Registry(account)
        self.look_up = FakeLookUp()
        self.tokens = FakeTokens(renewals=list(renewals))
        self.account = account
        stores, clock = self, Clock()

        class StoringTokens(FakeTokens):
            def renewed(self, account: Account, refused: str) -> str | None:
                token = stores.tokens.renewed(account, refused)
                if token is not None:
                    found = stores.accounts.one
                    secrets = replace(found.secrets, access_token=token)
                    stores.accounts.replace(replace(found, secrets=secrets), found.version)
                return token

        renaming = Renaming(self.accounts, self.look_up, TEMPLATE, clock)
        self.proving = Proving(self.accounts, self.look_up, StoringTokens(), renaming, TEMPLATE, clock)

    def refusal(self) -> int | None:
        return self.proving.refusal(self.account)

    def granted(self) -> bool:
        return self.refusal() is None


def test_a_token_that_opens_its_account_is_good() -> None:
    desk = Desk()
    desk.look_up.says(OLD, API_TOKEN, ITSELF)
    assert desk.granted()
    assert desk.look_up.asked == [(OLD, API_TOKEN)]
    assert desk.accounts.one == INSTALLED


def test_an_expired_token_is_renewed_and_the_new_one_proved() -> None:
    desk = Desk(INSTALLED, RENEWED)
    desk.look_up.says(OLD, RENEWED, ITSELF)
    assert desk.granted()
    assert desk.look_up.asked == [(OLD, API_TOKEN), (OLD, RENEWED)]


def test_a_new_token_that_is_refused_as_well_proves_the_contrary() -> None:
    desk = Desk(INSTALLED, RENEWED)
    assert not desk.granted()
    assert desk.tokens.refused == [API_TOKEN]


def test_without_another_token_and_another_address_access_is_over() -> None:
    desk = Desk(INSTALLED, None)
    assert desk.refusal() == 401
    assert desk.look_up.asked == [(OLD, API_TOKEN), (API, "refresh-1"), (API, API_TOKEN)]


@pytest.mark.parametrize("status", [301, 401, 404])
def test_a_renamed_account_is_proved_at_its_new_address(status: int) -> None:
    desk = Desk(LONG_LIVED, None)
    desk.look_up.says(OLD, API_TOKEN, AccessRefused(status)).says(API, API_TOKEN, MOVED).says(NEW, API_TOKEN, MOVED)
    assert desk.granted()
    assert desk.accounts.one.subdomain == "novo"


def test_a_renamed_account_with_an_expired_token_gets_both() -> None:
    desk = Desk(INSTALLED, RENEWED)
    desk.look_up.says(OLD, API_TOKEN, AccessRefused(404)).says(API, "refresh-1", MOVED).says(NEW, RENEWED, MOVED)
    assert desk.granted()
    assert desk.look_up.asked == [(OLD, API_TOKEN), (API, "refresh-1"), (NEW, API_TOKEN), (NEW, RENEWED)]


def test_an_account_that_kommo_does_not_have_any_more_has_no_access() -> None:
    desk = Desk(LONG_LIVED)
    desk.look_up.says(OLD, API_TOKEN, AccessRefused(404))
    assert desk.refusal() == 404


@pytest.mark.parametrize(
    "said", [KommoUnavailable("503"), AccessRefused(402), AccessRefused(403), AccessRefused(400), AccessRefused(204)]
)
def test_what_says_neither_yes_nor_no_is_neither(said: Exception) -> None:
    desk = Desk()
    desk.look_up.says(OLD, API_TOKEN, said)
    with pytest.raises(KommoUnavailable):
        desk.granted()
    assert desk.accounts.one == INSTALLED


def test_where_no_new_tokens_can_be_asked_for_now_nothing_is_proved() -> None:
    with pytest.raises(KommoUnavailable):
        Desk(INSTALLED, TokensUnavailable("503")).granted()


def test_a_name_that_kommo_tells_on_the_way_is_stored() -> None:
    desk = Desk()
    desk.look_up.says(OLD, API_TOKEN, MOVED)
    assert desk.granted()
    assert desk.accounts.one.subdomain == "novo"


def test_a_token_of_another_account_proves_nothing() -> None:
    desk = Desk()
    desk.look_up.says(OLD, API_TOKEN, KommoAccount(5, "acme"))
    with pytest.raises(KommoUnavailable, match="another_account"):
        desk.granted()


def test_an_account_without_an_address_proves_nothing() -> None:
    with pytest.raises(KommoUnavailable, match="no_address"):
        Desk(replace(INSTALLED, subdomain="a.b")).granted()
