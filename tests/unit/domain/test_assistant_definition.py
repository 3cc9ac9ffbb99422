"""What a profile takes from an assistant."""

from typing import Any

import pytest

from app.domain.assistant_definition import left_behind, profile_fields

FILE_SEARCH = {"type": "file_search"}


def a_definition(**fields: Any) -> dict[str, Any]:
    return {
        "id": "asst_1",
        "object": "assistant",
        "model": "gpt-4o-mini",
        "instructions": "Seja gentil.",
        "tools": [FILE_SEARCH],
        "tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}},
        "temperature": 0.2,
        **fields,
    }


def test_model_instructions_stores_and_temperature_are_taken() -> None:
    assert profile_fields(a_definition()) == {
        "model": "gpt-4o-mini",
        "instructions": "Seja gentil.",
        "vector_store_ids": ["vs_1"],
        "temperature": 0.2,
    }


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({"model": None}, {"model": None}),
        ({"instructions": None}, {"instructions": ""}),
        ({"temperature": 1.0}, {"temperature": None}),
        ({"temperature": True}, {"temperature": None}),
        ({"temperature": "0.2"}, {"temperature": None}),
        ({"tools": [{"type": "function"}]}, {"vector_store_ids": []}),
        ({"tools": ["file_search"]}, {"vector_store_ids": []}),
        ({"tool_resources": {"file_search": {"vector_store_ids": [1, "vs_2"]}}}, {"vector_store_ids": ["vs_2"]}),
    ],
)
def test_what_is_missing_or_of_another_kind_is_left_open(fields: dict[str, Any], taken: dict[str, Any]) -> None:
    found = profile_fields(a_definition(**fields))
    assert {name: found[name] for name in taken} == taken


def test_a_missing_model_stays_missing() -> None:
    assert "model" not in profile_fields({})


@pytest.mark.parametrize(
    ("tools", "kinds"),
    [
        (None, ()),
        ([FILE_SEARCH], ()),
        ([{"type": "function"}, {"type": "function"}, FILE_SEARCH], ("function",)),
        ([{"type": "function"}, {"type": "code_interpreter"}], ("code_interpreter", "function")),
        ([{"type": ["function"]}, 5, {"type": "<script>"}], ()),
    ],
)
def test_tools_that_have_no_place_in_a_profile_are_named(tools: Any, kinds: tuple[str, ...]) -> None:
    assert left_behind(a_definition(tools=tools)) == kinds
