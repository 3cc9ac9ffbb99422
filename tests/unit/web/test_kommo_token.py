"""Which tokens are genuine: the table of attacks, and what a genuine one says."""

import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.acceptance import StoreUnavailable
from app.domain.return_url import Origin, expected_audiences
from app.domain.webhook import TokenClaims
from app.web.kommo_jwt import TokenRefused
from app.web.kommo_token import verified_claims
from tests.webhooks import (
    ABSENT,
    ACCOUNT_ID,
    CLIENT_ID,
    CLIENT_SECRET,
    OTHER_CLIENT_ID,
    OTHER_CLIENT_SECRET,
    PUBLIC_URL,
    a_token,
    segment,
    some_claims,
)

NOW = 1_795_000_000
SECRETS = {CLIENT_ID: [CLIENT_SECRET], OTHER_CLIENT_ID: [OTHER_CLIENT_SECRET]}
AUDIENCES = expected_audiences(PUBLIC_URL)


@pytest.fixture(autouse=True)
def _standing_clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def verify(
    token: object, secrets: dict[str, list[str]] | None = None, audiences: tuple[str, ...] = AUDIENCES
) -> TokenClaims:
    known = SECRETS if secrets is None else secrets
    return verified_claims(token, lambda client_id: known.get(client_id, []), audiences)


def reason_of(token: object, secrets: dict[str, list[str]] | None = None) -> str:
    with pytest.raises(TokenRefused) as refused:
        verify(token, secrets)
    return refused.value.reason


def a_token_with(**overrides: Any) -> str:
    return a_token(some_claims(**overrides))


def test_a_genuine_token_says_who_and_what() -> None:
    assert verify(a_token()) == TokenClaims(
        account_id=ACCOUNT_ID,
        client_id=CLIENT_ID,
        issuer=Origin("https", "acme.kommo.com", 443),
        subdomain="acme",
        entity_type="2",
        entity_id="777",
        bot_type="salesbot",
    )


@pytest.mark.parametrize(
    ("overrides", "claim", "value"),
    [
        pytest.param({"account_id": str(ACCOUNT_ID)}, "account_id", ACCOUNT_ID, id="the account as a string"),
        pytest.param({"entity_id": 777, "entity_type": 2}, "entity_id", "777", id="the entity as numbers"),
        pytest.param({"entity_id": 777, "entity_type": 2}, "entity_type", "2", id="its type as a number"),
        pytest.param({"entity_id": ABSENT}, "entity_type", None, id="no entity"),
        pytest.param({"entity_id": "7:evil"}, "entity_id", None, id="an entity that is no number"),
        pytest.param({"entity_type": "a b"}, "entity_id", None, id="a type that is no word"),
        pytest.param({"entity_id": True}, "entity_id", None, id="an entity that is a truth value"),
        pytest.param({"client_uuid": ABSENT, "client_uid": CLIENT_ID}, "client_id", CLIENT_ID, id="client_uid"),
        pytest.param({"client_uid": CLIENT_ID}, "client_id", CLIENT_ID, id="both names"),
        pytest.param({"client_uid": None}, "client_id", CLIENT_ID, id="one name is null"),
        pytest.param({"bot_type": ABSENT}, "bot_type", None, id="no bot_type"),
        pytest.param({"bot_type": None}, "bot_type", None, id="bot_type is null"),
        pytest.param({"bot_type": "marketingbot"}, "bot_type", "marketingbot", id="a marketing bot"),
        pytest.param({"bot_type": ["salesbot"]}, "bot_type", "", id="a bot_type that is no text agrees with nothing"),
        pytest.param({"subdomain": ABSENT}, "subdomain", None, id="no subdomain"),
        pytest.param(
            {"iss": "https://acme.kommo.com/"}, "issuer", Origin("https", "acme.kommo.com", 443), id="a slash"
        ),
        pytest.param({"iss": "acme"}, "issuer", None, id="an issuer that is no address"),
        pytest.param({"iss": ABSENT}, "issuer", None, id="no issuer"),
        pytest.param({"iss": None}, "issuer", None, id="issuer null"),
        pytest.param({"iss": ["https://acme.kommo.com"]}, "issuer", None, id="issuer a list"),
        pytest.param({"jti": 5, "sub": 5}, "account_id", ACCOUNT_ID, id="claims that are not ours to judge"),
        pytest.param({"aud": [PUBLIC_URL, "https://else.example"]}, "account_id", ACCOUNT_ID, id="a list of audiences"),
        pytest.param({"aud": f"{PUBLIC_URL}:443"}, "account_id", ACCOUNT_ID, id="an audience with its port"),
        pytest.param({"iat": ABSENT, "nbf": ABSENT}, "account_id", ACCOUNT_ID, id="exp alone"),
        pytest.param({"iat": NOW + 0.75, "nbf": NOW + 0.5, "exp": NOW + 9.9}, "account_id", ACCOUNT_ID, id="floats"),
    ],
)
def test_a_genuine_token_may_be_written_in_several_ways(overrides: dict[str, Any], claim: str, value: object) -> None:
    assert getattr(verify(a_token_with(**overrides)), claim) == value


