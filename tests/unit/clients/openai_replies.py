"""What OpenAI answers, built for tests: bodies of both APIs, and streams of events."""

import json
from typing import Any

Json = dict[str, Any]


def frame(name: str, data: Any) -> bytes:
    """One event; data is a document, or the text of one."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"event: {name}\ndata: {text}\n\n".encode()


# --- Responses ---------------------------------------------------------------------------------------------------


def text_part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def message(*texts: str, phase: str | None = "final_answer", item_id: str = "msg_1") -> Json:
    return {
        "type": "message",
        "id": item_id,
        "status": "completed",
        "role": "assistant",
        "phase": phase,
        "content": [text_part(text) for text in texts],
    }


def asked(text: str, item_id: str = "msg_0") -> Json:
    return {
        "type": "message",
        "id": item_id,
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_text", "text": text}],
    }


def a_response(status: str = "completed", output: list[Any] | None = None, **fields: Any) -> Json:
    return {
        "id": "resp_1",
        "object": "response",
        "status": status,
        "error": None,
        "incomplete_details": None,
        "model": "gpt-6-luna",
        "output": [message("Olá!")] if output is None else output,
        "usage": {
            "input_tokens": 36,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": 87,
            "output_tokens_details": {"reasoning_tokens": 7},
            "total_tokens": 123,
        },
        **fields,
    }


def response_event(kind: str, **fields: Any) -> bytes:
    return frame(kind, {"type": kind, "sequence_number": 1, **fields})


CREATED = response_event("response.created", response=a_response("in_progress", []))
DELTA = response_event("response.output_text.delta", delta="Ol")
DONE = frame("done", "[DONE]")


def response_stream(ending: Json | None = None, *between: bytes) -> bytes:
    """A whole stream that ends with this response."""
    response = a_response() if ending is None else ending
    return b"".join((CREATED, *between, response_event(f"response.{response['status']}", response=response)))


# --- Assistants --------------------------------------------------------------------------------------------------


def a_run(status: str = "completed", **fields: Any) -> Json:
    return {
        "id": "run_1",
        "object": "thread.run",
        "thread_id": "thread_1",
        "assistant_id": "asst_1",
        "status": status,
        "last_error": None,
        "model": "gpt-4o-mini",
        "metadata": {},
        "usage": {
            "prompt_tokens": 30,
            "completion_tokens": 20,
            "total_tokens": 50,
            "prompt_token_details": {"cached_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
        **fields,
    }


def thread_message(
    text: str,
    annotations: list[Any] | None = None,
    role: str = "assistant",
    run_id: str | None = "run_1",
    **fields: Any,
) -> Json:
    return {
        "id": "msg_1",
        "object": "thread.message",
        "thread_id": "thread_1",
        "status": "completed",
        "role": role,
        "run_id": run_id,
        "content": [{"type": "text", "text": {"value": text, "annotations": annotations or []}}],
        "metadata": {},
        **fields,
    }


def listed(*entries: Json) -> Json:
    return {"object": "list", "data": list(entries), "first_id": None, "last_id": None, "has_more": False}


RUN_CREATED = frame("thread.run.created", a_run("queued", usage=None))
MESSAGE_DELTA = frame("thread.message.delta", {"id": "msg_1", "object": "thread.message.delta", "delta": {}})


def run_stream(ending: str = "completed", *between: bytes, **fields: Any) -> bytes:
    """A whole stream of a run that ends like this."""
    return b"".join((RUN_CREATED, *between, frame(f"thread.run.{ending}", a_run(ending, **fields)), DONE))


def said(text: str, **fields: Any) -> bytes:
    return frame("thread.message.completed", thread_message(text, **fields))
