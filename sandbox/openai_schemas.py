"""The request bodies of the simulated routes as tables: openai.md 2.3, 3.1, 3.3.

Top-level names follow the `openai` package's request types; tests/integration/test_sandbox_openai_schemas.py compares.
Deep tools, formats and options are left open: ByteGPT sends few of them and OpenAI changes them often.
"""

from typing import Any

from sandbox.openai_validation import Field

STRING = Field(("string",))
BOOLEAN = Field(("boolean",))
INTEGER = Field(("integer",))
ARRAY = Field(("array",))
OBJECT = Field(("object",))
STRING_OR_OBJECT = Field(("string", "object"))

METADATA_VALUE = Field(("string",), longest=512)
METADATA = Field(("object",), longest=16, every=METADATA_VALUE).nullable()
TEMPERATURE = Field(("number",), at_least=0, at_most=2).nullable()
TOP_P = Field(("number",), at_least=0, at_most=1).nullable()
# SPEC and the pages say 64, the SDK 128: stay at 64 (openai.md 3.1).
IDENTIFIER = Field(("string",), longest=64).nullable()

# --- Responses and Conversations --------------------------------------------------------------------------------

INPUT_TEXT = Field(("object",), fields={"type": STRING, "text": STRING.needed(), "prompt_cache_breakpoint": OBJECT})
INPUT_PARTS = {"input_text": INPUT_TEXT, "input_image": OBJECT, "input_file": OBJECT}
OUTPUT_PARTS = {"output_text": OBJECT, "refusal": OBJECT}


def _part(parts: dict[str, Field]) -> Field:
    kind = Field(("string",), choices=tuple(parts), required=True)

    def choose(value: Any) -> Field:
        return parts.get(value.get("type"), Field(("object",), fields={"type": kind}, is_open=True))

    return Field(("object",), choose=choose)


def _message(parts: dict[str, Field]) -> Field:
    return Field(
        ("object",),
        fields={
            "type": STRING,
            "role": Field(("string",), choices=("user", "assistant", "system", "developer"), required=True),
            "content": Field(("string", "array"), choose=lambda value: _content(value, parts), required=True),
            "phase": STRING.nullable(),
            "id": STRING,
            "status": STRING.nullable(),
        },
    )


def _content(value: Any, parts: dict[str, Field]) -> Field:
    return STRING if isinstance(value, str) else Field(("array",), every=_part(parts))


USER_MESSAGE = _message(INPUT_PARTS)
ASSISTANT_MESSAGE = _message(OUTPUT_PARTS)


def _item(value: Any) -> Field:
    if value.get("type", "message") != "message":
        return OBJECT
    return ASSISTANT_MESSAGE if value.get("role") == "assistant" else USER_MESSAGE


ITEM = Field(("object",), choose=_item)


def _input(value: Any) -> Field:
    return Field(("string",), longest=10_485_760) if isinstance(value, str) else Field(("array",), every=ITEM)


INPUT = Field(("string", "array"), choose=_input)
CONVERSATION = Field(("string", "object"), fields={"id": STRING.needed()}).nullable()
PROMPT = Field(
    ("object",),
    fields={"id": STRING.needed(), "version": STRING.nullable(), "variables": OBJECT.nullable()},
).nullable()

