"""Signed tokens taken apart and verified, held against PyJWT: what one takes the other takes, and reads alike."""

from typing import Any

import jwt
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.web.jws import Algorithm, Malformed, taken_apart
from tests.webhooks import a_token, segment

SECRET = "s" * 64
OTHER_SECRET = "o" * 64
ALPHABET = "ABCabc059-_+/=. {}\n\0é"
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def ours(token: str, secret: str, algorithm: Algorithm) -> dict[str, Any] | None:
    """What a token says, None where it is not taken."""
    try:
        parts = taken_apart(token)
    except Malformed:
        return None
    taken = parts.header.get("alg") == algorithm and parts.is_signed_with(secret, algorithm)
    return dict(parts.payload) if taken else None


def theirs(token: str, secret: str, algorithm: Algorithm) -> dict[str, Any] | None:
    """The same by PyJWT, which looks at claims too where it is not told to leave them alone."""
    alone = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")}
    try:
        said: dict[str, Any] = jwt.decode(token, secret, algorithms=[algorithm], options=alone)  # type: ignore[arg-type]
    except jwt.PyJWTError:
        return None
    return said


@pytest.mark.parametrize(("algorithm", "digest"), [("HS256", "sha256"), ("HS512", "sha512")])
@given(claims=st.dictionaries(st.text(max_size=8), JSON_VALUES, max_size=4))
def test_what_a_genuine_token_says_is_read(algorithm: Algorithm, digest: str, claims: dict[str, Any]) -> None:
    token = a_token(claims, algorithm=algorithm, digest=digest)
    assert ours(token, SECRET, algorithm) == theirs(token, SECRET, algorithm) == claims
    assert ours(token, OTHER_SECRET, algorithm) is None


@pytest.mark.parametrize(("algorithm", "signed_as"), [("HS256", "HS512"), ("HS512", "HS256")])
def test_a_secret_verifies_with_the_algorithm_that_the_caller_names(algorithm: Algorithm, signed_as: str) -> None:
    token = a_token(algorithm=algorithm, digest=f"sha{signed_as[2:]}")
    assert not taken_apart(token).is_signed_with(SECRET, algorithm)


@given(
    at=st.integers(0, 700),
    length=st.integers(0, 3),
    put=st.text(ALPHABET, max_size=3),
    headers=st.dictionaries(st.sampled_from(["kid", "typ", "alg", "x"]), JSON_VALUES, max_size=2),
)
@example(at=0, length=0, put="", headers={})
@example(at=0, length=0, put="=", headers={})
@example(at=10_000, length=0, put="=", headers={})
@example(at=10_000, length=0, put="==", headers={})
@example(at=10_000, length=0, put="====", headers={})
@example(at=10_000, length=0, put=".", headers={})
@example(at=10_000, length=0, put="\n", headers={})
def test_a_token_that_was_changed_anywhere_is_taken_by_both_or_by_none(
    at: int, length: int, put: str, headers: dict[str, Any]
) -> None:
    genuine = a_token(headers=headers)
    token = genuine[:at] + put + genuine[at + length :]
    assert ours(token, SECRET, "HS512") == theirs(token, SECRET, "HS512")


@given(last=st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
def test_a_signature_is_written_in_one_way(last: str) -> None:
    genuine = a_token()
    token = genuine[:-1] + last
    assert (ours(token, SECRET, "HS512") is not None) == (token == genuine)


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: ".".join([segment(raw)] * 3)))
def test_what_a_stranger_sends_is_taken_by_none(token: str) -> None:
    assert ours(token, SECRET, "HS512") is None


@pytest.mark.parametrize(
    "headers", [{"crit": ["exp"]}, {"crit": []}, {"b64": False}, {"b64": True}, {"kid": 5}], ids=repr
)
def test_a_header_that_asks_for_more_is_refused(headers: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        taken_apart(a_token(headers=headers))


def test_no_text_of_a_token_stands_in_what_is_told_of_it() -> None:
    token = a_token({"secret": "segredo"})
    told = repr(taken_apart(token))
    with pytest.raises(Malformed) as refused:
        taken_apart(f"{token}!")
    assert not any(part in told + str(refused.value) for part in ("segredo", *token.split(".")[1:]))
