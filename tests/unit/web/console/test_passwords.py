"""The operator's password against its hash."""

import threading

import pytest
from werkzeug.security import generate_password_hash

from app.web.console import passwords
from app.web.console.passwords import PasswordCheck, TooManyChecks, credentials_digest

HASHES = {
    "scrypt": generate_password_hash("pässword 1", method="scrypt"),
    "pbkdf2": generate_password_hash("pässword 1", method="pbkdf2:sha256:1000"),
}


@pytest.mark.parametrize("hashed", HASHES.values(), ids=HASHES)
def test_only_the_password_is_the_password(hashed: str) -> None:
    is_password = PasswordCheck(hashed)
    assert is_password("pässword 1")
    assert not [wrong for wrong in ("", "pässword", "pässword 1 ", "password 1", hashed) if is_password(wrong)]


def test_webhooks_do_not_wait_for_more_than_one_password_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def slow(_hash: str, _password: str) -> bool:
        begun.set()
        return may_end.wait(10)

    monkeypatch.setattr(passwords, "check_password_hash", slow)
    monkeypatch.setattr(passwords, "_WAIT_SECONDS", 0.05)
    is_password = PasswordCheck("a hash")
    first = threading.Thread(target=is_password, args=("one",))
    first.start()
    assert begun.wait(10)
    with pytest.raises(TooManyChecks):
        is_password("two")
    may_end.set()
    first.join(10)
    assert is_password("three")


def test_another_name_password_or_key_is_another_digest() -> None:
    digests = {
        credentials_digest("key", "ana", "hash"),
        credentials_digest("other", "ana", "hash"),
        credentials_digest("key", "bia", "hash"),
        credentials_digest("key", "ana", "other"),
    }
    assert len(digests) == 4
    assert credentials_digest("key", "ana", "hash") in digests
