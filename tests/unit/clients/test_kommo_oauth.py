import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import responses

from app.clients.http import PartnerSession
from app.clients.kommo_oauth import KommoOAuth
from app.domain.answers import Deadline
from app.domain.oauth_tokens import GrantRefused, OAuthIntegration, Tokens, TokensUnavailable
from tests.unit.clients.raw_server import RawServer, Script, endless, hangs, resets, says

ORIGIN = "https://acme.kommo.com"
ENDPOINT = f"{ORIGIN}/oauth2/access_token"
INTEGRATION = OAuthIntegration("the-client-id", "the-secret", "https://bot.example.com/kommo/oauth/callback")
NOW = 1_800_000_000.0
GIVEN = {
    "token_type": "Bearer",
    "expires_in": 86400,
    "server_time": 1,
    "access_token": "new-access",
    "refresh_token": "new-refresh",
}


@pytest.fixture
def oauth() -> Iterator[KommoOAuth]:
    with PartnerSession(1) as session:
        yield KommoOAuth(session, connect_timeout=5.0, read_timeout=0.5)


def at_now() -> Deadline:
    return Deadline(NOW + 20, lambda: NOW)


def refreshed(oauth: KommoOAuth, origin: str = ORIGIN) -> Tokens:
    return oauth.refresh(origin, INTEGRATION, "old-refresh", Deadline(time.time() + 20))


@responses.activate
def test_a_code_is_exchanged_for_tokens(oauth: KommoOAuth) -> None:
    responses.post(ENDPOINT, json=GIVEN)
    tokens = oauth.exchange_code(ORIGIN, INTEGRATION, "the-code", at_now())
    assert tokens == Tokens("new-access", "new-refresh", NOW + 86400)
    request = responses.calls[0].request
    assert "Authorization" not in request.headers
    assert json.loads(request.body or "") == {
        "client_id": "the-client-id",
        "client_secret": "the-secret",
        "grant_type": "authorization_code",
        "code": "the-code",
        "redirect_uri": "https://bot.example.com/kommo/oauth/callback",
    }


@responses.activate
def test_a_refresh_token_is_exchanged_for_tokens(oauth: KommoOAuth) -> None:
    responses.post(ENDPOINT, json=GIVEN)
    tokens = oauth.refresh(ORIGIN, INTEGRATION, "old-refresh", at_now())
    assert tokens == Tokens("new-access", "new-refresh", NOW + 86400)
    body = json.loads(responses.calls[0].request.body or "")
    assert (body["grant_type"], body["refresh_token"]) == ("refresh_token", "old-refresh")
    assert "code" not in body


@pytest.mark.parametrize("status", [301, 302, 400, 401, 402, 403, 404, 422])
@responses.activate
def test_a_refusal_is_final(oauth: KommoOAuth, status: int) -> None:
    responses.post(ENDPOINT, status=status, json={"hint": "old-refresh"}, headers={"Location": f"{ORIGIN}/x"})
    with pytest.raises(GrantRefused) as refused:
        refreshed(oauth)
    assert refused.value.status == status
    assert len(responses.calls) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
@responses.activate
def test_a_passing_trouble_says_nothing_about_the_grant(oauth: KommoOAuth, status: int) -> None:
    responses.post(ENDPOINT, status=status, body="<html>")
    with pytest.raises(TokensUnavailable) as unavailable:
        refreshed(oauth)
    assert unavailable.value.detail == str(status)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({}, id="nothing"),
        pytest.param([GIVEN], id="a list"),
        *(
            pytest.param({**GIVEN, name: value}, id=f"{name} {value!r}")
            for name, value in [
                ("access_token", ""),
                ("access_token", None),
                ("access_token", "two\nlines"),
                ("refresh_token", ""),
                ("refresh_token", 5),
                ("expires_in", 0),
                ("expires_in", "soon"),
                ("expires_in", None),
            ]
        ),
        *(
            pytest.param({key: value for key, value in GIVEN.items() if key != name}, id=f"no {name}")
            for name in ("access_token", "refresh_token", "expires_in")
        ),
    ],
)
@responses.activate
def test_an_answer_that_is_no_pair_of_tokens_is_not_taken(oauth: KommoOAuth, answer: Any) -> None:
    responses.post(ENDPOINT, json=answer)
    with pytest.raises(TokensUnavailable, match="not_tokens"):
        refreshed(oauth)


@pytest.mark.parametrize(
    ("script", "detail"),
    [
        pytest.param(resets, "dropped", id="reset"),
        pytest.param(hangs, "silent", id="silence"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"), "not_tokens", id="broken off"),
        pytest.param(endless(b"HTTP/1.1 200 OK\r\n\r\n"), "not_tokens", id="endless"),
    ],
)
def test_a_lost_answer_says_nothing_about_the_grant(oauth: KommoOAuth, script: Script, detail: str) -> None:
    with RawServer(script) as server, pytest.raises(TokensUnavailable) as unavailable:
        refreshed(oauth, server.origin)
    assert unavailable.value.detail == detail


def test_the_secret_is_not_sent_after_a_redirect(oauth: KommoOAuth) -> None:
    with RawServer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as elsewhere:
        head = f"HTTP/1.1 307 Elsewhere\r\nLocation: {elsewhere.origin}/\r\nContent-Length: 0\r\n\r\n"
        with RawServer(says(head.encode())) as server, pytest.raises(GrantRefused):
            refreshed(oauth, server.origin)
        assert elsewhere.requests == []


def test_tokens_and_secrets_are_not_shown() -> None:
    shown = repr(Tokens("the-access", "the-refresh", 1.0)) + repr(INTEGRATION)
    assert not [secret for secret in ("the-access", "the-refresh", "the-secret") if secret in shown]


@responses.activate
def test_errors_name_no_secret(oauth: KommoOAuth) -> None:
    responses.post(ENDPOINT, status=400, body="the-secret old-refresh")
    responses.post(ENDPOINT, json={**GIVEN, "expires_in": "new-access"})
    for expected in (GrantRefused, TokensUnavailable):
        with pytest.raises(expected) as raised:
            refreshed(oauth)
        told = repr(raised.value) + str(raised.value) + repr(raised.value.__cause__)
        assert not [secret for secret in ("the-secret", "old-refresh", "new-access") if secret in told]
