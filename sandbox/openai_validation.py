"""Checks a JSON body against a table of fields and refuses in OpenAI's words and codes (openai.md 3.5)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sandbox.openai_errors import ApiError, bad_request

Kind = Literal["string", "integer", "number", "boolean", "array", "object", "null"]

NAMES: dict[Kind, str] = {
    "string": "a string",
    "integer": "an integer",
    "number": "a decimal",
    "boolean": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
# The code and the sentence for a value that is too long; the sentence takes the limit and the actual length.
SIZES: dict[Kind, tuple[str, str]] = {
    "string": (
        "string_above_max_length",
        "string too long. Expected a string with maximum length {}, but got a string with length {} instead.",
    ),
    "array": (
        "array_above_max_length",
        "array too long. Expected an array with maximum length {}, but got an array with length {} instead.",
    ),
    "object": (
        "object_above_max_properties",
        "too many properties. Expected an object with at most {} properties, but got an object with {} instead.",
    ),
}


@dataclass(frozen=True, slots=True)
class Field:
    """What one value may be.

    longest: characters of a string, items of an array, properties of an object.
    fields: an object's fields, and no others unless it is open; None leaves it open.
    every: what each item of an array or each value of an open object must be.
    choose: names the table for a value whose shape depends on what stands in it.
    """

    kinds: tuple[Kind, ...]
    required: bool = False
    at_least: float | None = None
    at_most: float | None = None
    longest: int | None = None
    choices: tuple[str, ...] = ()
    fields: "Mapping[str, Field] | None" = None
    is_open: bool = False
    every: "Field | None" = None
    choose: "Callable[[Any], Field] | None" = None

    def needed(self) -> "Field":
        """The same field, but it may not be left out."""
        return replace(self, required=True)

    def nullable(self) -> "Field":
        """The same field, but null is accepted."""
        return replace(self, kinds=(*self.kinds, "null"))


def check(body: dict[str, Any], fields: Mapping[str, Field], path: str = "", is_open: bool = False) -> None:
    """Raise ApiError for the first thing in an object that its table does not allow. is_open: it may hold more."""
    for name in body:
        if name not in fields and not is_open:
            raise bad_request("unknown_parameter", path + name, f"Unknown parameter: '{path}{name}'.")
    for name, field in fields.items():
        if name in body:
            _check_value(body[name], field, path + name)
        elif field.required:
            raise missing(path + name)


def missing(param: str, hint: str | None = None) -> ApiError:
    """The refusal of a body that lacks something."""
    return bad_request("missing_required_parameter", param, hint or f"Missing required parameter: '{param}'.")


def kind_of(value: Any) -> Kind:
    """The JSON name of a decoded value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _check_value(value: Any, field: Field, path: str) -> None:
    kind = _check_kind(value, field, path)
    if field.choose is not None and kind != "null":
        _check_value(value, field.choose(value), path)
    if kind == "string":
        _check_choice(value, field, path)
    if kind in {"integer", "number"}:
        _check_range(value, field, path)
    if kind in SIZES:
        _check_size(value, kind, field, path)
    if kind == "object" and field.fields is not None:
        check(value, field.fields, f"{path}.", field.is_open)
    if field.every is not None:
        _check_every(value, kind, field.every, path)


def _check_kind(value: Any, field: Field, path: str) -> Kind:
    kind = kind_of(value)
    fits = kind in field.kinds or (kind == "integer" and "number" in field.kinds)
    if not fits:
        wanted = [NAMES[allowed] for allowed in field.kinds if allowed != "null"]
        expected = wanted[0] if len(wanted) == 1 else f"one of {' or '.join(wanted)}"
        message = f"Invalid type for '{path}': expected {expected}, but got {NAMES[kind]} instead."
        raise bad_request("invalid_type", path, message)
    return kind


def _check_choice(value: str, field: Field, path: str) -> None:
    if field.choices and value not in field.choices:
        known = ", ".join(f"'{choice}'" for choice in field.choices)
        raise bad_request("invalid_value", path, f"Invalid value: '{value}'. Supported values are: {known}.")


def _check_range(value: float, field: Field, path: str) -> None:
    word = "decimal" if "number" in field.kinds else "integer"
    if field.at_least is not None and value < field.at_least:
        wanted = f"{word} below minimum value. Expected a value >= {field.at_least:g}"
        raise bad_request(f"{word}_below_min_value", path, f"Invalid '{path}': {wanted}, but got {value:g} instead.")
    if field.at_most is not None and value > field.at_most:
        wanted = f"{word} above maximum value. Expected a value <= {field.at_most:g}"
        raise bad_request(f"{word}_above_max_value", path, f"Invalid '{path}': {wanted}, but got {value:g} instead.")


def _check_size(value: Any, kind: Kind, field: Field, path: str) -> None:
    if field.longest is not None and len(value) > field.longest:
        code, words = SIZES[kind]
        raise bad_request(code, path, f"Invalid '{path}': " + words.format(field.longest, len(value)))


def _check_every(value: Any, kind: Kind, every: Field, path: str) -> None:
    if kind == "array":
        for index, item in enumerate(value):
            _check_value(item, every, f"{path}[{index}]")
    elif kind == "object":
        for name, item in value.items():
            _check_value(item, every, f"{path}.{name}")
