"""What Kommo refuses in a body: its validation codes and paths (kommo.md 3.2, 8.3, 8.8)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MAX_HANDLERS = 10
MAX_BUTTONS = 25
MAX_SHOWN = 80  # Unicode code points; how Kommo counts emoji is not known
MAX_NOTE = 20_000  # measured on amoCRM
_GOTO_TYPES = ("question", "answer", "finish")


@dataclass(frozen=True, slots=True)
class Refusal:
    """One entry of `validation-errors`. request_id: of the element of a list body it is about."""

    code: str
    path: str
    detail: str
    request_id: str = "0"


def continue_refusals(body: Any) -> list[Refusal]:
    """Everything that is wrong with the body of a continue call; values of `data` may be of any type."""
    if not isinstance(body, dict) or not body:
        return [Refusal("InvalidType", "", "The body should be an object that is not empty.")]
    refusals = []
    if not isinstance(body.get("data", {}), dict):
        refusals.append(_wrong_type("data", "array"))
    if "execute_handlers" in body:
        refusals += _handlers_refusals(body["execute_handlers"])
    return refusals


def note_refusals(body: Any) -> list[Refusal]:
    """Everything that is wrong with the body of a request that adds notes: a list of them."""
    if not isinstance(body, list) or not body:
        return [Refusal("InvalidType", "", "The body should be a list of notes that is not empty.")]
    refusals = []
    for index, note in enumerate(body):
        request_id = str(note.get("request_id", index)) if isinstance(note, dict) else str(index)
        refusals += [Refusal(code, path, detail, request_id) for code, path, detail in _note_faults(note)]
    return refusals


def _note_faults(note: Any) -> list[tuple[str, str, str]]:
    if not isinstance(note, dict):
        return [("InvalidType", "", "A note should be an object.")]
    if note.get("note_type") != "common":
        return [("NotSupportedChoice", "note_type", "The simulated account takes common notes only.")]
    params = note.get("params")
    text = params.get("text") if isinstance(params, dict) else None
    if text is None:
        return [("FieldMissing", "params.text", "This field is missing.")]
    if not isinstance(text, str):
        return [("InvalidType", "params.text", "This value should be of type string.")]
    if len(text) > MAX_NOTE:
        return [("TooLong", "params.text", f"This value should have {MAX_NOTE} characters or less.")]
    return []


def _handlers_refusals(handlers: Any) -> list[Refusal]:
    path = "execute_handlers"
    if not isinstance(handlers, list):
        return [_wrong_type(path, "array")]
    if not handlers:
        return [Refusal("TooFew", path, "This collection should contain 1 element or more.")]
    if len(handlers) > MAX_HANDLERS:
        return [Refusal("TooMany", path, f"This collection should contain {MAX_HANDLERS} elements or less.")]
    return [refusal for handler in handlers for refusal in _handler_refusals(handler)]


def _handler_refusals(handler: Any) -> list[Refusal]:
    if not isinstance(handler, dict):
        return [_wrong_type("execute_handlers", "array")]
    for name in ("handler", "params"):
        if name not in handler:
            return [_missing(f"execute_handlers.{name}")]
    check = _CHECKS.get(handler["handler"]) if isinstance(handler["handler"], str) else None
    if check is None:
        return [Refusal("Unsupported handler code", "execute_handlers.handler", "Unsupported handler code")]
    if not isinstance(handler["params"], dict):
        return [_wrong_type("execute_handlers.params", "array")]
    return check(handler["params"])


def _show_refusals(params: Mapping[str, Any]) -> list[Refusal]:
    refusals = _text_refusals(params, "value", MAX_SHOWN)
    kind = params.get("type")
    if kind not in ("text", "buttons", "buttons_url"):
        code = "FieldMissing" if kind is None else "NotSupportedChoice"
        refusals.append(Refusal(code, "execute_handlers.params.type", "Expected text, buttons or buttons_url."))
    elif kind != "text":
        refusals += _buttons_refusals(params.get("buttons"), kind)
    return refusals


def _buttons_refusals(buttons: Any, kind: str) -> list[Refusal]:
    path = "execute_handlers.params.buttons"
    if buttons is None:
        return [_missing(path)]
    if not isinstance(buttons, list):
        return [_wrong_type(path, "array")]
    if len(buttons) > MAX_BUTTONS:
        return [Refusal("TooMany", path, f"This collection should contain {MAX_BUTTONS} elements or less.")]
    if kind == "buttons":
        return [_wrong_type(path, "string") for button in buttons if not isinstance(button, str)]
    complete = all(isinstance(b, dict) and all(isinstance(b.get(key), str) for key in ("text", "url")) for b in buttons)
    return [] if complete else [Refusal("FieldMissing", path, "Each button needs text and url.")]


def _goto_refusals(params: Mapping[str, Any]) -> list[Refusal]:
    refusals = []
    if params.get("type") not in _GOTO_TYPES:
        code = "NotSupportedChoice" if "type" in params else "FieldMissing"
        refusals.append(Refusal(code, "execute_handlers.params.type", "Expected question, answer or finish."))
    step = params.get("step")
    if step is None:
        refusals.append(_missing("execute_handlers.params.step"))
    elif type(step) is not int:
        refusals.append(_wrong_type("execute_handlers.params.step", "int"))
    return refusals


def _text_refusals(params: Mapping[str, Any], key: str, longest: int) -> list[Refusal]:
    path, value = f"execute_handlers.params.{key}", params.get(key)
    if value is None:
        return [_missing(path)]
    if not isinstance(value, str):
        return [_wrong_type(path, "string")]
    if len(value) > longest:
        return [Refusal("TooLong", path, f"This value should have {longest} characters or less.")]
    return []


def _missing(path: str) -> Refusal:
    return Refusal("FieldMissing", path, "This field is missing.")


def _wrong_type(path: str, expected: str) -> Refusal:
    return Refusal("InvalidType", path, f"This value should be of type {expected}.")


_CHECKS: dict[str, Callable[[Mapping[str, Any]], list[Refusal]]] = {"show": _show_refusals, "goto": _goto_refusals}
