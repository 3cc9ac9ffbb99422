"""The one way out of ByteGPT over HTTP: requests' adapter, kept to deadlines and without surprises.

Decided here, for every partner:

- Redirects are not followed: a partner's API that redirects is answering something else.
- The environment has no say: no proxy from `HTTPS_PROXY` or `ALL_PROXY`, no `~/.netrc`, which would
  replace our Authorization header, no `REQUESTS_CA_BUNDLE`. Calls leave from the address that the settings name;
  pacing per address relies on that.
- No cookies: accounts share the session, so a cookie of one account's answer would go out with another's question.
- Connections are kept alive and verified against certifi's authorities. Whoever opens more than the pool holds gets a
  new one.
- Nothing is retried, stale kept-alive connections included. A connection that the partner has closed, or that was idle
  for long, is seen before it is used; one that is closed in that very moment is a `Fault.DROPPED`, and the caller,
  who knows what may be sent twice, decides.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast

import requests
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as Urllib3Timeout

from app.clients.resolver import Resolver
from app.clients.timed_connection import Exchange, Stage, TimedAdapter, current_exchange
from app.domain.answers import Deadline

if TYPE_CHECKING:
    from requests.structures import CaseInsensitiveDict
    from urllib3 import HTTPResponse

_READ_SIZE = 65536
_EVENT_END = b"\n\n"
# How long an answer that has said all we want may take to end, which lets its connection be used again.
_LAST_BYTES_SECONDS = 0.25
# Answers are small and streams must not wait in a compressor.
_HEADERS = {"User-Agent": "ByteGPT", "Accept-Encoding": "identity", "Connection": "keep-alive"}


class Fault(StrEnum):
    """What went wrong between a partner and us, by how far the call had got."""

    NO_TIME = "no_time"  # the deadline had passed before anything was done
    UNREACHABLE = "unreachable"  # no connection came about: nothing was sent
    DROPPED = "dropped"  # the connection was lost while sending or waiting: the request may have arrived
    SILENT = "silent"  # it was sent, and no byte came for the longest silence allowed, or by the deadline
    CUT = "cut"  # the answer began and broke off, or is not HTTP
    TOO_LARGE = "too_large"  # the answer is longer than the caller takes


class NetworkFault(Exception):
    """A call brought no complete answer. detail: our own word for what was seen; no address, no header, no body."""

    def __init__(self, fault: Fault, detail: str | None = None) -> None:
        self.fault = fault
        self.detail = detail or fault.value
        super().__init__(self.detail)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """connect: seconds for name, TCP and TLS together; silence: the longest gap between two bytes of an answer."""

    connect: float
    silence: float


class Reply:
    """An answer whose head has arrived. Close it, or use it as a context manager.

    Read to its end it gives its connection back; closed before, it drops the connection, which is how a partner learns
    that nobody listens any more.
    """

    def __init__(self, response: requests.Response, exchange: Exchange) -> None:
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._response = response
        self._exchange = exchange
        self._pieces = _pieces_of(response.raw)

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives. Raises NetworkFault."""
        while piece := self._read():
            yield piece

    def body(self, limit: int) -> bytes:
        """The whole body. Raises NetworkFault, `TOO_LARGE` as soon as it is longer than `limit` bytes."""
        pieces: list[bytes] = []
        size = 0
        for piece in self.pieces():
            size += len(piece)
            if size > limit:
                raise NetworkFault(Fault.TOO_LARGE)
            pieces.append(piece)
        return b"".join(pieces)

    def read_rarely(self) -> None:
        """Let bytes gather before each further read, but for the rest of an event or of a chunk that has begun to come.

        Nothing is done with the pieces of an answer before its end, and waking up for each costs ten times what
        reading it does.
        """
        self._exchange.gathers_after = _EVENT_END + b"\r\n" if self._response.raw.chunked else _EVENT_END

    def finish(self) -> None:
        """Say that nothing more is wanted: read the last few bytes, so that the connection serves again, and close."""
        deadline = self._exchange.deadline
        end = min(deadline.at, deadline.clock() + _LAST_BYTES_SECONDS)
        self._exchange.deadline = Deadline(end, deadline.clock)
        self._exchange.gathers_after = b""
        try:
            self.body(_READ_SIZE)
        except NetworkFault:
            pass  # what was wanted has been read
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._response.close()

    def _read(self) -> bytes:
        try:
            return next(self._pieces, b"")
        # The last of them: urllib3 takes a chunk of less than no length for one.
        except (HTTPError, OSError, ValueError) as error:
            raise _fault(self._exchange, error, Stage.ANSWERING) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _pieces_of(raw: "HTTPResponse") -> Iterator[bytes]:
    """What comes, chunk by chunk where the answer has them: streams do, and to read1 each costs three times as much."""
    if raw.chunked:
        return raw.read_chunked(_READ_SIZE, decode_content=True)
    return iter(partial(raw.read1, _READ_SIZE, decode_content=True), b"")


