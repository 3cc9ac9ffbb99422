"""Items of conversations and responses: openai.md 3.1 and 3.3."""

from collections.abc import Iterable
from typing import Any

from sandbox.openai_answers import text_of
from sandbox.openai_state import Json, new_id

# The prefix of an item's id by its type; others get "item".
PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fc", "reasoning": "rs"}


def items_of(given: Any) -> list[Json]:
    """The items that an `input` or `items` stands for, as the service stores them: with id, status and parts."""
    if given is None:
        return []
    if isinstance(given, str):
        return [_stored({"role": "user", "content": given})]
    return [_stored(item) for item in given]


def _stored(item: Json) -> Json:
    kind = item.get("type", "message")
    stored = {"id": new_id(PREFIXES.get(kind, "item")), "type": kind, "status": "completed", **item}
    if kind == "message" and isinstance(item["content"], str):
        part: Json = {"type": "input_text", "text": item["content"]}
        if item["role"] == "assistant":
            part = {"type": "output_text", "text": item["content"], "annotations": [], "logprobs": []}
        stored["content"] = [part]
    return stored


def messages_in(items: Iterable[Json]) -> list[Json]:
    """The messages among some items."""
    return [item for item in items if item["type"] == "message"]


def characters_in(items: Iterable[Json]) -> int:
    """The length of all messages' texts together."""
    return sum(len(text_of(item["content"])) for item in messages_in(items))
