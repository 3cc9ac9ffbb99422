"""The Responses API with a conversation: how assistants with a profile, and stored prompts, are asked (openai.md 3)."""

import time
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Any
from urllib.parse import quote

from app.clients.http import PartnerSession, Reply, Timeouts
from app.clients.openai_errors import RESPONSES_TABLE, unexpected
from app.clients.openai_transport import (
    Caller,
    Exhausted,
    JsonObject,
    OpenAiTransport,
    count_in,
    decoded,
    document,
    events,
    id_of,
    is_stream,
    objects_in,
)
from app.clients.sse import Event
from app.domain.answers import Answer, Deadline, Question, Usage
from app.domain.assistants import Profile
from app.domain.failures import AskError

_OPENING = frozenset({"response.created", "response.queued", "response.in_progress"})
_SPEAKING = frozenset({"response.output_text.delta", "response.refusal.delta"})
_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})
# Compared with what a document holds, which may be anything, and not everything fits into a set.
_RUNNING = ("queued", "in_progress")
_SHOWN_PHASES = (None, "final_answer")  # the other one, `commentary`, is the model's chatter (openai.md 3.1)
_FOREIGN_CALLS = ("function_call", "custom_tool_call")  # tools that we would have to run
_PAGE_SIZE = 100  # the most there is; one turn adds a handful of items


class ResponsesEngine:
    """Port `Engine` over POST /responses and /conversations."""

    def __init__(
        self,
        session: PartnerSession,
        base_url: str,
        connect_timeout: float,
        read_timeout: float,
        poll_interval: float = 0.7,
        exhausted: Exhausted | None = None,
    ) -> None:
        """base_url: with its `/v1`. Times in seconds; read_timeout is the longest silence.

        exhausted: told of a key that has nothing left of a limit, and for how many seconds.
        """
        self._transport = OpenAiTransport(
            session, base_url, Timeouts(connect_timeout, read_timeout), RESPONSES_TABLE, exhausted=exhausted
        )
        self._poll_interval = poll_interval

    def open_conversation(self, api_key: str, deadline: Deadline) -> str:
        """Create an empty conversation and return its id."""
        return id_of(self._transport.fetch(Caller(api_key, deadline), "POST", "/conversations", {}))

    def ask(
        self,
        question: Question,
        conversation_id: str,
        api_key: str,
        deadline: Deadline,
        answer_id_known: Callable[[str], None],
    ) -> Answer:
        """Send the question once and wait for its answer (port `Engine`)."""
        caller = Caller(api_key, deadline, question.request_id)
        return self._respond(request_body(question, conversation_id), caller, answer_id_known)

    def find(
        self,
        question: Question,
        conversation_id: str,
        answer_id: str | None,
        after_item: str | None,
        api_key: str,
        deadline: Deadline,
        answer_id_known: Callable[[str], None],
    ) -> Answer | None:
        """Look for what an earlier attempt at this question left (port `Engine`).

        A response that still runs is waited for, but only for half of the time left: OpenAI cancels one whose
        connection was lost, and nothing says how that one looks from then on (openai.md 3.2).
        """
        caller = Caller(api_key, deadline, question.request_id)
        response = None if answer_id is None else self._ended_response(answer_id, caller)
        if response is not None and _has_answered(response):
            return answer_of(response)
        items = self._items_since(conversation_id, after_item, caller)
        standing = [number for number, item in enumerate(items) if _asked(item) == question.text]
        if not standing:
            return None
        later = items[standing[-1] + 1 :]
        reply = list(takewhile(lambda item: not _is_input(item), later))
        if text := spoken(reply):
            return Answer(text, answer_id or id_of(reply[-1]), item_id=_newest_id(reply))
        if len(reply) < len(later):
            return None  # others have been asked since: too late for an answer in its place
        return self._respond(request_body(question, conversation_id, stands=True), caller, answer_id_known)

    def _respond(self, body: JsonObject, caller: Caller, answer_id_known: Callable[[str], None]) -> Answer:
        with self._transport.exchange(caller, "POST", "/responses", body) as reply:
            if is_stream(reply):
                return self._streamed(reply, caller, answer_id_known)
            # A compatible server that does not stream answers when it has finished.
            response = document(reply)
            answer_id_known(id_of(response))
            return self._concluded(response, caller, output_seen=False)

    def _streamed(self, reply: Reply, caller: Caller, answer_id_known: Callable[[str], None]) -> Answer:
        """Follow a stream; only the events that say something new are decoded."""
        known = output_seen = False
        for event in events(reply):
            kind = _kind(event)
            if kind in _SPEAKING:
                if not output_seen:
                    reply.read_rarely()
                output_seen = True
            elif kind in _OPENING and not known:
                answer_id_known(id_of(decoded(event.data).get("response")))
                known = True
            elif kind in _TERMINAL:
                reply.finish()
                return self._concluded(decoded(event.data).get("response"), caller, output_seen)
            elif kind == "error":
                raise self._transport.error_in(decoded(event.data), caller, output_seen)
        raise unexpected("stream_cut")

    def _concluded(self, response: Any, caller: Caller, output_seen: bool) -> Answer:
        """The answer in a response that has ended, or the error it ended with."""
        if isinstance(response, dict) and response.get("status") == "failed":
            raise self._transport.error_in(response.get("error"), caller, output_seen)
        return answer_of(response)

    def _ended_response(self, response_id: str, caller: Caller) -> JsonObject | None:
        """A response when it has ended; None when it is not there, or still runs after half of the time left."""
        patience = caller.deadline.earlier(caller.deadline.left() / 2)
        while True:
            try:
                response = self._transport.fetch(caller, "GET", f"/responses/{quote(response_id, safe='')}")
            except AskError as error:
                if error.status == 404:
                    return None
                raise
            if response.get("status") not in _RUNNING:
                return response
            if patience.left() < self._poll_interval:
                return None
            time.sleep(self._poll_interval)

    def _items_since(self, conversation_id: str, after_item: str | None, caller: Caller) -> list[JsonObject]:
        """The items of a conversation that are newer than one of them, oldest first.

        Empty when that one is not among the newest hundred: then nothing says which of them are newer.
        """
        path = f"/conversations/{quote(conversation_id, safe='')}/items?order=desc&limit={_PAGE_SIZE}"
        items = objects_in(self._transport.fetch(caller, "GET", path).get("data"))
        newer = list(takewhile(lambda item: item.get("id") != after_item, items))
        if after_item is not None and len(newer) == len(items):
            return []
        return newer[::-1]


