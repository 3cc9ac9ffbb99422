"""How answers leave the simulated OpenAI: whole, streamed, in part, or not at all."""

import asyncio
import socket
from typing import Any

from aiohttp import web

from sandbox.openai_errors import ApiError
from sandbox.openai_events import EventLog, encode
from sandbox.openai_exchange import EXCHANGE
from sandbox.openai_faults import Rule, Stage
from sandbox.serving import RESET_ON_CLOSE

# No charset, which readers may take for ISO-8859-1 (openai.md 6.1).
STREAM_HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
JSON_HEADERS = {"Content-Type": "application/json"}


def json_answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """An answer in one piece."""
    return web.Response(body=encode(body), status=status, headers={**JSON_HEADERS, **(headers or {})})


def refusal(error: ApiError) -> web.Response:
    """An error in OpenAI's envelope."""
    return json_answer(error.body(), error.status, error.headers)


async def stream_answer(request: web.Request, log: EventLog, start: int = 0) -> web.StreamResponse:
    """Send the events of an answer as they come, until the last, or until a fault breaks the stream."""
    broken = request[EXCHANGE].at(Stage.MIDWAY)
    answer = web.StreamResponse(headers=STREAM_HEADERS)
    async for batch in log.follow(start, to_break=broken is not None):
        if not answer.prepared:
            await answer.prepare(request)
        await answer.write(b"".join(frame.encoded() for frame in batch))
    if broken is not None:
        await _break_off(request, broken, log)
    await answer.write_eof()
    return answer


async def half_answer(request: web.Request, whole: bytes, rule: Rule) -> web.StreamResponse:
    """Send the first half of an answer that is no stream, then break it off."""
    answer = web.StreamResponse(headers=JSON_HEADERS)
    await answer.prepare(request)
    await answer.write(whole[: len(whole) // 2])
    await _break_off(request, rule, log=None)
    await answer.write_eof()
    return answer


async def _break_off(request: web.Request, rule: Rule, log: EventLog | None) -> None:
    """Do to a half-sent answer what its fault says; return if its body is to end cleanly.

    log: of the work that is finished first where the fault comes after the effect.
    """
    if rule.after_effect and log is not None:
        await log.wait_closed()
    if rule.name == "hang_midway":
        await until_gone()
    elif rule.name == "reset_midway":
        await reset(request)
    elif not rule.options["clean"]:
        await _close(request)


async def until_gone() -> None:
    """Wait until the client goes away, which cancels this."""
    await asyncio.Event().wait()


async def reset(request: web.Request) -> None:
    """Throw the connection away so that the client sees it reset."""
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        transport.abort()
    await until_gone()


async def _close(request: web.Request) -> None:
    """Close the connection in the middle of a body."""
    if request.transport is not None:
        request.transport.close()
    await until_gone()
