import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clients.sse import Event, EventTooLarge, SseParser

LIMIT = 10_000


def parsed(*pieces: bytes, limit: int = LIMIT) -> list[Event]:
    parser = SseParser(limit)
    return [event for piece in pieces for event in parser.feed(piece)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\n\n", [Event("", "a")], id="data alone"),
        pytest.param(b"event: x\ndata: a\n\n", [Event("x", "a")], id="a named event"),
        pytest.param(b"data: a\nevent: x\n\n", [Event("x", "a")], id="the name behind the data"),
        pytest.param(
            b"event: x\ndata: a\n\nevent: y\ndata: b\ndata: c\n\nevent: z\ndata: d\n\n",
            [Event("x", "a"), Event("y", "b\nc"), Event("z", "d")],
            id="one with two data lines among others",
        ),
        pytest.param(
            b"data: a\r\n\r\ndata: b\r\n\r\n", [Event("", "a"), Event("", "b")], id="carriage return line feed"
        ),
        pytest.param(b"data: a\r\rdata: b\r\r", [Event("", "a"), Event("", "b")], id="carriage return"),
        pytest.param(b"data: a\ndata: b\n\n", [Event("", "a\nb")], id="two data lines"),
        pytest.param(b"data: \ndata\n\n", [Event("", "\n")], id="empty data lines"),
        pytest.param(b"data:a\n\ndata:  b\n\n", [Event("", "a"), Event("", " b")], id="one space is dropped"),
        pytest.param(b": ping\n\n:\n\ndata: a\n\n", [Event("", "a")], id="comments"),
        pytest.param(b"id: 1\nretry: 5\nother: x\ndata: a\n\n", [Event("", "a")], id="other fields"),
        pytest.param(b"event: x\n\ndata: a\n\n", [Event("", "a")], id="a name without data is forgotten"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [Event("", "a")], id="byte order mark"),
        pytest.param("data: ação\u2028fim\u0085\n\n".encode(), [Event("", "ação\u2028fim\u0085")], id="odd line ends"),
        pytest.param(b"data: a\xff\n\n", [Event("", "a\ufffd")], id="not UTF-8"),
        pytest.param(b"data: a\n\ndata: b\n", [Event("", "a")], id="the end cuts an event off"),
        pytest.param(b"data: [DONE]\n\n", [Event("", "[DONE]")], id="done"),
        pytest.param(b"\n\n\n", [], id="blank lines"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_a_stream_becomes_events(stream: bytes, events: list[Event]) -> None:
    assert parsed(stream) == events
    assert parsed(*(bytes([byte]) for byte in stream)) == events, "byte by byte"


def test_an_event_is_given_as_soon_as_its_last_byte_is_there() -> None:
    parser = SseParser(LIMIT)
    assert parser.feed(b"data: a\r\n\r") == [Event("", "a")]
    assert parser.feed(b"\ndata: b\n") == []
    assert parser.feed(b"\n") == [Event("", "b")]


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z.]{0,20}", fullmatch=True), st.text(max_size=40).filter(lambda text: "\r" not in text)
        ),
        max_size=6,
    ),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(min_value=0, max_value=600), max_size=8),
)
def test_events_survive_any_line_ending_and_any_cut(
    events: list[tuple[str, str]], ending: bytes, cuts: list[int]
) -> None:
    stream = b""
    for name, data in events:
        lines = [f"event: {name}", *(f"data: {line}" for line in data.split("\n")), "", ""]
        stream += ending.join(line.encode(errors="replace") for line in lines)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:end] for start, end in itertools.pairwise(places)]
    assert parsed(*pieces) == [Event(name, data.encode(errors="replace").decode()) for name, data in events]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([b"data: " + b"x" * 200], id="one line that does not end"),
        pytest.param([b"data: ", *[b"x" * 20] * 10], id="one line in many pieces"),
        pytest.param([b"data: xxxxxxxxxxxxxxxxxx\n" * 10], id="many lines of one event"),
        pytest.param([b"event: x\ndata: " + b"x" * 100 + b"\n\n"], id="one that has ended"),
        pytest.param([b":" + b"x" * 200], id="a comment that does not end"),
    ],
)
def test_an_event_that_is_too_long_is_refused(pieces: list[bytes]) -> None:
    with pytest.raises(EventTooLarge):
        parsed(*pieces, limit=100)


def test_the_limit_is_that_of_one_event() -> None:
    assert len(parsed(b"data: xxxxxxxxxxxxxxxxxx\n\n" * 50, limit=100)) == 50
