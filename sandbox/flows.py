"""Flows that a company builds with ByteGPT's widget: what its script saves into a Salesbot (kommo.md 1.4)."""

from typing import Any

from sandbox.kommo_design import Block, Flow, PauseBlock, WidgetBlock

# The widget shows what the contract (5) allows a long answer to be cut into.
MAX_PARTS = 5

# What the first step of the widget's JSON asks ByteGPT (contract 4).
_PLACEHOLDERS = {
    "message": "{{message_text}}",
    "lead_id": "{{lead.id}}",
    "contact_id": "{{contact.id}}",
    "contact_name": "{{contact.name}}",
    "origin": "{{origin}}",
}


def recommended_flow(url: str, handler: str = "ai_reply", instructions: str = "") -> Flow:
    """Ask ByteGPT, show the answer in up to five messages, leave by exit `success` or `fail`.

    The failure text of a `fail` is shown too. Nothing is shown when the continue call names neither status, for then
    `{{json.reply}}` may stand for nothing.
    """
    data = {"handler": handler, "instructions": instructions, **_PLACEHOLDERS}
    ask = [{"handler": "widget_request", "params": {"url": url, "data": data}}, _goto(1)]
    first = [_when([("{{json.status}}", "success"), ("{{json.status}}", "fail")], [_show("reply"), _goto(2)])]
    others = [
        _when([("{{json.parts}}", str(parts)) for parts in range(part, MAX_PARTS + 1)], [_show(f"reply_{part}")])
        for part in range(2, MAX_PARTS + 1)
    ]
    leave = [_when([("{{json.status}}", "success")], [_exit("success")]), _exit("fail")]
    return [_step(ask), _step([*first, _exit("fail")]), _step([*others, *leave])]


def three_step_flow(url: str) -> tuple[Block, ...]:
    """A bot with three handlers in a row, each after a message of the client: three requests of the plan.

    The example of mission, document 1: ask the client's name; ask about a product; give details of the product.
    A handler that fails ends the bot.
    """
    asked = (
        ("ask_name", "Greet the client and ask for their name."),
        ("ask_product", "Ask which product the client is interested in."),
        ("product_details", "Give the details of the product the client named."),
    )
    blocks: list[Block] = []
    for handler, instructions in asked:
        pause = len(blocks) + 1
        blocks += [WidgetBlock(recommended_flow(url, handler, instructions), {"success": pause}), PauseBlock(pause + 1)]
    # Nothing is left to do after the last answer.
    return (*blocks[:-2], WidgetBlock(recommended_flow(url, *asked[-1])))


def _step(question: list[dict[str, Any]]) -> dict[str, Any]:
    return {"question": question, "require": []}


def _goto(step: int) -> dict[str, Any]:
    return {"handler": "goto", "params": {"type": "question", "step": step}}


def _show(key: str) -> dict[str, Any]:
    return {"handler": "show", "params": {"type": "text", "value": f"{{{{json.{key}}}}}"}}


def _exit(code: str) -> dict[str, Any]:
    return {"handler": "exits", "params": {"value": code}}


def _when(alternatives: list[tuple[str, str]], result: list[dict[str, Any]]) -> dict[str, Any]:
    conditions = [{"term1": term1, "term2": term2, "operation": "="} for term1, term2 in alternatives]
    return {"handler": "conditions", "params": {"logic": "or", "conditions": conditions, "result": result}}
