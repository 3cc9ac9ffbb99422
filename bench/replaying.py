"""Lean servers that answer as the simulated OpenAI and Kommo did when one turn was recorded (bench/wire.py).

The simulators themselves keep every answer and check every field: 1.4 ms of CPU for an answer in eight pieces, almost
half a core at 300 a second. These need 0.4 ms, send the same bytes at the same pace, know nothing, and note when:
numbers of turns with moments on the monotonic clock, which all processes of a machine share.

    python -m bench.replaying openai|kommo LISTENING_FD RECORDING
"""

import asyncio
import re
import socket
import sys
import time
from pathlib import Path
from typing import Any

from bench.lean_server import Service, serve
from bench.wire import NUMBER, RECORDED_NUMBER, Recording

# Of a whole answer, in seconds, unless told otherwise; and the share of it until the first byte.
TOTAL = 2.0
FIRST_BYTE_SHARE = 0.15
_CONTINUE = re.compile(rb"/api/v4/salesbot/1/continue/(\d+)/?\Z")
_RESPONSE_ID = re.compile(r'"id":"(resp_[0-9a-f]+)"')
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class ReplayedOpenAI:
    """Streams the recorded answer to every POST /v1/responses."""

    def __init__(self, recording: Recording) -> None:
        whole = "".join(recording.answer)
        found = _RESPONSE_ID.search(whole)
        if found is None:
            raise ValueError("the recorded answer names no response")
        self.recorded_id = found[1].encode()
        self.parts = [part.encode("latin-1") for part in recording.answer]
        self.moments: list[float] = []
        self.set_pace(TOTAL)
        self._conversation = recording.conversation.encode("latin-1")
        self._noted: dict[int, tuple[float, float]] = {}
        self._first = self._in_flight = self._unexpected = self._broken = 0

    def begin(self, first: int) -> None:
        """Implements Service."""
        self._first = first
        self._noted = {}

    def set_pace(self, total: float) -> None:
        """Implements Service."""
        first = total * FIRST_BYTE_SHARE
        steps = len(self.parts) - 1
        self.moments = [first + (total - first) * step / steps for step in range(steps + 1)]

    def request(self, path: bytes, body: bytes, transport: asyncio.Transport) -> None:
        """Implements Service."""
        found = NUMBER.search(body)
        if path == b"/v1/responses" and found:
            self._in_flight += 1
            _Answer(self, int(found[1]), transport).begin()
        elif path == b"/v1/conversations":
            transport.write(self._conversation)
        else:
            self._unexpected += 1
            transport.write(_NOT_FOUND)

    def ended(self, number: int, began: float) -> None:
        """An answer has been sent to its end."""
        self._in_flight -= 1
        if number >= self._first:
            self._noted[number] = (began, time.monotonic())

    def broken(self) -> None:
        """A client has gone away."""
        self._in_flight -= 1
        self._broken += 1

    def state(self) -> dict[str, Any]:
        """Implements Service."""
        return {"in_flight": self._in_flight, "done": len(self._noted)}

    def noted(self) -> dict[str, Any]:
        """Implements Service. moments: of the request and of the answer's last byte."""
        return {"moments": self._noted, "unexpected": self._unexpected, "broken": self._broken}


class _Answer:
    """One answer on its way."""

    def __init__(self, service: ReplayedOpenAI, number: int, transport: asyncio.Transport) -> None:
        self._service = service
        self._number = number
        self._transport = transport
        self._place = 0
        self._moments = service.moments
        self._text = b"#%07d" % number
        self._id = b"resp_%0*x" % (len(service.recorded_id) - len(b"resp_"), number)
        self._loop = asyncio.get_running_loop()
        self._began = time.monotonic()

    def begin(self) -> None:
        """Wait for the moment of the first byte."""
        self._loop.call_at(self._began + self._moments[0], self._send)

    def _send(self) -> None:
        if self._transport.is_closing():
            self._service.broken()
            return
        part = self._service.parts[self._place]
        self._transport.write(part.replace(RECORDED_NUMBER, self._text).replace(self._service.recorded_id, self._id))
        self._place += 1
        if self._place == len(self._moments):
            self._service.ended(self._number, self._began)
        else:
            self._loop.call_at(self._began + self._moments[self._place], self._send)


class ReplayedKommo:
    """Answers every continue call with 202 at once. The turn's number is the last part of its address."""

    def __init__(self, recording: Recording) -> None:
        self._accepted = recording.accepted.encode("latin-1")
        self._noted: dict[int, float] = {}
        self._first = self._twice = self._wrong = self._unexpected = 0

    def begin(self, first: int) -> None:
        """Implements Service."""
        self._first = first
        self._noted = {}
        self._twice = self._wrong = self._unexpected = 0

    def set_pace(self, total: float) -> None:
        """Implements Service: it never waits."""

    def request(self, path: bytes, body: bytes, transport: asyncio.Transport) -> None:
        """Implements Service."""
        found = _CONTINUE.fullmatch(path)
        if found is None:
            self._unexpected += 1
            transport.write(_NOT_FOUND)
            return
        transport.write(self._accepted)
        number = int(found[1])
        if number < self._first:
            return
        self._twice += number in self._noted
        # The answer must be the one to this turn's question.
        answered = NUMBER.search(body)
        self._wrong += answered is None or int(answered[1]) != number
        self._noted.setdefault(number, time.monotonic())

    def state(self) -> dict[str, Any]:
        """Implements Service."""
        return {"done": len(self._noted)}

    def noted(self) -> dict[str, Any]:
        """Implements Service. moments: of the first continue call."""
        return {"moments": self._noted, "unexpected": self._unexpected, "twice": self._twice, "wrong": self._wrong}


def main() -> None:
    """Serve until killed."""
    name, descriptor, path = sys.argv[1:]
    recording = Recording.load(Path(path))
    service: Service = {"openai": ReplayedOpenAI, "kommo": ReplayedKommo}[name](recording)  # type: ignore[assignment]
    asyncio.run(serve(service, socket.socket(fileno=int(descriptor))))


if __name__ == "__main__":
    main()
