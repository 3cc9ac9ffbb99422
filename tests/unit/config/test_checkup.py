"""What `bytegpt doctor` says of settings."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from werkzeug.security import generate_password_hash

from app.domain.checkup import State
from config.checkup import of_settings, of_wrong_settings
from config.settings import ConfigError, Settings, load_settings

GOOD = {
    "REDIS_URL": "redis://redis.internal:6379/0",
    "SECRET_KEY": "vT7u0pQk2mXy9ZrLw4JdB1sNfH6cGaE8",
    "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    "ADMIN_USERNAME": "ana",
    "ADMIN_PASSWORD_HASH": generate_password_hash("uZ3-long-and-random", method="pbkdf2:sha256:10"),
    "PUBLIC_URL": "https://bot.example.com",
}


def settings(**changed: str) -> Settings:
    return load_settings({**GOOD, **changed}, dotenv=None)


def found(**changed: str) -> dict[str, tuple[State, str]]:
    return {one.what: (one.state, f"{one.found} {one.remedy}") for one in of_settings(settings(**changed))}


def test_good_settings_are_all_right() -> None:
    assert {state for state, _ in found().values()} == {State.OK}
    assert set(found()) >= {"settings", "PUBLIC_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "KOMMO_BASE_URL"}


def hashed(password: str) -> str:
    return generate_password_hash(password, method="pbkdf2:sha256:10")


@pytest.mark.parametrize(
    ("changed", "what", "state", "says"),
    [
        ({"PUBLIC_URL": "http://127.0.0.1:8000"}, "PUBLIC_URL", State.WARNING, "names this machine"),
        ({"PUBLIC_URL": "https://localhost"}, "PUBLIC_URL", State.WARNING, "https:// address at which Kommo"),
        ({"PUBLIC_URL": "http://bot.example.com"}, "PUBLIC_URL", State.FAILED, "is not https"),
        ({"KOMMO_BASE_URL": "http://127.0.0.1:{subdomain}"}, "KOMMO_BASE_URL", State.WARNING, "simulated"),
        ({"KOMMO_BASE_URL": "http://{subdomain}.localhost:9"}, "KOMMO_BASE_URL", State.WARNING, "simulated"),
        ({"KOMMO_BASE_URL": "http://{subdomain}.kommo.com"}, "KOMMO_BASE_URL", State.FAILED, "in the clear"),
        ({"OPENAI_BASE_URL": "http://[::1]:9/v1"}, "OPENAI_BASE_URL", State.WARNING, "simulated"),
        ({"OPENAI_BASE_URL": "http://openai.internal/v1"}, "OPENAI_BASE_URL", State.FAILED, "in the clear"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY", State.WARNING, "has 5 characters"),
        ({"SECRET_KEY": "changeme" * 5}, "SECRET_KEY", State.FAILED, "can be guessed"),
        ({"SECRET_KEY": "0" * 64}, "SECRET_KEY", State.FAILED, "can be guessed"),
        (
            {"ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="},
            "ENCRYPTION_KEYS",
            State.FAILED,
            "guessed",
        ),
        ({"ENCRYPTION_KEYS": f"{'A' * 43}=,{GOOD['ENCRYPTION_KEYS']}"}, "ENCRYPTION_KEYS", State.FAILED, "guessed"),
        ({"ADMIN_PASSWORD_HASH": hashed("admin")}, "ADMIN_PASSWORD_HASH", State.FAILED, "hash-password"),
        ({"ADMIN_PASSWORD_HASH": hashed("ana")}, "ADMIN_PASSWORD_HASH", State.FAILED, "anybody guesses"),
        ({"KOMMO_RATE": "7.5"}, "KOMMO_RATE", State.WARNING, "KOMMO_EGRESS"),
        ({"KOMMO_RATE": "7"}, "KOMMO_RATE", State.OK, "7 a second"),
        ({"TURN_DEADLINE": "35"}, "TURN_DEADLINE", State.WARNING, "OPENAI_READ_TIMEOUT"),
        ({"TURN_DEADLINE": "36"}, "TURN_DEADLINE", State.OK, "36 s"),
    ],
)
def test_settings_that_make_no_sense_are_told(changed: dict[str, str], what: str, state: State, says: str) -> None:
    told = found(**changed)
    assert told[what][0] is state
    assert says in told[what][1]
    assert {other for other, (found_state, _) in told.items() if found_state is not State.OK} <= {what}


def test_no_secret_stands_in_what_is_told() -> None:
    changed: dict[str, Any] = {"SECRET_KEY": "changeme" * 5, "ADMIN_PASSWORD_HASH": hashed("admin")}
    told = " ".join(text for _, text in found(**changed).values())
    for secret in (*changed.values(), GOOD["ENCRYPTION_KEYS"], "changeme"):
        assert secret not in told


def test_wrong_settings_are_told_one_by_one() -> None:
    with pytest.raises(ConfigError) as caught:
        settings(PORT="x", BIND="a b")
    told = list(of_wrong_settings(caught.value))
    assert {one.state for one in told} == {State.FAILED}
    assert [one.found.split()[0] for one in told] == ["BIND", "PORT"]
    assert all(one.remedy for one in told)


def test_another_fault_of_the_configuration_is_told_as_it_is() -> None:
    (told,) = of_wrong_settings(ConfigError("secrets.json cannot be read"))
    assert (told.state, told.found) == (State.FAILED, "secrets.json cannot be read.")


@pytest.mark.parametrize("turn", range(20))
def test_a_key_that_is_made_by_chance_is_never_called_guessable(turn: int) -> None:
    assert found(ENCRYPTION_KEYS=Fernet.generate_key().decode())["ENCRYPTION_KEYS"][0] is State.OK
