"""Which bytes gunicorn's loop takes for a webhook, and what it writes for an answer."""

import socket
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from http.client import HTTPResponse
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from gunicorn.config import Config
from gunicorn.http.wsgi import Response

from app.web.at_once import Answer, Whole, whole_webhook, written

POST = b"POST /kommo/salesbot HTTP/1.1"
HOST = b"Host: bot.example.com"
FORM = b"Content-Type: application/x-www-form-urlencoded"
USUAL = (HOST, FORM)
BODY = b"token=a.b.c&data%5Bmessage%5D=Ol%C3%A1&return_url=https%3A%2F%2Facme.kommo.com"
ID = "0b0123f4-1111"


def the_bytes(lines: Iterable[bytes], body: bytes = BODY, length: bytes | None = None, start: bytes = POST) -> bytes:
    """length: the line with it, where it is not the usual one."""
    usual = b"Content-Length: %d" % len(body)
    return b"\r\n".join([start, *lines, usual if length is None else length, b"", body])


def with_line(line: bytes) -> bytes:
    return the_bytes([*USUAL, line])


@pytest.mark.parametrize(
    "received",
    [
        pytest.param(the_bytes(USUAL), id="as it mostly comes"),
        pytest.param(the_bytes([FORM]), id="without a host"),
        pytest.param(the_bytes([FORM, HOST]), id="in another order"),
        pytest.param(the_bytes([HOST.lower(), FORM.replace(b"Content-Type", b"CONTENT-TYPE")]), id="names in any case"),
        pytest.param(the_bytes(USUAL, length=b"cONTENT-lENGTH: %d" % len(BODY)), id="the length's name, too"),
        pytest.param(the_bytes([line.replace(b": ", b":") for line in USUAL]), id="no space before values"),
        pytest.param(the_bytes([line.replace(b": ", b": \t ") for line in USUAL]), id="more space before values"),
        pytest.param(the_bytes(USUAL, length=b"Content-Length: %05d" % len(BODY)), id="a length with zeros in front"),
        pytest.param(with_line(b'User-Agent: amoCRM-Webhooks/3.0 (like a "bot"; ~)'), id="a value with other signs"),
        pytest.param(with_line(b"X-Forwarded-For: 10.0.0.1"), id="behind a proxy"),
        pytest.param(with_line(b"X-Forwarded-Proto: https"), id="behind a proxy with TLS"),
        pytest.param(the_bytes([*USUAL, b"Accept: a", b"Accept: b"]), id="twice what nobody reads"),
        pytest.param(the_bytes([*USUAL, *[b"A: b"] * 47]), id="as many headers as may be"),
        pytest.param(with_line(b"Cookie: " + b"c" * 7000), id="a long value"),
    ],
)
def test_a_whole_and_usual_webhook_is_taken(received: bytes) -> None:
    assert whole_webhook(received) == Whole(BODY, "")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(range(256)), id="any bytes"),
        pytest.param(b"\r\n\r\n" + the_bytes(USUAL), id="what looks like a request"),
        pytest.param(b"a" * 15_000, id="long"),
    ],
)
def test_a_body_is_taken_as_it_is(body: bytes) -> None:
    assert whole_webhook(the_bytes(USUAL, body)) == Whole(body, "")


@pytest.mark.parametrize("name", [b"X-Request-Id", b"x-request-id", b"X-REQUEST-ID"])
@pytest.mark.parametrize(
    ("value", "taken"),
    [
        pytest.param(b"0b0123f4-1111", "0b0123f4-1111", id="one of ours"),
        pytest.param(b"\t 0b0123f4", "0b0123f4", id="space before it"),
        pytest.param(b"not ours, {either}: ~", "not ours, {either}: ~", id="one that is not sent back later"),
    ],
)
def test_a_request_id_is_taken_along(name: bytes, value: bytes, taken: str) -> None:
    assert whole_webhook(with_line(name + b":" + value)) == Whole(BODY, taken)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(b"POST /kommo/salesbot/ HTTP/1.1", id="a slash behind the path"),
        pytest.param(b"POST /kommo/salesbot?a=b HTTP/1.1", id="a query"),
        pytest.param(b"POST /kommo/salesbot# HTTP/1.1", id="a fragment"),
        pytest.param(b"POST //kommo/salesbot HTTP/1.1", id="two slashes"),
        pytest.param(b"POST /kommo/sales%62ot HTTP/1.1", id="an escaped letter"),
        pytest.param(b"POST /Kommo/salesbot HTTP/1.1", id="a capital letter"),
        pytest.param(b"POST /kommo/hooks HTTP/1.1", id="another path"),
        pytest.param(b"POST http://bot.example.com/kommo/salesbot HTTP/1.1", id="the whole address"),
        pytest.param(b"GET /kommo/salesbot HTTP/1.1", id="GET"),
        pytest.param(b"PUT /kommo/salesbot HTTP/1.1", id="PUT"),
        pytest.param(b"post /kommo/salesbot HTTP/1.1", id="a method in small letters"),
        pytest.param(b"POST /kommo/salesbot HTTP/1.0", id="HTTP/1.0"),
        pytest.param(b"POST /kommo/salesbot HTTP/2.0", id="HTTP/2.0"),
        pytest.param(b"POST /kommo/salesbot http/1.1", id="a protocol in small letters"),
        pytest.param(b"POST /kommo/salesbot", id="no protocol"),
        pytest.param(b"POST  /kommo/salesbot HTTP/1.1", id="two spaces"),
        pytest.param(b"POST\t/kommo/salesbot HTTP/1.1", id="a tab"),
        pytest.param(b"POST /kommo/salesbot HTTP/1.1 ", id="a space at the end"),
        pytest.param(b"\r\nPOST /kommo/salesbot HTTP/1.1", id="an empty line before"),
        pytest.param(b" POST /kommo/salesbot HTTP/1.1", id="a space before"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + POST, id="what HTTP/2 begins with"),
        pytest.param(b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n" + POST, id="what a proxy may begin with"),
    ],
)
def test_another_request_line_is_left(start: bytes) -> None:
    assert whole_webhook(the_bytes(USUAL, start=start)) is None


