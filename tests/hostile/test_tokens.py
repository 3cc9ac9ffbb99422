"""Tokens that were forged in every known way, at every route that takes one: 401, and nothing has changed."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app.web.widget_caller import TOKEN_HEADER
from sandbox.stack import Company, Stack
from tests.hostile.outgoing import watched
from tests.hostile.tally import TOKENS, taken, tried
from tests.hostile.target import FORM_TYPE, Target, effort
from tests.webhooks import a_token, segment

NOT_A_NUMBER, ENDLESS = float("nan"), float("inf")


@dataclass(frozen=True)
class Forger:
    """Whoever wants to be taken for Kommo, with everything that is public and sometimes more."""

    target: Target
    company: Company
    algorithm: str

    @property
    def digest(self) -> str:
        return self.algorithm.replace("HS", "sha")

    @property
    def secret(self) -> str:
        return self.company.kommo.integration.secret

    def claims(self, **claims: Any) -> dict[str, Any]:
        more = {"is_admin": True, "jti": "forged"} if self.algorithm == "HS256" else {}
        return self.target.claims(self.company, **{**more, **claims})

    def signed(self, claims: Any = None, **options: Any) -> str:
        """A token with the genuine secret, where an attack is in what it says."""
        given = {"secret": self.secret, "algorithm": self.algorithm, "digest": self.digest, **options}
        return a_token(self.claims() if claims is None else claims, **given)

    def parts(self, **claims: Any) -> list[str]:
        return self.signed(self.claims(**claims)).split(".")

    def raw(self, header: bytes, payload: bytes) -> str:
        """Bytes of the forger's own, signed with the genuine secret."""
        said = f"{segment(header)}.{segment(payload)}"
        return f"{said}.{segment(hmac.digest(self.secret.encode(), said.encode(), self.digest))}"

    def headed(self, header: Mapping[str, Any], secret: str | bytes) -> str:
        return self.signed(headers=header, secret=secret)


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem() -> bytes:
    return rsa_key().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


JWK = {"kty": "oct", "k": unpadded(b"k" * 64)}
ATTACKS: Mapping[str, Callable[[Forger], str]] = {
    "alg none, unsigned": lambda f: f"{segment({'alg': 'none'})}.{f.parts()[1]}.",
    "alg none, signed": lambda f: f.signed(algorithm="none"),
    "alg NONE": lambda f: f"{segment({'alg': 'NONE'})}.{f.parts()[1]}.",
    "alg nOnE with two parts": lambda f: f"{segment({'alg': 'nOnE'})}.{f.parts()[1]}",
    "alg missing": lambda f: f"{segment({'typ': 'JWT'})}.{f.parts()[1]}.{f.parts()[2]}",
    "alg a list": lambda f: f.signed(algorithm=[f.algorithm, "none"]),
    "alg of the other route": lambda f: f.signed(
        algorithm="HS256" if f.algorithm == "HS512" else "HS512",
        digest="sha256" if f.algorithm == "HS512" else "sha512",
    ),
    "alg HS384": lambda f: f.signed(algorithm="HS384", digest="sha384"),
    "RSA by a key of the forger": lambda f: jwt.encode(f.claims(), rsa_key(), "RS256"),
    "RSA with its key in the header": lambda f: jwt.encode(
        f.claims(),
        rsa_key(),
        "RS256",
        headers={"jwk": json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(rsa_key().public_key()))},
    ),
    "PSS": lambda f: jwt.encode(f.claims(), rsa_key(), "PS512"),
    "an elliptic curve": lambda f: jwt.encode(f.claims(), ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "a public key as secret": lambda f: f.signed(secret=public_pem()),
    "no secret": lambda f: f.signed(secret=""),
    "a secret of zeros": lambda f: f.signed(secret=b"\0" * 64),
    "the client id as secret": lambda f: f.signed(secret=f.company.kommo.integration.client_id),
    "a well-known secret": lambda f: f.signed(secret="secret"),
    "the secret of nobody": lambda f: f.signed(f.claims(client_uuid="unknown"), secret="nobody"),
    "a secret with a byte more": lambda f: f.signed(secret=f.secret + "x"),
    "another company's secret": lambda f: f.signed(secret=f.target.companies[-1].kommo.integration.secret),
    "kid is a file of zeros": lambda f: f.headed({"kid": "../../../../dev/null"}, b""),
    "kid is a query": lambda f: f.headed({"kid": "x' UNION SELECT 'k'; --"}, "k"),
    "jku is the forger's": lambda f: f.headed({"jku": "http://evil.invalid/keys.json"}, "k" * 64),
    "x5u is the forger's": lambda f: f.headed({"x5u": "http://evil.invalid/cert.pem"}, "k" * 64),
    "jwk in the header": lambda f: f.headed({"jwk": JWK}, b"k" * 64),
    "unencoded payload": lambda f: f.headed({"b64": False, "crit": ["b64"]}, f.secret),
    "critical nonsense": lambda f: f.headed({"crit": ["x"], "x": 1}, f.secret),
    "a token in a token": lambda f: f.raw(json.dumps({"alg": f.algorithm, "cty": "JWT"}).encode(), f.signed().encode()),
    "an encrypted token": lambda f: (
        f"{segment({'alg': 'dir', 'enc': 'A256GCM'})}..{unpadded(b'i' * 12)}.{unpadded(b'c')}.AA"
    ),
    "the JSON form": lambda f: json.dumps(dict(zip(("protected", "payload", "signature"), f.parts(), strict=True))),
    "another account in the payload": lambda f: ".".join(
        (f.parts()[0], segment(f.claims(account_id=f.target.companies[-1].kommo.account_id)), f.parts()[2])
    ),
    "no signature": lambda f: ".".join((*f.parts()[:2], "")),
    "half a signature": lambda f: ".".join((*f.parts()[:2], f.parts()[2][:20])),
    "a Bearer": lambda f: f"Bearer {f.signed()}",
    "four parts": lambda f: f"{f.signed()}.{f.parts()[2]}",
    "huge": lambda f: f.signed(f.claims(x="x" * 30_000), secret="w" * 64),
    "deep": lambda f: f.raw(json.dumps({"alg": f.algorithm}).encode(), b"[" * 20_000),
    "a header that is a list": lambda f: f.raw(b"[]", json.dumps(f.claims()).encode()),
    "a payload that is a list": lambda f: f.raw(json.dumps({"alg": f.algorithm}).encode(), b"[]"),
    "a payload that is no text": lambda f: f.raw(json.dumps({"alg": f.algorithm}).encode(), b"\xff\xfe"),
    "no exp": lambda f: f.raw(
        json.dumps({"alg": f.algorithm}).encode(),
        json.dumps({name: value for name, value in f.claims().items() if name != "exp"}).encode(),
    ),
    "exp NaN": lambda f: f.signed(f.claims(exp=NOT_A_NUMBER)),
    "exp endless": lambda f: f.signed(f.claims(exp=ENDLESS)),
    "exp of 5000 digits": lambda f: f.raw(json.dumps({"alg": f.algorithm}).encode(), b'{"exp":' + b"9" * 5000 + b"}"),
    "exp 1e999": lambda f: f.raw(json.dumps({"alg": f.algorithm}).encode(), b'{"exp":1e999,"aud":"x"}'),
    "exp a text": lambda f: f.signed(f.claims(exp="9999999999")),
    "exp true": lambda f: f.signed(f.claims(exp=True)),
    "exp a list": lambda f: f.signed(f.claims(exp=[9_999_999_999])),
    "exp over": lambda f: f.signed(f.claims(exp=1)),
    "nbf to come": lambda f: f.signed(f.claims(nbf=9_000_000_000)),
    "aud elsewhere": lambda f: f.signed(f.claims(aud="https://evil.example")),
    "aud everything": lambda f: f.signed(f.claims(aud="*")),
    "aud an object": lambda f: f.signed(f.claims(aud={f.target.stack.url: 1})),
    "aud empty": lambda f: f.signed(f.claims(aud=[])),
    "account a list": lambda f: f.signed(f.claims(account_id=[f.company.kommo.account_id])),
    "account an object": lambda f: f.signed(f.claims(account_id={"$ne": 0})),
    "account a float": lambda f: f.signed(f.claims(account_id=float(f.company.kommo.account_id))),
    "account true": lambda f: f.signed(f.claims(account_id=True)),
    "account with a line break": lambda f: f.signed(f.claims(account_id=f"{f.company.kommo.account_id}\n")),
    "integration an object": lambda f: f.signed(f.claims(client_uuid={"a": 1})),
    "integration with a colon": lambda f: f.signed(f.claims(client_uuid="*:x y")),
    "two integrations": lambda f: f.signed(f.claims(client_uid="another")),
}
WIDGET_CALLS = (
    ("GET", "/widget/settings"),
    ("PUT", "/widget/settings"),
    ("POST", "/widget/check"),
    ("GET", "/widget/usage"),
)


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """An application that nobody else attacks: what is in its Redis must stay as it is."""
    with Stack(tmp_path_factory.mktemp("tokens")) as stack:
        yield Target(stack, 3)


def at_the_door(target: Target, company: Company, token: str) -> TestResponse:
    form = {"token": token, "return_url": target.return_url(company), "data[message]": "Oi"}
    tried(TOKENS)
    answer = target.client().post("/kommo/salesbot", data=form, content_type=FORM_TYPE)
    if answer.status_code == 200:
        taken(TOKENS)
    return answer


