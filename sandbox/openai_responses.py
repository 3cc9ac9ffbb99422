"""The Responses API: openai.md 3.1, 3.2 and 3.5."""

from aiohttp import web

from sandbox import openai_errors
from sandbox.openai_answers import tokens
from sandbox.openai_events import encode
from sandbox.openai_exchange import EXCHANGE, Exchange, conversation_id
from sandbox.openai_faults import Stage
from sandbox.openai_items import characters_in, items_of
from sandbox.openai_listing import page
from sandbox.openai_models import MODELS, REFUSE_TEMPERATURE
from sandbox.openai_response_work import Order, start
from sandbox.openai_schemas import INPUT_TOKENS, RESPONSE_CREATE
from sandbox.openai_state import Conversation, Json, Response, Template
from sandbox.openai_validation import check, missing
from sandbox.openai_wire import half_answer, json_answer, refusal, stream_answer

routes = web.RouteTableDef()

NOTHING_ASKED = "One of 'input' or 'previous_response_id' or 'prompt' or 'conversation' must be provided."


@routes.post("/v1/responses")
async def create(request: web.Request) -> web.StreamResponse:
    """Answer a request. A synchronous answer is given up when its client goes away, a background one is not."""
    exchange = request[EXCHANGE]
    response = start(exchange, order_of(exchange))
    if exchange.body.get("background"):
        return await _background_answer(request, response)
    try:
        return await _synchronous_answer(request, response)
    finally:
        response.give_up()
        response.log.forget()


async def _background_answer(request: web.Request, response: Response) -> web.StreamResponse:
    exchange = request[EXCHANGE]
    if exchange.body.get("stream") and not exchange.muted:
        return await stream_answer(request, response.log)
    return json_answer(response.wire)


async def _synchronous_answer(request: web.Request, response: Response) -> web.StreamResponse:
    exchange = request[EXCHANGE]
    if exchange.body.get("stream") and not exchange.muted:
        return await stream_answer(request, response.log)
    response.log.forget()
    broken = exchange.at(Stage.MIDWAY)
    if broken is not None and exchange.stalls:
        return await half_answer(request, encode(response.wire), broken)
    await response.log.wait_closed()
    return json_answer(response.wire) if response.refusal is None else refusal(response.refusal)


def order_of(exchange: Exchange) -> Order:
    """What a request asks for, with everything it refers to looked up. Raises ApiError."""
    world, body, project = exchange.world, exchange.body, exchange.project
    check(body, RESPONSE_CREATE)
    _check_combination(body)
    prompt = body.get("prompt")
    template = world.prompt(prompt["id"], project) if prompt else None
    order = Order(
        model=_model(body, template),
        template=template,
        conversation=_conversation(exchange),
        context=_context(exchange),
        input_items=items_of(body.get("input")),
    )
    if order.characters > world.behaviour.context_characters and body.get("truncation") != "auto":
        raise openai_errors.context_too_long()
    return order


def _check_combination(body: Json) -> None:
    if body.get("conversation") and body.get("previous_response_id"):
        raise openai_errors.bad_request(
            "mutually_exclusive_parameters",
            "conversation",
            "Mutually exclusive parameters: 'conversation' and 'previous_response_id' cannot be used together.",
        )
    if not any(body.get(name) for name in ("input", "previous_response_id", "prompt", "conversation")):
        raise missing("input", NOTHING_ASKED)
    if not body.get("model") and not body.get("prompt"):
        raise missing("model")


def _model(body: Json, template: Template | None) -> str:
    model = body.get("model") or (template.model if template else "")
    if model not in MODELS:
        raise openai_errors.model_not_found(model)
    refused = model in REFUSE_TEMPERATURE and (body.get("reasoning") or {}).get("effort") != "none"
    for name in ("temperature", "top_p"):
        if refused and body.get(name) is not None:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise openai_errors.bad_request(None, name, message)
    return str(model)


def _conversation(exchange: Exchange) -> Conversation | None:
    given = exchange.body.get("conversation")
    if not given:
        return None
    conversation = exchange.world.conversation(conversation_id(given), exchange.project)
    if conversation.locked():
        raise openai_errors.conversation_locked()
    return conversation


def _context(exchange: Exchange) -> list[Json]:
    previous_id, given = exchange.body.get("previous_response_id"), exchange.body.get("conversation")
    if given:
        return list(exchange.world.conversation(conversation_id(given), exchange.project).items)
    if not previous_id:
        return []
    previous = exchange.world.responses.get(previous_id)
    if previous is None or previous.project != exchange.project:
        raise openai_errors.previous_response_not_found(previous_id)
    return [*previous.context, *previous.input_items, *previous.wire["output"]]


@routes.post("/v1/responses/input_tokens")
async def count(request: web.Request) -> web.Response:
    """Count what a request would cost."""
    exchange = request[EXCHANGE]
    check(exchange.body, INPUT_TOKENS)
    characters = characters_in(_context(exchange) + items_of(exchange.body.get("input")))
    instructions = exchange.body.get("instructions") or ""
    return json_answer({"object": "response.input_tokens", "input_tokens": tokens(characters + len(instructions))})


@routes.get("/v1/responses/{response_id}")
async def retrieve(request: web.Request) -> web.StreamResponse:
    """A stored response as it stands, or its events from a position on (background ones made with `stream`)."""
    response = _stored(request)
    if request.query.get("stream") == "true":
        return await stream_answer(request, response.log, int(request.query.get("starting_after", "-1")) + 1)
    return json_answer(response.wire)


@routes.delete("/v1/responses/{response_id}")
async def delete(request: web.Request) -> web.Response:
    """Forget a response; what it brought into a conversation stays there."""
    response = _stored(request)
    del request[EXCHANGE].world.responses[response.id]
    return json_answer({"id": response.id, "object": "response", "deleted": True})


@routes.post("/v1/responses/{response_id}/cancel")
async def cancel(request: web.Request) -> web.Response:
    """Stop a background response; harmless when it has ended."""
    response = _stored(request)
    if not response.wire["background"]:
        raise openai_errors.bad_request(None, None, "Cannot cancel a synchronous response.")
    response.give_up()
    await response.log.wait_closed()
    return json_answer(response.wire)


@routes.get("/v1/responses/{response_id}/input_items")
async def input_items(request: web.Request) -> web.Response:
    """What a response was asked."""
    return json_answer(page(_stored(request).input_items, dict(request.query)))


def _stored(request: web.Request) -> Response:
    exchange = request[EXCHANGE]
    return exchange.world.response(request.match_info["response_id"], exchange.project)
