import gzip
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
import responses
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.clients import timed_connection
from app.clients.http import Fault, NetworkFault, PartnerSession, Reply, Timeouts
from app.clients.timed_connection import GATHERED_BYTES
from app.domain.answers import Deadline
from tests.unit.clients.raw_server import RawServer, Script, endless, hangs, resets, says

SECRET = "sk-proj-secret-0123456789"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# Far longer than any test may last: what ends sooner was ended by something else.
LONG = 60.0


@pytest.fixture
def session() -> Iterator[PartnerSession]:
    with PartnerSession(4) as session:
        yield session


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """For a server whose certificate is among the authorities."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "partner")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = tmp_path / "certificate.pem", tmp_path / "key.pem"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(chain))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, private)
    return context


def call(
    session: PartnerSession,
    url: str,
    connect: float = LONG,
    silence: float = LONG,
    deadline: float = LONG,
    body: bytes = b"{}",
) -> Reply:
    return session.call(
        "POST",
        url,
        headers={"Authorization": f"Bearer {SECRET}"},
        timeouts=Timeouts(connect, silence),
        deadline=Deadline(time.time() + deadline),
        body=body,
    )


def answered(session: PartnerSession, url: str, **limits: Any) -> bytes:
    with call(session, url, **limits) as reply:
        return reply.body(1_000_000)


def fault_of(session: PartnerSession, url: str, **limits: Any) -> NetworkFault:
    """The fault of a call, which has to come long before the limits that were not set."""
    begun = time.monotonic()
    with pytest.raises(NetworkFault) as raised:
        answered(session, url, **limits)
    assert time.monotonic() - begun < LONG / 4
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    return raised.value


def a_closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name have these addresses."""

    def lookup(_host: str, port: int, **_: Any) -> list[Any]:
        return [(None, None, None, "", (address, port)) for address in addresses]

    real = socket.getaddrinfo
    # urllib3 asks once more for each address, which is then no name.
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: (lookup if host == "partner.test" else real)(host, *rest, **more),
    )


def says_then(first: bytes, then: Script) -> Script:
    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(first)
        then(connection, over)

    return script


