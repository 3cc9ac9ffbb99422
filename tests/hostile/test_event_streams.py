"""Streams that OpenAI, or somebody in its place, could send: cut at every byte, with every line ending, without end."""

import itertools
import re
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clients.sse import Event, EventTooLarge, SseParser
from tests.hostile.tally import EVENT_STREAMS, taken, tried
from tests.hostile.target import effort

LIMIT = 100_000
SOON = 5.0
_LINE_END = re.compile(rb"\r\n|\r|\n")

STREAMS = {
    "two events": b"event: a\ndata: 1\n\ndata: 2\n\n",
    "carriage returns": b"event: a\rdata: 1\r\rdata: 2\r\r",
    "both": b"event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n",
    "all mixed": b"event: a\rdata: 1\n\r\ndata: 2\r\n\n\rdata: 3\r\r\n\n",
    "a mark at the start": b"\xef\xbb\xbfdata: \xef\xbb\xbf1\n\n",
    "letters of many bytes": "data: ação 😀 \u2028 \u0085 \x0b\x0c\x1c fim\n\n".encode(),
    "broken letters": b"data: \xc3\n\ndata: \xf0\x9f\n\ndata: \xff\xfe\r\r",
    "colons and spaces": b"data\ndata:\ndata: \ndata::\n:data\n data: x\n\n",
    "fields that mean nothing": b"id: 1\0\nretry: x\ndat: y\ndata x\nDATA: z\ndata: a\n\n",
    "cut off": b"data: 1\n\ndata: 2\n",
    "nothing": b"\n\r\n\r\n\n",
}  # fmt: skip


def by_the_book(stream: bytes) -> list[Event]:
    """The events of a whole stream, read in the slow and plain way of the standard."""
    *lines, _cut_off = _LINE_END.split(stream.removeprefix(b"\xef\xbb\xbf"))
    events, name, data = [], b"", list[bytes]()
    for line in lines:
        if not line:
            if data:
                events.append(Event(name.decode(errors="replace"), b"\n".join(data).decode(errors="replace")))
            name, data = b"", []
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return events


def parsed(pieces: list[bytes]) -> list[Event]:
    parser = SseParser(LIMIT)
    return [event for piece in pieces for event in parser.feed(piece)]


def cuts(stream: bytes) -> Iterator[list[bytes]]:
    """The stream in two and in three pieces, wherever it can be cut, with empty pieces; and byte by byte."""
    places = range(len(stream) + 1)
    yield [stream]
    yield [stream[at : at + 1] for at in range(len(stream))]
    for first, second in itertools.combinations_with_replacement(places, 2):
        yield [stream[:first], stream[first:second], b"", stream[second:]]


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_a_stream_may_be_cut_anywhere(stream: bytes) -> None:
    expected = by_the_book(stream)
    for pieces in cuts(stream):
        tried(EVENT_STREAMS)
        assert parsed(pieces) == expected, pieces
        taken(EVENT_STREAMS)


@effort(3)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                (b"\r", b"\n", b"\r\n", b"data", b"data:", b"data: ", b"event: x", b":", b" ", b"\xef\xbb\xbf")
            ),
            st.binary(max_size=12),
        ),
        max_size=30,
    )
)
def test_any_bytes_in_any_pieces_are_read_by_the_book(pieces: list[bytes]) -> None:
    tried(EVENT_STREAMS)
    assert parsed(pieces) == by_the_book(b"".join(pieces))
    taken(EVENT_STREAMS)


@pytest.mark.parametrize("size", [1, 7, 4096], ids="pieces of {} bytes".format)
@pytest.mark.parametrize(
    "unit",
    [b"data: x\n", b"data\n", b":\n", b"\n", b"\r", b"event: x\n\n", b"data: x\n\n", b"id: 1\n", b"x", b"\r\n"],
    ids=lambda unit: repr(unit)[2:-1],
)
def test_a_flood_is_read_in_linear_time_and_little_memory_or_refused(unit: bytes, size: int) -> None:
    length = 1_000_000 if size > 1000 else 60_000
    stream = unit * (length // len(unit))
    tried(EVENT_STREAMS)
    parser = SseParser(LIMIT)
    tracemalloc.start()
    began = time.thread_time()
    try:
        for at in range(0, len(stream), size):
            parser.feed(stream[at : at + size])
        taken(EVENT_STREAMS)
    except EventTooLarge:
        assert len(stream) > LIMIT
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.thread_time() - began < SOON
    assert peak < 60 * LIMIT


@pytest.mark.parametrize(
    "line", [b"data: ", b"event: ", b": ", b"id: ", b"x"], ids=["data", "event", "comment", "id", "no field"]
)
def test_a_line_that_does_not_end_is_refused_at_the_limit(line: bytes) -> None:
    tried(EVENT_STREAMS)
    with pytest.raises(EventTooLarge):
        parsed([line + b"a" * 1000] * (2 * LIMIT // 1000))
