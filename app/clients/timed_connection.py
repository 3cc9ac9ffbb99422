"""Connections of urllib3 that keep to a deadline.

`requests` bounds each single wait, not their sum: a server that sends a byte now and then, a host with several dead
addresses or a slow name server outlast any of its timeouts (openai.md 6.1). Here every wait, that for each
byte included, is cut to what is left of the call's deadline, and each step is noted, so that a failure is named by
what had happened rather than guessed from an exception's text.
"""

import http.client
import io
import socket
import ssl
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, cast

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection, port_by_scheme
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.exceptions import SSLError as TlsError
from urllib3.util.connection import create_connection
from urllib3.util.wait import wait_for_read

from app.clients.resolver import Resolver
from app.domain.answers import Deadline

if TYPE_CHECKING:
    from requests.structures import CaseInsensitiveDict

# A connection that was idle for longer is not used again: firewalls and address translators forget connections
# without telling either side, and a question sent on such a one meets silence, which may not be retried.
MAX_IDLE_SECONDS = 30.0
# A read that lets bytes gather wakes up with so many of them, by the kernel's own count. A piece of an answer has some
# 250, its end has more than this: it repeats the answer four times, with all that was asked.
GATHERED_BYTES = 1024
# How many of the last bytes are kept, to see where they end.
_LAST = 4
# Should there be no more to come, though, it looks after so many seconds.
GATHERING_SECONDS = 1.0
# Zero would mean "do not wait at all" to a socket and "no limit" to nobody.
SHORTEST_WAIT = 0.001
MOST_KNOWN_PLACES = 10_000


class Stage(IntEnum):
    """How far a call got."""

    NOT_BEGUN = 0
    CONNECTING = 1  # name, TCP, TLS
    SENDING = 2
    WAITING = 3  # everything was sent, nothing has come back
    ANSWERING = 4


@dataclass(slots=True)
class Exchange:
    """One request and its answer, as the connection that carries them keeps it.

    connect: seconds for name, TCP and TLS together. silence: the longest gap between two bytes of the answer.
    connect_failure: our word for why no connection came about.
    gathers_after: where what came last ends with this, the next wait lasts until a lot has come, or for
        GATHERING_SECONDS; b"" for never.
    """

    deadline: Deadline
    connect: float
    silence: float
    resolver: Resolver
    stage: Stage = Stage.NOT_BEGUN
    connect_failure: str | None = None
    gathers_after: bytes = b""
    heard_at: float = field(default_factory=time.monotonic)

    def connect_wait(self) -> float:
        """Seconds that a connection may still take to come about."""
        return max(SHORTEST_WAIT, min(self.connect, self.deadline.left()))

    def read_wait(self) -> float:
        """Seconds to wait for the next byte."""
        return max(SHORTEST_WAIT, min(self.silence, self.deadline.left()))


current_exchange: ContextVar[Exchange] = ContextVar("current_exchange")


# Why no connection came about; the first that fits. In urllib3 a connection that fails is a kind of timeout.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (NameResolutionError, "dns"),
    (NewConnectionError, "no_connection"),
    (ConnectTimeoutError, "connect_timeout"),
    (ssl.SSLError, "tls"),
    (TlsError, "tls"),
    (TimeoutError, "tls_timeout"),
)


def _why(error: Exception) -> str:
    if isinstance(error.__cause__, ConnectionRefusedError):
        return "refused"
    return next((word for kind, word in _REASONS if isinstance(error, kind)), "no_connection")


class _TimedReader(io.RawIOBase):
    """What arrives on a socket; every wait is as long as the exchange allows at that moment."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, exchange: Exchange) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._exchange = exchange
        self._last = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        exchange = self._exchange
        if exchange.deadline.passed():
            raise TimeoutError("the deadline has passed")
        wait = exchange.read_wait()
        may_gather = exchange.gathers_after and self._last.endswith(exchange.gathers_after)
        if may_gather and not self._gathered(min(GATHERING_SECONDS, wait)):
            wait = max(SHORTEST_WAIT, wait - GATHERING_SECONDS)
        if wait != self._sock.gettimeout():  # to set it is a system call
            self._sock.settimeout(wait)
        received = self._raw.readinto(buffer)
        if received:
            exchange.stage = Stage.ANSWERING
            exchange.heard_at = time.monotonic()
            self._last = (self._last + bytes(buffer[max(0, received - _LAST) : received]))[-_LAST:]
        return received

    def _gathered(self, seconds: float) -> bool:
        """Wait until a lot has come, or the end; whether it has in that time."""
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return True  # the kernel has handed it over already
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, GATHERED_BYTES)
        try:
            return bool(wait_for_read(self._sock, seconds))
        finally:
            # The rest of what has begun to come may be less: reading waits for every byte.
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """http.client's parser over a _TimedReader."""

    def __init__(self, sock: socket.socket, debuglevel: int = 0, method: str | None = None) -> None:
        super().__init__(sock, debuglevel, method)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock, current_exchange.get()))


