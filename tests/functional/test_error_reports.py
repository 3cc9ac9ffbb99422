"""An error in a real process, as it reaches a Sentry: over a real socket, without a word or a secret."""

import gzip
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from app.storage import keys
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop
from tests.waiting import wait_until

WORDS = "Quero o segredo do bolo"


class Sentry:
    """A Sentry that takes whatever comes. envelopes: as they were sent."""

    def __init__(self, port: int) -> None:
        self.dsn = f"http://public-key@127.0.0.1:{port}/42"
        self.envelopes: list[str] = []

    @property
    def told(self) -> str:
        return "\n".join(self.envelopes)


@contextmanager
def listening() -> Iterator[Sentry]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            there.envelopes.append((gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode())
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
            """Write nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        there = Sentry(server.server_port)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield there
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def sentry() -> Iterator[Sentry]:
    with listening() as sentry:
        yield sentry


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, sentry: Sentry) -> Iterator[Stack]:
    """The service with a Sentry."""
    directory: Path = tmp_path_factory.mktemp("reports")
    with Stack(directory, settings={"SENTRY_DSN": sentry.dsn}) as stack:
        stack.start("web", "worker")
        stack.wait_until_ready()
        yield stack


@pytest.fixture
def broken(stack: Stack) -> Shop:
    """A company whose record is damaged: an error that no flow expects."""
    shop = Shop(stack, "Quebrada")
    stack.redis.hset(keys.account(shop.kommo.account_id), "record", '{"subdomain": 7}')
    return shop


def test_an_error_of_the_web_process_is_reported_without_what_was_said(
    stack: Stack, sentry: Sentry, broken: Shop
) -> None:
    client = broken.client("Ana")
    client.say(WORDS)
    webhook = client.webhooks[-1]
    webhook.wait(PATIENCE)
    assert webhook.status == 500
    wait_until(lambda: "RecordDamaged" in sentry.told, PATIENCE)
    assert '"process":"web"' in sentry.told.replace(" ", "")
    key = broken.company.account.secrets.openai_api_key or "no key"
    for secret in (WORDS, "segredo", key, broken.kommo.subdomain, stack.environment["SECRET_KEY"], "eyJ"):
        assert secret not in sentry.told


def test_an_error_that_ends_a_command_is_reported(stack: Stack, sentry: Sentry) -> None:
    script = "from app.cli import main; main._COMMANDS['broken'] = ('tests.unit.cli.example_commands:broken', '-'); "
    done = subprocess.run(
        [stack.argv()[0], "-c", f"{script}raise SystemExit(main.run(['broken']))"],
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    wait_until(lambda: '"process":"command"' in sentry.told.replace(" ", ""), PATIENCE)
    assert "cannot use" not in sentry.told
