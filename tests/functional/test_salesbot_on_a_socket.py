"""The door behind a real socket: bodies with a length, in chunks, too long, and cut off."""

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.serving import BaseWSGIServer, make_server

from tests.webhooks import ABSENT, Door, some_form

FORM = "application/x-www-form-urlencoded"
LIMIT = 64 * 1024
PATIENCE = 20.0


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def server(door: Door) -> Iterator[BaseWSGIServer]:
    server = make_server("127.0.0.1", 0, door.app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join(PATIENCE)
        server.server_close()


def send(server: BaseWSGIServer, body: Any, **headers: str) -> tuple[int, Any]:
    """POST a body; an iterable goes out in chunks, without a length."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE)
    try:
        connection.request("POST", "/kommo/salesbot", body, {"Content-Type": FORM, **headers})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def a_body(length: int) -> bytes:
    """A good form of exactly this length."""
    start = urlencode(some_form(data__message=ABSENT)) + "&data[message]="
    return (start + "a" * (length - len(start))).encode()


def in_chunks(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


def test_a_body_with_a_length_is_accepted(server: BaseWSGIServer) -> None:
    assert send(server, a_body(2000)) == (200, {"status": "accepted", "request_id": "request-1"})


@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
def test_a_body_in_chunks_is_accepted(server: BaseWSGIServer, door: Door, size: int) -> None:
    assert send(server, in_chunks(a_body(2000), size))[0] == 200
    assert set(door.webhook.data.message) == {"a"}


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
@pytest.mark.parametrize(
    ("length", "status"),
    [(LIMIT, 200), (LIMIT + 1, 413), (2 * LIMIT, 413), (1024 * 1024, 413), (4 * 1024 * 1024, 413)],
)
def test_64_kib_are_the_limit_however_a_body_is_sent(
    server: BaseWSGIServer, door: Door, chunked: bool, length: int, status: int
) -> None:
    body = a_body(length)
    assert send(server, in_chunks(body, 8192) if chunked else body)[0] == status
    assert len(door.accepted) == (status == 200)


@pytest.mark.parametrize(
    "framing", ["Content-Length: 5000\r\n", "Transfer-Encoding: chunked\r\n"], ids=["length", "chunks"]
)
def test_a_body_that_is_cut_off_is_never_accepted(server: BaseWSGIServer, door: Door, framing: str) -> None:
    # The form is complete but for its last bytes: taken as it is, it would be a good webhook with half a message.
    sent = a_body(2000)
    if framing.startswith("Transfer"):
        sent = b"%x\r\n%s\r\n" % (len(sent), sent)
    head = f"POST /kommo/salesbot HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n{framing}\r\n"
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=PATIENCE) as connection:
        connection.sendall(head.encode() + sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while received := connection.recv(65536):
            answer += received
    assert b" 200 " not in answer.split(b"\r\n", 1)[0]
    assert door.accepted == []


def test_health_is_answered(server: BaseWSGIServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE)
    try:
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
    finally:
        connection.close()
