"""The continue call: who may make it, once, and with which body."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from sandbox.flows import recommended_flow
from sandbox.kommo_accounts import Account
from sandbox.kommo_chat import State
from sandbox.kommo_server import KommoSimulator
from tests.integration.fake_door import FakeDoor, answered

BODY = answered("Olá!")


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


def pause(account: Account, door: FakeDoor, **bot: Any) -> str:
    """A bot that waits; where to continue it."""
    return account.send_webhook(door.url, {"message": "Oi"}).wait().return_url


def post(url: str, body: Any = BODY, token: str | None = None, **request: Any) -> requests.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return requests.post(url, **({"json": body} | request), headers=headers, timeout=10, allow_redirects=False)


def test_a_continue_call_is_accepted_once(account: Account, door: FakeDoor, kommo: KommoSimulator) -> None:
    url, token = pause(account, door), account.long_lived_token()
    first, second = post(url, token=token), post(url, token=token)
    assert (first.status_code, first.text) == (202, "Accepted")
    assert first.headers["Content-Type"].startswith("text/plain")
    assert second.status_code == 404
    assert [call.status for call in kommo.continues_of(url)] == [202, 404]
    (accepted,) = kommo.accepted_continues(url)
    assert (accepted.body, accepted.token, accepted.account_id) == (BODY, token, account.account_id)
    assert (accepted.return_url, accepted.source, accepted.method) == (url, "127.0.0.1", "POST")
    assert token not in repr(accepted)


def test_of_many_calls_at_once_one_is_accepted(account: Account, door: FakeDoor, kommo: KommoSimulator) -> None:
    url, token = pause(account, door), account.long_lived_token()
    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: post(url, token=token).status_code, range(32)))
    assert sorted(statuses) == [202] + [404] * 31
    assert len(kommo.accepted_continues(url)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda url: url[:-1] + "999", id="unknown id"),
        pytest.param(lambda url: url.replace("/salesbot/", "/marketingbot/"), id="another kind of bot"),
        pytest.param(lambda url: url.replace("/continue/", "1/continue/"), id="another bot"),
    ],
)
def test_a_pause_that_does_not_exist_is_not_found(
    account: Account, door: FakeDoor, wrong: Callable[[str], str]
) -> None:
    url, token = pause(account, door), account.long_lived_token()
    response = post(wrong(url), token=token)
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("application/problem+json")
    assert post(url, token=token).status_code == 202


def test_a_slash_at_the_end_makes_no_difference(account: Account, door: FakeDoor, kommo: KommoSimulator) -> None:
    url, token = pause(account, door), account.long_lived_token()
    assert post(url + "/", token=token).status_code == 202
    assert kommo.accepted_continues(url) == kommo.accepted_continues(url + "/") != []
    assert post(url, token=token).status_code == 404


def unauthorized(account: Account, other: Account) -> dict[str, str | None]:
    revoked, expired = account.long_lived_token(), account.long_lived_token(lifetime=-1)
    account.uninstall()
    return {
        "none": None,
        "nonsense": "x",
        "another account's": other.long_lived_token(),
        "expired": expired,
        "revoked": revoked,
    }


@pytest.mark.parametrize("which", ["none", "nonsense", "another account's", "expired", "revoked"])
def test_without_a_good_token_the_call_is_unauthorized(
    account: Account, door: FakeDoor, kommo: KommoSimulator, which: str
) -> None:
    url = pause(account, door)
    response = post(url, token=unauthorized(account, kommo.add_account("Zenit"))[which])
    assert response.status_code == 401
    assert response.json()["title"] == "Unauthorized"
    assert post(url, token=account.long_lived_token()).status_code == 202


def test_a_token_of_another_scheme_than_bearer_is_unauthorized(account: Account, door: FakeDoor) -> None:
    headers = {"Authorization": f"Token {account.long_lived_token()}"}
    assert requests.post(pause(account, door), json=BODY, headers=headers, timeout=10).status_code == 401


def test_only_administrators_may_continue_bots(kommo: KommoSimulator, door: FakeDoor) -> None:
    account = kommo.add_account("Acme", redirect_uri="https://bot.example.com/cb")
    url = pause(account, door)
    statuses = []
    for admin in (False, True):
        code = account.install_query(admin=admin)["code"]
        access, _ = account.tokens.exchange_code(code, account.integration.client_id)
        statuses.append(post(url, token=access).status_code)
    assert statuses == [403, 202]


@pytest.mark.parametrize(
    ("handlers", "code", "path"),
    [
        pytest.param([], "TooFew", "execute_handlers", id="empty"),
        pytest.param(
            [{"handler": "show", "params": {"type": "text", "value": "x" * 81}}],
            "TooLong",
            "execute_handlers.params.value",
            id="81 characters",
        ),
        pytest.param(
            [{"handler": "goto", "params": {"type": "finish"}}],
            "FieldMissing",
            "execute_handlers.params.step",
            id="goto without step",
        ),
        pytest.param(
            [{"handler": "send_message", "params": {}}],
            "Unsupported handler code",
            "execute_handlers.handler",
            id="another handler",
        ),
    ],
)
def test_a_wrong_body_is_refused_with_kommo_s_codes_and_continues_nothing(
    account: Account, door: FakeDoor, kommo: KommoSimulator, handlers: Any, code: str, path: str
) -> None:
    url, token = pause(account, door), account.long_lived_token()
    response = post(url, {**BODY, "execute_handlers": handlers}, token)
    assert response.status_code == 400
    assert response.headers["Content-Type"].startswith("application/problem+json")
    body = response.json()
    (errors,) = body.pop("validation-errors")
    assert body == {
        "title": "Bad Request",
        "type": "https://httpstatus.es/400",
        "status": 400,
        "detail": "Request validation failed",
    }
    assert errors["request_id"] == "0"
    assert [(error["code"], error["path"]) for error in errors["errors"]] == [(code, path)]
    assert kommo.accepted_continues(url) == []
    assert post(url, token=token).status_code == 202


@pytest.mark.parametrize(
    "request_",
    [{"data": b"{", "json": None}, {"data": {"a": "b"}, "json": None}, {"json": None}],
    ids=["cut", "form", "empty"],
)
def test_a_body_that_is_no_json_is_refused(account: Account, door: FakeDoor, request_: dict[str, Any]) -> None:
    assert post(pause(account, door), token=account.long_lived_token(), **request_).status_code == 400


def test_after_a_human_took_over_nobody_waits(account: Account, door: FakeDoor) -> None:
    account.add_bot(recommended_flow(door.url))
    client = account.client("Ana")
    client.say("Oi")
    url = client.webhooks[0].wait().return_url
    client.human_takes_over("Eu respondo.")
    assert post(url, token=account.long_lived_token()).status_code == 404
    assert [(line.who, line.text) for line in client.transcript] == [("client", "Oi"), ("human", "Eu respondo.")]
    assert client.state is State.IDLE
    assert client.ended == ["a human took over"]


def test_a_renamed_account_is_found_at_its_new_host_only(
    account: Account, door: FakeDoor, kommo: KommoSimulator
) -> None:
    url, token, old = pause(account, door), account.long_lived_token(), account.url
    kommo.rename(account)
    assert account.url != old
    assert account.url == kommo.base_url.replace("{subdomain}", account.subdomain)
    assert post(url, token=token).status_code == 404
    assert post(url.replace(old, account.url), token=token).status_code == 202
    assert pause(account, door).startswith(account.url)


def test_every_answer_has_a_request_id(account: Account, door: FakeDoor) -> None:
    url = pause(account, door)
    ids = {post(url).headers["X-Request-Id"] for _ in range(3)}
    assert len(ids) == 3
