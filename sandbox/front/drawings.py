"""A bot as the designer's page sends it on Save, turned into the blocks that run (kommo.md 1.4, 1.7)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.kommo_chat import Trigger
from sandbox.kommo_conditions import OPERATIONS
from sandbox.kommo_design import Block, ConditionBlock, MessageBlock, PauseBlock, WidgetBlock

_TRIGGERS: tuple[Trigger, ...] = ("every_message", "new_conversation")


def trigger_of(drawing: Mapping[str, Any]) -> Trigger:
    """What starts the bot. Raises ValueError."""
    trigger = next((known for known in _TRIGGERS if known == drawing.get("trigger")), None)
    if trigger is None:
        raise ValueError(f"nothing starts a bot by {drawing.get('trigger')!r}")
    return trigger


def blocks_of(drawing: Mapping[str, Any]) -> Sequence[Block]:
    """The blocks, first one first. What a widget's script returned is decoded here and never looked at again.

    Raises ValueError.
    """
    try:
        return [_block(drawn) for drawn in drawing["blocks"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the drawing cannot be read: {error!r}") from error


def _block(drawn: Mapping[str, Any]) -> Block:
    match drawn["kind"]:
        case "widget":
            exits = {code: target for code, target in drawn["exits"].items() if target is not None}
            return WidgetBlock(_flow(drawn["source"]), exits)
        case "message":
            return MessageBlock(drawn["text"], drawn["then"])
        case "pause":
            return PauseBlock(drawn["then"])
        case "condition" if drawn["operation"] in OPERATIONS:
            return ConditionBlock(drawn["term1"], drawn["operation"], drawn["term2"], drawn["then"], drawn["otherwise"])
    raise ValueError(f"the designer has no step {drawn['kind']!r} of this kind")


def _flow(source: Any) -> list[Mapping[str, Any]]:
    if not isinstance(source, str):
        raise ValueError("onSalesbotDesignerSave must return a string (kommo.md 1.4)")  # noqa: TRY004 - of the widget
    flow = json.loads(source)
    if not isinstance(flow, list) or not all(isinstance(step, dict) for step in flow):
        raise ValueError("onSalesbotDesignerSave must return the JSON of a list of steps (kommo.md 1.4)")
    return flow
