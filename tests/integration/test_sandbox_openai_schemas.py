"""The simulator accepts exactly the request fields that the official client knows."""

from types import ModuleType
from typing import Any, Required, get_args, get_origin, get_type_hints

import pytest
from openai.types.beta import thread_create_and_run_params, thread_create_params, thread_update_params
from openai.types.beta.threads import message_create_params, run_create_params, run_submit_tool_outputs_params
from openai.types.conversations import conversation_create_params, conversation_update_params, item_create_params
from openai.types.responses import input_token_count_params, response_create_params, response_prompt_param

from sandbox import openai_schemas
from sandbox.openai_errors import ApiError
from sandbox.openai_validation import Field, check

# Where our tables differ from the SDK on purpose.
IN_THE_QUERY = {"include"}
IN_THE_PATH = {"thread_id"}
STREAMING = {"stream"}

TABLES = {
    "responses": (
        openai_schemas.RESPONSE_CREATE,
        response_create_params,
        response_create_params.ResponseCreateParamsStreaming,
        set(),
    ),
    "input_tokens": (
        openai_schemas.INPUT_TOKENS,
        input_token_count_params,
        input_token_count_params.InputTokenCountParams,
        set(),
    ),
    "prompt": (openai_schemas.PROMPT.fields, response_prompt_param, response_prompt_param.ResponsePromptParam, set()),
    "conversations": (
        openai_schemas.CONVERSATION_CREATE,
        conversation_create_params,
        conversation_create_params.ConversationCreateParams,
        set(),
    ),
    "conversation update": (
        openai_schemas.CONVERSATION_UPDATE,
        conversation_update_params,
        conversation_update_params.ConversationUpdateParams,
        set(),
    ),
    "items": (openai_schemas.ITEM_CREATE, item_create_params, item_create_params.ItemCreateParams, IN_THE_QUERY),
    "threads": (openai_schemas.THREAD_CREATE, thread_create_params, thread_create_params.ThreadCreateParams, set()),
    "thread update": (
        openai_schemas.THREAD_UPDATE,
        thread_update_params,
        thread_update_params.ThreadUpdateParams,
        set(),
    ),
    "messages": (
        openai_schemas.MESSAGE_CREATE,
        message_create_params,
        message_create_params.MessageCreateParams,
        set(),
    ),
    "runs": (
        openai_schemas.RUN_CREATE,
        run_create_params,
        run_create_params.RunCreateParamsStreaming,
        IN_THE_QUERY,
    ),
    "thread and run": (
        openai_schemas.THREAD_AND_RUN_CREATE,
        thread_create_and_run_params,
        thread_create_and_run_params.ThreadCreateAndRunParamsStreaming,
        set(),
    ),
    "tool outputs": (
        openai_schemas.TOOL_OUTPUTS,
        run_submit_tool_outputs_params,
        run_submit_tool_outputs_params.RunSubmitToolOutputsParamsStreaming,
        IN_THE_PATH,
    ),
}


@pytest.mark.parametrize(("table", "module", "params", "elsewhere"), TABLES.values(), ids=TABLES)
def test_accepted_fields_are_those_of_the_official_client(
    table: dict[str, Field], module: ModuleType, params: Any, elsewhere: set[str]
) -> None:
    assert set(table) == set(params.__annotations__) - elsewhere


@pytest.mark.parametrize(("table", "module", "params", "elsewhere"), TABLES.values(), ids=TABLES)
def test_null_is_accepted_where_the_official_client_may_send_it(
    table: dict[str, Field], module: ModuleType, params: Any, elsewhere: set[str]
) -> None:
    hints = get_type_hints(params, vars(module))
    nullable = {name for name, hint in hints.items() if type(None) in get_args(hint)} - elsewhere
    # `stream: Literal[True]` of the streaming variants hides the null of the others.
    assert {name for name, field in table.items() if "null" in field.kinds} - STREAMING == nullable - STREAMING