def in_the_widget(target: Target, company: Company, token: str) -> Iterator[TestResponse]:
    headers = {TOKEN_HEADER: token.replace("\n", ""), "Origin": company.kommo.url}
    for method, path in WIDGET_CALLS:
        tried(TOKENS)
        yield target.client().open(path, method=method, headers=headers, json={"failure_text": "forged"})


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_the_door_is_closed_to_a_forged_token(target: Target, attack: Callable[[Forger], str]) -> None:
    company = target.companies[0]
    before = target.contents()
    with watched() as hosts:
        answer = at_the_door(target, company, attack(Forger(target, company, "HS512")))
    assert (answer.status_code, answer.get_json()) == (401, {"error": {"code": "unauthorized"}})
    assert (hosts, target.contents()) == ([], before)


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_the_widget_is_closed_to_a_forged_token(target: Target, attack: Callable[[Forger], str]) -> None:
    company = target.companies[0]
    before = target.contents()
    token = attack(Forger(target, company, "HS256"))
    with watched() as hosts:
        told = [
            (answer.status_code, answer.get_json()["error"]["code"]) for answer in in_the_widget(target, company, token)
        ]
    assert set(told) == {(401, "unauthorized")}
    assert (hosts, target.contents()) == ([], before)


def test_the_forger_could_sign_a_genuine_token(target: Target) -> None:
    company = target.companies[0]
    assert at_the_door(target, company, Forger(target, company, "HS512").signed()).status_code == 200
    looks = [answer.status_code for answer in in_the_widget(target, company, Forger(target, company, "HS256").signed())]
    assert looks == [200, 200, 401, 200]  # the PUT has used it up


@pytest.mark.parametrize("claim", ["account_id", "client_uuid", "exp", "aud", "iss"])
def test_a_claim_that_stands_twice_means_one_thing_to_all_who_read_it(target: Target, claim: str) -> None:
    """The signature is genuine and the last one counts, for whoever looks the secret up and for whoever verifies."""
    company, other = target.companies[0], target.companies[1]
    forger = Forger(target, company, "HS512")
    elsewhere = {
        **target.claims(other, exp=1, aud="https://evil.example", iss="https://evil.example"),
        "account_id": other.kommo.account_id,
    }
    twice = json.dumps({claim: elsewhere[claim]})[:-1] + "," + json.dumps(forger.claims())[1:]
    header = json.dumps({"alg": forger.algorithm}).encode()
    assert at_the_door(target, company, forger.raw(header, twice.encode())).status_code == 200
    turned = json.dumps(forger.claims())[:-1] + "," + json.dumps({claim: elsewhere[claim]})[1:]
    assert at_the_door(target, company, forger.raw(header, turned.encode())).status_code in (401, 403)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    (
        *("iss", "aud", "exp", "nbf", "iat", "jti", "sub", "account_id", "client_uuid", "client_uid", "subdomain"),
        *("user_id", "is_admin", "entity_type", "entity_id", "bot_type", ""),
    )
)


@effort()
@given(
    claims=st.dictionaries(NAMES, VALUES, max_size=5), headers=st.dictionaries(st.text(max_size=5), VALUES, max_size=3)
)
def test_whatever_a_genuine_signature_stands_under_is_answered(
    target: Target, claims: dict[str, Any], headers: dict[str, Any]
) -> None:
    company = target.next_company()
    door = Forger(target, company, "HS512")
    answer = at_the_door(target, company, door.signed(door.claims(**claims), headers=headers))
    assert answer.status_code in (200, 400, 401, 403, 404), answer.data
    page = Forger(target, company, "HS256")
    token = page.signed(page.claims(**claims), headers=headers)
    look = next(in_the_widget(target, company, token))
    assert look.status_code in (200, 401, 403, 404), look.data
    target.assert_silent(answer.data)


@effort()
@given(seed=st.binary(min_size=1, max_size=30), at=st.integers(0, 600), kept=st.booleans())
def test_no_change_of_a_genuine_token_is_taken(target: Target, seed: bytes, at: int, kept: bool) -> None:
    company = target.companies[0]
    token = Forger(target, company, "HS512").signed()
    changed = token[: at % len(token)] + unpadded(seed) + token[(at % len(token)) + (0 if kept else len(seed)) :]
    same = [segment_of(part) for part in changed.split(".")] == [segment_of(part) for part in token.split(".")]
    assert same or at_the_door(target, company, changed).status_code == 401


def segment_of(part: str) -> bytes:
    """What a part says, however it is written: some letters of the last group mean nothing."""
    return (
        hashlib.sha256(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))).digest() if len(part) % 4 != 1 else b""
    )
