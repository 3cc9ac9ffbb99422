"""What every request passes before its route: the record, the key, the sunset, the faults."""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox import openai_errors
from sandbox.openai_errors import ApiError
from sandbox.openai_exchange import EXCHANGE, Exchange
from sandbox.openai_faults import GENERATION, Stage, matches
from sandbox.openai_misbehaviour import instead
from sandbox.openai_state import Call, World, new_id
from sandbox.openai_wire import half_answer, refusal

WORLD = web.AppKey("world", World)
PREFIX = "/v1"
ASSISTANTS_PATHS = ("/assistants", "/threads")
BETA = "assistants=v2"
# What a project may ask in a minute, for the headers of openai.md 5.
REQUEST_LIMIT, TOKEN_LIMIT = 500, 500_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record a request to the API, let in who may, and answer or misbehave."""
    if not request.path.startswith(PREFIX + "/"):
        return await handler(request)
    exchange = await _open(request)
    request[EXCHANGE] = exchange
    try:
        _admit(exchange)
        _take_faults(exchange)
        return await _answer(request, exchange, handler)
    except ApiError as error:
        return refusal(error)
    except web.HTTPNotFound:
        return refusal(openai_errors.unknown_url(request.method, request.path))
    except web.HTTPMethodNotAllowed:
        return refusal(ApiError(405, f"Not allowed to {request.method} on {request.path}."))


async def _open(request: web.Request) -> Exchange:
    world = request.app[WORLD]
    key = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    call = Call(
        method=request.method,
        path=request.path.removeprefix(PREFIX),
        key=key,
        query=dict(request.query),
        headers={name.lower(): value for name, value in request.headers.items() if name.lower() != "authorization"},
        body=_decoded(await request.read()),
        at=time.time(),
        request_id=new_id("req"),
    )
    world.calls.append(call)
    body = call.body if isinstance(call.body, dict) else {}
    return Exchange(call, world.keys.get(key, ""), world, body, dict(request.match_info))


def _decoded(raw: bytes) -> Any:
    """The body's JSON value, {} for none, or the raw text where it is no JSON."""
    if not raw:
        return {}
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode("utf-8", "replace")


def _admit(exchange: Exchange) -> None:
    """Raise ApiError for a caller without a known key, a route that is gone and a body that is no JSON object."""
    call, world = exchange.call, exchange.world
    if not call.key:
        raise openai_errors.no_key()
    if call.key not in world.keys:
        raise openai_errors.wrong_key(call.key)
    if call.path.startswith(ASSISTANTS_PATHS):
        if world.behaviour.assistants_sunset:
            raise openai_errors.unknown_url(call.method, PREFIX + call.path)
        if BETA not in call.headers.get("openai-beta", ""):
            raise openai_errors.no_beta_header()
    if not isinstance(call.body, dict):
        raise openai_errors.bad_request(None, None, "We could not parse the JSON body of your request.")


def _take_faults(exchange: Exchange) -> None:
    exchange.rules = exchange.world.faults.take(exchange.route, exchange.call.key, exchange.text)
    exchange.call.faults = tuple(rule.name for rule in exchange.rules)
    if exchange.aside("conversation_lost") is not None:
        _lose(exchange)


def _lose(exchange: Exchange) -> None:
    """Forget the conversation or the thread of a request, so that it is not found from here on."""
    if exchange.thread is not None:
        del exchange.world.threads[exchange.thread.id]
    elif exchange.conversation is not None:
        del exchange.world.conversations[exchange.conversation.id]


async def _answer(request: web.Request, exchange: Exchange, handler: Handler) -> web.StreamResponse:
    rule = exchange.main_rule
    if rule is None or rule.stage is Stage.OUTCOME:
        return await handler(request)
    if rule.stage is Stage.MIDWAY:
        answer = await handler(request)
        whole = answer.body if isinstance(answer, web.Response) else None
        return await half_answer(request, whole, rule) if isinstance(whole, bytes) else answer
    if rule.after_effect:
        await handler(request)
    return await instead(request, rule)


async def add_headers(request: web.Request, answer: web.StreamResponse) -> None:
    """Note the status and put OpenAI's headers on an answer (openai.md 5)."""
    exchange = request.get(EXCHANGE)
    if exchange is None:
        return
    exchange.call.status = answer.status
    answer.headers["x-request-id"] = exchange.call.request_id
    answer.headers["openai-version"] = "2020-10-01"
    answer.headers["openai-organization"] = "org-sandbox"
    answer.headers["openai-processing-ms"] = str(int((time.perf_counter() - exchange.started) * 1000))
    if exchange.project and matches(exchange.route, GENERATION):
        answer.headers.update(_limits(exchange))


def _limits(exchange: Exchange) -> dict[str, str]:
    headers = {
        "x-ratelimit-limit-requests": str(REQUEST_LIMIT),
        "x-ratelimit-limit-tokens": str(TOKEN_LIMIT),
        "x-ratelimit-remaining-requests": str(REQUEST_LIMIT - 1),
        "x-ratelimit-remaining-tokens": str(TOKEN_LIMIT - 1000),
        "x-ratelimit-reset-requests": "120ms",
        "x-ratelimit-reset-tokens": "6ms",
    }
    spent = exchange.aside("ratelimit_exhausted")
    if spent is not None:
        what = spent.options["what"]
        headers[f"x-ratelimit-remaining-{what}"] = "0"
        headers[f"x-ratelimit-reset-{what}"] = spent.options["reset"]
    return headers
