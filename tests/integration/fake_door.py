"""A stand-in for ByteGPT: takes the webhooks of the simulated Kommo and, when told how, continues the bots."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from sandbox.serving import Server

Reply = Callable[[Mapping[str, str]], Any]


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived."""

    path: str
    content_type: str
    body: bytes
    form: Mapping[str, str]


class FakeDoor:
    """Records every webhook and answers it.

    status, location, delay: of the answer; delay in seconds.
    reply: the body of the continue call that a form brings about; without it nothing is continued.
    token: what continue calls are sent with.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 200
        self.location: str | None = None
        self.delay = 0.0
        self.reply: Reply | None = None
        self.token = ""
        self._tasks: set[asyncio.Task[None]] = set()
        app = web.Application()
        app.router.add_post("/{path:.*}", self._webhook)
        app.cleanup_ctx.append(self._session)
        self._server = Server(app)

    @property
    def url(self) -> str:
        """Where webhooks go."""
        return f"{self._server.url}/kommo/salesbot"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()

    async def _session(self, _app: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            self._outgoing = session
            yield

    async def _webhook(self, request: web.Request) -> web.Response:
        body = await request.read()
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.received.append(Received(request.path, request.content_type, body, form))
        await asyncio.sleep(self.delay)
        if self.reply is not None:
            task = asyncio.create_task(self._continue(form["return_url"], self.reply(form)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        headers = {"Location": self.location} if self.location else {}
        return web.json_response({"status": "accepted"}, status=self.status, headers=headers)

    async def _continue(self, return_url: str, body: Any) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self._outgoing.post(return_url, json=body, headers=headers) as response:
            await response.read()


def answered(text: str, **data: str) -> dict[str, Any]:
    """The body of a continue call of contract 5."""
    return {"data": {"status": "success", "reply": text, "parts": "1", **data}}