@pytest.mark.parametrize(
    "length",
    [
        pytest.param(b"", id="none, but the head ends there"),
        pytest.param(b"Accept: a", id="none"),
        pytest.param(b"Content-Length: 78\r\nContent-Length: 78", id="twice"),
        pytest.param(b"Content-Length: 78\r\ncontent-length: 0", id="twice in different cases"),
        pytest.param(b"Content-Length: 78, 78", id="a list"),
        pytest.param(b"Content-Length: +78", id="a plus"),
        pytest.param(b"Content-Length: -78", id="a minus"),
        pytest.param(b"Content-Length: 7_8", id="an underscore within"),
        pytest.param(b"Content-Length: 78.0", id="a fraction"),
        pytest.param(b"Content-Length: 0x4e", id="a hexadecimal number"),
        pytest.param(b"Content-Length: 7 8", id="a space within"),
        pytest.param(b"Content-Length: 78 ", id="a space behind"),
        pytest.param(b"Content-Length: \xb278", id="a digit that is none of ASCII"),
        pytest.param(b"Content-Length: 000078", id="more digits than any of ours"),
        pytest.param(b"Content-Length:", id="nothing"),
        pytest.param(b"Content-Length: seventy-eight", id="a word"),
        pytest.param(b"Content-Length : 78", id="a space before the colon"),
        pytest.param(b"Content_Length: 78", id="an underscore in the name"),
        pytest.param(b"Content-Length: 77", id="a byte too few"),
        pytest.param(b"Content-Length: 79", id="a byte too many"),
    ],
)
def test_another_length_is_left(length: bytes) -> None:
    assert len(BODY) == 78
    assert whole_webhook(the_bytes(USUAL, length=length)) is None


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"Transfer-Encoding: chunked", id="chunks"),
        pytest.param(b"transfer-encoding: identity", id="no chunks, said aloud"),
        pytest.param(b"Transfer-Encoding : chunked", id="chunks behind a space"),
        pytest.param(b"TE: trailers", id="TE"),
        pytest.param(b"Trailer: X-Request-Id", id="a trailer"),
        pytest.param(b"Expect: 100-continue", id="an expectation"),
        pytest.param(b"expect: anything", id="another expectation"),
        pytest.param(b"Connection: close", id="the last request"),
        pytest.param(b"Connection: keep-alive", id="not the last request, said aloud"),
        pytest.param(b"CONNECTION: Upgrade, HTTP2-Settings", id="an upgrade of the connection"),
        pytest.param(b"Keep-Alive: timeout=5", id="how long to keep the connection"),
        pytest.param(b"Upgrade: h2c", id="an upgrade"),
        pytest.param(b"Content-Encoding: gzip", id="a packed body"),
        pytest.param(FORM, id="a second content type"),
        pytest.param(b"content-type: application/json", id="another second content type"),
        pytest.param(b"X-Request-Id: a\r\nX-Request-Id: a", id="two request ids"),
        pytest.param(b"X-Request-Id: a\r\nx-request-id: b", id="two different request ids"),
        pytest.param(HOST, id="a second host"),
        pytest.param(
            b"X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http", id="two proxies that contradict each other"
        ),
        pytest.param(b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off", id="a proxy that contradicts itself"),
        pytest.param(b"X-Forwarded-Protocol: ssl", id="an unusual proxy"),
        pytest.param(b"X_Request_Id: a", id="an underscore in a name"),
        pytest.param(b"SCRIPT_NAME: /kommo", id="a name of CGI's"),
        pytest.param(b"Accept : a", id="a space before the colon"),
        pytest.param(b"Accept\t: a", id="a tab before the colon"),
        pytest.param(b"Accept", id="no colon"),
        pytest.param(b": a", id="no name"),
        pytest.param(b" Accept: a", id="a space before the name"),
        pytest.param(b"Accept: a\r\n b", id="a value on two lines"),
        pytest.param(b"Accept: a\r\n\tb", id="a value on two lines with a tab"),
        pytest.param(b"Accept: a\r\n Transfer-Encoding: chunked", id="what looks like a second line"),
        pytest.param(b"Accept: a\nB: c", id="a bare line feed"),
        pytest.param(b"Accept: a\rB: c", id="a bare carriage return"),
        pytest.param(b"Accept: a\r", id="two carriage returns"),
        pytest.param(b"Accept: a\0b", id="a NUL"),
        pytest.param(b"Accept: a\x7fb", id="a DEL"),
        pytest.param(b"Accept: a\x1fb", id="a control character"),
        pytest.param(b"Accept: a\tb", id="a tab in a value"),
        pytest.param("Accept: olá".encode(), id="a letter of UTF-8"),
        pytest.param("Accept: olá".encode("latin-1"), id="a letter of Latin-1"),
        pytest.param("Olá: a".encode(), id="a letter of UTF-8 in a name"),
        pytest.param(b"Acce\0pt: a", id="a NUL in a name"),
        pytest.param(b"Acc!ept: a", id="a sign in a name"),
        pytest.param(b"A" * 65 + b": a", id="a long name"),
        pytest.param(b"Cookie: " + b"c" * 8190, id="a value that gunicorn finds too long"),
        pytest.param(b"Cookie:" + b" " * 8190 + b"c", id="so much space that gunicorn finds it too long"),
        pytest.param(b"\r\n".join([b"A: b"] * 48), id="too many headers"),
    ],
)
def test_a_line_that_may_be_read_in_other_ways_has_it_left(line: bytes) -> None:
    assert whole_webhook(with_line(line)) is None


