"""The other side of the simulated OpenAI: what its users set up and look at, in Python and over HTTP."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from sandbox.openai_door import WORLD
from sandbox.openai_faults import KINDS, rule_of
from sandbox.openai_state import Template, World, now

PREFIX = "/_sandbox"

routes = web.RouteTableDef()


def add_assistant(
    world: World,
    assistant_id: str,
    project: str,
    model: str = "gpt-4o-mini",
    instructions: str = "",
    name: str | None = None,
    vector_store_ids: Iterable[str] = (),
    temperature: float | None = 1.0,
) -> None:
    """Give a project an assistant."""
    stores = list(vector_store_ids)
    wire = {
        "id": assistant_id,
        "object": "assistant",
        "created_at": now(),
        "name": name,
        "description": None,
        "model": model,
        "instructions": instructions,
        "tools": [{"type": "file_search"}] if stores else [],
        "tool_resources": {"file_search": {"vector_store_ids": stores}} if stores else {},
        "metadata": {},
        "temperature": temperature,
        "top_p": 1.0,
        "response_format": "auto",
    }
    world.assistants[assistant_id] = Template(assistant_id, project, model, instructions, wire)


def add_prompt(world: World, prompt_id: str, project: str, model: str = "gpt-6-luna", instructions: str = "") -> None:
    """Give a project a stored prompt."""
    world.prompts[prompt_id] = Template(prompt_id, project, model, instructions, {})


def configure(world: World, **settings: Any) -> None:
    """Change fields of Behaviour; `first_byte` and `total` are those of its latency. Raises TypeError for others."""
    latency = {name: settings.pop(name) for name in ("first_byte", "total") if name in settings}
    if latency:
        settings["latency"] = dataclasses.replace(world.behaviour.latency, **latency)
    world.behaviour = dataclasses.replace(world.behaviour, **settings)


# --- over HTTP --------------------------------------------------------------------------------------------------


@routes.post(f"{PREFIX}/keys")
async def post_key(request: web.Request) -> web.Response:
    """`{"key", "project"}`."""
    body = await request.json()
    request.app[WORLD].keys[body["key"]] = body["project"]
    return web.json_response({})


@routes.post(f"{PREFIX}/assistants")
async def post_assistant(request: web.Request) -> web.Response:
    """The arguments of add_assistant."""
    return _done(add_assistant, request.app[WORLD], await request.json())


@routes.post(f"{PREFIX}/prompts")
async def post_prompt(request: web.Request) -> web.Response:
    """The arguments of add_prompt."""
    return _done(add_prompt, request.app[WORLD], await request.json())


@routes.post(f"{PREFIX}/behaviour")
async def post_behaviour(request: web.Request) -> web.Response:
    """The arguments of configure, the two sunsets among them."""
    return _done(configure, request.app[WORLD], await request.json())


@routes.get(f"{PREFIX}/faults")
async def get_faults(_request: web.Request) -> web.Response:
    """Every fault there is, with its routes and options."""
    kinds = {
        name: {"stage": kind.stage.name.lower(), "routes": kind.routes, "options": kind.options}
        for name, kind in KINDS.items()
    }
    return web.json_response(kinds)


@routes.post(f"{PREFIX}/faults")
async def post_fault(request: web.Request) -> web.Response:
    """The arguments of rule_of."""
    return _done(lambda world, **given: world.faults.add(rule_of(**given)), request.app[WORLD], await request.json())


@routes.delete(f"{PREFIX}/faults")
async def delete_faults(request: web.Request) -> web.Response:
    """Everything works again."""
    request.app[WORLD].faults.clear()
    return web.json_response({})


@routes.get(f"{PREFIX}/calls")
async def get_calls(request: web.Request) -> web.Response:
    """The recorded requests, oldest first."""
    return web.json_response([dataclasses.asdict(call) for call in request.app[WORLD].calls])


@routes.delete(f"{PREFIX}/calls")
async def delete_calls(request: web.Request) -> web.Response:
    """Forget the recorded requests."""
    request.app[WORLD].calls.clear()
    return web.json_response({})


@routes.get(f"{PREFIX}/conversations/{{id}}")
async def get_conversation(request: web.Request) -> web.Response:
    """The items of a conversation of whatever project."""
    conversation = request.app[WORLD].conversations.get(request.match_info["id"])
    return _found(None if conversation is None else conversation.items)


@routes.get(f"{PREFIX}/threads/{{id}}")
async def get_thread(request: web.Request) -> web.Response:
    """The messages of a thread of whatever project."""
    thread = request.app[WORLD].threads.get(request.match_info["id"])
    return _found(None if thread is None else list(thread.messages.values()))


def _done(action: Callable[..., None], world: World, given: dict[str, Any]) -> web.Response:
    """Carry out what a body asks for; a body that does not fit is answered 400 with the reason."""
    try:
        action(world, **given)
    except (TypeError, ValueError) as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.json_response({})


def _found(entries: list[dict[str, Any]] | None) -> web.Response:
    if entries is None:
        return web.json_response({"error": "not found"}, status=404)
    return web.json_response(entries)
