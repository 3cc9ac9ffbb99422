"""The Conversations API: openai.md 3.3."""

from aiohttp import web

from sandbox import openai_errors
from sandbox.openai_exchange import EXCHANGE
from sandbox.openai_items import items_of
from sandbox.openai_listing import page
from sandbox.openai_schemas import CONVERSATION_CREATE, CONVERSATION_UPDATE, ITEM_CREATE
from sandbox.openai_state import Conversation, Json, new_id, now
from sandbox.openai_validation import check
from sandbox.openai_wire import json_answer

routes = web.RouteTableDef()


@routes.post("/v1/conversations")
async def create(request: web.Request) -> web.Response:
    """Open a conversation, with up to 20 items."""
    exchange = request[EXCHANGE]
    check(exchange.body, CONVERSATION_CREATE)
    identifier, metadata = new_id("conv"), exchange.body.get("metadata") or {}
    wire = {"id": identifier, "object": "conversation", "created_at": now(), "metadata": metadata}
    conversation = Conversation(identifier, exchange.project, wire, items_of(exchange.body.get("items")))
    exchange.world.conversations[identifier] = conversation
    return json_answer(wire)


@routes.get("/v1/conversations/{conversation_id}")
async def retrieve(request: web.Request) -> web.Response:
    """A conversation without its items."""
    return json_answer(_conversation(request).wire)


@routes.post("/v1/conversations/{conversation_id}")
async def update(request: web.Request) -> web.Response:
    """Set the metadata."""
    conversation, body = _conversation(request), request[EXCHANGE].body
    check(body, CONVERSATION_UPDATE)
    conversation.wire["metadata"] = body["metadata"] or {}
    return json_answer(conversation.wire)


@routes.delete("/v1/conversations/{conversation_id}")
async def delete(request: web.Request) -> web.Response:
    """Delete a conversation; a second time it is not found."""
    conversation = _conversation(request)
    del request[EXCHANGE].world.conversations[conversation.id]
    return json_answer({"id": conversation.id, "object": "conversation.deleted", "deleted": True})


@routes.post("/v1/conversations/{conversation_id}/items")
async def create_items(request: web.Request) -> web.Response:
    """Append up to 20 items. That a locked conversation refuses them is our assumption."""
    conversation, body = _conversation(request), request[EXCHANGE].body
    check(body, ITEM_CREATE)
    if conversation.locked():
        raise openai_errors.conversation_locked()
    created = items_of(body["items"])
    conversation.items.extend(created)
    return json_answer(page(created, {"order": "asc"}))


@routes.get("/v1/conversations/{conversation_id}/items")
async def list_items(request: web.Request) -> web.Response:
    """The items; those of a response that still runs are not among them."""
    return json_answer(page(_conversation(request).items, dict(request.query)))


@routes.get("/v1/conversations/{conversation_id}/items/{item_id}")
async def retrieve_item(request: web.Request) -> web.Response:
    """One item."""
    return json_answer(_item(request, _conversation(request)))


@routes.delete("/v1/conversations/{conversation_id}/items/{item_id}")
async def delete_item(request: web.Request) -> web.Response:
    """Take an item out; the answer is the conversation."""
    conversation = _conversation(request)
    conversation.items.remove(_item(request, conversation))
    return json_answer(conversation.wire)


def _conversation(request: web.Request) -> Conversation:
    exchange = request[EXCHANGE]
    return exchange.world.conversation(request.match_info["conversation_id"], exchange.project)


def _item(request: web.Request, conversation: Conversation) -> Json:
    wanted = request.match_info["item_id"]
    found = next((item for item in conversation.items if item["id"] == wanted), None)
    if found is None:
        raise openai_errors.not_found("Item", wanted)
    return found
