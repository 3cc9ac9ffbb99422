"""Where a command finds its Redis and its secrets."""

from pathlib import Path

import pytest
import redis

from app.cli.local import complete_settings
from app.storage.embedded import EmbeddedRedis, running_url
from config.local import local_secrets
from config.settings import definitions


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without settings but for the data directory, relative as in its default."""
    for _, setting in definitions():
        monkeypatch.delenv(setting.name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BYTEGPT_DATA_DIR", "data")
    return tmp_path / "data"


def test_beside_a_running_up_a_command_uses_its_redis(data: Path) -> None:
    with EmbeddedRedis(data) as server, complete_settings() as settings:
        assert settings.redis_url == server.url
        assert settings.encryption_keys == (local_secrets(data).encryption_key,)


def test_alone_a_command_brings_its_own_redis_and_what_it_writes_stays(data: Path) -> None:
    for kept in (None, b"yes"):
        with complete_settings() as settings, redis.Redis.from_url(settings.redis_url or "") as client:
            assert client.get("kept") == kept
            client.set("kept", "yes")
            assert running_url(data) == settings.redis_url
        assert running_url(data) is None


def test_with_redis_url_nothing_is_started_or_generated(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SECRET_KEY": "session-signing",
        "ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
        "ADMIN_USERNAME": "ana",
        "ADMIN_PASSWORD_HASH": "scrypt:32768:8:1$salt$0123456789abcdef",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with complete_settings() as settings:
        assert settings.redis_url == given["REDIS_URL"]
    assert not data.exists()