class PartnerSession:
    """A session for one partner, safe to share between threads.

    It sends through requests' adapter, without requests' own session around it: preparing, merging settings, cookies
    and redirects are a third of a call's CPU there, and nothing of it is wanted here.
    """

    def __init__(self, pool_size: int, hosts: int = 1, source_address: str | None = None) -> None:
        """Build it; nothing is connected yet.

        pool_size: connections per host that are kept for later, best the number of calls at once.
        hosts: for how many hosts connections are kept.
        source_address: local IP address to call from, None for the system's choice.
        """
        self._resolver = Resolver()
        self._adapter = TimedAdapter(pool_size, hosts, source_address)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._adapter.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        timeouts: Timeouts,
        deadline: Deadline,
        body: bytes | None = None,
    ) -> Reply:
        """Send one request and return the answer as soon as its head is there, whatever its status.

        No wait of this call or of reading its answer goes past the deadline. Raises NetworkFault.
        url: whole and quoted, as it goes out. Header values must be valid: what urllib3 says about an invalid one
        repeats it.
        """
        if deadline.passed():
            raise NetworkFault(Fault.NO_TIME)
        exchange = Exchange(deadline, timeouts.connect, timeouts.silence, self._resolver)
        waits = (exchange.connect_wait(), exchange.read_wait())
        token = current_exchange.set(exchange)
        try:
            response = self._adapter.send(_prepared(method, url, headers, body), stream=True, timeout=waits)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _fault(exchange, error, exchange.stage) from error
        finally:
            current_exchange.reset(token)
        return Reply(response, exchange)


def _prepared(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> requests.PreparedRequest:
    request = requests.PreparedRequest()
    request.method, request.url, request.body = method, url, body
    ready = {**_HEADERS, **headers}
    if body is not None or method != "GET":
        ready["Content-Length"] = str(len(body or b""))
    # Requests' own mapping takes twenty times as long to build; the adapter only looks for the last of these.
    request.headers = cast("CaseInsensitiveDict[str]", ready)
    return request


_TIMEOUTS = (TimeoutError, requests.Timeout, Urllib3Timeout)


def _fault(exchange: Exchange, error: Exception, stage: Stage) -> NetworkFault:
    """Name a failure by what had happened until then."""
    timed_out = isinstance(error, _TIMEOUTS)
    if stage is Stage.NOT_BEGUN:
        silent = timed_out and not isinstance(error, requests.ConnectTimeout)
        return NetworkFault(Fault.SILENT if silent else Fault.UNREACHABLE)
    if stage is Stage.CONNECTING:
        return NetworkFault(Fault.UNREACHABLE, exchange.connect_failure)
    if stage is Stage.SENDING:
        return NetworkFault(Fault.DROPPED)
    if timed_out:
        return NetworkFault(Fault.SILENT, "deadline" if exchange.deadline.passed() else None)
    return NetworkFault(Fault.CUT if stage is Stage.ANSWERING else Fault.DROPPED)
