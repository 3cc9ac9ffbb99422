"""Settings: what is accepted, what is refused, and that the refusal names everything and tells no value."""

from dataclasses import FrozenInstanceError
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import readers
from config.readers import Egress
from config.settings import ConfigError, Settings, definitions, load_settings

KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
OTHER_KEY = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU="
PASSWORD_HASH = "scrypt:32768:8:1$salt$0123456789abcdef"
PBKDF2_HASH = "pbkdf2:sha256:1000000$salt$0123456789abcdef"

WITH_REDIS = {
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "SECRET_KEY": "session-signing",
    "ENCRYPTION_KEYS": KEY,
    "ADMIN_USERNAME": "ana",
    "ADMIN_PASSWORD_HASH": PASSWORD_HASH,
}


def settings(**environ: str) -> Settings:
    return load_settings(environ, dotenv=None)


def problems(environ: dict[str, str], *, redis_required: bool = False) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ, dotenv=None, redis_required=redis_required)
    return str(caught.value)


@pytest.mark.parametrize(
    ("environ", "redirect_uri"),
    [
        ({}, "http://127.0.0.1:8000/kommo/oauth/callback"),
        ({"PUBLIC_URL": "https://bot.example.com/"}, "https://bot.example.com/kommo/oauth/callback"),
        ({"KOMMO_REDIRECT_URI": "https://proxy.example/oauth/"}, "https://proxy.example/oauth/"),
    ],
    ids=["nothing set", "from the public address", "to the letter"],
)
def test_kommo_brings_codes_to_the_redirect_uri(environ: dict[str, str], redirect_uri: str) -> None:
    assert settings(**environ).redirect_uri == redirect_uri


def test_an_empty_environment_gives_the_documented_defaults() -> None:
    assert settings() == Settings(
        redis_url=None,
        data_dir=Path(".bytegpt"),
        secret_key=None,
        encryption_keys=(),
        public_url="http://127.0.0.1:8000",
        port=8000,
        bind="127.0.0.1",
        trusted_proxies=(ip_network("127.0.0.1"), ip_network("::1")),
        kommo_client_id=None,
        kommo_client_secrets=(),
        kommo_redirect_uri=None,
        kommo_base_url="https://{subdomain}.kommo.com",
        openai_base_url="https://api.openai.com/v1",
        openai_api="auto",
        admin_username=None,
        admin_password_hash=None,
        web_processes=2,
        worker_processes=1,
        worker_concurrency=100,
        turn_deadline=50.0,
        delivery_patience=120.0,
        openai_connect_timeout=5.0,
        openai_read_timeout=30.0,
        kommo_rate=6.0,
        kommo_account_rate=5.0,
        kommo_egress=(Egress("default", None),),
        default_timezone="America/Sao_Paulo",
        default_locale="pt",
        log_level="INFO",
        log_format="json",
        sentry_dsn=None,
    )


ACCEPTED: list[tuple[str, str, str, Any]] = [
    (
        "REDIS_URL",
        "rediss://user:p%40ss@cache.example:6380/2",
        "redis_url",
        "rediss://user:p%40ss@cache.example:6380/2",
    ),
    ("REDIS_URL", "unix:///run/redis.sock?db=1", "redis_url", "unix:///run/redis.sock?db=1"),
    ("REDIS_URL", "redis+sentinel://:pw@a:1,b:2/bots/3", "redis_url", "redis+sentinel://:pw@a:1,b:2/bots/3"),
    ("REDIS_URL", "redis+sentinel://a,b/bots", "redis_url", "redis+sentinel://a,b/bots"),
    ("ENCRYPTION_KEYS", f"{KEY}, {OTHER_KEY}", "encryption_keys", (KEY, OTHER_KEY)),
    ("PUBLIC_URL", "https://bot.example.com/", "public_url", "https://bot.example.com"),
    ("PUBLIC_URL", "http://127.0.0.1:18000", "public_url", "http://127.0.0.1:18000"),
    ("PORT", "65535", "port", 65535),
    ("BIND", "192.0.2.7", "bind", "192.0.2.7"),
    ("BIND", "::", "bind", "::"),
    ("BIND", "localhost", "bind", "localhost"),
    ("TRUSTED_PROXIES", "10.0.0.0/8, ::1", "trusted_proxies", (ip_network("10.0.0.0/8"), ip_network("::1"))),
    ("ADMIN_PASSWORD_HASH", PBKDF2_HASH, "admin_password_hash", PBKDF2_HASH),
    ("KOMMO_BASE_URL", "http://127.0.0.1:{subdomain}", "kommo_base_url", "http://127.0.0.1:{subdomain}"),
    ("KOMMO_BASE_URL", "http://{subdomain}.localhost:9000", "kommo_base_url", "http://{subdomain}.localhost:9000"),
    ("KOMMO_BASE_URL", "http://127.0.0.1:9000", "kommo_base_url", "http://127.0.0.1:9000"),
    ("OPENAI_BASE_URL", "http://127.0.0.1:9001/v1/", "openai_base_url", "http://127.0.0.1:9001/v1"),
    ("OPENAI_API", "Responses", "openai_api", "responses"),
    ("TURN_DEADLINE", "5", "turn_deadline", 5.0),
    ("DELIVERY_PATIENCE", "1", "delivery_patience", 1.0),
    ("OPENAI_READ_TIMEOUT", "1", "openai_read_timeout", 1.0),
    ("OPENAI_CONNECT_TIMEOUT", "0.5", "openai_connect_timeout", 0.5),
    ("KOMMO_RATE", "0.25", "kommo_rate", 0.25),
    ("KOMMO_EGRESS", "office", "kommo_egress", (Egress("office", None),)),
    (
        "KOMMO_EGRESS",
        "a=192.0.2.1, b=2001:db8::1",
        "kommo_egress",
        (Egress("a", "192.0.2.1"), Egress("b", "2001:db8::1")),
    ),
    ("DEFAULT_TIMEZONE", "UTC", "default_timezone", "UTC"),
    ("DEFAULT_LOCALE", "EN", "default_locale", "en"),
    ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
    ("LOG_FORMAT", "console", "log_format", "console"),
    ("BYTEGPT_DATA_DIR", "/srv/bytegpt", "data_dir", Path("/srv/bytegpt")),
]


@pytest.mark.parametrize(
    ("name", "text", "attribute", "value"), ACCEPTED, ids=[f"{name}={text}" for name, text, *_ in ACCEPTED]
)
def test_a_valid_value_is_read_as(name: str, text: str, attribute: str, value: Any) -> None:
    assert getattr(settings(**{**WITH_REDIS, name: text}), attribute) == value


