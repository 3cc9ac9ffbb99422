"""Runs an aiohttp application on a real socket, with an event loop in a thread of its own."""

import asyncio
import concurrent.futures
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from aiohttp import web

HOST = "127.0.0.1"
# Benchmarks open hundreds of connections at once; the default queue of 128 would refuse some.
BACKLOG = 2048
# Turns of the event loop until a connection that was accepted last is set up. Closing the listener before that
# makes asyncio (Python 3.11) forget it, and its client would wait for ever.
TURNS_TO_CONNECT = 10

T = TypeVar("T")


class Server:
    """Serves one application on 127.0.0.1 from `start` to `stop`; a context manager does both.

    A handler is cancelled when its client goes away. Whatever still runs at `stop`, handlers and tasks they
    started alike, is cancelled. A server is used once.
    """

    def __init__(self, application: web.Application, port: int = 0) -> None:
        """port: 0 takes a free one."""
        self._application = application
        self._wanted_port = port
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
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Return when the socket accepts connections. Raises OSError when the port is taken."""
        self._thread.start()
        self._bound.result()

    def stop(self) -> None:
        """Close the socket and every connection, and wait for the thread. Harmless when it never ran or has stopped."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

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
        loop = asyncio.get_running_loop()
        try:
            listener = _listener(self._wanted_port)
            await web.SockSite(runner, listener, backlog=BACKLOG).start()
            self._loop = loop
            self._bound.set_result(listener.getsockname()[1])
            await self._stop.wait()
            loop.remove_reader(listener)
            for _ in range(TURNS_TO_CONNECT):
                await asyncio.sleep(0)
        finally:
            await runner.cleanup()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _listener(port: int) -> socket.socket:
    """A bound socket. TCP is named, since asyncio sends small pieces at once (TCP_NODELAY) only then."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        raise
    return listener
