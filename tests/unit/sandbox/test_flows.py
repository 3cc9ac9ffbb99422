"""What the client reads of each answer ByteGPT may give, and where the bot leaves."""

import json
from typing import Any

import pytest

from sandbox.flows import recommended_flow, three_step_flow
from sandbox.kommo_bot import BotRun, Continuation, Effect, Listen, Request, Show
from sandbox.kommo_design import MessageBlock, WidgetBlock, designed

URL = "https://bot.example.com/kommo/salesbot"
IDENTITY = {"lead.id": "77", "contact.id": "88", "contact.name": "Ana", "origin": "whatsapp"}
LEFT = {"success": MessageBlock("left by success"), "fail": MessageBlock("left by fail"), "": MessageBlock("fell out")}


def after(data: dict[str, Any]) -> list[str]:
    """What is shown after a continue call with these data, and last by which exit the flow was left."""
    exits = {code: index for index, code in enumerate(LEFT, start=1)}
    run = BotRun(designed([WidgetBlock(recommended_flow(URL), exits), *LEFT.values()]), IDENTITY, "Oi")
    assert isinstance(run.send(), Request)
    shown, effect = [], run.send(Continuation(data))
    while isinstance(effect, Show):
        shown.append(effect.text)
        effect = run.send()
    assert effect is None
    return shown


def parts(count: int, **data: str) -> dict[str, str]:
    further = {f"reply_{part}": f"parte {part}" for part in range(2, count + 1)}
    return {"status": "success", "reply": "parte 1", "parts": str(count), **further, **data}


@pytest.mark.parametrize("count", range(1, 6))
def test_every_part_is_shown_in_order_and_none_more(count: int) -> None:
    shown = [f"parte {part}" for part in range(1, count + 1)]
    assert after(parts(count)) == [*shown, "left by success"]
    assert after(parts(count, status="fail")) == [*shown, "left by fail"]


def test_a_continue_call_without_a_status_shows_nothing() -> None:
    assert after({}) == ["left by fail"]


def test_the_request_carries_what_the_door_reads() -> None:
    run = BotRun(designed(recommended_flow(URL, "ai_summary", "Seja breve.")), IDENTITY, "Quanto custa?")
    assert run.send() == Request(
        URL,
        {
            "handler": "ai_summary",
            "instructions": "Seja breve.",
            "message": "Quanto custa?",
            "lead_id": "77",
            "contact_id": "88",
            "contact_name": "Ana",
            "origin": "whatsapp",
        },
    )


def test_the_flow_is_json_as_the_widget_saves_it() -> None:
    flow = recommended_flow(URL)
    assert json.loads(json.dumps(flow)) == flow


def test_three_handlers_run_in_a_row_each_after_a_message() -> None:
    run = BotRun(designed(three_step_flow(URL)), IDENTITY, "Oi")
    given: list[str | Continuation | None] = [None]
    for text in ("Ana", "Botas", None):
        given += [Continuation(parts(1)), None] if text is None else [Continuation(parts(1)), None, text]
    seen: list[Effect | None] = [run.send(one) for one in given]
    kinds = [type(effect) for effect in seen]
    assert kinds == [Request, Show, Listen] * 2 + [Request, Show, type(None)]
    asked = [effect.data for effect in seen if isinstance(effect, Request)]
    assert [data["handler"] for data in asked] == ["ask_name", "ask_product", "product_details"]
    assert [data["message"] for data in asked] == ["Oi", "Ana", "Botas"]


def test_a_failure_ends_the_three_steps() -> None:
    run = BotRun(designed(three_step_flow(URL)), IDENTITY, "Oi")
    run.send()
    assert run.send(Continuation(parts(1, status="fail"))) == Show("parte 1")
    assert run.send() is None
