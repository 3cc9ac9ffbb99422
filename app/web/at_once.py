"""Webhooks as gunicorn's loop reads and answers them, without its parser and a thread (app/web/gunicorn_worker.py).

Only what is whole and entirely usual is read here. Everything else is left to gunicorn, which finds it unread.
"""

import re
import time
from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache
from typing import Protocol

from app.web.observing import HEADER

PATH = "/kommo/salesbot"
# Where an application that answers at once says so, among its extensions.
EXTENSION = "bytegpt.at_once"
# Longer requests, in bytes, are left to gunicorn.
MOST_READ = 16 * 1024
# As are those with a longer head: gunicorn refuses a header that is longer by itself.
_MOST_HEAD = 8190
# A name and a value that every parser reads the same way.
_HEAD = re.compile(
    rb"POST " + PATH.encode() + rb" HTTP/1\.1\r\n(?:[A-Za-z0-9-]{1,64}:[ \t]*[!-~](?:[ -~]*[!-~])?\r\n){1,50}\r\n"
)
_FIELD = re.compile(rb"\n([A-Za-z0-9-]+):[ \t]*([^\r]*)")
_FORM = b"application/x-www-form-urlencoded"
_LENGTH = re.compile(rb"[0-9]{1,5}")
_REQUEST_ID = HEADER.lower().encode()
# What says how a request is to be read or its connection to be treated. Of the others this service reads none here.
_TELLING = {
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"expect",
    b"host",
    b"keep-alive",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"x-forwarded-proto",
    b"x-forwarded-protocol",
    b"x-forwarded-ssl",
    _REQUEST_ID,
}
# Those that may come here, once. gunicorn refuses two hosts, and proxies that contradict each other.
_READ_HERE = {b"content-length", b"content-type", b"host", b"x-forwarded-proto", _REQUEST_ID}


@dataclass(frozen=True, slots=True)
class Whole:
    """A webhook that was read to its end. request_id: that a proxy or sender gave it, empty for none."""

    form: bytes
    request_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """To an accepted webhook. body: JSON."""

    body: bytes
    request_id: str


class AtOnce(Protocol):
    """An application that can answer webhooks in gunicorn's loop."""

    def answer(self, webhook: Whole) -> Answer | None:
        """The answer to a webhook that was accepted; None where the application must be asked in the usual way."""


def whole_webhook(received: bytes) -> Whole | None:
    """The webhook that these bytes are, all of them; None for everything else."""
    head = _HEAD.match(received)
    if head is None or head.end() > _MOST_HEAD:
        return None
    telling: dict[bytes, bytes] = {}
    for spelt, value in _FIELD.findall(head[0]):
        name = spelt.lower()
        if name in _TELLING:
            if name in telling or name not in _READ_HERE:
                return None
            telling[name] = value
    form = received[head.end() :]
    length = telling.get(b"content-length", b"")
    if telling.get(b"content-type") != _FORM or not _LENGTH.fullmatch(length) or int(length) != len(form):
        return None
    return Whole(form, telling.get(_REQUEST_ID, b"").decode())


def written(answer: Answer) -> bytes:
    """An answer as its bytes, as gunicorn would write it on a connection that is kept."""
    head = (
        f"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: {_date(int(time.time()))}\r\nConnection: keep-alive\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(answer.body)}\r\n{HEADER}: {answer.request_id}\r\n\r\n"
    )
    return head.encode() + answer.body


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
