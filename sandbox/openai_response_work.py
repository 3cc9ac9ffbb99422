"""The life of one response, from the order to its last event: openai.md 3.1 and 3.2."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.openai_answers import asked_of, tokens
from sandbox.openai_errors import ApiError
from sandbox.openai_events import Frame, Pace, encode, pieces_of
from sandbox.openai_exchange import Exchange
from sandbox.openai_faults import Stage
from sandbox.openai_items import characters_in, messages_in
from sandbox.openai_outcomes import CITATION_MARK, Part, Plan, plan_of, tool_call_fields
from sandbox.openai_state import Conversation, Json, Response, Template, new_id, now

# Filler up to this many characters hides the length of a piece (openai.md 3.2).
OBFUSCATION = 16
# The event behind which the model thinks.
OPENING_ENDS = "response.in_progress"


@dataclass(frozen=True, slots=True)
class Order:
    """A request with everything it refers to. context: what went before in its conversation or chain."""

    model: str
    template: Template | None
    conversation: Conversation | None
    context: list[Json]
    input_items: list[Json]

    @property
    def characters(self) -> int:
        """The length of all messages that the model gets to read."""
        return characters_in(self.context + self.input_items)


def start(exchange: Exchange, order: Order) -> Response:
    """Take the conversation's lock and set the work going."""
    world, body = exchange.world, exchange.body
    instructions = [order.template.instructions if order.template else "", body.get("instructions") or ""]
    asked = asked_of(exchange.project, order.model, instructions, messages_in(order.context + order.input_items))
    plan = plan_of(world.answerer(asked), order.model, exchange.at(Stage.OUTCOME))
    response = Response(
        id=new_id("resp"),
        project=exchange.project,
        wire={},
        context=order.context,
        input_items=order.input_items,
        conversation=order.conversation,
    )
    response.wire = _wire(response.id, exchange, order)
    if body.get("store") is not False:
        world.responses[response.id] = response
    if order.conversation is not None:
        order.conversation.holder = response.id
    spent = tokens(order.characters + sum(map(len, instructions)))
    Work(response, plan, spent, exchange).begin()
    return response


def _wire(response_id: str, exchange: Exchange, order: Order) -> Json:
    body = exchange.body
    prompt = body.get("prompt")
    return {
        "id": response_id,
        "object": "response",
        "created_at": now(),
        "completed_at": None,
        "status": "queued" if body.get("background") else "in_progress",
        "background": bool(body.get("background")),
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "max_tool_calls": body.get("max_tool_calls"),
        "model": order.model,
        "output": [],
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "previous_response_id": body.get("previous_response_id"),
        "prompt": {"version": "1", "variables": None, **prompt} if prompt else None,
        "prompt_cache_key": body.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})},
        "safety_identifier": body.get("safety_identifier"),
        "service_tier": body.get("service_tier") or "default",
        "store": body.get("store") is not False,
        "temperature": body.get("temperature", 1.0),
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "top_logprobs": 0,
        "top_p": body.get("top_p", 1.0),
        "truncation": body.get("truncation") or "disabled",
        "usage": None,
        "user": body.get("user"),
        "metadata": body.get("metadata") or {},
        **({"conversation": {"id": order.conversation.id}} if order.conversation else {}),
    }