@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param(b"Accept: a", id="none"),
        pytest.param(b"Content-Type:", id="an empty one"),
        pytest.param(b"Content-Type: application/json", id="JSON"),
        pytest.param(b"Content-Type: multipart/form-data; boundary=a", id="another kind of form"),
        pytest.param(FORM + b"; charset=utf-8", id="a parameter"),
        pytest.param(FORM.upper(), id="in capitals"),
        pytest.param(b"Content_Type: application/x-www-form-urlencoded", id="an underscore in the name"),
    ],
)
def test_another_content_type_is_left(content_type: bytes) -> None:
    assert whole_webhook(the_bytes([HOST, content_type])) is None


@pytest.mark.parametrize("more", [b"\0", b"\r\n", b"a", the_bytes(USUAL)], ids=["NUL", "CRLF", "letter", "request"])
def test_what_comes_behind_a_webhook_has_it_left(more: bytes) -> None:
    assert whole_webhook(the_bytes(USUAL) + more) is None


def test_no_part_of_a_webhook_is_taken() -> None:
    received = with_line(b"X-Request-Id: a")
    assert whole_webhook(received)
    assert not any(whole_webhook(received[:end]) for end in range(len(received)))
    assert not any(whole_webhook(received[begin:]) for begin in range(1, len(received)))


@pytest.mark.parametrize(
    ("body", "request_id"),
    [
        pytest.param(b'{"status":"accepted","request_id":"3f"}', ID, id="accepted"),
        pytest.param(b"{}", "0" * 128, id="a long id"),
        pytest.param('{"a":"olá"}'.encode(), "._-", id="bytes beyond ASCII"),
    ],
)
def test_an_answer_is_read_as_one_on_a_connection_that_is_kept(body: bytes, request_id: str) -> None:
    near, far = socket.socketpair()
    with near, far:
        near.sendall(written(Answer(body, request_id)))
        near.shutdown(socket.SHUT_WR)
        response = HTTPResponse(far, method="POST")
        response.begin()
        assert (response.status, response.reason, response.version, response.will_close) == (200, "OK", 11, False)
        assert response.getheader("Content-Type") == "application/json"
        assert response.getheader("X-Request-Id") == request_id
        assert response.read() == body
        assert far.recv(1) == b""


class Sent(list[bytes]):
    """A socket as gunicorn's response writes to it."""

    def sendall(self, data: bytes) -> None:
        self.append(data)


@pytest.mark.parametrize("second", [0, 951827696, 1795370000])
def test_an_answer_is_what_gunicorn_would_have_written(second: int) -> None:
    answer = Answer(b'{"status":"accepted"}', ID)
    sent = Sent()
    response = Response(SimpleNamespace(version=(1, 1), method="POST", should_close=lambda: False), sent, Config())
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(answer.body))),
        ("X-Request-Id", answer.request_id),
    ]
    with patch("time.time", return_value=float(second)):
        response.start_response("200 OK", headers)
        response.write(answer.body)
        response.close()
        ours = written(answer)
    assert ours == b"".join(sent)


def test_every_second_has_its_own_date() -> None:
    dates = []
    for second in (1795370000.0, 1795370000.9, 1795370001.0):
        with patch("time.time", return_value=second):
            dates.append(written(Answer(b"{}", ID)).split(b"\r\nDate: ")[1].split(b"\r\n")[0].decode())
    assert [parsedate_to_datetime(date).timestamp() for date in dates] == [1795370000, 1795370000, 1795370001]
