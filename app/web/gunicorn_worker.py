"""gunicorn's worker with threads, which waits for nobody who stops in the middle of a request.

gunicorn's own waits without end for the rest of a head or a body, and a few such connections hold every thread. A proxy
in front that collects requests keeps them away as well (deploy/nginx.conf); not everybody has one.

The usual webhook needs no thread: the loop that watches the connections reads it whole, asks Redis along with the
others that came (app/together.py), and answers when Redis has. A thread for each, gunicorn's parser and its objects
cost as much as all else that is done for a webhook (bench/door.py).
"""

import socket
import struct
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

from app.together import Together, Trip, WouldWait
from app.web.at_once import EXTENSION, MOST_READ, AtOnce, Whole, whole_webhook, written

# Seconds from its first byte in which a request must be there. Kommo gives up after two.
WHOLE_REQUEST = 3.0
# Milliseconds in which whoever is answered must take some of it; a slow one may take as long as it likes for all.
SOME_OF_THE_ANSWER_MS = 5000
# So many new connections are taken before the loop looks at the others. gunicorn takes one, but has less to do between.
MOST_ACCEPTED = 8
# So many trips to Redis are under way at once. What comes meanwhile goes with the next one.
MOST_TRIPS = 4
# So many questions are sent before the loop has seen who else has come, so that Redis begins.
ENOUGH = 8


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """config/gunicorn.py names it. What is called by the main thread is its loop."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._until: dict[TConn, float] = {}
        self._at_once: AtOnce | None = None
        self._together = Together()
        # By the file descriptor that becomes readable with the answers.
        self._trips: dict[int, Trip] = {}

    def run(self) -> None:
        """Called by the main thread: serve until told to stop."""
        # Who wraps the bytes that come is left to gunicorn.
        if not self.cfg.is_ssl and self.cfg.proxy_protocol == "off":
            self._at_once = getattr(self.wsgi, "extensions", {}).get(EXTENSION)
        super().run()

    def accept(self, listener: Any) -> None:
        """Called by the main thread: there are new connections."""
        for _ in range(MOST_ACCEPTED):
            before = self.nr_conns
            super().accept(listener)
            if self.nr_conns == before or self.nr_conns >= self.worker_connections:
                return

    def handle(self, conn: TConn) -> Any:
        """Serve one request, in a thread of the pool."""
        self._until[conn] = time.monotonic() + WHOLE_REQUEST
        try:
            kept = super().handle(conn)
        finally:
            del self._until[conn]
        if kept is False:
            # gunicorn's main thread would wait up to two seconds for the other side to hang up, and for nobody else.
            _read_no_more(conn)
        return kept

    def enqueue_req(self, conn: TConn) -> None:
        """Called by the main thread: have a thread serve a connection, but only once there is something to read."""
        if conn.initialized or conn.data_ready:
            super().enqueue_req(conn)
            return
        # The kernel's limit, for gunicorn has none. config/gunicorn.py tells of it.
        conn.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", *divmod(SOME_OF_THE_ANSWER_MS * 1000, 1_000_000))
        )
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Called by the main thread: the first bytes of a connection are there."""
        if not self._take_over(conn, self.pending_conns):
            super().on_pending_socket_readable(conn, client)

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Called by the main thread: a kept connection has more to say."""
        if not self._take_over(conn, self.keepalived_conns):
            super().on_client_socket_readable(conn, client)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Called by the main thread, again and again."""
        self._look_at_all(timeout)
        if self._is_somebody_due():
            # Who has written while the loop was held up is not to be taken for silent.
            self._look_at_all(0.0)

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

    def _look_at_all(self, timeout: float) -> None:
        now = time.monotonic()
        super().wait_for_and_dispatch_events(
            max(0.0, min([timeout, *(trip.asked.until - now for trip in self._trips.values())]))
        )
        self._give_up_what_was_late(now)
        self._set_out()

    def _is_somebody_due(self) -> bool:
        first = [conns[0].timeout for conns in (self.keepalived_conns, self.pending_conns) if conns]
        return bool(first) and min(first) <= time.monotonic()

    def _take_over(self, conn: TConn, among: "deque[TConn]") -> bool:
        """Take a connection out of the loop to answer its webhook, where it holds one, and say so. among: its kind."""
        if self._at_once is None or not self.alive or len(self.keepalived_conns) >= self.max_keepalived:
            return False
        if conn.initialized and (conn.is_http2 or conn.parser.unreader.buf.getvalue()):
            return False
        try:
            received = conn.sock.recv(MOST_READ, socket.MSG_PEEK)
        except OSError:  # gunicorn's thread meets it, too
            return False
        webhook = whole_webhook(received)
        if webhook is None:
            return False
        self.poller.unregister(conn.sock)
        among.remove(conn)
        self._together.start(partial(self._answer, conn, webhook, len(received), self._at_once))
        if self._together.questions >= ENOUGH:
            self._set_out()
        return True

    def _answer(self, conn: TConn, webhook: Whole, length: int, at_once: AtOnce) -> None:
        """Answer a webhook that is still unread, or leave it so to a thread. length: of the request, in bytes."""
        try:
            answer = at_once.answer(webhook)
        except Exception as error:  # noqa: BLE001 - a thread meets it again, and this one has others to serve
            # A text may stand in its message.
            self.log.error("a webhook is left to a thread after %s", type(error).__name__)  # noqa: TRY400
            answer = None
        conn.data_ready = True
        if answer is None:
            self.enqueue_req(conn)
        elif not _says(conn.sock, written(answer), length):
            self.nr_conns -= 1
            conn.close()
        else:
            self._keep(conn)

    def _keep(self, conn: TConn) -> None:
        conn.set_timeout()
        if not self.alive:
            conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        self.keepalived_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_client_socket_readable, conn))

    def _set_out(self) -> None:
        """Send what the webhooks that have come ask of Redis."""
        while self._together.questions and len(self._trips) < MOST_TRIPS:
            for trip in self._together.set_out():
                fileno = trip.asked.fileno()
                if fileno is None:
                    trip.end(trip.asked.give_up())
                else:
                    self._trips[fileno] = trip
                    self.poller.register(fileno, EVENT_READ, self._look)

    def _look(self, fileno: int) -> None:
        answers = self._trips[fileno].asked.answers()
        if answers is not None:
            self._end(fileno, answers)

    def _end(self, fileno: int, answers: Sequence[Any]) -> None:
        self.poller.unregister(fileno)
        self._trips.pop(fileno).end(answers)

    def _give_up_what_was_late(self, now: float) -> None:
        """now: before the last look. What has come since may not have been seen yet, where the loop was held up."""
        for fileno in [fileno for fileno, trip in self._trips.items() if trip.asked.until < now]:
            self._end(fileno, self._trips[fileno].asked.give_up())
            # Nor is there an answer for those who would go next.
            self._together.turn_back(WouldWait())


def _read_no_more(conn: TConn) -> None:
    with suppress(OSError):  # it has gone meanwhile
        conn.sock.shutdown(socket.SHUT_RD)


def _says(sock: socket.socket, told: bytes, length: int) -> bool:
    """Answer a request of so many bytes that are there to be read; whether all of it could be said."""
    try:
        sock.recv(length)
        return sock.send(told) == len(told)
    except OSError:
        return False