RESPONSE_CREATE: dict[str, Field] = {
    "access_programs": OBJECT,
    "background": BOOLEAN.nullable(),
    "background_options": OBJECT,
    "context_management": ARRAY.nullable(),
    "conversation": CONVERSATION,
    "image": OBJECT,
    "include": ARRAY.nullable(),
    "input": INPUT,
    "instructions": STRING.nullable(),
    "max_output_tokens": Field(("integer",), at_least=16).nullable(),
    "max_tool_calls": INTEGER.nullable(),
    "metadata": METADATA,
    "model": STRING,
    "moderation": OBJECT.nullable(),
    "parallel_tool_calls": BOOLEAN.nullable(),
    "previous_response_id": STRING.nullable(),
    "prompt": PROMPT,
    "prompt_cache_key": IDENTIFIER,
    "prompt_cache_options": OBJECT,
    "prompt_cache_retention": Field(("string",), choices=("in_memory", "24h")).nullable(),
    "reasoning": OBJECT.nullable(),
    "safety_identifier": IDENTIFIER,
    "service_tier": Field(
        ("string",), choices=("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")
    ).nullable(),
    "store": BOOLEAN.nullable(),
    "stream": BOOLEAN.nullable(),
    "stream_options": Field(("object",), fields={"include_obfuscation": BOOLEAN}).nullable(),
    "temperature": TEMPERATURE,
    "text": OBJECT,
    "tool_choice": STRING_OR_OBJECT,
    "tools": Field(("array",), longest=128, every=Field(("object",))),
    "top_logprobs": Field(("integer",), at_least=0, at_most=20).nullable(),
    "top_p": TOP_P,
    "truncation": Field(("string",), choices=("auto", "disabled")).nullable(),
    "user": STRING,
}
INPUT_TOKENS: dict[str, Field] = {
    "conversation": CONVERSATION,
    "input": INPUT.nullable(),
    "instructions": STRING.nullable(),
    "model": STRING.nullable(),
    "parallel_tool_calls": BOOLEAN.nullable(),
    "personality": STRING,
    "previous_response_id": STRING.nullable(),
    "reasoning": OBJECT.nullable(),
    "text": OBJECT.nullable(),
    "tool_choice": STRING_OR_OBJECT.nullable(),
    "tools": ARRAY.nullable(),
    "truncation": STRING,
}

ITEMS = Field(("array",), longest=20, every=ITEM)
CONVERSATION_CREATE: dict[str, Field] = {"items": ITEMS.nullable(), "metadata": METADATA}
CONVERSATION_UPDATE: dict[str, Field] = {"metadata": METADATA.needed()}
ITEM_CREATE: dict[str, Field] = {"items": ITEMS.needed()}

# --- Assistants -------------------------------------------------------------------------------------------------

LONG_TEXT = Field(("string",), longest=256_000)
TEXT_PART = Field(("object",), fields={"type": STRING, "text": LONG_TEXT.needed()})
MESSAGE_PARTS = {"text": TEXT_PART, "image_file": OBJECT, "image_url": OBJECT}


def _message_content(value: Any) -> Field:
    return LONG_TEXT if isinstance(value, str) else Field(("array",), every=_part(MESSAGE_PARTS))


MESSAGE_CREATE: dict[str, Field] = {
    "role": Field(("string",), choices=("user", "assistant"), required=True),
    "content": Field(("string", "array"), choose=_message_content, required=True),
    "attachments": ARRAY.nullable(),
    "metadata": METADATA,
}
MESSAGES = Field(("array",), every=Field(("object",), fields=MESSAGE_CREATE))
THREAD_CREATE: dict[str, Field] = {"messages": MESSAGES, "metadata": METADATA, "tool_resources": OBJECT.nullable()}
THREAD_UPDATE: dict[str, Field] = {"metadata": METADATA, "tool_resources": OBJECT.nullable()}

_TOKEN_LIMIT = Field(("integer",), at_least=256).nullable()
_RUN: dict[str, Field] = {
    "assistant_id": STRING.needed(),
    "instructions": LONG_TEXT.nullable(),
    "max_completion_tokens": _TOKEN_LIMIT,
    "max_prompt_tokens": _TOKEN_LIMIT,
    "metadata": METADATA,
    "model": STRING.nullable(),
    "parallel_tool_calls": BOOLEAN,
    "response_format": STRING_OR_OBJECT.nullable(),
    "stream": BOOLEAN.nullable(),
    "temperature": TEMPERATURE,
    "tool_choice": STRING_OR_OBJECT.nullable(),
    "tools": Field(("array",), longest=20).nullable(),
    "top_p": TOP_P,
    "truncation_strategy": Field(
        ("object",),
        fields={
            "type": Field(("string",), choices=("auto", "last_messages"), required=True),
            "last_messages": Field(("integer",), at_least=1).nullable(),
        },
    ).nullable(),
}
RUN_CREATE: dict[str, Field] = {
    **_RUN,
    "additional_instructions": LONG_TEXT.nullable(),
    "additional_messages": MESSAGES.nullable(),
    "reasoning_effort": STRING.nullable(),
}
THREAD_AND_RUN_CREATE: dict[str, Field] = {
    **_RUN,
    "thread": Field(("object",), fields=THREAD_CREATE),
    "tool_resources": OBJECT.nullable(),
}
TOOL_OUTPUTS: dict[str, Field] = {"tool_outputs": ARRAY.needed(), "stream": BOOLEAN.nullable()}
