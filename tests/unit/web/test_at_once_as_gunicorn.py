"""What gunicorn's loop takes for a webhook, gunicorn reads as the same one: it would be answered the same way there."""

import socket
from dataclasses import dataclass, replace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import get_parser
from gunicorn.http.wsgi import create
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from app.web.admission import BODY_LIMIT
from app.web.at_once import PATH, Whole, whole_webhook
from app.web.body import usual_form
from app.web.observing import WSGI_HEADER

PEER = ("127.0.0.1", 40000)
START = b"POST /kommo/salesbot HTTP/1.1"
CHUNKED = b"4e\r\n" + b"a" * 78 + b"\r\n0\r\n\r\n"
STARTS = [
    b"GET /kommo/salesbot HTTP/1.1",
    b"post /kommo/salesbot HTTP/1.1",
    b"POST /kommo/salesbot?a HTTP/1.1",
    b"POST /kommo/salesbot/ HTTP/1.1",
    b"POST /kommo/salesbot HTTP/1.0",
    b"POST  /kommo/salesbot HTTP/1.1",
    b"\r\n" + START,
    START + b" ",
    START + b"\r\n",
]
NAMES = [
    b"Accept",
    b"Connection",
    b"Content-Encoding",
    b"Content-Length",
    b"Content-Type",
    b"Content_Length",
    b"Cookie",
    b"Expect",
    b"HTTP2-Settings",
    b"Host",
    b"Keep-Alive",
    b"PATH_INFO",
    b"Proxy-Connection",
    b"SCRIPT_NAME",
    b"Script-Name",
    b"TE",
    b"Trailer",
    b"Transfer-Encoding",
    b"Upgrade",
    b"X-Forwarded-For",
    b"X-Forwarded-Proto",
    b"X-Forwarded-Protocol",
    b"X-Forwarded-Ssl",
    b"X-Request-Id",
    b"X_Request_Id",
    b"",
]
VALUES = [
    b"",
    b"0",
    b"1",
    b"application/json",
    b"application/x-www-form-urlencoded",
    b"application/x-www-form-urlencoded; charset=utf-8",
    b"bot.example.com",
    b"chunked",
    b"gzip",
    b"http",
    b"https",
    b"off",
    b"0b0123f4-1111",
]
# What gunicorn and whoever stands before it make something of.
TELLING = [
    (b"Connection", b"close"),
    (b"Connection", b"keep-alive"),
    (b"Connection", b"Upgrade, HTTP2-Settings"),
    (b"Expect", b"100-continue"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Transfer-Encoding", b"identity"),
    (b"Upgrade", b"h2c"),
    (b"X-Forwarded-Proto", b"http"),
    (b"X-Forwarded-Proto", b"https"),
    (b"X-Forwarded-Protocol", b"ssl"),
    (b"X-Forwarded-Ssl", b"off"),
    (b"X-Forwarded-Ssl", b"on"),
]
# The star is the length of the body.
LENGTHS = [
    b"*",
    b"0*",
    b"00000*",
    b"+*",
    b"-*",
    b"*_0",
    b"0_*",
    b"*.0",
    b"*, *",
    b"\xb2*",
    b"\xb9",
    b"0x*",
    b"",
    b"*0",
    b"9" * 30,
]
ODD = [b"\0", b"\t", b"\n", b"\x0b", b"\r", b"\x1f", b"\x7f", b"\x80", b"\x85", b"\xa0", b"\xff"]
SEPARATORS = [b":", b":\t ", b" :", b"\t:", b"", b"::", b":\x0b", b":\xa0", b":\r\n "]
ENDS = [b"\n", b"\r", b"", b" \r\n", b"\r\r\n", b"\r\n\r\n", b"\r\n ", b"\r\n\t", b"\x0b\r\n", b"\x85\r\n", b"\n\r\n"]
SHORT = st.binary(max_size=3)
PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12).map(str.encode)
LATIN = st.text(st.characters(max_codepoint=0xFF), max_size=6).map(lambda text: text.encode("latin-1"))
WITH_ONE_ODD = st.builds(lambda *parts: b"".join(parts), PRINTABLE, st.sampled_from(ODD), PRINTABLE)
A_VALUE = st.one_of(st.sampled_from(VALUES), PRINTABLE, LATIN, WITH_ONE_ODD)
# Around the longest header that gunicorn reads, the longest name that the loop does, and the most headers of both.
MANY = st.sampled_from([30, 47, 48, 64, 65, 100, 4000, 8100, 8170, 8180, 8190, 9000])


