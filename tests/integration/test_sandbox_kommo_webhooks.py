"""Webhooks of the simulated Kommo as they arrive at a real door."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest

from sandbox.flows import recommended_flow
from sandbox.kommo_accounts import Account
from sandbox.kommo_jwt import TokenStyle
from sandbox.kommo_server import KommoSimulator
from sandbox.kommo_webhook import WebhookStyle
from tests.integration.fake_door import FakeDoor


@pytest.fixture
def door() -> Iterator[FakeDoor]:
    with FakeDoor() as door:
        yield door


@pytest.fixture
def kommo() -> Iterator[KommoSimulator]:
    with KommoSimulator(rate=None) as kommo:
        yield kommo


@pytest.fixture
def account(kommo: KommoSimulator) -> Account:
    return kommo.add_account("Acme")


def say(account: Account, door: FakeDoor, text: str = "Quanto custa?", **bot: Any) -> dict[str, str]:
    """The form that arrives when a client writes to a fresh bot."""
    account.add_bot(recommended_flow(door.url, instructions="Seja breve."), **bot)
    client = account.client("Ana", "telegram")
    client.say(text)
    client.webhooks[0].wait()
    return dict(door.received[-1].form)


def claims_of(token: str, account: Account, **options: Any) -> dict[str, Any]:
    secret = account.integration.secret
    claims: dict[str, Any] = jwt.decode(token, secret, algorithms=["HS512"], audience="http://127.0.0.1", **options)
    return claims


def test_a_genuine_webhook_is_a_form_with_php_keys(account: Account, door: FakeDoor) -> None:
    form = say(account, door)
    assert door.received[0].content_type == "application/x-www-form-urlencoded"
    assert door.received[0].path == "/kommo/salesbot"
    assert set(form) == {"token", "return_url"} | {
        f"data[{key}]"
        for key in ("handler", "instructions", "message", "lead_id", "contact_id", "contact_name", "origin")
    }
    assert form["data[message]"] == "Quanto custa?"
    assert form["data[origin]"] == "telegram"
    assert form["data[contact_name]"] == "Ana"


def test_a_genuine_token_passes_pyjwt_and_has_the_claims_of_the_reference(account: Account, door: FakeDoor) -> None:
    form = say(account, door)
    claims = claims_of(form["token"], account, leeway=30)
    assert set(claims) == {
        *("iss", "aud", "iat", "nbf", "exp"),
        *("account_id", "subdomain", "client_uuid", "entity_type", "entity_id", "bot_type"),
    }
    assert claims["iss"] == account.url == f"http://127.0.0.1:{account.subdomain}"
    assert claims["account_id"] == account.account_id
    assert claims["subdomain"] == account.subdomain
    assert claims["client_uuid"] == account.integration.client_id
    assert (claims["entity_type"], claims["entity_id"]) == ("2", int(form["data[lead_id]"]))
    assert claims["bot_type"] == "salesbot"
    assert abs(claims["iat"] - time.time()) < 30


@pytest.mark.parametrize("kind", ["salesbot", "marketingbot"])
def test_the_return_url_is_on_the_account_s_own_host(account: Account, door: FakeDoor, kind: str) -> None:
    form = say(account, door, kind=kind)
    start = f"{account.url}/api/v4/{kind}/{account.bots[0].bot_id}/continue/"
    assert form["return_url"].startswith(start)
    assert form["return_url"].removeprefix(start).isdigit()
    assert claims_of(form["token"], account)["bot_type"] == kind


def test_accounts_have_hosts_of_their_own(kommo: KommoSimulator) -> None:
    accounts = [kommo.add_account(name) for name in ("Acme", "Zenit")]
    assert len({account.url for account in accounts}) == 2
    assert all(account.url == kommo.base_url.replace("{subdomain}", account.subdomain) for account in accounts)
    assert all(account.subdomain.isdigit() for account in accounts)


def test_the_public_integration_is_shared_and_private_ones_are_not(kommo: KommoSimulator) -> None:
    public = [kommo.add_account(private=False).integration for _ in range(2)]
    private = [kommo.add_account().integration.client_id for _ in range(2)]
    assert public == [kommo.public_integration] * 2
    assert len({*private, kommo.public_integration.client_id}) == 3


def test_after_a_change_of_the_secret_the_new_one_signs(account: Account, door: FakeDoor) -> None:
    previous = account.integration.secret
    account.change_private_secret()
    assert claims_of(say(account, door)["token"], account)
    account.style = WebhookStyle(token=TokenStyle(secret=account.integration.previous_secret))
    old = say(account, door)["token"]
    assert jwt.decode(old, previous, algorithms=["HS512"], audience="http://127.0.0.1")
    with pytest.raises(jwt.InvalidSignatureError):
        claims_of(old, account)


def test_the_outcome_of_a_webhook_is_recorded(account: Account, door: FakeDoor, kommo: KommoSimulator) -> None:
    door.delay = 0.05
    webhook = account.send_webhook(door.url, {"message": "Oi"}).wait()
    assert (webhook.status, webhook.accepted, webhook.error) == (200, True, None)
    assert webhook.json() == {"status": "accepted"}
    assert webhook.latency is not None
    assert 0.05 <= webhook.latency < 2
    assert kommo.webhooks == [webhook]
    assert webhook.token not in repr(webhook)


@pytest.mark.parametrize("status", [204, 400, 401, 500, 503])
def test_only_200_is_accepted(account: Account, door: FakeDoor, status: int) -> None:
    door.status = status
    webhook = account.send_webhook(door.url, {"message": "Oi"}).wait()
    assert (webhook.status, webhook.accepted) == (status, False)


def test_a_door_that_is_too_slow_has_not_answered(door: FakeDoor) -> None:
    door.delay = 30
    with KommoSimulator(webhook_timeout=0.2) as kommo:
        webhook = kommo.add_account().send_webhook(door.url, {"message": "Oi"}).wait()
    assert (webhook.status, webhook.error) == (None, "no answer in time")


def test_a_closed_door_has_not_answered(account: Account) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    webhook = account.send_webhook(f"http://127.0.0.1:{port}/", {"message": "Oi"}).wait()
    assert (webhook.status, webhook.error) == (None, "ClientConnectorError")


def test_redirects_are_not_followed(account: Account, door: FakeDoor) -> None:
    door.status, door.location = 302, "/elsewhere"
    assert account.send_webhook(door.url, {"message": "Oi"}).wait().status == 302
    assert [received.path for received in door.received] == ["/kommo/salesbot"]


def test_a_webhook_can_be_sent_again_byte_for_byte(account: Account, door: FakeDoor, kommo: KommoSimulator) -> None:
    first = account.send_webhook(door.url, {"message": "Oi"}).wait()
    second = kommo.resend(first).wait()
    assert door.received[0] == door.received[1]
    assert second.repeat_of is first
    assert kommo.webhooks == [first, second]


def test_a_webhook_without_a_conversation_carries_its_data_as_given(account: Account, door: FakeDoor) -> None:
    data = {"message": "", "contact_phone": "{{contact.phone}}", "a b": "1+1"}
    webhook = account.send_webhook(door.url, data).wait()
    assert webhook.data == data
    form = door.received[0].form
    assert {key: form[f"data[{key}]"] for key in data} == data


def test_a_webhook_without_a_conversation_can_have_a_style_of_its_own(account: Account, door: FakeDoor) -> None:
    account.send_webhook(door.url, {"message": "a"}, WebhookStyle(as_json=True)).wait()
    account.send_webhook(door.url, {"message": "b"}).wait()
    assert [received.content_type.rpartition("/")[2] for received in door.received] == ["json", "x-www-form-urlencoded"]
    assert json.loads(door.received[0].body)["data"] == {"message": "a"}


def test_the_style_of_an_account_shapes_what_its_bots_send(account: Account, door: FakeDoor) -> None:
    account.style = WebhookStyle(
        token=TokenStyle(claims={"client_uid": "x"}, without=frozenset({"client_uuid"}), float_times=True),
        fields={"more": "1"},
        trailing_slash=True,
    )
    form = say(account, door)
    claims = claims_of(form["token"], account)
    assert claims["client_uid"] == "x"
    assert "client_uuid" not in claims
    assert isinstance(claims["exp"], float)
    assert form["more"] == "1"
    assert form["return_url"].endswith("/")


@pytest.mark.parametrize(
    ("style", "error"),
    [
        (TokenStyle(secret="x" * 64), jwt.InvalidSignatureError),
        (TokenStyle(algorithm="HS256"), jwt.InvalidAlgorithmError),
        (TokenStyle(algorithm="none"), jwt.InvalidAlgorithmError),
        (TokenStyle(clock_offset=-7200), jwt.ExpiredSignatureError),
        (TokenStyle(clock_offset=+7200), jwt.ImmatureSignatureError),
        (TokenStyle(claims={"aud": "https://other.example"}), jwt.InvalidAudienceError),
        (TokenStyle(without=frozenset({"aud"})), jwt.MissingRequiredClaimError),
    ],
    ids=["secret", "HS256", "none", "expired", "not yet valid", "audience", "no audience"],
)
def test_forged_tokens_are_what_they_claim_to_be(
    account: Account, door: FakeDoor, style: TokenStyle, error: type[Exception]
) -> None:
    token = account.send_webhook(door.url, {"message": "Oi"}, WebhookStyle(token=style)).wait().token
    with pytest.raises(error):
        claims_of(token, account)


@pytest.mark.parametrize(("admin", "claim"), [(True, True), (False, False), (None, None)])
def test_a_front_end_token_is_hs256_and_names_the_user(
    account: Account, admin: bool | None, claim: bool | None
) -> None:
    token = account.front_end_token("https://bot.example.com/widget/settings", admin=admin)
    claims = jwt.decode(
        token, account.integration.secret, algorithms=["HS256"], audience="https://bot.example.com", leeway=30
    )
    assert claims.get("is_admin") is claim
    assert claims["iss"] == account.url
    assert claims["exp"] - claims["iat"] == 1800
    assert {"jti", "account_id", "user_id", "subdomain", "client_uuid", "nbf"} <= set(claims)
