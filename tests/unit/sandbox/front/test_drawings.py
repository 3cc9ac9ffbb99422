"""What the designer's page sends becomes the bot that runs; what cannot run is refused on Save (kommo.md 1.4)."""

import json
from typing import Any

import pytest

from sandbox.front.drawings import blocks_of, trigger_of
from sandbox.kommo_design import ConditionBlock, MessageBlock, PauseBlock, WidgetBlock

FLOW = [{"question": [{"handler": "exits", "params": {"value": "success"}}], "require": []}]
WIDGET = {"kind": "widget", "source": json.dumps(FLOW), "exits": {"success": 1, "fail": None}}


def test_every_step_becomes_its_block() -> None:
    drawn = [
        WIDGET,
        {"kind": "message", "text": "Hi", "then": 2},
        {"kind": "pause", "then": 0},
        {"kind": "condition", "term1": "{{origin}}", "operation": "=", "term2": "x", "then": 0, "otherwise": None},
    ]
    assert blocks_of({"blocks": drawn}) == [
        WidgetBlock(FLOW, {"success": 1}),
        MessageBlock("Hi", 2),
        PauseBlock(0),
        ConditionBlock("{{origin}}", "=", "x", 0, None),
    ]


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        pytest.param(WIDGET | {"source": FLOW}, "must return a string", id="an object instead of its JSON"),
        pytest.param(WIDGET | {"source": "{"}, "Expecting", id="no JSON"),
        pytest.param(WIDGET | {"source": '{"execute_handler": 1}'}, "a list of steps", id="no list"),
        pytest.param({"kind": "robot"}, "no step 'robot'", id="unknown step"),
        pytest.param({"kind": "message"}, "cannot be read", id="a part is missing"),
    ],
)
def test_a_step_that_cannot_run_is_refused(block: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        blocks_of({"blocks": [block]})


def test_a_bot_starts_by_one_of_the_known_triggers() -> None:
    assert trigger_of({"trigger": "new_conversation"}) == "new_conversation"
    with pytest.raises(ValueError, match="full moon"):
        trigger_of({"trigger": "full moon"})