REFUSED: list[tuple[str, str, str]] = [
    ("REDIS_URL", "http://host", "must begin with"),
    ("REDIS_URL", "hunter2", "must begin with"),
    ("REDIS_URL", "redis://:hunter2@/0", "host and a valid port"),
    ("REDIS_URL", "redis://host:hunter2", "host and a valid port"),
    ("REDIS_URL", "redis://host:70000", "host and a valid port"),
    ("REDIS_URL", "unix://hunter2", "absolute path"),
    ("REDIS_URL", "redis+sentinel://hunter2:1", "host:port,host:port/service/db"),
    ("REDIS_URL", "redis+sentinel://a:1,/bots", "host:port,host:port/service/db"),
    ("REDIS_URL", "redis+sentinel://a:1/bots/hunter2", "host:port,host:port/service/db"),
    ("ENCRYPTION_KEYS", "hunter2", "Fernet keys"),
    ("ENCRYPTION_KEYS", f"{KEY},", "Fernet keys"),
    ("ENCRYPTION_KEYS", KEY[:-4], "Fernet keys"),
    ("PUBLIC_URL", "https://bot.example.com/hunter2", "without a path"),
    ("PUBLIC_URL", "bot.example.com", "https://host"),
    ("PORT", "0", "from 1 to 65535"),
    ("PORT", "65536", "from 1 to 65535"),
    ("PORT", "8000 # hunter2", "from 1 to 65535"),
    ("BIND", "127.0.0.1:8000", "host name or an IP address"),
    ("KOMMO_CLIENT_SECRET", "new,,hunter2", "none of them empty"),
    ("KOMMO_BASE_URL", "https://{subdomain}.kommo.com/api", "{subdomain}"),
    ("KOMMO_BASE_URL", "https://{account}.kommo.com", "{subdomain}"),
    ("OPENAI_BASE_URL", "api.openai.com", "http:// or https://"),
    ("OPENAI_BASE_URL", "https://api.openai.com/v1?key=hunter2", "without a query"),
    ("OPENAI_API", "chat", "must be one of auto, assistants, responses"),
    ("ADMIN_PASSWORD_HASH", "hunter2", "hash-password"),
    ("ADMIN_PASSWORD_HASH", "scrypt:many:8:1$hunter2$00", "hash-password"),
    ("ADMIN_PASSWORD_HASH", "pbkdf2:rot13:1$hunter2$00", "hash-password"),
    ("TRUSTED_PROXIES", "hunter2", "IP addresses or networks"),
    ("TRUSTED_PROXIES", "10.0.0.1/8", "IP addresses or networks"),
    ("TRUSTED_PROXIES", "*", "IP addresses or networks"),
    ("WEB_PROCESSES", "0", "from 1 to"),
    ("WORKER_PROCESSES", "two", "from 1 to"),
    ("WORKER_CONCURRENCY", "-1", "from 1 to"),
    ("TURN_DEADLINE", "4.9", "a number from 5 on"),
    ("TURN_DEADLINE", "inf", "a number from 5 on"),
    ("DELIVERY_PATIENCE", "0", "a number above 0"),
    ("OPENAI_READ_TIMEOUT", "0.9", "a number from 1 on"),
    ("OPENAI_CONNECT_TIMEOUT", "nan", "a number above 0"),
    ("KOMMO_RATE", "-1", "a number above 0"),
    ("KOMMO_ACCOUNT_RATE", "many", "a number above 0"),
    ("KOMMO_EGRESS", "a,b", "name=IP"),
    ("KOMMO_EGRESS", "a=192.0.2.1,a=192.0.2.2", "name=IP"),
    ("KOMMO_EGRESS", "a=192.0.2.256", "name=IP"),
    ("DEFAULT_TIMEZONE", "Brasilia", "time zone"),
    ("DEFAULT_TIMEZONE", "../etc/passwd", "time zone"),
    ("DEFAULT_TIMEZONE", "America", "time zone"),
    ("DEFAULT_LOCALE", "fr", "must be one of pt, es, en"),
    ("LOG_LEVEL", "loud", "must be one of DEBUG, INFO, WARNING, ERROR"),
    ("LOG_FORMAT", "xml", "must be one of json, console"),
    ("SENTRY_DSN", "hunter2", "http:// or https://"),
    ("SENTRY_DSN", "https://sentry.example/1", "https://key@host/project"),
    ("SENTRY_DSN", "https://hunter2@sentry.example/", "https://key@host/project"),
]


@pytest.mark.parametrize(("name", "text", "says"), REFUSED, ids=[f"{name}={text}" for name, text, _ in REFUSED])
def test_a_wrong_value_is_named_with_what_to_do_and_never_repeated(name: str, text: str, says: str) -> None:
    told = problems({**WITH_REDIS, "KOMMO_CLIENT_ID": "id", "KOMMO_CLIENT_SECRET": "s", name: text})
    lines = told.splitlines()[1:]
    assert len(lines) == 1
    assert lines[0].startswith(f"  {name} ")
    assert says in lines[0]
    assert "hunter2" not in told


def test_sentry_without_its_package_is_told_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "find_spec", lambda _name: None)
    told = problems({**WITH_REDIS, "SENTRY_DSN": "https://hunter2@sentry.example/1"})
    assert "SENTRY_DSN needs a package that is not installed: install sentry-sdk" in told
    assert "hunter2" not in told


