"""How OpenAI is spoken to, whatever the API: address, headers, JSON and event streams, errors translated."""

import json
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from app.clients.http import NetworkFault, PartnerSession, Reply, Timeouts
from app.clients.openai_errors import (
    Table,
    exhausted_for,
    from_network,
    from_report,
    reported,
    request_id_in,
    unexpected,
)
from app.clients.sse import Event, EventTooLarge, SseParser
from app.domain.answers import Deadline
from app.domain.failures import AskError, Failure

JsonObject = dict[str, Any]

# A terminal event repeats instructions (256,000 characters), tools and the whole output.
LARGEST_DOCUMENT = 8 * 1024 * 1024
_LARGEST_ERROR = 64 * 1024
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_NOT_IN_A_HEADER = re.compile(r"[^A-Za-z0-9_-]")
_KEY = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Caller:
    """For whom a call is made, and until when. request_id: ours, "" when the call serves no turn."""

    api_key: str = field(repr=False)
    deadline: Deadline
    request_id: str = ""


Exhausted = Callable[[str, float], None]


class OpenAiTransport:
    """Calls one OpenAI API. Every method raises AskError, translated by the API's table, and nothing else."""

    def __init__(
        self,
        session: PartnerSession,
        base_url: str,
        timeouts: Timeouts,
        table: Table,
        headers: Mapping[str, str] = _NO_HEADERS,
        exhausted: Exhausted | None = None,
    ) -> None:
        """exhausted: told of a key that has nothing left of a limit, and for how many seconds."""
        self._session = session
        self._exhausted = exhausted
        self._base_url = base_url.rstrip("/")
        self._timeouts = timeouts
        self._table = table
        self._headers = headers

    def open(self, caller: Caller, method: str, path: str, body: JsonObject | None = None) -> Reply:
        """Send a request; return the answer, which is a success, as soon as its head is there. The caller closes it."""
        headers = self._all_headers(caller, streamed=body is not None and body.get("stream") is True)
        # ASCII escapes: a lone surrogate in a client's text has no other encoding.
        content = None if body is None else json.dumps(body).encode("ascii")
        try:
            reply = self._session.call(
                method,
                self._base_url + path,
                headers=headers,
                timeouts=self._timeouts,
                deadline=caller.deadline,
                body=content,
            )
        except NetworkFault as fault:
            raise from_network(fault) from fault
        if 200 <= reply.status < 300:
            self._tell_exhausted(reply, caller)
            return reply
        with reply:
            raise self._error_of(reply, caller)

    def _tell_exhausted(self, reply: Reply, caller: Caller) -> None:
        wait = exhausted_for(reply.headers) if self._exhausted else None
        if self._exhausted and wait:
            self._exhausted(caller.api_key, wait)

    @contextmanager
    def exchange(self, caller: Caller, method: str, path: str, body: JsonObject | None = None) -> Iterator[Reply]:
        """Send a request; give its answer, a success, for reading, and close it.

        An AskError that is raised while it is read gets the answer's status and request id.
        """
        with self.open(caller, method, path, body) as reply:
            try:
                yield reply
            except AskError as error:
                error.status = reply.status
                error.provider_request_id = request_id_in(reply.headers)
                raise

    def fetch(self, caller: Caller, method: str, path: str, body: JsonObject | None = None) -> JsonObject:
        """Send a request and return the JSON object it is answered with."""
        with self.exchange(caller, method, path, body) as reply:
            return document(reply)

    def error_in(self, value: Any, caller: Caller, output_seen: bool) -> AskError:
        """The error for one that came inside an answer: an `error` event, or what a response or run failed with.

        output_seen: a part of the answer's text had arrived; what had got that far is not repeated (openai.md 3.2).
        """
        error = from_report(self._table, reported(value), _NO_HEADERS, caller.deadline.clock())
        error.retryable = error.retryable and not output_seen
        return error

    def _error_of(self, reply: Reply, caller: Caller) -> AskError:
        try:
            value = json.loads(reply.body(_LARGEST_ERROR))
        except (NetworkFault, ValueError, RecursionError):
            value = None  # a gateway's page, or a part of something: the status says enough
        return from_report(self._table, reported(value, reply.status), reply.headers, caller.deadline.clock())

    def _all_headers(self, caller: Caller, streamed: bool) -> dict[str, str]:
        if not _KEY.fullmatch(caller.api_key):
            # It can be no key, and a header made of it would be refused with its text in the message.
            raise AskError(Failure.OPENAI_AUTHENTICATION, code="malformed_api_key")
        origin = _NOT_IN_A_HEADER.sub("", caller.request_id)[:64] or "bytegpt"
        return {
            "Authorization": f"Bearer {caller.api_key}",
            "Content-Type": "application/json",
            "Accept": "text/event-stream" if streamed else "application/json",
            # Lets OpenAI's support find a request whose answer was lost; it deduplicates nothing (openai.md 6.2).
            "X-Client-Request-Id": f"{origin}-{secrets.token_hex(4)}",
            **self._headers,
        }


def document(reply: Reply) -> JsonObject:
    """The JSON object an answer consists of. Raises AskError."""
    try:
        return decoded(reply.body(LARGEST_DOCUMENT))
    except NetworkFault as fault:
        raise from_network(fault) from fault


def events(reply: Reply) -> Iterator[Event]:
    """The events of a streamed answer. Ends where the stream ends, whether or not all was said. Raises AskError."""
    parser = SseParser(LARGEST_DOCUMENT)
    try:
        for piece in reply.pieces():
            yield from parser.feed(piece)
    except NetworkFault as fault:
        raise from_network(fault) from fault
    except EventTooLarge as error:
        raise unexpected("too_large") from error


def decoded(text: str | bytes) -> JsonObject:
    """Parse a JSON object. Raises AskError for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None  # raised below, outside: the parser's own error carries the whole text
    if not isinstance(value, dict):
        raise unexpected("not_json")
    return value


def is_stream(reply: Reply) -> bool:
    """Whether an answer to a request for a stream is one: some compatible servers send the whole document instead."""
    return "json" not in reply.headers.get("content-type", "")


def id_of(value: Any) -> str:
    """The id of an object OpenAI sent. Raises AskError when it has none: nothing can be done with it later."""
    match value:
        case {"id": str(identity)} if identity:
            return identity
        case _:
            raise unexpected("no_id")


def objects_in(value: Any) -> list[JsonObject]:
    """The objects of a list; whatever else stands in it, or is no list, is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def count_in(value: Any, name: str) -> int:
    """A whole number of an object, 0 when it is not there."""
    number = value.get(name) if isinstance(value, dict) else None
    return number if isinstance(number, int) else 0