class TimedConnection(HTTPConnection):
    """A connection for use within `current_exchange` only; urllib3 keeps it alive between exchanges."""

    response_class = _TimedResponse
    _exchange: Exchange | None = None
    _parts: list[Any] | None = None

    def connect(self) -> None:
        """Connect, TLS included, within the exchange's share of its deadline."""
        exchange = current_exchange.get()
        exchange.stage = Stage.CONNECTING
        try:
            super().connect()
        except Exception as error:
            exchange.connect_failure = _why(error)
            raise
        exchange.stage = Stage.SENDING

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request; connects first where urllib3 has not done so."""
        if not self.is_closed:
            current_exchange.get().stage = Stage.SENDING
        self._parts = []
        try:
            super().request(*args, **kwargs)
            request = b"".join(self._parts)
        finally:
            self._parts = None
        self.send(request)

    def send(self, data: Any) -> None:
        """Send something; head and body of a request leave together, which saves both sides a wake-up."""
        if self._parts is None:
            super().send(data)
        else:
            self._parts.append(data)

    def getresponse(self) -> Any:
        """Wait for the head of the answer."""
        self._exchange = exchange = current_exchange.get()
        exchange.stage = Stage.WAITING
        return super().getresponse()

    @property
    def is_connected(self) -> bool:
        """Whether the pool may use it again."""
        last = self._exchange
        return super().is_connected and (last is None or time.monotonic() - last.heard_at < MAX_IDLE_SECONDS)

    def _new_conn(self) -> socket.socket:
        """urllib3's hook for the TCP part of a connection; it puts TLS on what this returns."""
        exchange = current_exchange.get()
        ends_at = time.monotonic() + exchange.connect_wait()
        try:
            addresses = exchange.resolver.addresses(self.host, self.port, ends_at - time.monotonic())
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "the name server did not answer in time") from error
        failed: OSError = TimeoutError("no address could be tried in time")
        for number, address in enumerate(addresses):
            # Each address gets its share, so that a dead first one leaves time for the next.
            share = (ends_at - time.monotonic()) / (len(addresses) - number)
            try:
                sock = create_connection(
                    (address, self.port), max(SHORTEST_WAIT, share), self.source_address, self.socket_options
                )
            except OSError as error:
                failed = error
                continue
            sock.settimeout(max(SHORTEST_WAIT, ends_at - time.monotonic()))
            return sock
        exchange.resolver.forget(self.host, self.port)
        if isinstance(failed, TimeoutError):
            raise ConnectTimeoutError(self, "no address answered in time") from failed
        raise NewConnectionError(self, "no address could be connected to") from failed


class TimedTlsConnection(TimedConnection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = TimedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = TimedTlsConnection


class TimedAdapter(HTTPAdapter):
    """requests' adapter over such connections. It never sends anything twice, and keeps no cookies.

    Certificates are always verified, against certifi's authorities.
    """

    def __init__(self, pool_size: int, hosts: int, source_address: str | None) -> None:
        self._source_address = (source_address, 0) if source_address else None
        self._known_places: dict[str, tuple[Any, Any]] = {}
        super().__init__(pool_connections=hosts, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        """Build the pools; a hook of requests."""
        super().init_poolmanager(connections, maxsize, block, source_address=self._source_address, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def get_connection_with_tls_context(
        self,
        request: PreparedRequest,
        verify: Any,
        proxies: Any = None,  # noqa: ARG002 - a hook of requests; there are none
        cert: Any = None,
    ) -> HTTPConnectionPool:
        """The pool for a request; what its address says is worked out once for each place."""
        place = _place(request.url or "")
        known = self._known_places.get(place)
        if known is None:
            host, tls = self.build_connection_pool_key_attributes(request, verify, cert)
            self.poolmanager.connection_from_host(**host, pool_kwargs=tls)  # says what is wrong with an address
            known = self._pool_key({**self.poolmanager.connection_pool_kw, **tls, **host})
            if len(self._known_places) >= MOST_KNOWN_PLACES:
                self._known_places.clear()
            self._known_places[place] = known
        key, context = known
        # A new pool takes its context apart.
        pool: HTTPConnectionPool = self.poolmanager.connection_from_pool_key(key, context.copy())
        return pool

    def _pool_key(self, context: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """How the pool manager knows the pool of a place, and what it makes one from (urllib3.PoolManager)."""
        present = {name: value for name, value in context.items() if value is not None}
        present.setdefault("port", port_by_scheme[present["scheme"]])
        return self.poolmanager.key_fn_by_scheme[present["scheme"]](present), present

    def request_url(self, request: PreparedRequest, proxies: Any = None) -> str:  # noqa: ARG002 - a hook of requests
        """What the request line names: all of the address after its place, for there are no proxies."""
        url = request.url or ""
        return url[len(_place(url)) :] or "/"

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:
        """The answer, with what is read of it; a hook of requests."""
        response = Response()
        response.status_code = resp.status
        # urllib3's own mapping knows no case either; to copy it takes longer than all that is asked of it.
        response.headers = cast("CaseInsensitiveDict[str]", resp.headers)
        response.raw, response.request, response.url = resp, req, req.url or ""
        return response


def _place(url: str) -> str:
    """Scheme, host and port of an address, as they stand there."""
    end = url.find("/", url.find("//") + 2)
    return url if end < 0 else url[:end]