@pytest.mark.parametrize(
    ("overrides", "valid"),
    [
        pytest.param({"exp": NOW - 29}, True, id="expired for 29 s"),
        pytest.param({"exp": NOW - 31}, False, id="expired for 31 s"),
        pytest.param({"exp": NOW - 28.5}, True, id="expired for 28.5 s"),
        pytest.param({"exp": NOW - 30.5}, False, id="expired for 30.5 s"),
        pytest.param({"nbf": NOW + 29}, True, id="valid in 29 s"),
        pytest.param({"nbf": NOW + 31}, False, id="valid in 31 s"),
        pytest.param({"nbf": NOW + 31.5}, False, id="valid in 31.5 s"),
        pytest.param({"iat": NOW + 29}, True, id="issued in 29 s"),
        pytest.param({"iat": NOW + 31}, False, id="issued in 31 s"),
    ],
)
def test_clocks_may_differ_by_30_seconds(overrides: dict[str, Any], valid: bool) -> None:
    token = a_token_with(**overrides)
    if valid:
        assert verify(token).account_id == ACCOUNT_ID
    else:
        assert reason_of(token) in ("expired", "not_yet_valid")


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        pytest.param({"exp": ABSENT}, "claim_missing", id="no exp"),
        pytest.param({"exp": None}, "claim_missing", id="exp null"),
        pytest.param({"exp": float("nan")}, "malformed", id="exp NaN"),
        pytest.param({"exp": float("inf")}, "malformed", id="exp infinite"),
        pytest.param({"exp": 10**400}, "times", id="exp of 400 digits"),
        pytest.param({"exp": 1e300}, "times", id="exp beyond all time"),
        pytest.param({"exp": str(NOW + 60)}, "times", id="exp a string"),
        pytest.param({"exp": "soon"}, "malformed", id="exp a word"),
        pytest.param({"exp": [NOW + 60]}, "malformed", id="exp a list"),
        pytest.param({"exp": True}, "expired", id="exp true"),
        pytest.param({"exp": -1}, "expired", id="exp before the epoch"),
        pytest.param({"nbf": str(NOW)}, "times", id="nbf a string"),
        pytest.param({"nbf": None}, "malformed", id="nbf null"),
        pytest.param({"nbf": float("-inf")}, "malformed", id="nbf infinite"),
        pytest.param({"nbf": False}, "times", id="nbf false"),
        pytest.param({"iat": str(NOW)}, "times", id="iat a string"),
        pytest.param({"iat": float("nan")}, "malformed", id="iat NaN"),
        pytest.param({"iat": {}}, "malformed", id="iat an object"),
        pytest.param({"aud": ABSENT}, "claim_missing", id="no aud"),
        pytest.param({"aud": ""}, "claim_missing", id="aud empty"),
        pytest.param({"aud": "https://else.example"}, "audience", id="another audience"),
        pytest.param({"aud": f"{PUBLIC_URL}/"}, "audience", id="an audience with a path"),
        pytest.param({"aud": f"{PUBLIC_URL}:8443"}, "audience", id="an audience with another port"),
        pytest.param({"aud": "http://bot.example.com"}, "audience", id="an audience with another scheme"),
        pytest.param({"aud": "bot.example.com"}, "audience", id="a bare host"),
        pytest.param({"aud": CLIENT_ID}, "audience", id="the client id"),
        pytest.param({"aud": ["https://else.example"]}, "audience", id="a list without ours"),
        pytest.param({"aud": [PUBLIC_URL, 5]}, "audience", id="a list of more than texts"),
        pytest.param({"aud": {PUBLIC_URL: 1}}, "audience", id="an object with ours"),
        pytest.param({"account_id": ABSENT}, "account_id", id="no account"),
        pytest.param({"account_id": None}, "account_id", id="account null"),
        pytest.param({"account_id": ""}, "account_id", id="account empty"),
        pytest.param({"account_id": 0}, "account_id", id="account 0"),
        pytest.param({"account_id": -ACCOUNT_ID}, "account_id", id="a negative account"),
        pytest.param({"account_id": True}, "account_id", id="account true"),
        pytest.param({"account_id": float(ACCOUNT_ID)}, "account_id", id="account a float"),
        pytest.param({"account_id": 10**18}, "account_id", id="account too long"),
        pytest.param({"account_id": 10**4000}, "account_id", id="account of 4000 digits"),
        pytest.param({"account_id": f"{ACCOUNT_ID}\n"}, "account_id", id="account with a line break"),
        pytest.param({"account_id": f" {ACCOUNT_ID}"}, "account_id", id="account with a space"),
        pytest.param({"account_id": "٣١"}, "account_id", id="account in other digits"),
        pytest.param({"account_id": [ACCOUNT_ID]}, "account_id", id="account a list"),
        pytest.param({"client_uuid": ABSENT}, "integration_missing", id="no integration"),
        pytest.param({"client_uuid": None, "client_uid": None}, "integration_missing", id="integration null"),
        pytest.param({"client_uid": OTHER_CLIENT_ID}, "integrations_differ", id="two integrations"),
        pytest.param({"client_uid": 5}, "integrations_differ", id="two integrations, one a number"),
        pytest.param({"client_uuid": [CLIENT_ID]}, "integration_malformed", id="integration a list"),
        pytest.param({"client_uuid": ""}, "integration_malformed", id="integration empty"),
        pytest.param({"client_uuid": "a b"}, "integration_malformed", id="integration with a space"),
        pytest.param({"client_uuid": "a" * 129}, "integration_malformed", id="integration too long"),
        pytest.param({"client_uuid": "unknown"}, "integration_unknown", id="an unknown integration"),
        pytest.param({"client_uuid": OTHER_CLIENT_ID}, "signature", id="another integration's name"),
    ],
)
def test_a_signed_token_with_wrong_claims_is_refused(overrides: dict[str, Any], reason: str) -> None:
    assert reason_of(a_token_with(**overrides)) == reason


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.mark.parametrize(
    ("algorithm", "digest", "secret"),
    [
        pytest.param("HS256", "sha256", CLIENT_SECRET, id="HS256 with the right secret"),
        pytest.param("HS384", "sha384", CLIENT_SECRET, id="HS384 with the right secret"),
        pytest.param("HS256", "sha512", CLIENT_SECRET, id="HS512 that calls itself HS256"),
        pytest.param("none", "sha512", CLIENT_SECRET, id="none with a signature"),
        pytest.param("None", "sha512", CLIENT_SECRET, id="None"),
        pytest.param("hs512", "sha512", CLIENT_SECRET, id="lower case"),
        pytest.param("", "sha512", CLIENT_SECRET, id="empty"),
        pytest.param(None, "sha512", CLIENT_SECRET, id="null"),
        pytest.param(ABSENT, "sha512", CLIENT_SECRET, id="absent"),
        pytest.param(["HS512"], "sha512", CLIENT_SECRET, id="a list"),
        pytest.param({"HS512": 1}, "sha512", CLIENT_SECRET, id="an object"),
        pytest.param("HS512\n", "sha512", CLIENT_SECRET, id="a line break"),
    ],
)
def test_no_algorithm_but_hs512_is_accepted(algorithm: Any, digest: str, secret: str | bytes) -> None:
    assert reason_of(a_token(algorithm=algorithm, digest=digest, secret=secret)) == "algorithm"


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS512"])
def test_rsa_signatures_are_refused(algorithm: str, rsa_key: rsa.RSAPrivateKey) -> None:
    assert reason_of(jwt.encode(some_claims(), rsa_key, algorithm)) == "algorithm"


