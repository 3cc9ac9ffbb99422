"""What an access token names, and what a refusal means (kommo.md 5.3, 8.8, 9.1)."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.oauth_tokens import api_domain, expires_at, is_dead, may_have_moved


def a_token(claims: object) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.sig"


def test_the_shared_host_is_read_from_the_token() -> None:
    assert api_domain(a_token({"api_domain": "api-c.kommo.com", "account_id": 1})) == "api-c.kommo.com"


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "",
        "a.b",
        "a.b.c",
        "a.!!!.c",
        "é.é.é",
        a_token([1]),
        a_token("api_domain"),
        a_token({"account_id": 1}),
        a_token({"api_domain": None}),
        a_token({"api_domain": 5}),
        "e30." + base64.urlsafe_b64encode(b"[" * 5000).decode() + ".sig",
    ],
    ids=range(12),
)
def test_a_token_that_names_none_has_none(token: str) -> None:
    assert api_domain(token) is None


@given(st.text(max_size=60))
def test_no_token_is_too_strange_to_be_looked_at(token: str) -> None:
    for text in (token, f"a.{token}.c"):
        assert isinstance(api_domain(text), str | None)
        assert isinstance(expires_at(text), float | None)


@pytest.mark.parametrize(
    ("claims", "end"),
    [
        ({"exp": 1_800_000_000}, 1_800_000_000.0),
        ({"exp": 1_800_000_000.5}, 1_800_000_000.5),
        ({}, None),
        ({"exp": "1800000000"}, None),
        ({"exp": True}, None),
        ({"exp": -1}, None),
        ({"exp": 10**40}, None),
        ({"exp": float("nan")}, None),
        ({"exp": float("inf")}, None),
    ],
)
def test_a_token_says_when_it_ends(claims: dict[str, object], end: float | None) -> None:
    assert expires_at(a_token(claims)) == end


def test_what_is_no_token_says_nothing_of_its_end() -> None:
    assert expires_at("token-of-acme") is None


@pytest.mark.parametrize(
    ("status", "dead", "moved"),
    [
        (301, False, True),
        (308, False, True),
        (400, True, False),
        (401, True, True),
        (402, False, False),
        (403, False, False),
        (404, True, True),
        (422, False, False),
    ],
)
def test_a_status_speaks_of_the_token_or_of_the_address_or_of_neither(status: int, dead: bool, moved: bool) -> None:
    assert (is_dead(status), may_have_moved(status)) == (dead, moved)