def test_what_is_wrong_can_be_told_one_by_one() -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({"PORT": "x", "BIND": "a b"}, dotenv=None)
    assert [problem.split()[0] for problem in caught.value.problems] == ["BIND", "PORT"]
    assert all(problem in str(caught.value) for problem in caught.value.problems)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    told = problems(
        {
            "REDIS_URL": "redis://host",
            "PORT": "x",
            "TURN_DEADLINE": "1",
            "KOMMO_CLIENT_SECRET": "s",
            "ENCRYPTION_KEYS": "short",
        }
    )
    named = [line.split()[0] for line in told.splitlines()[1:]]
    assert named == [
        "ADMIN_PASSWORD_HASH",
        "ADMIN_USERNAME",
        "ENCRYPTION_KEYS",
        "KOMMO_CLIENT_ID",
        "PORT",
        "SECRET_KEY",
        "TURN_DEADLINE",
    ]


@pytest.mark.parametrize("name", sorted(WITH_REDIS.keys() - {"REDIS_URL"}))
def test_with_a_redis_of_ones_own_nothing_is_generated(name: str) -> None:
    assert f"  {name} is not set" in problems({key: text for key, text in WITH_REDIS.items() if key != name})


def test_a_process_that_brings_no_redis_wants_its_address() -> None:
    assert "REDIS_URL is not set" in problems({}, redis_required=True)
    assert load_settings(WITH_REDIS, dotenv=None, redis_required=True).redis_url == WITH_REDIS["REDIS_URL"]


@pytest.mark.parametrize(
    ("alone", "text", "other"),
    [
        ("KOMMO_CLIENT_ID", "id", "KOMMO_CLIENT_SECRET"),
        ("KOMMO_CLIENT_SECRET", "s", "KOMMO_CLIENT_ID"),
        ("ADMIN_USERNAME", "ana", "ADMIN_PASSWORD_HASH"),
        ("ADMIN_PASSWORD_HASH", PASSWORD_HASH, "ADMIN_USERNAME"),
    ],
)
def test_half_of_a_pair_is_refused(alone: str, text: str, other: str) -> None:
    assert f"  {other} is not set, but {alone} is" in problems({alone: text})


def test_two_secrets_stand_while_one_is_being_changed() -> None:
    both = settings(KOMMO_CLIENT_ID="id", KOMMO_CLIENT_SECRET="new, old")
    assert both.kommo_client_secrets == ("new", "old")


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_value_counts_as_not_set(empty: str) -> None:
    assert settings(REDIS_URL=empty, PORT=empty) == settings()


def test_repr_shows_no_secret() -> None:
    given = {
        "REDIS_URL": "redis://:secret-1@host",
        "SECRET_KEY": "secret-2",
        "ENCRYPTION_KEYS": KEY,
        "ADMIN_USERNAME": "ana",
        "ADMIN_PASSWORD_HASH": PASSWORD_HASH,
        "KOMMO_CLIENT_ID": "id",
        "KOMMO_CLIENT_SECRET": "secret-3",
        "SENTRY_DSN": "https://secret-4@sentry.example/1",
    }
    shown = repr(settings(**given))
    assert "ana" in shown
    assert not [text for text in ("secret-", KEY, PASSWORD_HASH) if text in shown]


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        settings().port = 1  # type: ignore[misc]


@given(st.dictionaries(st.sampled_from([one.name for _, one in definitions()]), st.text(max_size=40)))
def test_whatever_the_environment_holds_it_is_settings_or_one_config_error(environ: dict[str, str]) -> None:
    try:
        told = repr(load_settings(environ, dotenv=None))
    except ConfigError as error:
        told = str(error)
    assert told.startswith(("Settings(", "These settings are missing or wrong:\n  "))


class TestDotenv:
    def test_it_is_read_as_it_stands(self, tmp_path: Path) -> None:
        file = tmp_path / ".env"
        file.write_text(f"# development\nPORT=9000\nADMIN_USERNAME=ana\nADMIN_PASSWORD_HASH='{PASSWORD_HASH}'\n")
        read = load_settings({}, dotenv=file)
        assert (read.port, read.admin_password_hash) == (9000, PASSWORD_HASH)

    def test_the_environment_wins(self, tmp_path: Path) -> None:
        file = tmp_path / ".env"
        file.write_text("PORT=9000\nBIND=::1\n")
        read = load_settings({"PORT": "9001"}, dotenv=file)
        assert (read.port, read.bind) == (9001, "::1")

    def test_it_may_be_missing(self, tmp_path: Path) -> None:
        assert load_settings({}, dotenv=tmp_path / ".env") == settings()
