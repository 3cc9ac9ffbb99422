"""The operators' console as it is delivered: gunicorn's processes, real sockets, passwords hashed by the command."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
import requests

from app.childprocess import ChildProcess
from app.services.operators import MOST_WRONG
from sandbox.stack import Stack
from tests.waiting import wait_until

PASSWORD = "uma senha, com acentuação"
START_SECONDS = 60.0
JSON = {"Accept": "application/json"}


class Browser:
    """A browser before a console on a socket; it keeps cookies and follows redirects."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.session = requests.Session()
        self.session.headers["Accept"] = "text/html"

    def get(self, path: str, **options: object) -> requests.Response:
        return self.session.get(self._url + path, timeout=10, **options)  # type: ignore[arg-type]

    def post(self, path: str, **fields: str) -> requests.Response:
        page = self.get("/console/log").text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert token
        return self.session.post(self._url + path, data={"csrf_token": unescape(token[1]), **fields}, timeout=10)

    def log_in(self, username: str, password: str) -> requests.Response:
        return self.post("/console/login", username=username, password=password)

    def is_logged_in(self) -> bool:
        return self.get("/console/log", allow_redirects=False).status_code == 200


def hashed(password: str) -> str:
    """What `bytegpt admin hash-password` prints."""
    command = [sys.executable, "-m", "app.cli.main", "admin", "hash-password"]
    done = subprocess.run(command, input=f"{password}\n", capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service with two web processes, and a console of its own."""
    settings = {"ADMIN_USERNAME": "ana", "ADMIN_PASSWORD_HASH": hashed(PASSWORD), "WEB_PROCESSES": "2"}
    with Stack(tmp_path_factory.mktemp("console"), settings=settings) as stack:
        stack.start("web", "worker")
        stack.wait_until_ready()
        yield stack


@pytest.fixture
def browser(service: Stack) -> Iterator[Browser]:
    """A browser that the service has not seen."""
    service.redis.delete(*service.redis.keys("bytegpt:login_attempts:*"), "none")
    found = Browser(service.url)
    yield found
    found.session.close()


@pytest.fixture
def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_an_operator_logs_in_looks_around_and_logs_out(browser: Browser) -> None:
    asked = browser.get("/console/rq/0/view/workers")
    assert asked.url.endswith("/console/login?next=/console/rq/0/view/workers")
    opened = browser.log_in("ana", PASSWORD)
    assert (opened.status_code, opened.url.rpartition("/console")[2]) == (200, "/")
    for path in ("/console/", "/console/log", "/console/rq/", "/console/rq/0/view/workers") * 3:
        assert browser.get(path, allow_redirects=False).status_code == 200
    assert "RQ dashboard" in browser.get("/console/rq/").text
    assert browser.post("/console/logout").url.endswith("/console/login")
    assert not browser.is_logged_in()


def test_the_living_worker_is_on_the_overview_and_on_the_dashboard(service: Stack, browser: Browser) -> None:
    browser.log_in("ana", PASSWORD)
    workers = browser.get("/console/rq/0/data/workers.json").json()["workers"]
    assert [worker["queues"] for worker in workers] == [["turns"]]
    assert workers[0]["name"] in browser.get("/console/").text
    assert "Tudo funciona" in browser.get("/console/").text


def test_ten_wrong_passwords_lock_the_login_in_all_processes(service: Stack, browser: Browser) -> None:
    statuses = [browser.log_in("ana", f"wrong {number}").status_code for number in range(MOST_WRONG)]
    assert statuses == [401] * (MOST_WRONG - 1) + [429]
    locked = browser.log_in("ana", PASSWORD)
    assert locked.status_code == 429
    assert "o acesso está bloqueado por 5 minutos" in locked.text
    assert [Browser(service.url).log_in("ana", PASSWORD).status_code for _ in range(4)] == [429] * 4


def test_a_stranger_gets_nothing_of_the_dashboard(service: Stack) -> None:
    for path in ("/console/rq/", "/console/rq/static/css/main.css", "/console/rq/0/data/queues.json"):
        answer = requests.get(service.url + path, timeout=10, allow_redirects=False)
        assert answer.status_code in (302, 401)
        assert "Content-Security-Policy" in answer.headers
    assert requests.post(f"{service.url}/console/rq/requeue/turns", timeout=10).status_code == 401


def test_no_password_stands_in_a_log(service: Stack, browser: Browser) -> None:
    browser.log_in("ana", "a wrong password of the test")
    browser.log_in("ana", PASSWORD)
    logs = "\n".join(log.read_text() for log in service.log_files)
    assert '"outcome": "wrong"' in logs
    assert '"outcome": "done"' in logs
    assert "a wrong password of the test" not in logs
    assert PASSWORD not in logs


def test_a_local_installation_tells_where_its_console_and_its_password_are(tmp_path: Path, free_port: str) -> None:
    data = tmp_path / "data"
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**inherited, "BYTEGPT_DATA_DIR": str(data), "PORT": free_port}
    output = tmp_path / "up.txt"
    with output.open("wb") as out:
        up = ChildProcess([sys.executable, "-m", "app.cli.main", "up"], environment=environment, output=out)
        try:
            wait_until(lambda: "ByteGPT is ready" in output.read_text(), START_SECONDS)
            said = next(line for line in output.read_text().splitlines() if "ByteGPT is ready" in line)
            address = f"http://127.0.0.1:{free_port}"
            assert f"console: {address}/console/, user admin, password: admin_password in {data}/secrets.json" in said
            password = json.loads((data / "secrets.json").read_text())["admin_password"]
            assert password not in output.read_text()
            browser = Browser(address)
            browser.log_in("admin", password)
            assert browser.is_logged_in()
            browser.session.close()
            up.send_signal(signal.SIGINT)
            assert up.wait(30)
        finally:
            up.kill_group()
    assert up.returncode == 0
