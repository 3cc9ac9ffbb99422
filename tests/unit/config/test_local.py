"""Secrets that an installation on one machine generates."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from werkzeug.security import check_password_hash

from config.local import console_login, environment, local_secrets, with_local_secrets
from config.settings import ConfigError, load_settings

URL = "unix:///run/redis.sock"
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def test_they_are_made_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    assert local_secrets(folder) == local_secrets(folder)
    assert local_secrets(folder) != local_secrets(tmp_path / "other")


def test_they_work_for_what_they_are_meant_for(tmp_path: Path) -> None:
    made = local_secrets(tmp_path)
    assert Fernet(made.encryption_key).decrypt(Fernet(made.encryption_key).encrypt(b"text")) == b"text"
    assert check_password_hash(made.admin_password_hash, made.admin_password)


def test_only_their_owner_may_read_them(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    local_secrets(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "secrets.json").stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir()] == ["secrets.json"]


def test_whoever_comes_at_the_same_time_gets_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(local_secrets, [tmp_path / "data"] * 8))
    assert len(found) == 1


def test_repr_shows_none_of_them(tmp_path: Path) -> None:
    made = local_secrets(tmp_path)
    assert not [text for text in (made.secret_key, made.encryption_key, made.admin_password) if text in repr(made)]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"secret_key": "s"}', "\x00"])
def test_a_damaged_file_is_told_and_not_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "secrets.json").write_text(content)
    with pytest.raises(ConfigError, match=r"secrets\.json cannot be read"):
        local_secrets(tmp_path)
    assert (tmp_path / "secrets.json").read_text() == content


def test_they_complete_settings_for_children_that_read_them_from_their_environment(tmp_path: Path) -> None:
    alone = load_settings({"BYTEGPT_DATA_DIR": str(tmp_path)}, dotenv=None)
    complete = with_local_secrets(alone, URL)
    given = {"BYTEGPT_DATA_DIR": str(tmp_path), **environment(complete)}
    assert load_settings(given, dotenv=None, redis_required=True) == complete


def test_where_the_consoles_password_stands_is_told_and_the_password_is_not(tmp_path: Path) -> None:
    complete = with_local_secrets(load_settings({"BYTEGPT_DATA_DIR": str(tmp_path)}, dotenv=None), URL)
    told = console_login(complete)
    assert told == f"user admin, password: admin_password in {tmp_path}/secrets.json"
    assert local_secrets(tmp_path).admin_password not in told


@pytest.mark.parametrize("redis_url", [{}, {"REDIS_URL": URL, "SECRET_KEY": "s", "ENCRYPTION_KEYS": KEY}])
def test_of_a_password_of_somebodys_own_only_its_setting_is_told(tmp_path: Path, redis_url: dict[str, str]) -> None:
    own = {"ADMIN_USERNAME": "ana", "ADMIN_PASSWORD_HASH": "scrypt:32768:8:1$salt$0123456789abcdef"}
    given = load_settings({"BYTEGPT_DATA_DIR": str(tmp_path), **own, **redis_url}, dotenv=None)
    complete = given if redis_url else with_local_secrets(given, URL)
    assert console_login(complete) == "user ana, the password that ADMIN_PASSWORD_HASH was made of"
    assert (tmp_path / "secrets.json").exists() == (not redis_url)


def test_what_is_set_stays(tmp_path: Path) -> None:
    given = load_settings({"BYTEGPT_DATA_DIR": str(tmp_path), "SECRET_KEY": "mine"}, dotenv=None)
    complete = with_local_secrets(given, URL)
    assert complete.secret_key == "mine"
    assert complete.encryption_keys == (local_secrets(tmp_path).encryption_key,)
