"""A look at an address, over real sockets."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from app.clients.http import PartnerSession
from app.clients.probe import Probe
from app.domain.answers import Deadline
from app.domain.checkup import Probed, Unreachable


@contextmanager
def answering(status: int = 200, body: bytes = b"alive", date: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """The address of a server that answers so, and the headers that it was sent."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.extend(str(self.headers).splitlines())
            self.send_response_only(status)
            if date is not None:
                self.send_header("Date", date)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
            """Write nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/healthz", seen
        finally:
            server.shutdown()
            thread.join()


def probed(url: str) -> Probed:
    with PartnerSession(1) as session:
        return Probe(session, 2.0, 2.0).get(url, Deadline(time.time() + 5.0))


@pytest.mark.parametrize("status", [200, 302, 401, 404, 503])
def test_whatever_answers_is_there(status: int) -> None:
    with answering(status) as (url, _):
        found = probed(url)
    assert (found.status, found.body, found.ahead) == (status, b"alive", None)


@pytest.mark.parametrize("ahead", [0.0, 40.0, -3600.0])
def test_the_clock_of_the_other_side_is_told(ahead: float) -> None:
    with answering(date=formatdate(time.time() + ahead, usegmt=True)) as (url, _):
        found = probed(url)
    assert found.ahead == pytest.approx(ahead, abs=2.0)


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 22 Nov 2026"])
def test_a_date_that_is_none_is_no_clock(date: str) -> None:
    with answering(date=date) as (url, _):
        assert probed(url).ahead is None


def test_a_long_answer_is_one_all_the_same() -> None:
    with answering(body=b"x" * 100_000, date=formatdate(usegmt=True)) as (url, _):
        found = probed(url)
    assert (found.status, found.body) == (200, b"")
    assert found.ahead is not None


def test_no_credential_is_sent() -> None:
    with answering() as (url, headers):
        probed(url)
    assert not [header for header in headers if header.lower().startswith(("authorization", "cookie"))]


def test_where_nobody_answers_is_unreachable() -> None:
    with pytest.raises(Unreachable) as caught:
        probed("http://127.0.0.1:1/healthz")
    assert caught.value.detail == "refused"
