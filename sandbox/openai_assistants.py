"""The Assistants API v2: openai.md 2."""

import asyncio

from aiohttp import web

from sandbox import openai_errors
from sandbox.openai_events import Frame, encode
from sandbox.openai_exchange import EXCHANGE, Exchange
from sandbox.openai_listing import page
from sandbox.openai_models import MODELS
from sandbox.openai_run_work import start
from sandbox.openai_schemas import (
    MESSAGE_CREATE,
    RUN_CREATE,
    THREAD_AND_RUN_CREATE,
    THREAD_CREATE,
    THREAD_UPDATE,
    TOOL_OUTPUTS,
)
from sandbox.openai_state import Json, Run, Thread, World, new_id, now
from sandbox.openai_validation import check
from sandbox.openai_wire import json_answer, stream_answer

routes = web.RouteTableDef()


@routes.get("/v1/assistants/{assistant_id}")
async def retrieve_assistant(request: web.Request) -> web.Response:
    """An assistant's definition."""
    exchange = request[EXCHANGE]
    return json_answer(exchange.world.assistant(request.match_info["assistant_id"], exchange.project).wire)


# --- threads ----------------------------------------------------------------------------------------------------


@routes.post("/v1/threads")
async def create_thread(request: web.Request) -> web.Response:
    """Open a thread, with messages if wanted."""
    exchange = request[EXCHANGE]
    check(exchange.body, THREAD_CREATE)
    return json_answer(new_thread(exchange.world, exchange.project, exchange.body).wire)


def new_thread(world: World, project: str, body: Json) -> Thread:
    """Keep a thread as its creation describes it."""
    identifier = new_id("thread")
    wire = {
        "id": identifier,
        "object": "thread",
        "created_at": now(),
        "metadata": body.get("metadata") or {},
        "tool_resources": body.get("tool_resources") or {},
    }
    thread = Thread(identifier, project, wire)
    for message in body.get("messages") or []:
        add_message(thread, message)
    world.threads[identifier] = thread
    return thread


@routes.get("/v1/threads/{thread_id}")
async def retrieve_thread(request: web.Request) -> web.Response:
    """A thread without its messages."""
    return json_answer(_thread(request).wire)


@routes.post("/v1/threads/{thread_id}")
async def update_thread(request: web.Request) -> web.Response:
    """Set metadata and tool resources."""
    thread, body = _thread(request), request[EXCHANGE].body
    check(body, THREAD_UPDATE)
    thread.wire.update({name: value or {} for name, value in body.items()})
    return json_answer(thread.wire)


@routes.delete("/v1/threads/{thread_id}")
async def delete_thread(request: web.Request) -> web.Response:
    """Delete a thread with all that is in it."""
    thread = _thread(request)
    del request[EXCHANGE].world.threads[thread.id]
    return json_answer({"id": thread.id, "object": "thread.deleted", "deleted": True})


# --- messages ---------------------------------------------------------------------------------------------------


@routes.post("/v1/threads/{thread_id}/messages")
async def create_message(request: web.Request) -> web.Response:
    """Append a message, unless a run is active."""
    thread, body = _thread(request), request[EXCHANGE].body
    check(body, MESSAGE_CREATE)
    active = thread.active_run()
    if active is not None:
        raise openai_errors.thread_closed_to_messages(thread.id, active.id)
    return json_answer(add_message(thread, body))


def add_message(thread: Thread, body: Json) -> Json:
    """Keep a message that a client wrote."""
    content = body["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    message = {
        "id": new_id("msg"),
        "object": "thread.message",
        "created_at": now(),
        "thread_id": thread.id,
        "status": "completed",
        "incomplete_details": None,
        "completed_at": now(),
        "incomplete_at": None,
        "role": body["role"],
        "content": [_content_part(part) for part in parts],
        "assistant_id": None,
        "run_id": None,
        "attachments": body.get("attachments") or [],
        "metadata": body.get("metadata") or {},
    }
    thread.messages[message["id"]] = message
    return message


def _content_part(part: Json) -> Json:
    if part["type"] != "text":
        return part
    return {"type": "text", "text": {"value": part["text"], "annotations": []}}


