"""Bytes on the socket of the real web process: whatever they are, it answers or hangs up, soon, and serves the next.

In front of it stands nothing here, as on a machine without a proxy.
"""

import errno
import random
import re
import socket
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.stack import Stack
from tests.hostile.recorder import TRACEBACK
from tests.hostile.tally import SOCKET, TALLY
from tests.hostile.target import effort
from tests.waiting import wait_until

# Seconds in which the process has answered or hung up, on a machine that others keep busy.
PATIENCE = 20.0
START_SECONDS = 120.0
# More than all answers to one connection may be together.
MOST_BYTES = 50_000_000
# What a server says of requests that ask for what HTTP/1.1 servers need not know; 503 is /readyz without a worker.
MAY_SAY = {HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, HTTPStatus.SERVICE_UNAVAILABLE}
# What a sender is told that the process has hung up on.
HEARD_ENOUGH = (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
GOOD = b"GET /healthz HTTP/1.1\r\nHost: bot.example.com\r\n\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
DOOR = b"POST /kommo/salesbot HTTP/1.1\r\nHost: x\r\n" + FORM

REQUESTS = {
    "nothing": b"",
    "a line break": b"\r\n",
    "many line breaks": b"\r\n" * 5000,
    "binary": bytes(range(256)) * 40,
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x55" * 500,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 60,
    "HTTP/0.9": b"GET /healthz\r\n",
    "HTTP/9.9": b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a whole address": b"GET http://evil.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path without a slash": b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path of NULs": b"GET /\0\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path that is no UTF-8": b"GET /\xff\xfe%ff%fe HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path that climbs": b"GET /console/static/../../../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
    "a long path": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "an endless line": b"G" * 200_000,
    "an endless header": b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 200_000,
    "many headers": b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 5000 + b"\r\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n",
    "a header without a colon": b"GET /healthz HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
    "a header with a space before the colon": b"GET /healthz HTTP/1.1\r\nHost : x\r\n\r\n",
    "a header name of NULs": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\0\0: b\r\n\r\n",
    "bare line feeds": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "bare carriage returns": b"GET /healthz HTTP/1.1\rHost: x\r\r",
    "a carriage return in a value": b"GET /help HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\rX-Injected: yes\r\n\r\n",
    "a line feed in a value": b"GET /help HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\nX-Injected: yes\r\n\r\n",
    "underscores for dashes": b"GET /widget/settings HTTP/1.1\r\nHost: x\r\nX_Auth_Token: a\r\nX-Auth-Token: b\r\n\r\n",
    "a length and chunks": DOOR
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
    "two lengths": DOOR + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\naaaaaa",
    "a list of lengths": DOOR + b"Content-Length: 5, 5\r\n\r\naaaaa",
    "a negative length": DOOR + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": DOOR + b"Content-Length: +5\r\n\r\naaaaa",
    "a length in other digits": DOOR + "Content-Length: \u0665\r\n\r\naaaaa".encode(),
    "a huge length": DOOR + b"Content-Length: 99999999999999999999\r\n\r\n",
    "a length of thousands of digits": DOOR + b"Content-Length: " + b"9" * 6000 + b"\r\n\r\n",
    "a length that is not kept": DOOR + b"Content-Length: 5000\r\n\r\ntoken=a",
    "chunks of nonsense": DOOR + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "a negative chunk": DOOR + b"Transfer-Encoding: chunked\r\n\r\n-5\r\naaaaa\r\n0\r\n\r\n",
    "a huge chunk": DOOR + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\na",
    "a chunk with an endless extension": DOOR + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"a" * 100_000,
    "chunks that are cut off": DOOR + b"Transfer-Encoding: chunked\r\n\r\n5\r\naa",
    "a trailer": DOOR + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Injected: yes\r\n\r\n",
    "another coding": DOOR + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": DOOR + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked in another spelling": DOOR + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": DOOR.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an expectation": DOOR + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\na=b",
    "another expectation": DOOR + b"Expect: the-worst\r\nContent-Length: 3\r\n\r\na=b",
    "an upgrade": GOOD[:-2] + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    "a proxy's greeting": b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + GOOD,
    "many requests at once": GOOD * 50,
    "a request behind a body": DOOR + b"Content-Length: 3\r\n\r\na=b" + GOOD,
    "a host elsewhere": b"GET /console HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\r\n",
}  # fmt: skip
# What a mutation puts in.
DICTIONARY = (
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"\xff", b"\r\n\r\n", b"HTTP/1.1", b"HTTP/1.0", b"%00", b"%"),
    *(b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"0\r\n\r\n", b"\r\n "),
    *(b"Host: evil.example\r\n", b"/../", b"//", b"?", b"#", b"a" * 5000, b"-1", b"9" * 30, b"Expect: the-worst\r\n"),
)  # fmt: skip


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """gunicorn with two processes, as it is delivered, without workers."""
    with Stack(tmp_path_factory.mktemp("sockets"), settings={"WEB_PROCESSES": "2"}) as stack:
        (process,) = stack.start("web")
        wait_until(lambda: _is_alive(stack) or process.returncode is not None, START_SECONDS)
        assert process.returncode is None, _printed(stack)
        yield stack
        assert TRACEBACK not in _printed(stack)
        assert b"internal_error" not in _printed(stack)


def _printed(stack: Stack) -> bytes:
    return b"".join(path.read_bytes() for path in stack.log_files)


def _is_alive(stack: Stack) -> bool:
    try:
        with urllib.request.urlopen(f"{stack.url}/healthz", timeout=PATIENCE) as answer:  # noqa: S310 - our own
            return bool(answer.status == 200)
    except OSError:
        return False


def answered(web: Stack, sent: bytes, *, to_its_end: bool = True) -> bytes:
    """All that comes back until the process hangs up, counted by its last status.

    to_its_end: say that nothing more will be sent. Raises TimeoutError where the process does neither.
    """
    row = TALLY.began(SOCKET)
    told = b""
    with socket.create_connection(("127.0.0.1", web.port), timeout=PATIENCE) as connection:
        try:
            connection.sendall(sent)
            if to_its_end:
                connection.shutdown(socket.SHUT_WR)
            while received := connection.recv(65536):
                told += received
                assert len(told) < MOST_BYTES, f"an answer without end to {sent[:2000]!r}"
        except OSError as error:
            if error.errno not in HEARD_ENOUGH:
                raise
    statuses = [int(status) for status in _STATUS.findall(told)]
    row.answers[f"{str(statuses[-1])[0]}xx" if statuses else "hung up"] += 1
    return told


def assert_harmless(told: bytes) -> None:
    statuses = {int(status) for status in _STATUS.findall(told)}
    assert not [status for status in statuses if status >= 500 and status not in MAY_SAY], told
    assert TRACEBACK not in told
    assert b"\r\nX-Injected" not in told
    assert b"root:x:0:0" not in told
    assert b"Location: http://evil.example" not in told
    assert b"bytegpt_requests_total" not in told, "the figures were asked for inside of another request"


@pytest.mark.parametrize("sent", REQUESTS.values(), ids=REQUESTS)
def test_whatever_comes_is_answered_or_hung_up_on_and_the_next_one_is_served(web: Stack, sent: bytes) -> None:
    assert_harmless(answered(web, sent))
    assert b" 200 OK" in answered(web, GOOD)


@effort(0.5)
@given(seed=st.integers(0, 2**64), base=st.sampled_from(sorted(REQUESTS)), times=st.integers(1, 8))
def test_any_mutation_of_a_request_is_answered_or_hung_up_on(web: Stack, seed: int, base: str, times: int) -> None:
    assert_harmless(answered(web, mutated(REQUESTS[base], seed, times)))


def mutated(sent: bytes, seed: int, times: int) -> bytes:
    """The request with pieces put in, taken out, replaced and repeated."""
    chance = random.Random(seed)
    for _ in range(times):
        at = chance.randrange(min(len(sent), 300) + 1)
        end = min(len(sent), at + chance.randrange(30))
        piece = (chance.choice(DICTIONARY), b"", chance.randbytes(end - at), sent[at:end] * 5)[chance.randrange(4)]
        sent = sent[:at] + piece + sent[at if piece in DICTIONARY else end :]
    return sent


def test_hundreds_who_say_nothing_and_hang_up_leave_room_for_the_next(web: Stack) -> None:
    for _ in range(300):
        TALLY.began(SOCKET).answers["hung up"] += 1
        with socket.create_connection(("127.0.0.1", web.port), timeout=PATIENCE) as connection:
            connection.sendall(b"POST /kommo/salesbot HTTP/1.1\r\nHost: x\r\nContent-Le")
    assert b" 200 OK" in answered(web, GOOD)


def test_those_who_stop_in_the_middle_of_a_request_do_not_hold_the_service_up(web: Stack) -> None:
    with ExitStack() as stack:
        for _ in range(20):
            TALLY.began(SOCKET).answers["hung up"] += 1
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", web.port), timeout=PATIENCE))
            connection.sendall(b"POST /kommo/salesbot HTTP/1.1\r\nHost: x\r\nContent-Le")
        began = time.monotonic()
        assert b" 200 OK" in answered(web, GOOD)
        assert time.monotonic() - began < PATIENCE


def test_those_who_were_answered_and_do_not_hang_up_do_not_hold_the_service_up(web: Stack) -> None:
    began = time.monotonic()
    with ExitStack() as stack:
        for _ in range(20):
            TALLY.began(SOCKET).answers["2xx"] += 1
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", web.port), timeout=PATIENCE))
            connection.sendall(GOOD[:-2] + b"Connection: close\r\n\r\n")
            assert b" 200 OK" in connection.recv(65536)
        assert b" 200 OK" in answered(web, GOOD)
    # gunicorn itself waits two seconds for each of them, in which one of two processes does nothing else.
    assert time.monotonic() - began < 10.0