@dataclass(slots=True)
class Work:
    """One response on its way. spent: tokens of the input."""

    response: Response
    plan: Plan
    spent: int
    exchange: Exchange

    def begin(self) -> None:
        """Set it going."""
        self.response.task = asyncio.create_task(self._carry_out())
        # Not a `finally` in the work itself: a task that is cancelled before its first step never gets there.
        self.response.task.add_done_callback(self._ended)

    async def _carry_out(self) -> None:
        log, behaviour = self.response.log, self.exchange.world.behaviour
        pace = Pace(self.exchange.latency, self.plan.pieces(behaviour.deltas))
        await pace.begin()
        self.response.wire["status"] = "in_progress"
        for frame in self._frames(behaviour.deltas):
            if self.exchange.stalls and log.breaks_before(frame):
                log.mark_break()
                await asyncio.Event().wait()
            log.append(frame)
            if frame.delta or frame.name == OPENING_ENDS:
                await pace.step()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Close the events. A response that was given up leaves nothing in its conversation but a lingering lock."""
        if task.cancelled():
            self.response.wire["status"] = "cancelled"
            self._unlock()
            if self.response.conversation is not None:
                self.response.conversation.stay_busy(self.exchange.world.behaviour.lock_linger)
        self.response.log.close()

    def _frames(self, pieces: int) -> Iterator[Frame]:
        for number, (kind, fields) in enumerate(self._events(pieces)):
            event = {"type": kind, "sequence_number": number, **fields}
            data = b"" if self.response.log.unread else encode(event)
            yield Frame(kind, data, delta=kind.endswith("text.delta") or kind == "response.refusal.delta")

    def _events(self, pieces: int) -> Iterator[tuple[str, Json]]:
        wire, plan = self.response.wire, self.plan
        yield "response.created", {"response": wire}
        yield "response.in_progress", {"response": wire}
        if plan.event is not None:
            self._fail(plan.event)
            yield "error", {"error": plan.event.fields()} if plan.nested else _flat(plan.event)
            return
        output = _output(plan)
        for index, item in enumerate(output):
            yield from _item_events(index, item, pieces, self._obfuscates)
        self._finish(output)
        yield f"response.{wire['status']}", {"response": wire}

    @property
    def _obfuscates(self) -> bool:
        return (self.exchange.body.get("stream_options") or {}).get("include_obfuscation") is not False

    def _fail(self, error: ApiError) -> None:
        self.response.refusal = error
        self.response.wire.update(status="failed", error={"code": "server_error", "message": error.message})
        self._unlock()

    def _finish(self, output: list[Json]) -> None:
        """Write the end into the response and, unless it failed, into its conversation; then let go of that."""
        wire, plan = self.response.wire, self.plan
        wire.update(status=plan.status, error=plan.error, usage=_usage(self.spent, output, plan))
        if plan.reason is not None:
            wire["incomplete_details"] = {"reason": plan.reason}
        if plan.status != "failed":
            wire.update(output=output, completed_at=now())
            if self.response.conversation is not None:
                self.response.conversation.items.extend([*self.response.input_items, *output])
        self._unlock()

    def _unlock(self) -> None:
        conversation = self.response.conversation
        if conversation is not None and conversation.holder == self.response.id:
            conversation.holder = None


def _flat(error: ApiError) -> Json:
    return {"code": error.code, "message": error.message, "param": error.param}


def _usage(spent: int, output: list[Json], plan: Plan) -> Json | None:
    if plan.status == "failed":
        return None
    visible = tokens(characters_in(output)) if plan.parts or plan.commentary else 0
    reasoning = 64 if any(item["type"] == "reasoning" for item in output) else 0
    return {
        "input_tokens": spent,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": visible + reasoning,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": spent + visible + reasoning,
    }


# --- output items -----------------------------------------------------------------------------------------------


def _output(plan: Plan) -> list[Json]:
    """The items a plan brings: reasoning and an interim message first where there are any."""
    output: list[Json] = []
    if plan.status == "failed":
        return output
    status = "incomplete" if plan.status == "incomplete" else "completed"
    if plan.commentary is not None or (status == "incomplete" and plan.parts is None):
        output.append({"type": "reasoning", "id": new_id("rs"), "summary": []})
    if plan.searches:
        search = {"status": "completed", "queries": ["catálogo"], "results": None}
        output.append({"type": "file_search_call", "id": new_id("fs"), **search})
    if plan.commentary is not None:
        output.append(_message([Part(plan.commentary)], "completed", "commentary"))
    if plan.parts is not None:
        output.append(_message(plan.parts, status, "final_answer"))
    if plan.tool_call:
        call = {"call_id": new_id("call"), "status": "completed", **tool_call_fields()}
        output.append({"type": "function_call", "id": new_id("fc"), **call})
    return output


def _message(parts: list[Part], status: str, phase: str) -> Json:
    content = [_part(part) for part in parts]
    return {
        "type": "message",
        "id": new_id("msg"),
        "status": status,
        "role": "assistant",
        "phase": phase,
        "content": content,
    }


def _part(part: Part) -> Json:
    if part.refusal:
        return {"type": "refusal", "refusal": part.text}
    return {
        "type": "output_text",
        "text": part.text,
        "annotations": [_annotation(part.text, mark) for mark in part.marks],
        "logprobs": [],
    }


def _annotation(text: str, mark: str) -> Json:
    start = text.index(mark)
    if mark == CITATION_MARK:
        return {"type": "file_citation", "file_id": "file-13", "filename": "catalogo.pdf", "index": start}
    return {
        "type": "container_file_citation",
        "container_id": "cntr_1",
        "file_id": "cfile_1",
        "filename": "tabela.csv",
        "start_index": start,
        "end_index": start + len(mark),
    }


# --- events of one item -----------------------------------------------------------------------------------------


def _item_events(index: int, item: Json, pieces: int, obfuscates: bool) -> Iterator[tuple[str, Json]]:
    place = {"item_id": item["id"], "output_index": index}
    begun = {**item, "status": "in_progress"} if "status" in item else item
    begun = {name: _before(name, value) for name, value in begun.items()}
    yield "response.output_item.added", {"output_index": index, "item": begun}
    for number, part in enumerate(item.get("content", [])):
        yield from _part_events({**place, "content_index": number}, part, pieces, obfuscates)
    if item["type"] == "file_search_call":
        for state in ("in_progress", "searching", "completed"):
            yield f"response.file_search_call.{state}", place
    if item["type"] == "function_call":
        yield "response.function_call_arguments.delta", {**place, "delta": item["arguments"]}
        done = {"name": item["name"], "arguments": item["arguments"]}
        yield "response.function_call_arguments.done", {**place, **done}
    yield "response.output_item.done", {"output_index": index, "item": item}


def _before(name: str, value: Any) -> Any:
    """A field of an item that has only begun."""
    return {"content": [], "arguments": ""}.get(name, value)


def _part_events(place: Json, part: Json, pieces: int, obfuscates: bool) -> Iterator[tuple[str, Json]]:
    """A refusal streams like a text, under another name and without annotations."""
    field, kind = ("refusal", "refusal") if part["type"] == "refusal" else ("text", "output_text")
    extra: Json = {} if field == "refusal" else {"logprobs": []}
    annotations = part.get("annotations", [])
    empty = {**part, field: "", **({"annotations": []} if "annotations" in part else {})}
    yield "response.content_part.added", {**place, "part": empty}
    for piece in pieces_of(part[field], pieces):
        filler = {"obfuscation": "x" * max(0, OBFUSCATION - len(piece))} if obfuscates else {}
        yield f"response.{kind}.delta", {**place, "delta": piece, **extra, **filler}
    for number, annotation in enumerate(annotations):
        mark = {"annotation_index": number, "annotation": annotation}
        yield "response.output_text.annotation.added", {**place, **mark}
    yield f"response.{kind}.done", {**place, field: part[field], **extra}
    yield "response.content_part.done", {**place, "part": part}
