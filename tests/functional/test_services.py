"""`bytegpt up`, `web` and `worker` as an operator runs them: real processes, ports and signals."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from app.storage.embedded import EmbeddedRedis, running_url
from tests.waiting import wait_until

START_SECONDS = 30.0
STOP_SECONDS = 30.0
SETTINGS = {
    "SECRET_KEY": "session-signing",
    "ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "ADMIN_USERNAME": "ana",
    "ADMIN_PASSWORD_HASH": "scrypt:32768:8:1$salt$0123456789abcdef",
}


class Running:
    """A command that runs in a directory of its own, with what it writes in files."""

    def __init__(self, folder: Path, command: str, environ: Mapping[str, str]) -> None:
        self.out, self.err = folder / f"{command}.out", folder / f"{command}.err"
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli.main", command],
                cwd=folder,
                env={**inherited, **environ},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def log(self, event: str) -> list[dict[str, object]]:
        """The lines of that event, so far."""
        written = [json.loads(line) for line in self.err.read_text().splitlines() if line.startswith("{")]
        return [line for line in written if line["event"] == event]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)


@contextmanager
def running(folder: Path, command: str, **environ: str) -> Iterator[Running]:
    """A running command; whatever of it is left is killed."""
    one = Running(folder, command, environ)
    try:
        yield one
    except BaseException:
        sys.stderr.write(one.err.read_text())  # pytest shows it with the failure
        raise
    finally:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


@pytest.fixture
def port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def status(port: str, path: str = "/readyz") -> int | None:
    """The status of that page, None where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def gunicorn_master(up: Running) -> int:
    """Its process id, as gunicorn tells it: `Listening at: http://127.0.0.1:8000 (4711)`."""
    told = [line for line in up.err.read_text().splitlines() if "Listening at" in line]
    return int(str(json.loads(told[0])["event"]).rpartition("(")[2].removesuffix(")"))


def wait_for_the_ready_line(up: Running) -> str:
    def is_ready() -> bool:
        assert up.process.poll() is None, up.err.read_text()
        return up.out.read_text().endswith("\n")

    wait_until(is_ready, START_SECONDS)
    return up.out.read_text()


def test_up_starts_everything_says_so_in_one_line_and_stops_in_order(tmp_path: Path, port: str) -> None:
    data = tmp_path / "data"
    with running(tmp_path, "up", PORT=port, BYTEGPT_DATA_DIR=str(data)) as up:
        line = wait_for_the_ready_line(up)
        assert line.count("\n") == 1
        assert f"http://127.0.0.1:{port}" in line
        assert "/kommo/salesbot" in line
        assert status(port) == 200
        assert up.stop(signal.SIGINT) == 0
        assert status(port) is None
        assert running_url(data) is None
        assert not up.log("child_killed")
        web_stopped, worker_stopped = up.log("Shutting down: Master"), up.log("worker_stopped")
        assert str(web_stopped[0]["timestamp"]) <= str(worker_stopped[0]["timestamp"])


def test_up_keeps_its_data_and_its_secrets(tmp_path: Path, port: str) -> None:
    data = tmp_path / "data"
    secrets = []
    for kept in (None, b"yes"):
        with running(tmp_path, "up", PORT=port, BYTEGPT_DATA_DIR=str(data)) as up:
            wait_for_the_ready_line(up)
            url = running_url(data)
            assert url is not None
            with redis.Redis.from_url(url) as client:
                assert client.get("kept-by-the-test") == kept
                client.set("kept-by-the-test", "yes")
            secrets.append((data / "secrets.json").read_text())
            assert up.stop() == 0
    assert secrets[0] == secrets[1]


def test_up_restarts_what_dies(tmp_path: Path, port: str) -> None:
    with running(tmp_path, "up", PORT=port, BYTEGPT_DATA_DIR=str(tmp_path / "data")) as up:
        wait_for_the_ready_line(up)
        os.kill(gunicorn_master(up), signal.SIGKILL)
        wait_until(lambda: up.log("child_restarted"), START_SECONDS)
        wait_until(lambda: status(port) == 200, START_SECONDS)
        assert [(line["child"], line["exit"]) for line in up.log("child_died")] == [("web", "signal SIGKILL")]
        assert up.stop() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent has died")
def test_nothing_outlives_a_killed_up(tmp_path: Path, port: str) -> None:
    data = tmp_path / "data"
    with running(tmp_path, "up", PORT=port, BYTEGPT_DATA_DIR=str(data)) as up:
        wait_for_the_ready_line(up)
        up.process.kill()
        wait_until(lambda: status(port, "/healthz") is None)
        wait_until(lambda: running_url(data) is None)
    with running(tmp_path, "up", PORT=port, BYTEGPT_DATA_DIR=str(data)) as again:
        wait_for_the_ready_line(again)
        assert again.stop() == 0


@pytest.mark.parametrize("command", ["up", "web"])
def test_a_port_in_use_is_told_in_words(tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running(tmp_path, command, PORT=port, REDIS_URL="redis://127.0.0.1:1", **SETTINGS) as one:
            assert one.process.wait(START_SECONDS) == 1
            assert f"port {port} on 127.0.0.1 is in use" in one.err.read_text()
            assert "set PORT" in one.err.read_text()


@pytest.mark.parametrize("command", ["up", "web", "worker"])
def test_wrong_settings_end_a_process_at_once(tmp_path: Path, command: str) -> None:
    with running(tmp_path, command, PORT="none", WEB_PROCESSES="0") as one:
        assert one.process.wait(START_SECONDS) == 2
        told = one.err.read_text()
        assert told.startswith("Error: These settings are missing or wrong:\n")
        assert {"PORT", "WEB_PROCESSES"} <= {line.split()[0] for line in told.splitlines()}


def test_a_second_up_on_the_same_data_is_told_in_words(tmp_path: Path, port: str) -> None:
    with EmbeddedRedis(tmp_path / "data"), running(tmp_path, "up", PORT=port, BYTEGPT_DATA_DIR="data") as up:
        assert up.process.wait(START_SECONDS) == 1
        assert "is in use by another Redis server" in up.err.read_text()


def test_web_and_workers_run_alone_against_a_redis_and_end_on_sigterm(
    tmp_path: Path, port: str, redis_server: EmbeddedRedis, redis_client: redis.Redis
) -> None:
    environ = {"PORT": port, "REDIS_URL": redis_server.url, "WORKER_PROCESSES": "2", **SETTINGS}
    with running(tmp_path, "web", **environ) as web, running(tmp_path, "worker", **environ) as worker:
        wait_until(lambda: len(worker.log("worker_started")) == 2, START_SECONDS)
        wait_until(lambda: status(port) == 200, START_SECONDS)
        assert web.stop() == 0
        assert worker.stop() == 0
        assert len(worker.log("worker_stopped")) == 2
        assert not worker.log("child_died")
