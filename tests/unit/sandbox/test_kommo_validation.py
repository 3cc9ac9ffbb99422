"""What Kommo refuses, with its codes and paths (kommo.md 3.2)."""

from typing import Any

import pytest

from sandbox.kommo_validation import continue_refusals, note_refusals

Json = dict[str, Any]


def show(**params: Any) -> Json:
    return {"handler": "show", "params": {"type": "text", "value": "Oi", **params}}


def goto(**params: Any) -> Json:
    return {"handler": "goto", "params": {"type": "question", "step": 1, **params}}


def without(handler: Json, param: str) -> Json:
    return {**handler, "params": {name: value for name, value in handler["params"].items() if name != param}}


LINK = {"text": "Site", "url": "https://example.com"}

ACCEPTED: dict[str, Any] = {
    "data alone": {"data": {"status": "success", "reply": "x" * 5000}},
    "values that are no text": {"data": {"a": 1, "b": None, "c": [1], "d": {"e": True}}},
    "no data": {"execute_handlers": [show()]},
    "empty data": {"data": {}},
    "80 characters": {"execute_handlers": [show(value="x" * 80)]},
    "80 code points beyond the basic plane": {"execute_handlers": [show(value="😀" * 80)]},
    "10 handlers": {"execute_handlers": [show()] * 10},
    "25 buttons": {"execute_handlers": [show(type="buttons", buttons=["A"] * 25)]},
    "links": {"execute_handlers": [show(type="buttons_url", buttons=[LINK])]},
    "goto to each section": {"execute_handlers": [goto(type=kind) for kind in ("question", "answer", "finish")]},
    "step 0": {"execute_handlers": [goto(step=0)]},
}


@pytest.mark.parametrize("body", ACCEPTED.values(), ids=ACCEPTED)
def test_a_body_is_accepted(body: Any) -> None:
    assert continue_refusals(body) == []


