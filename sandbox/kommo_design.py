"""A Salesbot as it is drawn in the designer and saved (kommo.md 1.4, 1.7, 1.9)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sandbox.kommo_conditions import OPERATIONS

BotKind = Literal["salesbot", "marketingbot"]
AfterExit = Literal["listen", "stop"]
Handler = Mapping[str, Any]
Flow = Sequence[Mapping[str, Any]]

MAX_BOT_BYTES = 64 * 1024  # kommo.md 1.7
# The exit of a flow that ran out of handlers without naming one: a widget without named exits has a single exit.
UNNAMED_EXIT = ""
# What sandbox/kommo_bot.py can run.
HANDLERS = frozenset(
    ("widget_request", "show", "goto", "wait_answer", "conditions", "condition", "exits", "stop"),
)


@dataclass(frozen=True, slots=True)
class WidgetBlock:
    """The Widget step of the designer: the widget's own JSON, and the block that follows each of its exits.

    exits: exit code -> index of the next block; a code that is not listed ends the bot.
    """

    flow: Flow
    exits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MessageBlock:
    """The Message step of the designer. then: index of the next block, None ends the bot."""

    text: str
    then: int | None = None


@dataclass(frozen=True, slots=True)
class PauseBlock:
    """The step "Pause: until a message is received". then: index of the next block, None ends the bot."""

    then: int | None = None


@dataclass(frozen=True, slots=True)
class ConditionBlock:
    """The Condition step of the designer. then, otherwise: indexes of the next block, None ends the bot."""

    term1: str
    operation: str
    term2: str | Sequence[str]
    then: int | None = None
    otherwise: int | None = None


Block = WidgetBlock | MessageBlock | PauseBlock | ConditionBlock
# What a bot is made of: blocks of the designer, or the steps of a widget's own JSON.
Design = Sequence[Block | Mapping[str, Any]]


def looped(flow: Flow, after_success: AfterExit = "listen", after_fail: AfterExit = "stop") -> tuple[Block, ...]:
    """Put a widget's flow into the loop of kommo.md 1.9, pattern A: answer, wait for the next message, answer."""
    exits = {code: 1 for code, after in (("success", after_success), ("fail", after_fail)) if after == "listen"}
    if after_success == "listen":
        exits[UNNAMED_EXIT] = 1
    return (WidgetBlock(flow, exits), PauseBlock(then=0))


def designed(design: Design, after_success: AfterExit = "listen", after_fail: AfterExit = "stop") -> tuple[Block, ...]:
    """The blocks of a design; a widget's own flow is put into a loop.

    after_success, after_fail: what follows these exits of a bare flow; blocks say it themselves.
    Refuses, as the designer does on Save, what cannot run: raises ValueError for an empty bot, more than 64 KB, a
    block that leads nowhere, or a handler, an operation or a value that the interpreter does not know.
    """
    flow = [step for step in design if isinstance(step, Mapping)]
    blocks = [block for block in design if not isinstance(block, Mapping)]
    if bool(flow) is bool(blocks):
        raise ValueError("a bot consists of blocks, or of the steps of one flow")
    if flow:
        blocks = list(looped(flow, after_success, after_fail))
    if len(json.dumps([asdict(block) for block in blocks]).encode()) > MAX_BOT_BYTES:
        raise ValueError("a bot may have 64 KB of JSON at most (kommo.md 1.7)")
    for block in blocks:
        _check_block(block, len(blocks))
    return tuple(blocks)


def _check_block(block: Block, blocks: int) -> None:
    for target in _targets(block):
        if target is not None and not 0 <= target < blocks:
            raise ValueError(f"block {target} does not exist")
    if isinstance(block, ConditionBlock):
        _check_operation(block.operation)
    if isinstance(block, WidgetBlock):
        _check_flow(block.flow)


def _targets(block: Block) -> list[int | None]:
    if isinstance(block, WidgetBlock):
        return list(block.exits.values())
    if isinstance(block, ConditionBlock):
        return [block.then, block.otherwise]
    return [block.then]


def _check_flow(flow: Flow) -> None:
    if not flow:
        raise ValueError("a flow needs at least one step")
    for step in flow:
        if "question" not in step or set(step) - {"question", "answer", "finish", "require"}:
            raise ValueError(f"a step consists of question, answer, finish and require, not of {sorted(step)}")
        for section in ("question", "answer", "finish"):
            _check_handlers(step.get(section, ()))


def _check_handlers(handlers: Sequence[Handler]) -> None:
    for handler in handlers:
        name, params = handler["handler"], handler["params"]
        if name not in HANDLERS:
            raise ValueError(f"the handler {name!r} is not known here")
        for condition in params.get("conditions", [params] if name == "condition" else []):
            _check_operation(condition["operation"])
        if not all(isinstance(value, str) for value in params.get("data", {}).values()):
            raise ValueError("data of a widget_request are texts (kommo.md 2.2)")
        _check_handlers(params.get("result", ()))


def _check_operation(operation: str) -> None:
    if operation not in OPERATIONS:
        raise ValueError(f"the operation {operation!r} is not known here")