def test_elliptic_signatures_are_refused() -> None:
    assert reason_of(jwt.encode(some_claims(), ec.generate_private_key(ec.SECP521R1()), "ES512")) == "algorithm"


def test_a_public_key_as_secret_opens_nothing(rsa_key: rsa.RSAPrivateKey) -> None:
    pem = rsa_key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert reason_of(a_token(secret=pem, algorithm="RS512")) == "algorithm"
    assert reason_of(a_token(secret=pem)) == "signature"


def test_a_token_without_a_signature_is_refused() -> None:
    unsigned = f"{segment({'typ': 'JWT', 'alg': 'none'})}.{segment(some_claims())}."
    assert reason_of(unsigned) == "algorithm"


@pytest.mark.parametrize(
    ("algorithm", "told"),
    [
        ("HS256", "HS256"),
        ("x" * 21, "unreadable"),
        ("a\nforged line", "unreadable"),
        (5, "unreadable"),
        (ABSENT, "unreadable"),
    ],
)
def test_the_refused_algorithm_is_told_where_a_log_can_take_it(algorithm: Any, told: str) -> None:
    with pytest.raises(TokenRefused) as refused:
        verify(a_token(algorithm=algorithm))
    assert refused.value.algorithm == told


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        pytest.param({"kid": "../../dev/null"}, True, id="kid is not looked at"),
        pytest.param({"jku": "https://evil.example/keys"}, True, id="jku is not looked at"),
        pytest.param({"jwk": {"kty": "oct", "k": "AA"}}, True, id="jwk is not looked at"),
        pytest.param({"typ": ABSENT}, True, id="no typ"),
        pytest.param({"kid": 5}, False, id="kid a number"),
        pytest.param({"crit": ["exp"]}, False, id="crit unknown"),
        pytest.param({"crit": ["exp"], "exp": 1}, False, id="crit unknown and there"),
        pytest.param({"crit": []}, False, id="crit empty"),
        pytest.param({"crit": "b64"}, False, id="crit a text"),
        pytest.param({"b64": False}, False, id="payload not encoded"),
        pytest.param({"b64": False, "crit": ["b64"]}, False, id="payload not encoded, critical"),
    ],
)
def test_headers_choose_neither_key_nor_form(headers: dict[str, Any], accepted: bool) -> None:
    token = a_token(headers=headers)
    if accepted:
        assert verify(token).account_id == ACCOUNT_ID
    else:
        assert reason_of(token) == "malformed"


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(lambda h, _p, s: f"{h}.{segment(some_claims(account_id=2))}.{s}", id="another payload"),
        pytest.param(lambda h, p, _s: f"{h}.{p}.", id="an empty signature"),
        pytest.param(lambda h, p, s: f"{h}.{p}.{s[:-4]}", id="a shortened signature"),
        pytest.param(lambda h, p, s: f"{h}.{p}.{s}AAAA", id="a longer signature"),
        pytest.param(lambda h, p, _s: f"{h}.{p}.{'A' * 86}", id="a signature of zeros"),
        pytest.param(lambda h, p, s: f"{h}.{p}.{s[::-1]}", id="a reversed signature"),
        pytest.param(lambda h, p, s: f"{h}.{s}.{p}", id="swapped parts"),
        pytest.param(lambda h, p, _s: f"{h}.{p}", id="two parts"),
        pytest.param(lambda h, p, s: f"{h}.{p}.{s}.{s}", id="four parts"),
        pytest.param(lambda h, p, s: f"{h}.{p}.{s}\n", id="a line break"),
        pytest.param(lambda h, p, s: f" {h}.{p}.{s}", id="a space"),
        pytest.param(lambda h, _p, s: f"{h}..{s}", id="an empty payload"),
        pytest.param(lambda _h, p, s: f".{p}.{s}", id="an empty header"),
        pytest.param(lambda h, _p, s: f"{h}.{segment([1])}.{s}", id="a payload that is a list"),
        pytest.param(lambda h, _p, s: f"{h}.{segment(b'{' * 30000)}.{s}", id="a deep payload"),
        pytest.param(lambda _h, p, s: f"{segment(b'[' * 30000)}.{p}.{s}", id="a deep header"),
        pytest.param(lambda h, _p, s: f"{h}.{segment(b'{1:')}.{s}", id="a payload that is no JSON"),
        pytest.param(lambda h, _p, s: f"{h}.{segment(bytes([0xFF, 0xFE, 0xFD]))}.{s}", id="a payload that is no text"),
        pytest.param(lambda h, p, s: f"{h}.{p}.{s}".replace(".", "。"), id="other full stops"),
        pytest.param(lambda *_: "..", id="nothing but dots"),
        pytest.param(lambda *_: "token", id="a word"),
        pytest.param(lambda *_: "\ud800", id="half a surrogate pair"),
        pytest.param(lambda *_: "." * 60000, id="60000 dots"),
    ],
)
def test_a_token_that_was_tampered_with_is_refused(forged: Any) -> None:
    assert reason_of(forged(*a_token().split("."))) in ("signature", "malformed")


