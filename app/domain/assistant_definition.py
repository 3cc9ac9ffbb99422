"""What a profile takes from an assistant of the Assistants API, fetched or pasted (openai.md 2.1; contract 3.1)."""

from collections.abc import Mapping
from typing import Any

# The Assistants API's own default. Kept as "no value": reasoning models refuse any (openai.md 3.1).
_DEFAULT_TEMPERATURE = 1
# The one tool that has a place in a profile, by its vector stores.
_FILE_SEARCH = "file_search"
_OTHER_TOOLS = ("code_interpreter", "function")


def profile_fields(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a profile as an assistant's definition gives them.

    `model` is as it stands there, whatever that is, and missing where it is missing: the caller judges it.
    """
    instructions = definition.get("instructions")
    fields = {
        "instructions": instructions if isinstance(instructions, str) else "",
        "vector_store_ids": _vector_stores(definition),
        "temperature": _temperature(definition.get("temperature")),
    }
    return {"model": definition["model"], **fields} if "model" in definition else fields


def left_behind(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """The kinds of tools that an assistant has and a profile cannot have."""
    kinds = _tool_kinds(definition)
    return tuple(kind for kind in _OTHER_TOOLS if kind in kinds)


def _vector_stores(definition: Mapping[str, Any]) -> list[str]:
    if _FILE_SEARCH not in _tool_kinds(definition):
        return []
    match definition.get("tool_resources"):
        case {"file_search": {"vector_store_ids": list(ids)}}:
            return [identity for identity in ids if isinstance(identity, str)]
        case _:
            return []


def _tool_kinds(definition: Mapping[str, Any]) -> list[Any]:
    tools = definition.get("tools")
    return [tool.get("type") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []


def _temperature(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if number and value != _DEFAULT_TEMPERATURE else None
