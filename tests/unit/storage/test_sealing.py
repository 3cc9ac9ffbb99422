"""Encryption at rest, and the change of its keys."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from app.storage.sealing import NoKeyFits, Sealer

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_can_be_opened_again(text: str) -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal(text)
    assert sealer.unseal(sealed) == text
    assert sealer.unseal(sealed.decode()) == text


def test_the_sealed_text_does_not_show() -> None:
    assert b"secret" not in Sealer([NEW]).seal("secret")


def test_the_first_key_seals_and_every_key_opens() -> None:
    before = Sealer([OLD]).seal("text")
    between = Sealer([NEW, OLD])
    assert between.unseal(before) == "text"
    assert Sealer([NEW]).unseal(between.seal("text")) == "text"


@pytest.mark.parametrize("sealed", [b"", b"no token", Sealer([OLD]).seal("text")], ids=["empty", "damaged", "old key"])
def test_what_no_key_fits_is_an_error_of_its_own(sealed: bytes) -> None:
    with pytest.raises(NoKeyFits):
        Sealer([NEW]).unseal(sealed)


def test_no_key_shows_in_a_repr() -> None:
    assert NEW not in repr(Sealer([NEW]))


@pytest.mark.parametrize("keys", [[], ["short"], [NEW, "short"], ["ä"]], ids=["none", "short", "second", "not ASCII"])
def test_keys_that_are_none_are_refused(keys: list[str]) -> None:
    with pytest.raises(ValueError, match=r"Fernet|at least one") as caught:
        Sealer(keys)
    assert "short" not in str(caught.value)