def request_body(question: Question, conversation_id: str, stands: bool = False) -> JsonObject:
    """The body of POST /responses. stands: the question is in the conversation already and only the answer is missing.

    The steps' extra instructions join the profile's. Beside a stored prompt they go in as a developer message:
    `instructions` would take the place of the prompt's own.
    """
    profile = question.assistant.profile
    body: JsonObject = {
        "conversation": conversation_id,
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "safety_identifier": question.safety_identifier,
        "metadata": {"request_id": question.request_id},
    }
    messages: list[JsonObject] = []
    if profile is None:
        body["prompt"] = {"id": question.assistant.assistant_id}
        if question.step_instructions:
            messages.append(_message("developer", question.step_instructions))
    else:
        body |= _profile_fields(profile, question.step_instructions)
    if not stands:
        messages.append(_message("user", question.text))
    if messages:
        body["input"] = messages
    return body


def _profile_fields(profile: Profile, step_instructions: str) -> JsonObject:
    fields: JsonObject = {"model": profile.model}
    if instructions := "\n\n".join(filter(None, (profile.instructions, step_instructions))):
        fields["instructions"] = instructions
    if profile.vector_store_ids:
        fields["tools"] = [{"type": "file_search", "vector_store_ids": list(profile.vector_store_ids)}]
    if profile.temperature is not None:
        fields["temperature"] = profile.temperature
    return fields


def _message(role: str, text: str) -> JsonObject:
    return {"type": "message", "role": role, "content": text}


def answer_of(response: Any) -> Answer:
    """The answer in a response that has ended. Raises AskError when there is none in it."""
    match response:
        case {"status": "completed" | "incomplete", "output": list(output)}:
            text = spoken(output)
            if not text:
                raise unexpected(_why_silent(response, output))
            model = response.get("model")
            return Answer(
                text,
                id_of(response),
                item_id=_newest_id(objects_in(output)),
                model=model if isinstance(model, str) else None,
                usage=_usage(response.get("usage")),
            )
        case {"status": "completed" | "incomplete" | "failed" | "cancelled" as status}:
            raise unexpected(status)
        case _:
            raise unexpected("no_response")


def spoken(items: Any) -> str:
    """What the assistant says in some output items: the text of its messages, a refusal's too; "" when it is silent."""
    texts = (_shown_text(item) for item in objects_in(items))
    return "\n\n".join(text for text in texts if text)


def _shown_text(item: JsonObject) -> str:
    match item:
        case {"type": "message", "role": "assistant", "content": list(parts)} if item.get("phase") in _SHOWN_PHASES:
            return "".join(_part_text(part) for part in parts).strip()
        case _:
            return ""


def _part_text(part: Any) -> str:
    match part:
        case {"type": "output_text", "text": str(text)} | {"type": "refusal", "refusal": str(text)}:
            return text
        case _:
            return ""


def _newest_id(items: list[JsonObject]) -> str | None:
    """The id of the newest message among some items, by which later ones are told from them."""
    return next((id_of(item) for item in reversed(items) if _shown_text(item)), None)


def _why_silent(response: JsonObject, output: Iterable[Any]) -> str:
    if any(item.get("type") in _FOREIGN_CALLS for item in objects_in(output)):
        return "unknown_tool_call"
    match response:
        case {"incomplete_details": {"reason": "max_output_tokens" | "content_filter" as reason}}:
            return str(reason)
        case _:
            return "empty_answer"


def _usage(value: Any) -> Usage | None:
    match value:
        case {"input_tokens": int(given), "output_tokens": int(produced)}:
            cached = count_in(value.get("input_tokens_details"), "cached_tokens")
            written = count_in(value.get("input_tokens_details"), "cache_write_tokens")
            reasoning = count_in(value.get("output_tokens_details"), "reasoning_tokens")
            return Usage(input=given, cached=cached, output=produced, reasoning=reasoning, written=written)
        case _:
            return None


def _kind(event: Event) -> str:
    """The event's type: its name, or for servers that name none, what its data says."""
    if event.name or event.data == "[DONE]":
        return event.name
    return str(decoded(event.data).get("type"))


def _has_answered(response: JsonObject) -> bool:
    """Whether a response has ended with an answer, if an empty one."""
    status = response.get("status")
    return status == "completed" or (status == "incomplete" and spoken(response.get("output")) != "")


def _is_input(item: JsonObject) -> bool:
    """Whether an item of a conversation was put there by us rather than by the model."""
    return item.get("type") == "message" and item.get("role") != "assistant"


def _asked(item: JsonObject) -> str | None:
    """The text of a user's message, None for any other item."""
    match item:
        case {"type": "message", "role": "user", "content": list(parts)}:
            return "".join(part["text"] for part in objects_in(parts) if isinstance(part.get("text"), str))
        case _:
            return None
