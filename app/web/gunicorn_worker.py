"""gunicorn's worker with threads, which waits for nobody who stops in the middle of a request.

gunicorn's own waits without end for the rest of a head or a body, and a few such connections hold every thread. A proxy
in front that collects requests keeps them away as well (deploy/nginx.conf); not everybody has one.
"""

import socket
import time
from contextlib import suppress
from typing import Any

from gunicorn.workers.gthread import _DEFER, TConn, ThreadWorker

# Seconds for which a thread waits for the first byte of a connection; from then on the poller does.
FIRST_BYTE = 0.1
# Seconds from its first byte in which a request must be there. Kommo gives up after two.
WHOLE_REQUEST = 3.0


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """config/gunicorn.py names it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._until: dict[TConn, float] = {}

    def handle(self, conn: TConn) -> Any:
        """Serve one request, in a thread of the pool."""
        if not conn.initialized and not conn.wait_for_data(FIRST_BYTE):
            return _DEFER
        self._until[conn] = time.monotonic() + WHOLE_REQUEST
        try:
            kept = super().handle(conn)
        finally:
            del self._until[conn]
        if kept is False:
            # gunicorn's main thread would wait up to two seconds for the other side to hang up, and for nobody else.
            _read_no_more(conn)
        return kept

    def murder_pending(self) -> None:
        """Called at least every second, by the main thread: end what is silent, and the reading of what takes too long.

        Whoever still reads is told that the sender has gone. A request that is complete is answered all the same, and
        its connection ends with it.
        """
        super().murder_pending()
        now = time.monotonic()
        for conn, until in list(self._until.items()):
            if until < now:
                _read_no_more(conn)


def _read_no_more(conn: TConn) -> None:
    with suppress(OSError):  # it has gone meanwhile
        conn.sock.shutdown(socket.SHUT_RD)