def trickles(head: bytes, piece: bytes = b"x") -> Script:
    """A byte now and then, for as long as the test lasts."""

    def script(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(head)
        while not over.wait(0.02):
            connection.sendall(piece)

    return script


# --- no connection -----------------------------------------------------------------------------------------------


def test_a_refused_connection_is_unreachable(session: PartnerSession) -> None:
    fault = fault_of(session, f"http://127.0.0.1:{a_closed_port()}/")
    assert (fault.fault, fault.detail) == (Fault.UNREACHABLE, "refused")


def test_a_name_that_does_not_exist_is_unreachable(session: PartnerSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    fault = fault_of(session, "https://partner.test/")
    assert (fault.fault, fault.detail) == (Fault.UNREACHABLE, "dns")


def test_a_name_server_that_hangs_is_unreachable(session: PartnerSession, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait() and [])
    try:
        fault = fault_of(session, "https://partner.test/", connect=0.05)
    finally:
        over.set()
    assert (fault.fault, fault.detail) == (Fault.UNREACHABLE, "connect_timeout")


def test_a_server_without_tls_is_unreachable_over_tls(session: PartnerSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak_plainly() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.recv(65536)

        thread = threading.Thread(target=speak_plainly)
        thread.start()
        fault = fault_of(session, f"https://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join()
    assert (fault.fault, fault.detail) == (Fault.UNREACHABLE, "tls")


@pytest.mark.parametrize("limits", [{"connect": 0.1}, {"deadline": 0.1}], ids=["connect timeout", "deadline"])
def test_a_server_that_hangs_in_its_handshake_is_unreachable(session: PartnerSession, limits: dict[str, float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fault = fault_of(session, f"https://127.0.0.1:{listener.getsockname()[1]}/", **limits)
    assert (fault.fault, fault.detail) == (Fault.UNREACHABLE, "tls_timeout")


def test_an_address_that_cannot_be_called_from_is_unreachable() -> None:
    with RawServer(says(OK)) as server, PartnerSession(1, source_address="192.0.2.1") as session:
        fault = fault_of(session, server.origin)
    assert (fault.fault, fault.detail) == (Fault.UNREACHABLE, "no_connection")


@pytest.mark.parametrize("url", ["https://", "gopher://partner.test/", "https://a..b/", f"https://{'x' * 64}.test/"])
def test_an_address_that_makes_no_sense_is_unreachable(session: PartnerSession, url: str) -> None:
    assert fault_of(session, url).fault is Fault.UNREACHABLE


def test_an_answer_comes_over_tls(session: PartnerSession, trusted: ssl.SSLContext) -> None:
    with RawServer(says(OK), trusted) as server:
        assert answered(session, server.origin) == b"ok"


def test_a_call_leaves_from_the_address_that_was_chosen() -> None:
    with RawServer(says(OK)) as server, PartnerSession(1, source_address="127.0.0.1") as session:
        assert answered(session, server.origin) == b"ok"


def test_a_dead_address_leaves_time_for_the_next(session: PartnerSession, monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(says(OK)) as server:
        port = server.origin.rpartition(":")[2]
        resolving(monkeypatch, "::1", "127.0.0.1")
        assert answered(session, f"http://partner.test:{port}/") == b"ok"


def test_a_call_after_the_deadline_is_not_made(session: PartnerSession) -> None:
    with RawServer(says(OK)) as server:
        assert fault_of(session, server.origin, deadline=-1.0).fault is Fault.NO_TIME
        assert server.requests == []


# --- a connection, and no answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [resets, says(b"")], ids=["reset", "closed"])
def test_a_connection_lost_before_the_answer_is_dropped(session: PartnerSession, script: Script) -> None:
    with RawServer(script) as server:
        assert fault_of(session, server.origin).fault is Fault.DROPPED
        assert len(server.requests) == 1


def test_a_connection_lost_while_sending_is_dropped(session: PartnerSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close_soon() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            resets(connection, threading.Event())
            connection.close()

        thread = threading.Thread(target=close_soon)
        thread.start()
        fault = fault_of(session, f"http://127.0.0.1:{listener.getsockname()[1]}/", body=b"x" * 50_000_000)
        thread.join()
    assert fault.fault is Fault.DROPPED


def test_a_server_that_does_not_take_the_request_is_dropped(session: PartnerSession) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert fault_of(session, url, connect=0.2, body=b"x" * 50_000_000).fault is Fault.DROPPED


HANGS = [
    pytest.param(hangs, id="before the answer"),
    pytest.param(says_then(b"HTTP/1.1 200 OK\r\nContent-Le", hangs), id="in the head"),
    pytest.param(says_then(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", hangs), id="before the body"),
    pytest.param(says_then(CHUNKED + b"5\r\nhel", hangs), id="in a chunk"),
    pytest.param(says_then(CHUNKED + b"5\r\nhello\r\n", hangs), id="between chunks"),
]


@pytest.mark.parametrize("script", HANGS)
def test_a_server_that_falls_silent_is_given_up(session: PartnerSession, script: Script) -> None:
    with RawServer(script) as server:
        fault = fault_of(session, server.origin, silence=0.1)
    assert (fault.fault, fault.detail) == (Fault.SILENT, "silent")


@pytest.mark.parametrize("script", HANGS)
def test_a_deadline_ends_a_silence(session: PartnerSession, script: Script) -> None:
    with RawServer(script) as server:
        fault = fault_of(session, server.origin, deadline=0.1)
    assert (fault.fault, fault.detail) == (Fault.SILENT, "deadline")


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(trickles(b"HTTP/1.1 200 O"), id="the status line"),
        pytest.param(trickles(b"HTTP/1.1 200 OK\r\nX-Long: "), id="a header"),
        pytest.param(trickles(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"), id="a body"),
        pytest.param(trickles(b"HTTP/1.1 200 OK\r\n\r\n"), id="a body without a length"),
        pytest.param(trickles(CHUNKED, b"1\r\nx\r\n"), id="chunks"),
        pytest.param(trickles(CHUNKED, b"0"), id="the size of a chunk"),
        pytest.param(trickles(CHUNKED + b"0\r\n", b"x"), id="a trailer"),
        pytest.param(
            trickles(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"), id="interim answers"
        ),
    ],
)
def test_a_server_that_trickles_does_not_pass_the_deadline(session: PartnerSession, script: Script) -> None:
    with RawServer(script) as server:
        begun = time.monotonic()
        fault = fault_of(session, server.origin, deadline=0.3)
        assert 0.2 < time.monotonic() - begun < 5.0
    assert (fault.fault, fault.detail) == (Fault.SILENT, "deadline")


# --- half an answer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), id="shorter than said"),
        pytest.param(says(CHUNKED + b"5\r\nhel"), id="in a chunk"),
        pytest.param(says(CHUNKED + b"5\r\nhello\r\n"), id="between chunks"),
        pytest.param(says(CHUNKED + b"what\r\nhello\r\n"), id="no size of a chunk"),
        pytest.param(says(CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n"), id="less than no size of a chunk"),
        pytest.param(says(b"SSH-2.0-OpenSSH\r\n"), id="not HTTP"),
        pytest.param(says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000), id="an endless header"),
        pytest.param(says_then(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", resets), id="reset"),
        pytest.param(
            says(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhalf"), id="not gzip"
        ),
    ],
)
def test_an_answer_that_breaks_off_or_is_garbled_is_cut(session: PartnerSession, script: Script) -> None:
    with RawServer(script) as server:
        assert fault_of(session, server.origin).fault is Fault.CUT


def test_an_answer_is_read_up_to_a_limit(session: PartnerSession) -> None:
    with RawServer(endless(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
        assert fault_of(session, server.origin).fault is Fault.TOO_LARGE


def test_the_limit_is_that_of_the_unpacked_answer(session: PartnerSession) -> None:
    packed = gzip.compress(b"x" * 5_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    with RawServer(says(head + packed)) as server:
        assert fault_of(session, server.origin).fault is Fault.TOO_LARGE


def test_an_answer_as_long_as_the_limit_is_taken(session: PartnerSession) -> None:
    with RawServer(says(OK)) as server, call(session, server.origin) as reply:
        assert reply.body(2) == b"ok"


def test_an_answer_that_was_packed_unasked_is_unpacked(session: PartnerSession) -> None:
    packed = gzip.compress(b"hello")
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    with RawServer(says(head + packed)) as server:
        assert answered(session, server.origin) == b"hello"
        assert b"accept-encoding: identity" in server.requests[0].lower()


def test_pieces_come_as_they_arrive(session: PartnerSession) -> None:
    go_on = threading.Event()

    def in_two(connection: socket.socket, _over: threading.Event) -> None:
        connection.sendall(CHUNKED + b"3\r\none\r\n")
        go_on.wait()
        connection.sendall(b"3\r\ntwo\r\n0\r\n\r\n")

    with RawServer(in_two) as server, call(session, server.origin) as reply:
        pieces = reply.pieces()
        try:
            assert next(pieces) == b"one"
        finally:
            go_on.set()
        assert list(pieces) == [b"two"]


PIECE = b"x" * 62 + b"\n\n"


def in_small_pieces(number: int, ready: threading.Event, first: bytes = b"first\n\n") -> Script:
    """A piece, and many more once it was read."""

    def many(connection: socket.socket, _over: threading.Event) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + first)
        ready.wait()
        for _ in range(number):
            connection.sendall(PIECE)

    return many


def read_rarely(reply: Reply, ready: threading.Event) -> Iterator[bytes]:
    """What comes after the first piece."""
    pieces = reply.pieces()
    assert next(pieces).startswith(b"first")
    reply.read_rarely()
    ready.set()
    return pieces


def test_pieces_gather_when_they_are_read_rarely(session: PartnerSession) -> None:
    ready = threading.Event()
    with RawServer(in_small_pieces(400, ready)) as server, call(session, server.origin) as reply:
        rest = list(read_rarely(reply, ready))
    assert b"".join(rest) == PIECE * 400
    assert min(map(len, rest[:-1])) >= GATHERED_BYTES


def test_the_rest_of_a_part_is_not_waited_for(session: PartnerSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timed_connection, "GATHERING_SECONDS", LONG)
    ready, over = threading.Event(), threading.Event()

    def two(connection: socket.socket, ended: threading.Event) -> None:
        in_small_pieces(1, ready, first=b"first, but not all")(connection, ended)
        over.wait()

    with RawServer(two) as server, call(session, server.origin, silence=2 * LONG, deadline=3 * LONG) as reply:
        try:
            assert next(read_rarely(reply, ready)) == PIECE
        finally:
            over.set()


def test_the_rest_of_a_chunk_that_came_with_the_one_before_is_not_waited_for(
    session: PartnerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_connection, "GATHERING_SECONDS", LONG)
    ready, more, over, end = threading.Event(), threading.Event(), threading.Event(), b"y" * 1500

    def splits(connection: socket.socket, _over: threading.Event) -> None:
        sent = b"40\r\n%s\r\n%x\r\n%s\r\n" % (PIECE, len(end), end)
        connection.sendall(CHUNKED + b"7\r\nfirst\n\n\r\n")
        ready.wait()
        connection.sendall(sent[:-100])
        more.wait()
        connection.sendall(sent[-100:])
        over.wait()

    with RawServer(splits) as server, call(session, server.origin, silence=2 * LONG, deadline=3 * LONG) as reply:
        pieces = read_rarely(reply, ready)
        try:
            assert next(pieces) == PIECE
            more.set()
            assert next(pieces) == end
        finally:
            over.set()


def test_little_that_is_not_followed_by_more_is_read_after_a_while(
    session: PartnerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_connection, "GATHERING_SECONDS", 0.05)
    ready, over = threading.Event(), threading.Event()

    def then_nothing(connection: socket.socket, ended: threading.Event) -> None:
        in_small_pieces(2, ready)(connection, ended)
        over.wait()

    with RawServer(then_nothing) as server, call(session, server.origin) as reply:
        try:
            assert next(read_rarely(reply, ready)).startswith(PIECE)
        finally:
            over.set()


def test_a_connection_that_was_read_rarely_serves_small_answers_again(
    session: PartnerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_connection, "GATHERING_SECONDS", LONG)
    ready, end = threading.Event(), b"x" * GATHERED_BYTES

    def keeps(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(CHUNKED + b"7\r\nfirst\n\n\r\n")
        ready.wait()
        connection.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(end), end))
        _next_request(connection)
        connection.sendall(OK)
        over.wait()

    with RawServer(keeps) as server:
        with call(session, server.origin, silence=2 * LONG, deadline=3 * LONG) as reply:
            assert list(read_rarely(reply, ready)) == [end]
        with call(session, server.origin) as reply:
            assert reply.body(10) == b"ok"
        assert len(server.requests) == 1, "the second request came on the same connection"


def test_pieces_gather_over_tls_and_their_end_is_not_waited_for(
    session: PartnerSession, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_connection, "GATHERING_SECONDS", LONG)
    ready, over, end = threading.Event(), threading.Event(), b"y" * GATHERED_BYTES

    def speaks(connection: socket.socket, ended: threading.Event) -> None:
        in_small_pieces(40, ready)(connection, ended)
        connection.sendall(end)
        over.wait()

    with RawServer(speaks, trusted) as server, call(session, server.origin, silence=2 * LONG, deadline=3 * LONG) as one:
        pieces, read = read_rarely(one, ready), b""
        try:
            while not read.endswith(end):
                read += next(pieces)
        finally:
            over.set()
    assert read == PIECE * 40 + end


def test_reading_rarely_does_not_pass_the_deadline(session: PartnerSession) -> None:
    with RawServer(trickles(b"HTTP/1.1 200 OK\r\n\r\n", b"\n\n")) as server:
        begun = time.monotonic()
        with call(session, server.origin, deadline=0.2) as reply:
            reply.read_rarely()
            with pytest.raises(NetworkFault):
                reply.body(1_000_000)
        assert time.monotonic() - begun < 5.0


# --- connections that are kept -----------------------------------------------------------------------------------


class Keeping:
    """Answers request after request on one connection; what it does after each is the test's."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = answers
        self.ended = threading.Event()

    def __call__(self, connection: socket.socket, _over: threading.Event) -> None:
        for number, answer in enumerate(self.answers):
            if number:
                _next_request(connection)
            connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        self.ended.set()


def _next_request(connection: socket.socket) -> None:
    received = b""
    while not received.endswith(b"\r\n\r\n{}"):
        piece = connection.recv(65536)
        assert piece
        received += piece


def test_a_connection_is_used_again(session: PartnerSession) -> None:
    with RawServer(Keeping(OK, OK, OK)) as server:
        assert [answered(session, server.origin) for _ in range(3)] == [b"ok"] * 3
        assert len(server.requests) == 1, "one connection"


def test_a_connection_that_the_partner_closed_is_not_used_again(session: PartnerSession) -> None:
    script = Keeping(OK)
    with RawServer(script) as server:
        assert answered(session, server.origin) == b"ok"
        assert script.ended.wait(10.0)
        assert answered(session, server.origin) == b"ok"
        assert len(server.requests) == 2, "two connections"


def test_a_connection_that_was_idle_for_long_is_not_used_again(
    session: PartnerSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timed_connection, "MAX_IDLE_SECONDS", 0.0)
    left = threading.Event()

    def stays_open(connection: socket.socket, _over: threading.Event) -> None:
        connection.sendall(OK)
        if connection.recv(1) == b"":
            left.set()

    with RawServer(stays_open) as server:
        assert answered(session, server.origin) == b"ok"
        assert answered(session, server.origin) == b"ok"
        assert left.wait(10.0)
        assert len(server.requests) == 2, "two connections"
        session.close()


def test_a_connection_closed_in_the_moment_of_its_use_is_dropped(session: PartnerSession) -> None:
    def closes_on_the_second(connection: socket.socket, _over: threading.Event) -> None:
        connection.sendall(OK)
        _next_request(connection)

    with RawServer(closes_on_the_second) as server:
        assert answered(session, server.origin) == b"ok"
        assert fault_of(session, server.origin).fault is Fault.DROPPED
        assert len(server.requests) == 1, "one connection"


def test_an_answer_of_which_enough_is_known_gives_its_connection_back(session: PartnerSession) -> None:
    with RawServer(Keeping(CHUNKED + b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", OK)) as server:
        with call(session, server.origin) as reply:
            assert next(reply.pieces()) == b"one"
            reply.finish()
        assert answered(session, server.origin) == b"ok"
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "script", [says_then(CHUNKED + b"3\r\none\r\n", hangs), trickles(CHUNKED + b"3\r\none\r\n", b"1\r\nx\r\n")]
)
def test_an_answer_that_does_not_end_is_left(session: PartnerSession, script: Script) -> None:
    with RawServer(script) as server:
        begun = time.monotonic()
        with call(session, server.origin) as reply:
            assert next(reply.pieces()) == b"one"
            reply.finish()
        assert time.monotonic() - begun < 5.0


def test_an_answer_that_is_not_wanted_any_more_ends_the_connection(session: PartnerSession) -> None:
    gone = threading.Event()

    def until_gone(connection: socket.socket, _over: threading.Event) -> None:
        connection.sendall(CHUNKED + b"3\r\none\r\n")
        if connection.recv(1) == b"":
            gone.set()

    with RawServer(until_gone) as server:
        with call(session, server.origin) as reply:
            assert next(reply.pieces()) == b"one"
        assert gone.wait(10.0)


# --- no surprises ------------------------------------------------------------------------------------------------


@responses.activate
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_like_any_other(session: PartnerSession, status: int) -> None:
    responses.post("https://partner.test/a", status=status, headers={"Location": "https://elsewhere.test/b"})
    with call(session, "https://partner.test/a") as reply:
        assert reply.status == status
    assert len(responses.calls) == 1


def test_a_cookie_of_one_account_does_not_go_out_with_another(session: PartnerSession) -> None:
    with_cookie = b"HTTP/1.1 200 OK\r\nConnection: close\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 2\r\n\r\nok"
    with RawServer(says(with_cookie)) as server:
        answered(session, server.origin)
        answered(session, server.origin)
        assert len(server.requests) == 2
        assert b"cookie" not in server.requests[1].lower()


def test_the_environment_has_no_say(session: PartnerSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{a_closed_port()}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("default login mallory password 1234\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with RawServer(says(OK)) as server:
        assert answered(session, server.origin) == b"ok"
        assert f"Authorization: Bearer {SECRET}".encode() in server.requests[0]


def test_a_reply_knows_status_and_headers(session: PartnerSession) -> None:
    script = says(b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n")
    with RawServer(script) as server, call(session, server.origin) as reply:
        assert (reply.status, reply.headers["retry-after"], reply.body(10)) == (429, "7", b"")
