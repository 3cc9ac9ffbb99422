"""Which tokens of the widget's front end are genuine: the table of attacks, and what a genuine one says."""

from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.domain.return_url import Origin, expected_audiences
from app.web.kommo_jwt import LEEWAY, TokenRefused
from app.web.widget_token import LONGEST_LIFE, WidgetClaims, widget_claims
from tests.webhooks import (
    ABSENT,
    ACCOUNT_ID,
    CLIENT_ID,
    CLIENT_SECRET,
    OTHER_CLIENT_ID,
    OTHER_CLIENT_SECRET,
    PUBLIC_URL,
    a_token,
    some_claims,
)
from tests.widget_calls import USER_ID, a_widget_token, some_widget_claims

NOW = 1_795_000_000
SECRETS = {CLIENT_ID: [CLIENT_SECRET], OTHER_CLIENT_ID: [OTHER_CLIENT_SECRET]}
AUDIENCES = expected_audiences(PUBLIC_URL)


@pytest.fixture(autouse=True)
def _standing_clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def verify(token: object) -> WidgetClaims:
    return widget_claims(token, lambda client_id: SECRETS.get(client_id, []), AUDIENCES)


def reason_of(token: object) -> str:
    with pytest.raises(TokenRefused) as refused:
        verify(token)
    return refused.value.reason


def with_claims(**overrides: Any) -> str:
    return a_widget_token(some_widget_claims(**overrides))


def test_a_genuine_token_says_who_and_where() -> None:
    assert verify(with_claims(jti="d123f123-aaaa")) == WidgetClaims(
        account_id=ACCOUNT_ID,
        client_id=CLIENT_ID,
        issuer=Origin("https", "acme.kommo.com", 443),
        user_id=str(USER_ID),
        is_admin=True,
        one_time_id="jti d123f123-aaaa",
        expires=NOW + 1800 + LEEWAY,
    )


@pytest.mark.parametrize(
    ("overrides", "claim", "value"),
    [
        pytest.param({"client_uuid": ABSENT, "client_uid": CLIENT_ID}, "client_id", CLIENT_ID, id="client_uid"),
        pytest.param({"account_id": str(ACCOUNT_ID)}, "account_id", ACCOUNT_ID, id="the account as a string"),
        pytest.param({"user_id": str(USER_ID)}, "user_id", str(USER_ID), id="the user as a string"),
        pytest.param({"user_id": ABSENT}, "user_id", None, id="no user"),
        pytest.param({"user_id": "a b"}, "user_id", None, id="a user that is no number"),
        pytest.param({"is_admin": ABSENT}, "is_admin", False, id="nothing about administrators"),
        pytest.param({"is_admin": False}, "is_admin", False, id="no administrator"),
        pytest.param({"is_admin": None}, "is_admin", False, id="null"),
        pytest.param({"is_admin": 1}, "is_admin", False, id="1"),
        pytest.param({"is_admin": "true"}, "is_admin", False, id="a word"),
        pytest.param({"is_admin": "false"}, "is_admin", False, id="another word"),
        pytest.param({"is_admin": [True]}, "is_admin", False, id="a list"),
        pytest.param({"iss": "acme"}, "issuer", None, id="an issuer that is no address"),
        pytest.param({"iss": ABSENT}, "issuer", None, id="no issuer"),
        pytest.param({"aud": f"{PUBLIC_URL}:443"}, "account_id", ACCOUNT_ID, id="an audience with its port"),
        pytest.param({"exp": NOW - 29}, "account_id", ACCOUNT_ID, id="expired for 29 s"),
        pytest.param({"exp": NOW + 60.5}, "expires", NOW + 60.5 + LEEWAY, id="floats"),
        pytest.param({"nbf": NOW + 29, "iat": NOW + 29}, "account_id", ACCOUNT_ID, id="issued in 29 s"),
        pytest.param({"exp": NOW + LONGEST_LIFE}, "account_id", ACCOUNT_ID, id="a day"),
    ],
)
def test_a_genuine_token_may_be_written_in_several_ways(overrides: dict[str, Any], claim: str, value: object) -> None:
    assert getattr(verify(with_claims(**overrides)), claim) == value


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        pytest.param({"exp": NOW - 31}, "expired", id="expired"),
        pytest.param({"exp": ABSENT}, "claim_missing", id="no exp"),
        pytest.param({"exp": NOW + LONGEST_LIFE + 1}, "lifetime", id="more than a day"),
        pytest.param({"exp": str(NOW + 60)}, "times", id="exp a string"),
        pytest.param({"nbf": NOW + 31}, "not_yet_valid", id="not yet valid"),
        pytest.param({"iat": NOW + 31}, "not_yet_valid", id="issued in the future"),
        pytest.param({"aud": ABSENT}, "claim_missing", id="no aud"),
        pytest.param({"aud": "https://else.example"}, "audience", id="another audience"),
        pytest.param({"aud": CLIENT_ID}, "audience", id="the client id"),
        pytest.param({"account_id": ABSENT}, "account_id", id="no account"),
        pytest.param({"account_id": True}, "account_id", id="account true"),
        pytest.param({"client_uuid": ABSENT}, "integration_missing", id="no integration"),
        pytest.param({"client_uid": OTHER_CLIENT_ID}, "integrations_differ", id="two integrations"),
        pytest.param({"client_uuid": "unknown"}, "integration_unknown", id="an unknown integration"),
        pytest.param({"client_uuid": OTHER_CLIENT_ID}, "signature", id="another integration's name"),
    ],
)
def test_a_signed_token_with_wrong_claims_is_refused(overrides: dict[str, Any], reason: str) -> None:
    assert reason_of(with_claims(**overrides)) == reason