@dataclass(frozen=True)
class Line:
    """A header as it is written."""

    name: bytes
    value: bytes
    separator: bytes = b": "
    end: bytes = b"\r\n"

    @property
    def written(self) -> bytes:
        return self.name + self.separator + self.value + self.end


@dataclass(frozen=True)
class Webhook:
    """One that is to be written; a star in a length is that of its body."""

    body: bytes
    lines: tuple[Line, ...]
    start: bytes = START
    more: bytes = b""

    @property
    def written(self) -> bytes:
        length = b"%d" % len(self.body)
        lines = [
            replace(line, value=line.value.replace(b"*", length)) if line.name.lower() == b"content-length" else line
            for line in self.lines
        ]
        return b"".join([self.start, b"\r\n", *(line.written for line in lines), b"\r\n", self.body, self.more])


def a_webhook(*lines: Line, body: bytes = b"a" * 78) -> Webhook:
    usual = (Line(b"Host", b"bot.example.com"), Line(b"Content-Type", b"application/x-www-form-urlencoded"))
    return Webhook(body, (*usual, Line(b"Content-Length", b"*"), *lines))


CASES = st.sampled_from([bytes.lower, bytes.upper, bytes.swapcase, bytes.title])
A_NAME = st.one_of(st.sampled_from(NAMES), st.builds(lambda name, case: case(name), st.sampled_from(NAMES), CASES))
A_LINE = st.one_of(
    st.builds(Line, A_NAME, A_VALUE),
    st.builds(Line, st.one_of(LATIN, WITH_ONE_ODD), PRINTABLE),
    st.builds(Line, A_NAME, PRINTABLE, st.sampled_from(SEPARATORS)),
    st.builds(Line, A_NAME, PRINTABLE, st.just(b": "), st.sampled_from(ENDS)),
    st.builds(Line, st.just(b"Content-Length"), st.sampled_from(LENGTHS)),
)


@st.composite
def _changed_line(draw: st.DrawFn, line: Line) -> Line:
    match draw(st.sampled_from(["case", "value", "space", "separator", "end", "long", "long space", "long name"])):
        case "case":
            return replace(line, name=draw(CASES)(line.name))
        case "value":
            return replace(line, value=draw(A_VALUE))
        case "space":
            return replace(line, separator=b":" + draw(st.text(" \t", max_size=4)).encode())
        case "separator":
            return replace(line, separator=draw(st.sampled_from(SEPARATORS)))
        case "end":
            return replace(line, end=draw(st.sampled_from(ENDS)))
        case "long":
            return replace(line, value=b"a" * draw(MANY))
        case "long space":
            return replace(line, separator=b":" + b" " * draw(MANY))
        case _:
            return replace(line, name=b"a" * draw(MANY))