@pytest.mark.parametrize("token", [None, ""])
def test_a_missing_token_is_refused(token: object) -> None:
    assert reason_of(token) == "missing"


@pytest.mark.parametrize("token", [5, [], {}, True, b"token"])
def test_a_token_that_is_no_text_is_refused(token: object) -> None:
    assert reason_of(token) == "malformed"


def test_a_wrong_secret_is_refused() -> None:
    assert reason_of(a_token(secret="w" * 64)) == "signature"


def test_during_a_rotation_each_of_the_secrets_is_valid() -> None:
    secrets = {CLIENT_ID: ["n" * 64, CLIENT_SECRET]}
    assert verify(a_token(secret="n" * 64), secrets).account_id == ACCOUNT_ID
    assert verify(a_token(secret=CLIENT_SECRET), secrets).account_id == ACCOUNT_ID
    assert reason_of(a_token(secret="w" * 64), secrets) == "signature"


def test_after_a_rotation_the_old_secret_is_refused() -> None:
    assert reason_of(a_token(), {CLIENT_ID: ["n" * 64]}) == "signature"


def test_an_expired_token_of_the_older_secret_is_refused() -> None:
    secrets = {CLIENT_ID: ["n" * 64, CLIENT_SECRET]}
    assert reason_of(a_token_with(exp=NOW - 60), secrets) == "expired"