@routes.get("/v1/threads/{thread_id}/messages")
async def list_messages(request: web.Request) -> web.Response:
    """The messages, those of one run with `run_id`."""
    messages, run_id = list(_thread(request).messages.values()), request.query.get("run_id")
    if run_id is not None:
        messages = [message for message in messages if message["run_id"] == run_id]
    return json_answer(page(messages, dict(request.query)))


@routes.get("/v1/threads/{thread_id}/messages/{message_id}")
async def retrieve_message(request: web.Request) -> web.Response:
    """One message."""
    found = _thread(request).messages.get(request.match_info["message_id"])
    if found is None:
        raise openai_errors.none_found("message", request.match_info["message_id"])
    return json_answer(found)


# --- runs -------------------------------------------------------------------------------------------------------


@routes.post("/v1/threads/runs")
async def create_thread_and_run(request: web.Request) -> web.StreamResponse:
    """A new thread and a run on it."""
    exchange = request[EXCHANGE]
    check(exchange.body, THREAD_AND_RUN_CREATE)
    _check_references(exchange)
    thread = new_thread(exchange.world, exchange.project, exchange.body.get("thread") or {})
    return await _answer_run(request, start(exchange, thread, new_thread=True))


@routes.post("/v1/threads/{thread_id}/runs")
async def create_run(request: web.Request) -> web.StreamResponse:
    """A run on a thread, unless one is active. It goes on when its client goes away."""
    exchange, thread = request[EXCHANGE], _thread(request)
    check(exchange.body, RUN_CREATE)
    _check_references(exchange)
    active = thread.active_run()
    if active is not None:
        raise openai_errors.thread_has_run(thread.id, active.id)
    for message in exchange.body.get("additional_messages") or []:
        add_message(thread, message)
    return await _answer_run(request, start(exchange, thread, new_thread=False))


def _check_references(exchange: Exchange) -> None:
    exchange.world.assistant(exchange.body["assistant_id"], exchange.project)
    model = exchange.body.get("model")
    if model is not None and model not in MODELS:
        raise openai_errors.model_not_found(model)


async def _answer_run(request: web.Request, run: Run) -> web.StreamResponse:
    exchange = request[EXCHANGE]
    try:
        if exchange.body.get("stream") and not exchange.muted:
            return await stream_answer(request, run.log)
    finally:
        run.log.forget()
    return json_answer(run.wire)


@routes.get("/v1/threads/{thread_id}/runs")
async def list_runs(request: web.Request) -> web.Response:
    """The runs of a thread."""
    return json_answer(page([run.wire for run in _thread(request).runs.values()], dict(request.query)))


@routes.get("/v1/threads/{thread_id}/runs/{run_id}")
async def retrieve_run(request: web.Request) -> web.Response:
    """A run as it stands."""
    return json_answer(_run(request).wire)


@routes.post("/v1/threads/{thread_id}/runs/{run_id}/cancel")
async def cancel_run(request: web.Request) -> web.Response:
    """Ask a run to stop; it does so a little later."""
    run = _run(request)
    if not run.active():
        message = f"Cannot cancel run with status '{run.wire['status']}'."
        raise openai_errors.bad_request(None, None, message)
    run.wire["status"] = "cancelling"
    run.log.append(Frame("thread.run.cancelling", encode(run.wire)))
    if run.task is not None:
        delay = request[EXCHANGE].world.behaviour.cancel_seconds
        asyncio.get_running_loop().call_later(delay, run.task.cancel)
    return json_answer(run.wire)


@routes.post("/v1/threads/{thread_id}/runs/{run_id}/submit_tool_outputs")
async def submit_tool_outputs(request: web.Request) -> web.Response:
    """Always refused: ByteGPT offers no tools, so it has no outputs to hand in."""
    check(request[EXCHANGE].body, TOOL_OUTPUTS)
    message = f'Runs in status "{_run(request).wire["status"]}" do not accept tool outputs.'
    raise openai_errors.bad_request(None, None, message)


def _thread(request: web.Request) -> Thread:
    exchange = request[EXCHANGE]
    return exchange.world.thread(request.match_info["thread_id"], exchange.project)


def _run(request: web.Request) -> Run:
    run_id = request.match_info["run_id"]
    run = _thread(request).runs.get(run_id)
    if run is None:
        raise openai_errors.none_found("run", run_id)
    return run
