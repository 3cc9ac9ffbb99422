"""Tokens of Kommo, judged by PyJWT and by the list of claims in kommo.md 2.3."""

from typing import Any

import jwt
import pytest

from sandbox.kommo_jwt import TokenStyle, signed, styled_token

SECRET = "s" * 64
RECEIVER = "https://bot.example.com:8443/kommo/salesbot?x=1"
GENUINE = {"iss": "https://acme.kommo.com", "account_id": 31000001}
NOW = 1_790_000_000.25


def token(style: TokenStyle | None = None, receiver: str = RECEIVER) -> str:
    return styled_token(GENUINE, receiver, SECRET, "HS512", style or TokenStyle(), NOW)


def claims_of(encoded: str) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(encoded, options={"verify_signature": False})
    return decoded


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_pyjwt_finds_the_signature_right(algorithm: str) -> None:
    encoded = signed({"a": "é"}, SECRET, algorithm)
    assert jwt.decode(encoded, SECRET, algorithms=[algorithm]) == {"a": "é"}
    assert jwt.get_unverified_header(encoded) == {"typ": "JWT", "alg": algorithm}


def test_an_unsigned_token_has_an_empty_signature() -> None:
    encoded = signed({"a": 1}, SECRET, "none")
    assert encoded.endswith(".")
    with pytest.raises(jwt.InvalidTokenError):
        jwt.decode(encoded, SECRET, algorithms=["HS512"])


def test_a_genuine_token_has_audience_and_times() -> None:
    issued = int(NOW)
    expected = {**GENUINE, "aud": "https://bot.example.com", "iat": issued, "nbf": issued, "exp": issued + 1800}
    assert claims_of(token()) == expected
    assert jwt.get_unverified_header(token())["alg"] == "HS512"


@pytest.mark.parametrize(
    ("style", "changes"),
    [
        pytest.param(TokenStyle(claims={"iss": "https://evil.example"}), {"iss": "https://evil.example"}, id="a claim"),
        pytest.param(TokenStyle(claims={"client_uid": "x"}), {"client_uid": "x"}, id="one more claim"),
        pytest.param(TokenStyle(without=frozenset({"exp"})), {"exp": None}, id="without a claim"),
        pytest.param(TokenStyle(audience_port=True), {"aud": "https://bot.example.com:8443"}, id="audience with port"),
        pytest.param(
            TokenStyle(clock_offset=-3600, lifetime=60),
            {"iat": int(NOW) - 3600, "nbf": int(NOW) - 3600, "exp": int(NOW) - 3540},
            id="expired",
        ),
        pytest.param(
            TokenStyle(float_times=True), {"iat": NOW, "nbf": NOW, "exp": NOW + 1800}, id="times with a fraction"
        ),
    ],
)
def test_a_style_changes_only_what_it_names(style: TokenStyle, changes: dict[str, Any]) -> None:
    expected = {**claims_of(token()), **changes}
    assert claims_of(token(style)) == {claim: value for claim, value in expected.items() if value is not None}


@pytest.mark.parametrize(
    "style",
    [TokenStyle(secret="x" * 64), TokenStyle(algorithm="HS256"), TokenStyle(algorithm="none")],
    ids=["secret", "HS256", "none"],
)
def test_a_forged_signature_is_found_out(style: TokenStyle) -> None:
    with pytest.raises(jwt.InvalidTokenError):
        jwt.decode(token(style), SECRET, algorithms=["HS512"], options={"verify_aud": False, "verify_exp": False})


def test_secrets_do_not_stand_in_a_style_s_repr() -> None:
    assert "geheim" not in repr(TokenStyle(secret="geheim"))