@pytest.mark.parametrize("secret", ["", "nobody", "\0" * 64])
@pytest.mark.parametrize("secrets", [{}, {CLIENT_ID: []}, {CLIENT_ID: [""]}], ids=["unknown", "none", "an empty one"])
def test_no_signature_opens_an_integration_without_a_secret(secret: str, secrets: dict[str, list[str]]) -> None:
    assert reason_of(a_token(secret=secret), secrets) == "integration_unknown"


def test_an_unknown_integration_costs_one_verification_like_a_known_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []
    compare_digest = hmac.compare_digest

    def counting(one: Any, other: Any) -> bool:
        compared.append(one)
        return compare_digest(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    reason_of(a_token(secret="w" * 64))
    reason_of(a_token(secret="w" * 64), {})
    assert len(compared) == 2


@given(secret=st.text(min_size=1, max_size=200).filter(lambda text: text.isprintable() and text.strip()))
@example(secret="1")
@example(secret="a")
@example(secret="k" * 63)
@example(secret="k" * 65)
@example(secret="k" * 128)
@example(secret="k" * 129)
def test_a_secret_of_any_length_verifies_what_it_signed_and_nothing_else(secret: str) -> None:
    # Warnings are errors here: PyJWT has nothing to say about a short one either.
    token = a_token(secret=secret)
    assert verify(token, {CLIENT_ID: [secret]}).account_id == ACCOUNT_ID
    assert reason_of(token, {CLIENT_ID: [secret + "x"]}) == "signature"
    assert reason_of(token, {CLIENT_ID: ["x" + secret]}) == "signature"


def test_a_store_that_is_away_is_no_refusal() -> None:
    def away(_client_id: str) -> list[str]:
        raise StoreUnavailable

    with pytest.raises(StoreUnavailable):
        verified_claims(a_token(), away, AUDIENCES)


def test_no_secret_is_asked_for_a_token_that_cannot_be_genuine() -> None:
    asked: list[str] = []

    def secrets_of(client_id: str) -> list[str]:
        asked.append(client_id)
        return [CLIENT_SECRET]

    for token in ("token", a_token(algorithm="HS256", digest="sha256"), a_token(some_claims(client_uuid=ABSENT))):
        with pytest.raises(TokenRefused):
            verified_claims(token, secrets_of, AUDIENCES)
    assert asked == []


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
CLAIM_NAMES = st.sampled_from([*sorted(some_claims()), "client_uid"])


@given(
    overrides=st.dictionaries(CLAIM_NAMES, JSON_VALUES, max_size=4),
    headers=st.dictionaries(st.text(max_size=5), JSON_VALUES),
)
def test_whatever_a_signed_token_says_it_is_read_or_refused(overrides: dict[str, Any], headers: dict[str, Any]) -> None:
    token = a_token(some_claims(**overrides), headers=headers)
    try:
        claims = verify(token)
    except TokenRefused:
        return
    payload = {**some_claims(), **json.loads(json.dumps(overrides))}
    assert str(claims.account_id) == str(payload["account_id"])
    assert claims.client_id == CLIENT_ID
    assert payload["exp"] > time.time() - 31


@given(st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: f"{segment(raw)}.{segment(raw)}.{segment(raw)}"))
def test_whatever_a_stranger_sends_as_token_it_is_refused(token: str) -> None:
    assert reason_of(token)


def test_a_refusal_never_repeats_the_token() -> None:
    token = a_token(secret="w" * 64)
    with pytest.raises(TokenRefused) as refused:
        verify(token)
    assert token.split(".")[1] not in repr(refused.value) + str(refused.value)
