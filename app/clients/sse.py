"""Server-sent events out of bytes, piece by piece (the `text/event-stream` format of the HTML standard).

Works on bytes lines and decodes each event by itself: a line ending inside a character, or U+2028 and U+0085 inside a
text, must not split an event (openai.md 6.1).
"""

import re
from dataclasses import dataclass

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_USUAL = re.compile(rb"event: ([^\r\n]*)\ndata: ([^\r\n]*)\n\n")


class EventTooLarge(Exception):
    """One event, or one line, is longer than the parser takes."""


@dataclass(frozen=True, slots=True)
class Event:
    """name: the `event:` field, "" when the event has none. data: its data lines, joined by a line feed."""

    name: str
    data: str


class SseParser:
    """Feed it whatever arrives; it returns the events that are complete.

    An event that the end of the stream cuts off is never returned. `id` and `retry` fields and comments are skipped.
    """

    def __init__(self, limit: int) -> None:
        """limit: the most bytes that one event may have."""
        self._limit = limit
        self._pending: list[bytes] = []  # pieces of a line that has not ended
        self._pending_size = 0
        self._after_carriage_return = False
        self._at_start = True
        self._name = b""
        self._data: list[bytes] = []
        self._data_size = 0

    def feed(self, piece: bytes) -> list[Event]:
        """Take the next bytes; return the events that they complete. Raises EventTooLarge."""
        if self._after_carriage_return and piece:
            # The line ended with the last piece; a line feed here is the second half of its ending.
            piece = piece.removeprefix(b"\n")
            self._after_carriage_return = False
        if not piece:
            return []
        events: list[Event] = []
        if not (self._pending or self._data or self._name):
            events, piece = self._usual(piece)
            if not piece:
                return events
        lines = piece.splitlines(keepends=True)
        unfinished = b"" if lines[-1].endswith((b"\r", b"\n")) else lines.pop()
        if lines and self._pending:
            lines[0] = b"".join((*self._pending, lines[0]))
            self._pending.clear()
            self._pending_size = 0
        events += [event for line in lines if (event := self._line(line.rstrip(b"\r\n"))) is not None]
        if unfinished:
            self._keep(unfinished)
        self._after_carriage_return = piece.endswith(b"\r")
        return events

    def _usual(self, piece: bytes) -> tuple[list[Event], bytes]:
        """The events that a piece begins with, as long as they look as OpenAI writes them, and the rest of it.

        Line by line they cost five times as much, and an answer has hundreds.
        """
        events, place = [], 0
        while found := _USUAL.match(piece, place):
            name, data = found.groups()
            if len(data) >= self._limit:
                raise EventTooLarge
            events.append(Event(name.decode(errors="replace"), data.decode(errors="replace")))
            place = found.end()
            self._at_start = False
        return events, piece[place:]

    def _keep(self, part: bytes) -> None:
        self._pending.append(part)
        self._pending_size += len(part)
        if self._pending_size + self._data_size > self._limit:
            raise EventTooLarge

    def _line(self, line: bytes) -> Event | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._data_size += len(value) + 1
            if self._data_size > self._limit:
                raise EventTooLarge
        elif field == b"event":
            self._name = value
        return None

    def _dispatch(self) -> Event | None:
        data, name = self._data, self._name
        self._data, self._name, self._data_size = [], b"", 0
        if not data:
            return None
        return Event(name.decode(errors="replace"), b"\n".join(data).decode(errors="replace"))