@pytest.mark.parametrize(
    ("algorithm", "digest"),
    [
        pytest.param("HS512", "sha512", id="HS512 with the right secret"),
        pytest.param("HS384", "sha384", id="HS384 with the right secret"),
        pytest.param("HS512", "sha256", id="HS256 that calls itself HS512"),
        pytest.param("none", "sha256", id="none with a signature"),
        pytest.param("None", "sha256", id="None"),
        pytest.param("hs256", "sha256", id="lower case"),
        pytest.param("RS256", "sha256", id="RS256 with a hash"),
        pytest.param(ABSENT, "sha256", id="absent"),
        pytest.param(["HS256"], "sha256", id="a list"),
    ],
)
def test_no_algorithm_but_hs256_is_accepted(algorithm: Any, digest: str) -> None:
    assert reason_of(a_widget_token(algorithm=algorithm, digest=digest)) == "algorithm"


def test_hs512_that_calls_itself_hs256_is_forged() -> None:
    assert reason_of(a_widget_token(digest="sha512")) == "signature"


def test_a_token_without_a_signature_is_refused() -> None:
    unsigned = jwt.encode(some_widget_claims(), "", algorithm="none")
    assert reason_of(unsigned) == "algorithm"
    assert reason_of(f"{with_claims().rpartition('.')[0]}.") == "signature"


def test_a_token_of_a_key_pair_is_refused_also_where_its_public_key_signs() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert reason_of(jwt.encode(some_widget_claims(), key, algorithm="RS256")) == "algorithm"
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert reason_of(a_widget_token(secret=public)) == "signature"


@pytest.mark.parametrize("secret", ["", "nobody", OTHER_CLIENT_SECRET, f"{CLIENT_SECRET}x"])
def test_a_token_of_another_secret_is_refused(secret: str) -> None:
    assert reason_of(a_widget_token(secret=secret)) == "signature"


def test_the_token_of_a_webhook_is_none_of_the_front_end() -> None:
    assert reason_of(a_token(some_claims())) == "algorithm"


@pytest.mark.parametrize("token", [None, "", "a.b", "a.b.c", "é", "Bearer x", 5])
def test_what_is_no_token_is_refused(token: object) -> None:
    assert reason_of(token) in ("missing", "malformed")


def test_a_rotated_secret_is_taken_beside_the_new_one() -> None:
    both = ["new" * 20, CLIENT_SECRET]
    assert widget_claims(a_widget_token(), lambda _: both, AUDIENCES).account_id == ACCOUNT_ID


@pytest.mark.parametrize("jti", [ABSENT, None, "", " ", "a" * 201, ["x"], "a\nb"])
def test_a_token_without_an_id_is_known_by_what_is_signed(jti: Any) -> None:
    token = with_claims(jti=jti)
    assert verify(token).one_time_id == verify(token).one_time_id
    assert verify(token).one_time_id.startswith("hash ")
    assert verify(token).one_time_id != verify(with_claims(jti=jti, user_id=1)).one_time_id


def test_a_signature_that_is_written_otherwise_makes_no_other_token() -> None:
    token = with_claims(jti=ABSENT)
    # 32 bytes leave two bits of the last letter unused.
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = token[:-1] + letters[letters.index(token[-1]) ^ 1]
    assert reason_of(twin) == "malformed"
    assert verify(f"{token}=").one_time_id == verify(token).one_time_id


def test_no_secret_stands_in_what_is_told_of_a_token() -> None:
    claims = verify(with_claims(jti="d123f123"))
    assert "d123f123" not in repr(claims)
