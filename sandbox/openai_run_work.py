"""The life of one run, from its creation to its last event: openai.md 2.2 to 2.5 and 2.7."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sandbox.openai_answers import asked_of, text_of, tokens
from sandbox.openai_events import DONE, Frame, Pace, encode, pieces_of
from sandbox.openai_exchange import Exchange
from sandbox.openai_faults import Stage
from sandbox.openai_outcomes import CITATION_MARK, Part, Plan, plan_of, tool_call_fields
from sandbox.openai_state import RUN_LIFETIME, Json, Run, Thread, new_id, now

# The field that tells when a run reached an end, where there is one.
ENDED_AT = {"completed": "completed_at", "failed": "failed_at", "cancelled": "cancelled_at"}
# Why a message stays incomplete, by the end of its run.
INCOMPLETE_REASONS = {
    "failed": "run_failed",
    "expired": "run_expired",
    "cancelled": "run_cancelled",
    "incomplete": "max_tokens",
}
# The event behind which the model thinks.
OPENING_ENDS = "thread.run.in_progress"
# Fields of a run that are as the request says.
COPIED = (
    "max_completion_tokens",
    "max_prompt_tokens",
    "metadata",
    "parallel_tool_calls",
    "response_format",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
    "truncation_strategy",
)


def start(exchange: Exchange, thread: Thread, new_thread: bool) -> Run:
    """Put a run on a thread that has no active one and set it going."""
    world, body = exchange.world, exchange.body
    assistant = world.assistant(body["assistant_id"], exchange.project)
    told = [body.get("instructions") or assistant.instructions, body.get("additional_instructions") or ""]
    model = body.get("model") or assistant.model
    messages = list(thread.messages.values())
    answer = world.answerer(asked_of(exchange.project, model, told, messages))
    run = _new_run(
        thread,
        assistant_id=assistant.id,
        model=model,
        instructions="\n\n".join(filter(None, told)),
        tools=assistant.wire["tools"],
        expires_at=now() + int(world.behaviour.run_lifetime),
    )
    run.wire.update({name: body[name] for name in COPIED if body.get(name) is not None})
    spent = tokens(sum(map(len, told)) + sum(len(text_of(message["content"])) for message in messages))
    Work(run, thread, plan_of(answer, model, exchange.at(Stage.OUTCOME)), spent, exchange, new_thread).begin()
    return run


def foreign_run(thread: Thread, seconds: float) -> Run:
    """Put a run on a thread as another process would; it does nothing for so long and is then completed."""
    run = _new_run(thread, status="in_progress", started_at=now())
    run.task = asyncio.create_task(asyncio.sleep(seconds))

    def ended(task: "asyncio.Task[None]") -> None:
        _end(run, "cancelled" if task.cancelled() else "completed")
        run.log.close()

    run.task.add_done_callback(ended)
    return run


def _new_run(thread: Thread, **fields: Any) -> Run:
    run_id = new_id("run")
    wire: Json = {
        "id": run_id,
        "object": "thread.run",
        "created_at": now(),
        "thread_id": thread.id,
        "assistant_id": "asst_of_another_process",
        "status": "queued",
        "required_action": None,
        "last_error": None,
        "expires_at": now() + RUN_LIFETIME,
        "started_at": None,
        "cancelled_at": None,
        "failed_at": None,
        "completed_at": None,
        "incomplete_details": None,
        "model": "gpt-4o-mini",
        "instructions": "",
        "tools": [],
        "metadata": {},
        "usage": None,
        "temperature": 1.0,
        "top_p": 1.0,
        "max_prompt_tokens": None,
        "max_completion_tokens": None,
        "truncation_strategy": {"type": "auto", "last_messages": None},
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "response_format": "auto",
        **fields,
    }
    thread.runs[run_id] = Run(run_id, wire)
    return thread.runs[run_id]


def _end(run: Run, status: str) -> None:
    """Write an end into a run. An expired or ended one has no `expires_at` any more."""
    run.wire.update(status=status, expires_at=None, required_action=None)
    if status in ENDED_AT:
        run.wire[ENDED_AT[status]] = now()


@dataclass(slots=True)
class Work:
    """One run on its way.

    spent: tokens of the input. step, message: as far as they have begun.
    """

    run: Run
    thread: Thread
    plan: Plan
    spent: int
    exchange: Exchange
    new_thread: bool
    step: Json | None = None
    message: Json | None = None

    def begin(self) -> None:
        """Set it going."""
        self.run.task = asyncio.create_task(self._carry_out())
        # Not a `finally` in the work itself: a task that is cancelled before its first step never gets there.
        self.run.task.add_done_callback(self._ended)

    async def _carry_out(self) -> None:
        behaviour = self.exchange.world.behaviour
        try:
            async with asyncio.timeout(behaviour.run_lifetime):
                await self._work(behaviour.deltas)
        except TimeoutError:
            self._break_off("expired")

    async def _work(self, pieces: int) -> None:
        pace = Pace(self.exchange.latency, self.plan.pieces(pieces))
        await pace.begin()
        for name, wire in self._events(pieces):
            is_delta = name == "thread.message.delta"
            self._log(name, wire, is_delta)
            if is_delta or name == OPENING_ENDS:
                await pace.step()
        if self.run.active():  # it wants tool outputs: the stream ends, the run does not
            self._close()
            await asyncio.Event().wait()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if task.cancelled():
            self._break_off("cancelled")
        self._close()

    def _break_off(self, status: str) -> None:
        """End before the end: what has begun stays incomplete."""
        if self.message is not None and self.message["status"] == "in_progress":
            self._log(*self._message_ended(status))
        if self.step is not None and self.step["status"] == "in_progress":
            self._log(*self._step_ended(status))
        _end(self.run, status)
        self._log(f"thread.run.{status}", self.run.wire)

    def _log(self, name: str, wire: Json, delta: bool = False) -> None:
        if not self.run.log.unread:
            self.run.log.append(Frame(name, encode(wire), delta))

    def _close(self) -> None:
        self.run.log.append(DONE)
        self.run.log.close()

    # --- what happens, in order ---------------------------------------------------------------------------------

    def _events(self, pieces: int) -> Iterator[tuple[str, Json]]:
        run, plan = self.run.wire, self.plan
        if self.new_thread:
            yield "thread.created", self.thread.wire
        yield "thread.run.created", run
        yield "thread.run.queued", run
        run.update(status="in_progress", started_at=now())
        yield "thread.run.in_progress", run
        if plan.event is not None:
            run["last_error"] = plan.error
            _end(self.run, "failed")
            yield "error", plan.event.body() if plan.nested else plan.event.fields()
            return
        if plan.status == "requires_action":
            run.update(status="requires_action", required_action=_required_action())
            yield "thread.run.requires_action", run
            return
        if plan.parts is not None:
            yield from self._message_events(plan.parts, pieces)
        self._finish()
        yield f"thread.run.{run['status']}", run

    def _message_events(self, parts: list[Part], pieces: int) -> Iterator[tuple[str, Json]]:
        message = self.message = _message(self.run, self.thread)
        step = self.step = _step(self.run, message["id"])
        yield "thread.run.step.created", step
        yield "thread.run.step.in_progress", step
        self.thread.messages[message["id"]] = message
        yield "thread.message.created", message
        yield "thread.message.in_progress", message
        for index, part in enumerate(parts):
            for delta in _deltas(index, part, pieces):
                content = {"delta": {"content": [delta]}}
                yield "thread.message.delta", {"id": message["id"], "object": "thread.message.delta", **content}
        message["content"] = [_content(part) for part in parts]
        yield self._message_ended(self.plan.status)
        yield self._step_ended("completed")

    def _message_ended(self, run_status: str) -> tuple[str, Json]:
        message: Json = self.message or {}
        if run_status == "completed":
            message.update(status="completed", completed_at=now())
        else:
            reason = INCOMPLETE_REASONS[run_status]
            message.update(status="incomplete", incomplete_at=now(), incomplete_details={"reason": reason})
        return f"thread.message.{message['status']}", message

    def _step_ended(self, status: str) -> tuple[str, Json]:
        step: Json = self.step or {}
        step["status"] = status
        step[f"{status}_at"] = now()
        return f"thread.run.step.{status}", step

    def _finish(self) -> None:
        run, plan = self.run.wire, self.plan
        written = tokens(sum(len(part.text) for part in plan.parts or []))
        run["usage"] = {
            "prompt_tokens": self.spent,
            "completion_tokens": written,
            "total_tokens": self.spent + written,
            "prompt_token_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }
        run["last_error"] = plan.error
        if plan.reason is not None:
            run["incomplete_details"] = {"reason": plan.reason}
        _end(self.run, plan.status)


# --- wire forms -------------------------------------------------------------------------------------------------


def _required_action() -> Json:
    call = {"id": new_id("call"), "type": "function", "function": tool_call_fields()}
    return {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}


def _message(run: Run, thread: Thread) -> Json:
    return {
        "id": new_id("msg"),
        "object": "thread.message",
        "created_at": now(),
        "thread_id": thread.id,
        "status": "in_progress",
        "incomplete_details": None,
        "completed_at": None,
        "incomplete_at": None,
        "role": "assistant",
        "content": [],
        "assistant_id": run.wire["assistant_id"],
        "run_id": run.id,
        "attachments": [],
        "metadata": {},
    }


def _step(run: Run, message_id: str) -> Json:
    return {
        "id": new_id("step"),
        "object": "thread.run.step",
        "created_at": now(),
        "run_id": run.id,
        "assistant_id": run.wire["assistant_id"],
        "thread_id": run.wire["thread_id"],
        "type": "message_creation",
        "status": "in_progress",
        "cancelled_at": None,
        "completed_at": None,
        "expired_at": None,
        "failed_at": None,
        "last_error": None,
        "step_details": {"type": "message_creation", "message_creation": {"message_id": message_id}},
        "usage": None,
        "metadata": {},
    }


def _content(part: Part) -> Json:
    if part.refusal:
        return {"type": "refusal", "refusal": part.text}
    annotations = [_annotation(part.text, mark) for mark in part.marks]
    return {"type": "text", "text": {"value": part.text, "annotations": annotations}}


def _annotation(text: str, mark: str) -> Json:
    start = text.index(mark)
    kind = "file_citation" if mark == CITATION_MARK else "file_path"
    place = {"text": mark, "start_index": start, "end_index": start + len(mark)}
    return {"type": kind, **place, kind: {"file_id": "file-13"}}


def _deltas(index: int, part: Part, pieces: int) -> Iterator[Json]:
    """The pieces of a part; the last one carries the annotations."""
    if part.refusal:
        for piece in pieces_of(part.text, pieces):
            yield {"index": index, "type": "refusal", "refusal": piece}
        return
    cut = pieces_of(part.text, pieces)
    for number, piece in enumerate(cut):
        marks = part.marks if number == len(cut) - 1 else ()
        annotations = [{"index": place, **_annotation(part.text, mark)} for place, mark in enumerate(marks)]
        yield {"index": index, "type": "text", "text": {"value": piece, "annotations": annotations}}
