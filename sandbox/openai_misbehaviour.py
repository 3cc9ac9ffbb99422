"""What is answered instead of the truth: refusals (openai.md 4.2), broken answers, silence."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from aiohttp import web

from sandbox import openai_errors
from sandbox.openai_errors import INVALID, ApiError
from sandbox.openai_exchange import EXCHANGE, Exchange
from sandbox.openai_faults import Rule
from sandbox.openai_outcomes import CREDIT_ERROR, QUOTA_TEXT, SERVER_ERROR
from sandbox.openai_run_work import foreign_run
from sandbox.openai_wire import JSON_HEADERS, STREAM_HEADERS, reset, until_gone

QUOTA = "insufficient_quota"
BILLING_PAGE = "https://platform.openai.com/settings/organization/limits"
HTML_502 = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
    "<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
)
NOT_JSON = "<!doctype html><title>Just a moment...</title>"


async def instead(request: web.Request, rule: Rule) -> web.StreamResponse:
    """Do what a fault says in place of the answer. Raises ApiError for the refusals."""
    behave = BEHAVIOURS.get(rule.name)
    if behave is not None:
        return await behave(request, rule)
    raise replace(REFUSALS[rule.name](request[EXCHANGE], rule), headers=_retry_headers(rule))


def _retry_headers(rule: Rule) -> dict[str, str]:
    headers = {"Retry-After": rule.options.get("retry_after"), "retry-after-ms": rule.options.get("retry_after_ms")}
    return {name: str(value) for name, value in headers.items() if value is not None}


# --- refusals ---------------------------------------------------------------------------------------------------

Refusal = Callable[[Exchange, Rule], ApiError]


def _says(status: int, kind: str | None, code: str | None, message: str) -> Refusal:
    """A refusal that is the same for everybody but for the model's name and, where it is an option, the status."""

    def refuse(exchange: Exchange, rule: Rule) -> ApiError:
        named = message.format(model=exchange.model, project=exchange.project)
        return ApiError(rule.options.get("status", status), named, kind or rule.options["type"], code)

    return refuse


def _locked(exchange: Exchange, rule: Rule) -> ApiError:
    """Somebody else works on the conversation or thread, and goes on for the seconds that the rule names."""
    seconds = rule.options["seconds"]
    if exchange.thread is None:
        if exchange.conversation is not None:
            exchange.conversation.stay_busy(seconds)
        return openai_errors.conversation_locked()
    run = exchange.thread.active_run() or foreign_run(exchange.thread, seconds)
    if exchange.call.path.endswith("/messages"):
        return openai_errors.thread_closed_to_messages(exchange.thread.id, run.id)
    return openai_errors.thread_has_run(exchange.thread.id, run.id)


REFUSALS: dict[str, Refusal] = {
    "unauthorized": lambda exchange, _rule: openai_errors.wrong_key(exchange.call.key),
    "forbidden_region": _says(
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    "forbidden_model": _says(
        403, INVALID, "model_not_found", "Project `proj_{project}` does not have access to model `{model}`"
    ),
    "assistant_not_found": lambda exchange, _rule: openai_errors.none_found("assistant", exchange.template_id),
    "prompt_not_found": lambda exchange, _rule: openai_errors.not_found("Prompt", exchange.template_id),
    "model_not_found": lambda exchange, _rule: openai_errors.model_not_found(exchange.model),
    "rate_limit": _says(
        429,
        None,
        "rate_limit_exceeded",
        "Rate limit reached for {model} in organization org-sandbox on requests per min (RPM): Limit 3, Used 3, "
        "Requested 1. Please try again in 20s. Visit https://platform.openai.com/account/rate-limits to learn more.",
    ),
    "slow_down": _says(
        429,
        "rate_limit_error",
        "slow_down",
        "Slow down: your traffic rose too fast. Please reduce your request rate and ramp up gradually.",
    ),
    "request_too_large": _says(
        429,
        "tokens",
        "rate_limit_exceeded",
        "Request too large for {model} in organization org-sandbox on tokens per min (TPM): Limit 30000, Requested "
        "48211. The input or output tokens must be reduced in order to run successfully.",
    ),
    "credit_exhausted": lambda _exchange, _rule: CREDIT_ERROR,
    "insufficient_quota": _says(429, QUOTA, QUOTA, QUOTA_TEXT),
    "org_spend_limit": _says(
        429,
        QUOTA,
        "organization_spend_limit_exceeded",
        f"Your organization has reached its spend limit. See {BILLING_PAGE}.",
    ),
    "project_spend_limit": _says(
        429, QUOTA, "project_spend_limit_exceeded", f"Your project has reached its spend limit. See {BILLING_PAGE}."
    ),
    "org_usage_limit": _says(
        429,
        QUOTA,
        "organization_usage_limit_exceeded",
        f"Your organization has reached its monthly usage limit. See {BILLING_PAGE}.",
    ),
    "billing_not_active": _says(
        429,
        "billing_not_active",
        "billing_not_active",
        "Your account is not active, please check your billing details on our website.",
    ),
    "billing_hard_limit": _says(429, INVALID, "billing_hard_limit_reached", "Billing hard limit has been reached"),
    "timeout_408": _says(408, INVALID, None, "Request timed out."),
    "conflict_409": _says(409, INVALID, None, "The resource was updated by another request. Please try again."),
    "server_error_500": lambda _exchange, _rule: SERVER_ERROR,
    "overloaded_503": _says(
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        "The server is currently overloaded with other requests. Sorry about that! Please retry your request.",
    ),
    "context_too_long": lambda _exchange, _rule: openai_errors.context_too_long(),
    "locked": _locked,
}


# --- no answer at all, or none that can be read -----------------------------------------------------------------

Behaviour = Callable[[web.Request, Rule], Awaitable[web.StreamResponse]]


async def _bad_gateway(_request: web.Request, _rule: Rule) -> web.StreamResponse:
    return web.Response(status=502, text=HTML_502, content_type="text/html")


async def _not_json(request: web.Request, _rule: Rule) -> web.StreamResponse:
    """Something else where JSON is due: in the body, or in the data of a stream."""
    if request[EXCHANGE].body.get("stream"):
        return web.Response(body=f"data: {NOT_JSON}\n\n".encode(), content_type="text/event-stream")
    return web.Response(body=NOT_JSON.encode(), content_type="application/json")


async def _hang(_request: web.Request, _rule: Rule) -> web.StreamResponse:
    await until_gone()
    raise AssertionError("a client that has gone cancels its handler")


async def _reset(request: web.Request, _rule: Rule) -> web.StreamResponse:
    await reset(request)
    raise AssertionError("a client that has gone cancels its handler")


async def _trickle(request: web.Request, rule: Rule) -> web.StreamResponse:
    """A byte from time to time and for ever: white space before JSON, a comment that never ends in a stream."""
    streams = bool(request[EXCHANGE].body.get("stream"))
    answer = web.StreamResponse(headers=STREAM_HEADERS if streams else JSON_HEADERS)
    await answer.prepare(request)
    while True:
        await answer.write(b":" if streams else b" ")
        await asyncio.sleep(rule.options["seconds"])


BEHAVIOURS: dict[str, Behaviour] = {
    "bad_gateway_html_502": _bad_gateway,
    "not_json": _not_json,
    "hang": _hang,
    "reset": _reset,
    "trickle": _trickle,
}
