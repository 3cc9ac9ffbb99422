"""Looking accounts up at Kommo: what is asked, and what every answer means."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from app.clients.http import PartnerSession
from app.clients.kommo_account import KommoAccountClient
from app.domain.answers import Deadline
from app.domain.oauth_tokens import AccessRefused, KommoAccount, KommoUnavailable
from tests.unit.clients.raw_server import RawServer, Script, hangs, resets, says

ORIGIN = "https://acme.kommo.com"
ACCOUNT = f"{ORIGIN}/api/v4/account"
SUBDOMAIN = "https://api-c.kommo.com/oauth2/account/current/subdomain"
USER = f"{ORIGIN}/api/v4/users/9001"
GIVEN = {"id": 31000001, "subdomain": "acme", "name": "Acme", "current_user_id": 9001}


@pytest.fixture
def client() -> Iterator[KommoAccountClient]:
    with PartnerSession(1) as session:
        yield KommoAccountClient(session, connect_timeout=5.0, read_timeout=0.5)


def soon() -> Deadline:
    return Deadline(time.time() + 20)


def look(client: KommoAccountClient, origin: str = ORIGIN) -> KommoAccount:
    return client.account(origin, "the-token", soon())


@responses.activate
def test_an_access_token_shows_its_account(client: KommoAccountClient) -> None:
    responses.get(ACCOUNT, json=GIVEN)
    assert look(client) == KommoAccount(31000001, "acme", 9001)
    headers = responses.calls[0].request.headers
    assert headers["Authorization"] == "Bearer the-token"
    assert "X-Refresh-Token" not in headers


@responses.activate
def test_a_refresh_token_shows_where_its_account_lives_now(client: KommoAccountClient) -> None:
    responses.get(SUBDOMAIN, json={"id": 31000001, "subdomain": "Novo", "domain": "novo.kommo.com"})
    found = client.account_of_refresh_token("https://api-c.kommo.com", "the-refresh", soon())
    assert found == KommoAccount(31000001, "novo")
    headers = responses.calls[0].request.headers
    assert headers["X-Refresh-Token"] == "the-refresh"
    assert "Authorization" not in headers


@pytest.mark.parametrize("status", [204, 301, 302, 307, 400, 401, 402, 403, 404, 410])
@responses.activate
def test_an_answer_without_an_account_is_a_refusal(client: KommoAccountClient, status: int) -> None:
    responses.get(ACCOUNT, status=status, headers={"Location": f"{ORIGIN}/elsewhere"})
    with pytest.raises(AccessRefused) as refused:
        look(client)
    assert refused.value.status == status
    assert len(responses.calls) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
@responses.activate
def test_a_passing_trouble_says_nothing(client: KommoAccountClient, status: int) -> None:
    responses.get(ACCOUNT, status=status, body="<html>")
    with pytest.raises(KommoUnavailable, match=str(status)):
        look(client)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        "acme",
        {**GIVEN, "id": 0},
        {**GIVEN, "id": "x"},
        {**GIVEN, "id": None},
        {**GIVEN, "subdomain": ""},
        {**GIVEN, "subdomain": "a.b"},
        {**GIVEN, "subdomain": "evil.example/"},
        {**GIVEN, "subdomain": "a" * 64},
        {**GIVEN, "subdomain": 5},
        {"id": 31000001},
    ],
    ids=repr,
)
@responses.activate
def test_an_answer_that_is_no_account_is_not_relied_on(client: KommoAccountClient, answer: Any) -> None:
    responses.get(ACCOUNT, json=answer)
    with pytest.raises(KommoUnavailable, match="not_an_account"):
        look(client)


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        pytest.param(resets, "dropped", id="reset"),
        pytest.param(hangs, "silent", id="silence"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"), "not_an_account", id="broken off"),
    ],
)
def test_a_lost_answer_says_nothing(client: KommoAccountClient, script: Script, detail: str) -> None:
    with RawServer(script) as server, pytest.raises(KommoUnavailable) as unavailable:
        look(client, server.origin)
    assert unavailable.value.detail == detail


def test_the_token_is_not_sent_after_a_redirect(client: KommoAccountClient) -> None:
    with RawServer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as elsewhere:
        head = f"HTTP/1.1 307 Elsewhere\r\nLocation: {elsewhere.origin}/\r\nContent-Length: 0\r\n\r\n"
        with RawServer(says(head.encode())) as server, pytest.raises(AccessRefused):
            look(client, server.origin)
        assert elsewhere.requests == []


Call = Callable[[KommoAccountClient, str], object]


@pytest.mark.parametrize(
    "call",
    [
        lambda client, token: client.account(ORIGIN, token, soon()),
        lambda client, token: client.account_of_refresh_token(ORIGIN, token, soon()),
    ],
    ids=["access", "refresh"],
)
@pytest.mark.parametrize("token", ["", "two\nlines", "a b", "ação"])
def test_a_token_that_no_header_can_hold_is_refused_without_repeating_it(
    client: KommoAccountClient, call: Call, token: str
) -> None:
    with pytest.raises(AccessRefused) as refused:
        call(client, token)
    assert refused.value.status == 401
    assert not token or token not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, {"id": 9001, "rights": {"is_admin": True}}, True),
        (200, {"id": 9001, "rights": {"is_admin": False}}, False),
        (403, {}, False),
        (200, {"id": 9001}, None),
        (200, {"rights": {"is_admin": None}}, None),
        (200, [], None),
        (404, {}, None),
        (401, {}, None),
    ],
)
@responses.activate
def test_whether_a_user_administrates_is_said_or_not(
    client: KommoAccountClient, status: int, body: Any, said: bool | None
) -> None:
    responses.get(USER, status=status, json=body)
    assert client.is_administrator(ORIGIN, 9001, "the-token", soon()) is said


@responses.activate
def test_users_that_cannot_be_asked_for_now_are_asked_for_later(client: KommoAccountClient) -> None:
    responses.get(USER, status=503)
    with pytest.raises(KommoUnavailable):
        client.is_administrator(ORIGIN, 9001, "the-token", soon())
