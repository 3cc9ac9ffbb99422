"""`bytegpt account` as a program of its own, without REDIS_URL: beside a running Redis, or alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from app.storage.embedded import EmbeddedRedis, running_url
from tests.redis_contents import everything_in

SECRETS = {
    "client_secret": "CLIENTsecretOfTheIntegration",
    "access_token": "eyJ.LONGlivedTOKENofKOMMO.sig",
    "openai_api_key": "sk-proj-KEYofTHEcompany0123",
}
ACCOUNT = {"account_id": 31000001, "subdomain": "acme", "client_id": "0b0123f4-aaaa", **SECRETS}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


def bytegpt(data_dir: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program with nothing configured but its data directory, away from any .env."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    environment = {
        **kept,
        "BYTEGPT_DATA_DIR": str(data_dir),
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        "PYTHONWARNINGS": "error",
    }
    data_dir.parent.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", "app.cli.main", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=data_dir.parent,
        env={**environment, "PYTHONPATH": str(Path(__file__).parents[3])},
        timeout=60,
        check=False,
    )


def test_an_account_outlives_the_redis_of_one_command(data_dir: Path) -> None:
    added = bytegpt(data_dir, "account", "add", stdin=json.dumps(ACCOUNT))
    assert (added.returncode, added.stdout) == (0, "Account 31000001 (acme) added.\n")
    assert running_url(data_dir) is None
    shown = bytegpt(data_dir, "account", "show", "31000001", "--json")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert json.loads(shown.stdout)["openai_api_key"] == "sk-…0123"


def test_a_running_redis_of_the_data_directory_is_used(data_dir: Path) -> None:
    with EmbeddedRedis(data_dir) as server:
        added = bytegpt(data_dir, "account", "add", stdin=json.dumps(ACCOUNT))
        listed = bytegpt(data_dir, "plan", "list", "--json")
        with redis.Redis.from_url(server.url) as client:
            stored = everything_in(client)
    assert added.returncode == 0
    assert json.loads(listed.stdout) == [{"name": "teste", "requests": 100}]
    assert b"acme" in stored
    for secret in SECRETS.values():
        assert secret.encode() not in stored
        assert secret not in added.stdout + added.stderr


def test_no_secret_rests_in_the_data_directory(data_dir: Path) -> None:
    assert bytegpt(data_dir, "account", "add", stdin=json.dumps(ACCOUNT)).returncode == 0
    files = [path for path in data_dir.rglob("*") if path.is_file()]
    contents = b"".join(path.read_bytes() for path in files)
    assert b"0b0123f4-aaaa" in contents
    for secret in SECRETS.values():
        assert secret.encode() not in contents


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "word"),
    [
        (("account", "add"), '{"openai_api_key": "sk-TYPO"', 1, "stdin is not JSON"),
        (("account", "show", "7"), "", 1, "account 7 is not known"),
        (("account", "show"), "", 2, "Missing argument"),
    ],
)
def test_errors_go_to_stderr_with_their_exit_code(
    data_dir: Path, arguments: tuple[str, ...], stdin: str, code: int, word: str
) -> None:
    result = bytegpt(data_dir, *arguments, stdin=stdin)
    assert (result.returncode, result.stdout) == (code, "")
    assert word in result.stderr
    assert "TYPO" not in result.stderr
    assert "Traceback" not in result.stderr
