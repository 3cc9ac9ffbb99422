"""Runs an aiohttp application on a real socket, with an event loop in a thread of its own."""

import asyncio
import concurrent.futures
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

HOST = "127.0.0.1"
# Benchmarks open hundreds of connections at once; the default queue of 128 would refuse some.
BACKLOG = 2048
# Turns of the event loop until a connection that was accepted last is set up. Closing the listener before that
# makes asyncio (Python 3.11) forget it, and its client would wait for ever.
TURNS_TO_CONNECT = 10
# How long a port that is opened again may be in other hands.
RETAKE_TRIES, RETAKE_SECONDS = 100, 0.05
# SO_LINGER of zero seconds: closing sends RST.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

T = TypeVar("T")


class Server:
    """Serves one application on 127.0.0.1 from `start` to `stop`; a context manager does both.

    A handler is cancelled when its client goes away. Whatever still runs at `stop`, handlers and tasks they
    started alike, is cancelled. A server is used once.
    """

    def __init__(self, application: web.Application, port: int = 0, host: str = HOST) -> None:
        """port: 0 takes a free one. host: an address of this machine."""
        self._application = application
        self._wanted_port = port
        self._host = host
        self._bound: concurrent.futures.Future[int] = concurrent.futures.Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="sandbox-server", daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on; known from `start` on."""
        return self._bound.result(timeout=0)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`, without a slash at the end."""
        return f"http://{self._host}:{self.port}"

    def start(self) -> None:
        """Return when the socket accepts connections. Raises OSError when the port is taken."""
        self._thread.start()
        self._bound.result()

    def stop(self) -> None:
        """Close the socket and every connection, and wait for the thread. Harmless when it never ran or has stopped."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def shut(self) -> None:
        """Cut off every connection, and refuse new ones until `open`; what handlers began for them is cancelled."""
        self._wait_for(self._door.shut())

    def open(self) -> None:
        """Take connections again after `shut`, at the same port."""
        self._wait_for(self._door.open())

    def call(self, function: Callable[[], T]) -> T:
        """Run a function on the event loop's thread and return what it returns or raise what it raises.

        State that only handlers and such functions touch needs no lock. While the server does not run, or when
        called from that very thread, the function is simply called.
        """
        loop = self._loop
        if loop is None or not self._thread.is_alive() or threading.current_thread() is self._thread:
            return function()

        async def on_loop() -> T:
            return function()

        return asyncio.run_coroutine_threadsafe(on_loop(), loop).result()

    def _wait_for(self, work: Coroutine[None, None, None]) -> None:
        if self._loop is None:
            raise RuntimeError("the server does not run")
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._bound.set_exception(error)
        finally:
            if not self._bound.done():
                self._bound.set_exception(RuntimeError("the application did not start"))

    async def _serve(self) -> None:
        runner = web.AppRunner(self._application, access_log=None, handler_cancellation=True, shutdown_timeout=0.05)
        await runner.setup()
        try:
            self._door = Door(runner, self._host, self._wanted_port)
            await self._door.open()
            self._loop = asyncio.get_running_loop()
            self._bound.set_result(self._door.port)
            await self._stop.wait()
            await self._door.deafen()
        finally:
            await runner.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Door:
    """Where an application listens, which can be shut and opened again. To be used on the event loop only.

    port: the one that was taken, from `open` on.
    """

    def __init__(self, runner: web.AppRunner, host: str, port: int = 0) -> None:
        self.port = port
        self._runner = runner
        self._host = host
        self._opened_before = False
        self._listener: socket.socket | None = None
        self._site: web.SockSite | None = None

    async def open(self) -> None:
        """Take connections. Raises OSError where the port is taken; one that this door had is waited for."""
        self._listener = await self._bound()
        self.port = self._listener.getsockname()[1]
        self._opened_before = True
        self._site = web.SockSite(self._runner, self._listener, backlog=BACKLOG)
        await self._site.start()

    async def deafen(self) -> None:
        """Accept nothing more, and see that what was accepted last is set up."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            for _ in range(TURNS_TO_CONNECT):
                await asyncio.sleep(0)

    async def shut(self) -> None:
        """Refuse connections, and throw away those that came through this door. Harmless when it is shut."""
        if self._site is None or self._runner.server is None:
            return
        await self.deafen()
        await self._site.stop()
        self._site = self._listener = None
        for connection in self._runner.server.connections:
            transport = connection.transport
            if transport is not None and transport.get_extra_info("sockname") == (self._host, self.port):
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
                transport.abort()

    async def _bound(self) -> socket.socket:
        # Somebody who asked for any port may have got ours for a moment.
        tries = RETAKE_TRIES if self._opened_before else 1
        for _ in range(tries - 1):
            try:
                return _listener(self._host, self.port)
            except OSError:
                await asyncio.sleep(RETAKE_SECONDS)
        return _listener(self._host, self.port)


def _listener(host: str, port: int) -> socket.socket:
    """A bound socket. TCP is named, since asyncio sends small pieces at once (TCP_NODELAY) only then."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener
