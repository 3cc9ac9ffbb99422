"""Webhooks byte by byte: as they stand on the socket, when they are sent, and what comes back."""

import itertools
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from tests.functional.shop import PATIENCE, Shop
from tests.webhooks import a_token, some_claims, some_form

FORM = "application/x-www-form-urlencoded"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """What came back. head: as it came, from its first line to the blank one, without it."""

    head: str
    body: bytes

    @property
    def status(self) -> int:
        """Of its first line."""
        return int(self.head.split(" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        """By their names as they came."""
        return dict(line.split(": ", 1) for line in self.head.split("\r\n")[1:])

    @property
    def told(self) -> dict[str, Any]:
        """Its body, decoded."""
        told: dict[str, Any] = json.loads(self.body)
        return told


@dataclass(frozen=True)
class Post:
    """A webhook that can be sent. request_id: what tells its answer from all others, and its line in the log."""

    body: bytes
    request_id: str = field(default_factory=lambda: f"wire-{next(_numbers)}")
    headers: Mapping[str, str] = field(default_factory=dict)
    version: str = "1.1"

    @property
    def sent(self) -> bytes:
        """Its bytes."""
        headers = {"Host": "bot.example.com", "Content-Type": FORM, "X-Request-Id": self.request_id, **self.headers}
        if "Transfer-Encoding" not in headers:
            headers["Content-Length"] = str(len(self.body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST /kommo/salesbot HTTP/{self.version}\r\n{lines}\r\n".encode() + self.body


def a_form(shop: Shop, *, claims: Mapping[str, Any] | None = None, **fields: Any) -> bytes:
    """A genuine form from a bot of this company, but for these claims and fields; another message at each call."""
    number = next(_numbers)
    ours = {
        "iss": shop.kommo.url,
        "aud": shop.stack.url,
        "account_id": shop.kommo.account_id,
        "subdomain": shop.kommo.subdomain,
        "client_uuid": shop.kommo.integration.client_id,
        "entity_id": str(number),
    }
    filled = {
        "token": a_token(some_claims(**{**ours, **(claims or {})}), secret=shop.kommo.integration.secret),
        "data__message": f"Mensagem {number}",
        "data__contact_id": str(number),
        "return_url": f"{shop.kommo.url}/api/v4/salesbot/1/continue/{number}",
    }
    return urlencode(some_form(**{**filled, **fields})).encode()


def a_post(shop: Shop, **headers: str) -> Post:
    """A genuine webhook."""
    return Post(a_form(shop), headers=headers)


class Wire:
    """One connection, on which nothing is sent or read but what it is told to."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        # What is sent in two pieces shall arrive in two.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, *posts: "Post | bytes") -> None:
        """Send them all in one piece."""
        self.socket.sendall(b"".join(post if isinstance(post, bytes) else post.sent for post in posts))

    def answer(self) -> Answer:
        """The next answer. Raises ConnectionError where the connection ends before it does."""
        head = self._until(b"\r\n\r\n").decode()
        answer = Answer(head, b"")
        if answer.status == 100:
            return answer
        length = int(answer.headers["Content-Length"])
        while len(self._received) < length:
            self._receive()
        body, self._received = self._received[:length], self._received[length:]
        return Answer(head, body)

    def ask(self, post: Post) -> Answer:
        """Send it whole, and wait for its answer."""
        self.send(post)
        return self.answer()

    @property
    def is_open(self) -> bool:
        """Whether the other side has not hung up, as far as one can know without waiting. Nothing else may come."""
        self.socket.setblocking(False)
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except OSError:
            return False
        finally:
            self.socket.settimeout(PATIENCE)

    def ends(self) -> bool:
        """Wait for what comes next, and say whether it is the end."""
        try:
            return not self._received and self.socket.recv(1, socket.MSG_PEEK) == b""
        except ConnectionResetError:
            return True

    def _until(self, end: bytes) -> bytes:
        while end not in self._received:
            self._receive()
        found, _, self._received = self._received.partition(end)
        return found

    def _receive(self) -> None:
        received = self.socket.recv(65536)
        if not received:
            raise ConnectionResetError("it ended in the middle of an answer")
        self._received += received
