"""A light load generator: prepared requests over keep-alive connections, in a process of its own.

Nothing is built, parsed or looked at beyond what tells one answer from the next, so that on a machine of few cores the
servers keep them.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

_LENGTH = b"content-length:"


@dataclass(frozen=True, slots=True)
class Round:
    """What became of one round. latencies, seconds: in seconds; not_200: answers with another status."""

    latencies: list[float]
    seconds: float
    not_200: int


class LoadGenerator:
    """The process. Use it as a context manager; one round at a time."""

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(10)

    def run(self, port: int, requests: Sequence[bytes], concurrent: int) -> Round:
        """Send every request once over so many connections, each of which waits for its answer before the next."""
        self._pipe.send((port, requests, concurrent))
        done: Round = self._pipe.recv()
        return done


def request(method: str, path: str, body: bytes = b"", content_type: str = "") -> bytes:
    """One request as its bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: bench", "Accept: */*"]
    if body:
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "\r\n"]).encode() + body


def _serve(pipe: Connection) -> None:
    while True:
        try:
            port, requests, concurrent = pipe.recv()
        except EOFError:
            return
        pipe.send(asyncio.run(_round(port, requests, concurrent)))


async def _round(port: int, requests: Sequence[bytes], concurrent: int) -> Round:
    loop = asyncio.get_running_loop()
    waiting = iter(requests)
    clients = [_Client(waiting, loop.create_future()) for _ in range(concurrent)]
    await asyncio.gather(*(loop.create_connection(partial(_itself, one), "127.0.0.1", port) for one in clients))
    began = time.perf_counter()
    for client in clients:
        client.send_next()
    await asyncio.gather(*(client.finished for client in clients))
    seconds = time.perf_counter() - began
    latencies = [latency for client in clients for latency in client.latencies]
    return Round(latencies, seconds, sum(client.not_200 for client in clients))


class _Client(asyncio.Protocol):
    """One connection: it takes the next request from all that are left when its answer is complete."""

    def __init__(self, waiting: Iterator[bytes], finished: asyncio.Future[None]) -> None:
        self.latencies: list[float] = []
        self.not_200 = 0
        self.finished = finished
        self._waiting = waiting
        self._received = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Implements asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send_next(self) -> None:
        """Send a request, or end where none is left."""
        following = next(self._waiting, None)
        if following is None:
            self.finished.set_result(None)
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(following)

    def data_received(self, data: bytes) -> None:
        """Implements asyncio.Protocol."""
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        self.latencies.append(time.perf_counter() - self._began)
        self.not_200 += not head.startswith(b"HTTP/1.1 200 ")
        self._received = b""
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Implements asyncio.Protocol."""
        if not self.finished.done():
            self.finished.set_exception(exc or ConnectionError("the server closed the connection"))


def _length(head: bytes) -> int:
    lower = head.lower()
    return int(lower[lower.index(_LENGTH) + len(_LENGTH) :].split(b"\r\n", 1)[0])


def _itself(client: _Client) -> _Client:
    return client
