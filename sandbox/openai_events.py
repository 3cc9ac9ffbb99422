"""Server-sent events of one answer: written once by whoever works on it, followed by any number of readers."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

PIECES_BEFORE_BREAK = 2
WORDS = re.compile(r"\s*\S+|\s+\Z")


def encode(value: Any) -> bytes:
    """JSON as OpenAI sends it: UTF-8, not escaped, so U+2028 and U+0085 stand in it raw."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Frame:
    """One event on the wire. delta: it carries a piece of the answer's text."""

    name: str
    data: bytes
    delta: bool = False

    def encoded(self) -> bytes:
        """The two lines and the empty one that ends an event."""
        return b"event: %s\ndata: %s\n\n" % (self.name.encode(), self.data)


DONE = Frame("done", b"[DONE]")


class EventLog:
    """What has happened to one answer so far.

    break_at: where a broken stream breaks: behind the second piece of text, or the last where there are fewer.
    unread: nobody follows, now or later, so no events are kept.
    """

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.closed = False
        self.unread = False
        self.break_at: int | None = None
        self._pieces = 0
        self._news = asyncio.Event()

    def append(self, frame: Frame) -> None:
        """Add an event. What comes after `close` concerns nobody any more and is dropped."""
        if self.closed:
            return
        if self.breaks_before(frame):
            self.mark_break()
        self._pieces += frame.delta
        if not self.unread:
            self.frames.append(frame)
            self._wake()

    def breaks_before(self, frame: Frame) -> bool:
        """Whether a broken stream ends before this event."""
        return self._pieces >= PIECES_BEFORE_BREAK or (self._pieces > 0 and not frame.delta)

    def mark_break(self) -> None:
        """Tell the followers of a broken stream that they have seen all they get."""
        if self.break_at is None:
            self.break_at = len(self.frames)
            self._wake()

    def forget(self) -> None:
        """Drop the events, those to come too: long benchmarks would fill the memory with them."""
        self.unread = True
        self.frames = []

    def close(self) -> None:
        """Say that nothing follows."""
        self.closed = True
        self._wake()

    async def follow(self, start: int = 0, to_break: bool = False) -> AsyncIterator[list[Frame]]:
        """Yield the events from a position on as they come, those that are there at once together."""
        position = start
        while True:
            broken = to_break and self.break_at is not None
            fresh = self.frames[position : self.break_at] if broken else self.frames[position:]
            if fresh:
                position += len(fresh)
                yield fresh
            elif self.closed or broken:
                return
            else:
                await self._news.wait()

    async def wait_closed(self) -> None:
        """Return when nothing follows any more."""
        while not self.closed:
            await self._news.wait()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds that an answer takes.

    first_byte: until the first event (streaming) or until work begins.
    total: until the last; the pieces of the text are spread over the time between.
    """

    first_byte: float = 0.0
    total: float = 0.0


class Pace:
    """Spreads one answer over its time: steps of equal length, one after the opening and one after each piece."""

    def __init__(self, latency: Latency, pieces: int) -> None:
        self._first_byte = latency.first_byte
        self._gap = max(0.0, latency.total - latency.first_byte) / (pieces + 1)

    async def begin(self) -> None:
        """Wait for the moment of the first byte."""
        await asyncio.sleep(self._first_byte)

    async def step(self) -> None:
        """Wait for the next moment."""
        if self._gap:
            await asyncio.sleep(self._gap)


def pieces_of(text: str, count: int) -> list[str]:
    """Cut a text between words into at most so many pieces of about the same number of words; [] for no text."""
    words = WORDS.findall(text)
    size = max(1, -(-len(words) // count))
    return ["".join(words[start : start + size]) for start in range(0, len(words), size)]