@st.composite
def _changed(draw: st.DrawFn, webhook: Webhook) -> Webhook:
    lines = webhook.lines
    place = draw(st.integers(0, len(lines) - 1)) if lines else 0
    match draw(st.sampled_from(["line", "more", "telling", "length", "twice", "less", "swap", "many", "start", "end"])):
        case "line" if lines:
            lines = (*lines[:place], draw(_changed_line(lines[place])), *lines[place + 1 :])
        case "more":
            lines = (*lines[:place], draw(A_LINE), *lines[place:])
        case "telling":
            telling = draw(st.lists(st.sampled_from(TELLING), min_size=1, max_size=2))
            lines = (*lines, *(Line(*line) for line in telling))
        case "length":
            length = Line(b"Content-Length", draw(st.sampled_from(LENGTHS)))
            lines = tuple(length if line.name == b"Content-Length" else line for line in lines)
        case "twice" if lines:
            lines = (*lines, draw(st.one_of(st.just(lines[place]), _changed_line(lines[place]))))
        case "less" if lines:
            lines = (*lines[:place], *lines[place + 1 :])
        case "swap" if lines:
            lines = (lines[place], *lines[:place], *lines[place + 1 :])
        case "many":
            lines = (*lines, *[Line(draw(A_NAME), b"a")] * min(draw(MANY), 101))
        case "start":
            return replace(webhook, start=draw(st.one_of(st.just(START), st.sampled_from(STARTS))))
        case _:
            more = draw(st.one_of(SHORT, st.sampled_from([b"\r\n", CHUNKED, a_webhook().written])))
            return replace(webhook, more=more)
    return replace(webhook, lines=lines)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """The bytes of a webhook with some changes to its parts, and perhaps to its bytes."""
    body = draw(st.one_of(st.just(b"a" * 78), st.binary(max_size=80), st.just(CHUNKED)))
    webhook = a_webhook(body=body)
    if draw(st.booleans()):
        webhook = replace(webhook, lines=(*webhook.lines, Line(b"X-Request-Id", draw(PRINTABLE))))
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 2, 3]))):
        webhook = draw(_changed(webhook))
    written = webhook.written
    for _ in range(draw(st.sampled_from([0, 0, 0, 0, 0, 1, 2]))):
        begin = draw(st.integers(0, len(written)))
        end = begin + draw(st.integers(0, 3))
        written = written[:begin] + draw(SHORT) + written[end:]
    return written[: draw(st.integers(0, len(written)))] if draw(st.sampled_from([False] * 15 + [True])) else written


@pytest.fixture(scope="module")
def config() -> Config:
    """As in config/gunicorn.py, for a proxy that is trusted: gunicorn looks closer at what such a one sends."""
    config = Config()
    config.set("forwarded_allow_ips", "*")
    return config


def read_by_gunicorn(received: bytes, config: Config) -> Any:
    """The environment of the one request that these bytes are. Raises what gunicorn would refuse it for."""
    parser = get_parser(config, iter([received]), PEER)
    request = next(parser)
    assert not request.should_close()
    near, far = socket.socketpair()
    with near, far:
        _, environ = create(request, near, PEER, ("127.0.0.1", 8000), config)
        far.setblocking(False)
        with pytest.raises(BlockingIOError):
            far.recv(1)  # gunicorn has told nothing yet
    environ["form"] = usual_form(environ, BODY_LIMIT)
    with pytest.raises(StopIteration):
        next(parser)
    return environ


@settings(max_examples=300)
@given(received=mutated())
@example(received=a_webhook(Line(b"Host", b"bot.example.com")).written)
@example(received=a_webhook(Line(b"X-Forwarded-Proto", b"https"), Line(b"X-Forwarded-Proto", b"http")).written)
@example(received=a_webhook(Line(b"X-Forwarded-Proto", b"https"), Line(b"X-Forwarded-Ssl", b"off")).written)
@example(received=a_webhook(Line(b"Cookie", b"c" * 8190)).written)
def test_what_the_loop_takes_is_what_gunicorn_reads(config: Config, received: bytes) -> None:
    webhook = whole_webhook(received)
    event("left" if webhook is None else "taken")
    if webhook is None:
        return
    environ = read_by_gunicorn(received, config)
    assert (environ["REQUEST_METHOD"], environ["RAW_URI"], environ["PATH_INFO"]) == ("POST", PATH, PATH)
    assert (environ["QUERY_STRING"], environ["SERVER_PROTOCOL"]) == ("", "HTTP/1.1")
    assert environ["CONTENT_TYPE"] == "application/x-www-form-urlencoded"
    assert webhook == Whole(environ["form"], environ.get(WSGI_HEADER, ""))


@given(body=st.binary(max_size=200), request_id=PRINTABLE.filter(bytes.strip), case=CASES)
def test_what_kommo_and_our_proxy_send_is_taken(config: Config, body: bytes, request_id: bytes, case: Any) -> None:
    lines = [Line(b"X-Forwarded-For", b"10.0.0.1"), Line(b"X-Forwarded-Proto", b"https")]
    webhook = a_webhook(*lines, Line(b"X-Request-Id", request_id.strip()), body=body)
    received = replace(webhook, lines=tuple(replace(line, name=case(line.name)) for line in webhook.lines)).written
    environ = read_by_gunicorn(received, config)
    assert whole_webhook(received) == Whole(environ["form"], environ[WSGI_HEADER])