VALUE, BUTTONS, STEP, TYPE = (f"execute_handlers.params.{name}" for name in ("value", "buttons", "step", "type"))


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        pytest.param(None, "InvalidType", "", id="no body"),
        pytest.param({}, "InvalidType", "", id="empty body"),
        pytest.param([], "InvalidType", "", id="a list"),
        pytest.param("data", "InvalidType", "", id="a text"),
        pytest.param({"data": "a"}, "InvalidType", "data", id="data is a text"),
        pytest.param({"data": None}, "InvalidType", "data", id="data is null"),
        pytest.param({"execute_handlers": []}, "TooFew", "execute_handlers", id="no handler"),
        pytest.param({"execute_handlers": [show()] * 11}, "TooMany", "execute_handlers", id="11 handlers"),
        pytest.param({"execute_handlers": {}}, "InvalidType", "execute_handlers", id="handlers are no list"),
        pytest.param({"execute_handlers": ["show"]}, "InvalidType", "execute_handlers", id="a handler is a text"),
        pytest.param({"execute_handlers": [{}]}, "FieldMissing", "execute_handlers.handler", id="no handler code"),
        pytest.param(
            {"execute_handlers": [{"handler": "send_message", "params": {}}]},
            "Unsupported handler code",
            "execute_handlers.handler",
            id="another handler",
        ),
        pytest.param(
            {"execute_handlers": [{"handler": ["show"], "params": {}}]},
            "Unsupported handler code",
            "execute_handlers.handler",
            id="a handler code that is no text",
        ),
        pytest.param(
            {"execute_handlers": [{"handler": "show"}]}, "FieldMissing", "execute_handlers.params", id="no params"
        ),
        pytest.param(
            {"execute_handlers": [{"handler": "show", "params": "a"}]},
            "InvalidType",
            "execute_handlers.params",
            id="params are a text",
        ),
        pytest.param({"execute_handlers": [show(value="x" * 81)]}, "TooLong", VALUE, id="81 characters"),
        pytest.param({"execute_handlers": [show(value="😀" * 81)]}, "TooLong", VALUE, id="81 emoji"),
        pytest.param(
            {"execute_handlers": [show(type="buttons", value="x" * 81, buttons=["A"])]},
            "TooLong",
            VALUE,
            id="81 over buttons",
        ),
        pytest.param({"execute_handlers": [show(value=5)]}, "InvalidType", VALUE, id="value is a number"),
        pytest.param({"execute_handlers": [without(show(), "value")]}, "FieldMissing", VALUE, id="no value"),
        pytest.param({"execute_handlers": [without(show(), "type")]}, "FieldMissing", TYPE, id="no type"),
        pytest.param({"execute_handlers": [show(type="image")]}, "NotSupportedChoice", TYPE, id="an image"),
        pytest.param({"execute_handlers": [show(type="buttons")]}, "FieldMissing", BUTTONS, id="no buttons"),
        pytest.param(
            {"execute_handlers": [show(type="buttons", buttons="A")]}, "InvalidType", BUTTONS, id="one button"
        ),
        pytest.param({"execute_handlers": [show(type="buttons", buttons=[1])]}, "InvalidType", BUTTONS, id="a number"),
        pytest.param(
            {"execute_handlers": [show(type="buttons", buttons=["A"] * 26)]}, "TooMany", BUTTONS, id="26 buttons"
        ),
        pytest.param(
            {"execute_handlers": [show(type="buttons_url", buttons=[LINK] * 26)]}, "TooMany", BUTTONS, id="26 links"
        ),
        pytest.param(
            {"execute_handlers": [show(type="buttons_url", buttons=[{"text": "Site"}])]},
            "FieldMissing",
            BUTTONS,
            id="a link without address",
        ),
        pytest.param({"execute_handlers": [without(goto(), "step")]}, "FieldMissing", STEP, id="goto without step"),
        pytest.param(
            {"execute_handlers": [without(goto(type="finish"), "step")]}, "FieldMissing", STEP, id="finish without step"
        ),
        pytest.param({"execute_handlers": [goto(step="1")]}, "InvalidType", STEP, id="step is a text"),
        pytest.param({"execute_handlers": [goto(step=True)]}, "InvalidType", STEP, id="step is true"),
        pytest.param({"execute_handlers": [goto(type="start")]}, "NotSupportedChoice", TYPE, id="goto elsewhere"),
        pytest.param({"execute_handlers": [without(goto(), "type")]}, "FieldMissing", TYPE, id="goto without type"),
    ],
)
def test_a_body_is_refused(body: Any, code: str, path: str) -> None:
    assert [(refusal.code, refusal.path) for refusal in continue_refusals(body)] == [(code, path)]


def test_everything_that_is_wrong_is_named() -> None:
    body = {"data": 1, "execute_handlers": [show(value="x" * 81), show(), without(goto(), "step")]}
    assert [refusal.code for refusal in continue_refusals(body)] == ["InvalidType", "TooLong", "FieldMissing"]


def note(text: Any = "Oi", **fields: Any) -> Json:
    return {"note_type": "common", "params": {"text": text}, **fields}


@pytest.mark.parametrize(
    ("body", "refusals"),
    [
        pytest.param([note()], [], id="one"),
        pytest.param([note("x" * 20_000)], [], id="20 000 characters"),
        pytest.param([note("x" * 20_001)], [("TooLong", "params.text", "0")], id="20 001 characters"),
        pytest.param(
            [note(), note("x" * 20_001, request_id="b")],
            [("TooLong", "params.text", "b")],
            id="the second, by its request id",
        ),
        pytest.param(note(), [("InvalidType", "", "0")], id="not a list"),
        pytest.param([], [("InvalidType", "", "0")], id="an empty list"),
        pytest.param(["a"], [("InvalidType", "", "0")], id="a text"),
        pytest.param([note(5)], [("InvalidType", "params.text", "0")], id="text is a number"),
        pytest.param([{"note_type": "common"}], [("FieldMissing", "params.text", "0")], id="no text"),
        pytest.param([note(note_type="call_in")], [("NotSupportedChoice", "note_type", "0")], id="another type"),
    ],
)
def test_notes_are_checked(body: Any, refusals: list[tuple[str, str, str]]) -> None:
    assert [(refusal.code, refusal.path, refusal.request_id) for refusal in note_refusals(body)] == refusals
