"""The least HTTP server that keeps connections alive: complete requests in, bytes out.

Paths below /bench/ belong to the benchmark: `begin/<number>`, `pace/<seconds>`, `noted`, `state`.
"""

import asyncio
import gc
import json
import re
import socket
from typing import Any, Protocol

BACKLOG = 4096
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Service(Protocol):
    """What answers requests."""

    def request(self, path: bytes, body: bytes, transport: asyncio.Transport) -> None:
        """Answer a request, now or little by little."""

    def begin(self, first: int) -> None:
        """Forget what was noted, and note turns from this number on: earlier ones belong to something that is over."""

    def state(self) -> dict[str, Any]:
        """What it does now. done: how many of the noted turns it has finished."""

    def noted(self) -> dict[str, Any]:
        """What was noted; `moments` by the numbers of turns."""

    def set_pace(self, total: float) -> None:
        """Take so many seconds for each answer from now on."""


class _Connection(asyncio.Protocol):
    """One kept-alive connection, whose client waits for an answer before it asks again."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Implements asyncio.Protocol."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Implements asyncio.Protocol."""
        self._received += data
        head, gap, body = self._received.partition(b"\r\n\r\n")
        if not gap:
            return
        length = _LENGTH.search(head)
        if length is not None and len(body) < int(length[1]):
            return
        self._received = b""
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/bench/"):
            self._transport.write(_answer(self._control(path.decode().split("/")[2:])))
        else:
            self._service.request(path, body, self._transport)

    def _control(self, words: list[str]) -> dict[str, Any]:
        match words:
            case ["pace", total]:
                self._service.set_pace(float(total))
            case ["begin", first]:
                self._service.begin(int(first))
            case ["noted"]:
                return self._service.noted()
        return self._service.state()


def _answer(value: dict[str, Any]) -> bytes:
    body = json.dumps(value).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def serve(service: Service, listener: socket.socket) -> None:
    """Answer until cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(service), sock=listener, backlog=BACKLOG)
    # Nothing here makes cycles; a collection in the midst of a measurement would only be a pause.
    gc.disable()
    await server.serve_forever()
