"""The `widget_request` webhook as it really arrives, and every way to get it wrong (kommo.md 2)."""

import asyncio
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp

from sandbox.kommo_jwt import TokenStyle

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class WebhookStyle:
    """How a webhook is sent; the defaults are the genuine form.

    as_json: JSON as the documentation draws it, instead of the form that really arrives (kommo.md 2.2).
    fields: in the place of `token`, `data` or `return_url`, or besides them.
    without_fields: of the three, those to leave out.
    body, content_type: sent exactly so, whatever the rest says.
    trailing_slash: whether `return_url` ends with one.
    """

    token: TokenStyle = field(default_factory=TokenStyle)
    as_json: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    without_fields: frozenset[str] = frozenset()
    body: bytes | None = None
    content_type: str | None = None
    trailing_slash: bool = False


@dataclass(eq=False, slots=True)
class SentWebhook:
    """One webhook and what became of it.

    data: with the placeholders filled in.
    status, answer, latency: None until a complete answer came; latency is in seconds.
    error: why none came in time, in a word of ours.
    repeat_of: the webhook that this one repeats byte for byte.
    """

    account_id: int
    contact_id: int
    url: str
    return_url: str
    data: Mapping[str, str]
    token: str = field(repr=False)
    body: bytes = field(repr=False)
    content_type: str
    repeat_of: "SentWebhook | None" = field(default=None, repr=False)
    sent_at: float = field(default_factory=time.time)
    status: int | None = None
    answer: str | None = None
    latency: float | None = None
    error: str | None = None
    _finished: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def accepted(self) -> bool:
        """Whether the receiver answered 200 in time, which is all that Kommo looks at."""
        return self.status == 200

    def json(self) -> Any:
        """The receiver's answer, decoded."""
        return json.loads(self.answer or "")

    def wait(self, timeout: float = 10) -> "SentWebhook":
        """Block until the answer is there or given up. Raises TimeoutError after so many seconds."""
        if not self._finished.wait(timeout):
            raise TimeoutError(f"the webhook had no outcome within {timeout} s")
        return self

    def finish(self) -> None:
        """Say that nothing more will happen; for the sender."""
        self._finished.set()


def encoded(token: str, data: Mapping[str, Any], return_url: str, style: WebhookStyle) -> tuple[bytes, str]:
    """The body and its content type."""
    fields = {"token": token, "data": data, "return_url": return_url, **style.fields}
    kept = {name: value for name, value in fields.items() if name not in style.without_fields}
    body, content_type = (
        (json.dumps(kept).encode(), "application/json") if style.as_json else (php_form(kept).encode(), FORM)
    )
    return (body if style.body is None else style.body), style.content_type or content_type


def php_form(fields: Mapping[str, Any]) -> str:
    """Fields as PHP writes them into a form: nested ones become `data[key]`."""
    pairs: list[tuple[str, str]] = []
    for name, value in fields.items():
        _flatten(name, value, pairs)
    return urlencode(pairs)


def _flatten(name: str, value: Any, pairs: list[tuple[str, str]]) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _flatten(f"{name}[{key}]", inner, pairs)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _flatten(f"{name}[{index}]", inner, pairs)
    else:
        pairs.append((name, str(value)))


class WebhookSender:
    """Posts webhooks from an event loop and notes what became of them.

    timeout: seconds that Kommo waits for the whole answer (kommo.md 2.1).
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, session: aiohttp.ClientSession, timeout: float) -> None:
        self._loop = loop
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._running: set[asyncio.Task[None]] = set()

    def send(self, webhook: SentWebhook) -> None:
        """Start sending, from any thread; `webhook.wait` tells the outcome."""
        self._loop.call_soon_threadsafe(self._start, webhook)

    def _start(self, webhook: SentWebhook) -> None:
        task = self._loop.create_task(self._post(webhook))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _post(self, webhook: SentWebhook) -> None:
        started = time.monotonic()
        try:
            async with self._session.post(
                webhook.url,
                data=webhook.body,
                headers={"Content-Type": webhook.content_type},
                allow_redirects=False,
                timeout=self._timeout,
            ) as response:
                webhook.answer = await response.text(errors="replace")
                webhook.status = response.status
                webhook.latency = time.monotonic() - started
        except TimeoutError:
            webhook.error = "no answer in time"
        except aiohttp.ClientError as error:
            webhook.error = type(error).__name__
        finally:
            webhook.finish()