@pytest.mark.parametrize(("table", "module", "params", "elsewhere"), TABLES.values(), ids=TABLES)
def test_required_fields_are_those_of_the_official_client(
    table: dict[str, Field], module: ModuleType, params: Any, elsewhere: set[str]
) -> None:
    hints = get_type_hints(params, vars(module), include_extras=True)
    required = {name for name, hint in hints.items() if get_origin(hint) is Required} - STREAMING - elsewhere
    assert {name for name, field in table.items() if field.required} == required


LONG = "x" * 65

REFUSED = {
    "unknown field": ({"foo": 1}, "unknown_parameter", "foo"),
    "unknown field inside": ({"prompt": {"id": "pmpt_1", "foo": 1}}, "unknown_parameter", "prompt.foo"),
    "field missing inside": ({"prompt": {}}, "missing_required_parameter", "prompt.id"),
    "string for an object": ({"prompt": "pmpt_1"}, "invalid_type", "prompt"),
    "number for a string or list": ({"input": 3}, "invalid_type", "input"),
    "null for a model": ({"model": None}, "invalid_type", "model"),
    "boolean for a number": ({"temperature": True}, "invalid_type", "temperature"),
    "decimal for an integer": ({"max_output_tokens": 16.5}, "invalid_type", "max_output_tokens"),
    "too few tokens": ({"max_output_tokens": 15}, "integer_below_min_value", "max_output_tokens"),
    "too hot": ({"temperature": 2.1}, "decimal_above_max_value", "temperature"),
    "too many metadata": (
        {"metadata": {str(n): "x" for n in range(17)}},
        "object_above_max_properties",
        "metadata",
    ),
    "metadata too long": ({"metadata": {"a": "x" * 513}}, "string_above_max_length", "metadata.a"),
    "metadata of numbers": ({"metadata": {"a": 1}}, "invalid_type", "metadata.a"),
    "cache key too long": ({"prompt_cache_key": LONG}, "string_above_max_length", "prompt_cache_key"),
    "safety identifier too long": ({"safety_identifier": LONG}, "string_above_max_length", "safety_identifier"),
    "unknown truncation": ({"truncation": "some"}, "invalid_value", "truncation"),
    "unknown role": ({"input": [{"role": "bot", "content": "x"}]}, "invalid_value", "input[0].role"),
    "no content": ({"input": [{"role": "user"}]}, "missing_required_parameter", "input[0].content"),
    "wrong part for a user": (
        {"input": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]},
        "invalid_value",
        "input[0].content[0].type",
    ),
    "wrong part for an assistant": (
        {"input": [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}]},
        "invalid_value",
        "input[0].content[0].type",
    ),
    "a list in a list": ({"input": [["x"]]}, "invalid_type", "input[0]"),
}


@pytest.mark.parametrize(("body", "code", "param"), REFUSED.values(), ids=REFUSED)
def test_a_body_that_does_not_fit_is_refused_with_the_code_and_the_field(
    body: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(ApiError) as refused:
        check(body, openai_schemas.RESPONSE_CREATE)
    error = refused.value
    assert (error.status, error.type, error.code, error.param) == (400, "invalid_request_error", code, param)
    assert param in error.message or code == "invalid_value"


def test_a_message_of_more_than_256000_characters_is_refused_in_openais_words() -> None:
    with pytest.raises(ApiError) as refused:
        check({"role": "user", "content": "x" * 256_001}, openai_schemas.MESSAGE_CREATE)
    assert refused.value.message == (
        "Invalid 'content': string too long. Expected a string with maximum length 256000, but got a string with "
        "length 256001 instead."
    )


def test_bodies_as_the_service_sends_them_are_accepted() -> None:
    developer = {"role": "developer", "content": "Seja breve."}
    user = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Oi"}]}
    body = {
        "model": "gpt-6-luna",
        "instructions": "Você vende bolos.",
        "input": [developer, user],
        "conversation": {"id": "conv_1"},
        "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}],
        "temperature": 0,
        "metadata": {"request": "r-1"},
        "safety_identifier": "x" * 64,
        "stream": True,
    }
    check(body, openai_schemas.RESPONSE_CREATE)
