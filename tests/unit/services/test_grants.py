"""Asking for tokens with the secret that Kommo takes now (kommo.md 5.1)."""

import pytest

from app.domain.oauth_tokens import GrantRefused, IntegrationUnknown, Tokens, TokensUnavailable
from app.services.grants import Grants
from tests.builders import an_account
from tests.unit.services.kommo_in_memory import (
    CLIENT_ID,
    GIVEN,
    PRIVATE_ID,
    TEMPLATE,
    FakeIntegrations,
    FakeTokenEndpoint,
)

CALLBACK = "https://bot.example.com/kommo/oauth/callback"
ROTATING = FakeIntegrations({CLIENT_ID: ["new", "old"]})


def grants(endpoint: FakeTokenEndpoint, integrations: FakeIntegrations | None = None) -> Grants:
    return Grants(endpoint, integrations or FakeIntegrations(), TEMPLATE, CALLBACK, CLIENT_ID)


def test_a_code_is_exchanged_at_the_address_of_its_hook_with_the_integrations_secret() -> None:
    endpoint = FakeTokenEndpoint([GIVEN])
    assert grants(endpoint).for_code("https://acme.kommo.com", PRIVATE_ID, "the-code") == GIVEN
    assert endpoint.calls == [("https://acme.kommo.com", "private-secret", "the-code")]
    assert endpoint.redirect_uris == {CALLBACK}


@pytest.mark.parametrize(
    ("client_id", "secret"), [(None, "secret"), (PRIVATE_ID, "private-secret")], ids=["public", "private"]
)
def test_a_refresh_token_goes_to_the_accounts_own_address(client_id: str | None, secret: str) -> None:
    endpoint = FakeTokenEndpoint([GIVEN])
    account = an_account(subdomain="novo", client_id=client_id)
    assert grants(endpoint).for_refresh_token(account, "refresh") == GIVEN
    assert endpoint.calls == [("https://novo.kommo.com", secret, "refresh")]


@pytest.mark.parametrize(
    ("said", "asked_with"),
    [
        ([GIVEN], ["new"]),
        ([GrantRefused(401), GIVEN], ["new", "old"]),
    ],
    ids=["the new one is known", "Kommo still has the old one"],
)
def test_while_a_secret_is_changed_the_one_that_kommo_takes_is_used(
    said: list[Tokens | Exception], asked_with: list[str]
) -> None:
    endpoint = FakeTokenEndpoint(said)
    assert grants(endpoint, ROTATING).for_code("https://acme.kommo.com", CLIENT_ID, "code") == GIVEN
    assert [secret for _, secret, _ in endpoint.calls] == asked_with


@pytest.mark.parametrize(
    ("said", "raised", "calls"),
    [
        ([GrantRefused(400)], 400, 1),
        ([GrantRefused(401), GrantRefused(401)], 401, 2),
        ([GrantRefused(401), GrantRefused(400)], 400, 2),
    ],
)
def test_a_refusal_that_no_secret_mends_is_told(said: list[Tokens | Exception], raised: int, calls: int) -> None:
    endpoint = FakeTokenEndpoint(said)
    with pytest.raises(GrantRefused) as refused:
        grants(endpoint, ROTATING).for_code("https://acme.kommo.com", CLIENT_ID, "code")
    assert (refused.value.status, len(endpoint.calls)) == (raised, calls)


def test_a_lost_answer_is_not_asked_for_with_another_secret() -> None:
    endpoint = FakeTokenEndpoint([TokensUnavailable("dropped", maybe_granted=True)])
    with pytest.raises(TokensUnavailable):
        grants(endpoint, ROTATING).for_code("https://acme.kommo.com", CLIENT_ID, "code")
    assert len(endpoint.calls) == 1


def test_an_integration_that_nobody_knows_is_asked_for_nothing() -> None:
    endpoint = FakeTokenEndpoint()
    with pytest.raises(IntegrationUnknown):
        grants(endpoint).for_code("https://acme.kommo.com", "unknown", "code")
    with pytest.raises(TokensUnavailable, match="no_address"):
        grants(endpoint).for_refresh_token(an_account(subdomain="a.b"), "refresh")
    assert endpoint.calls == []
