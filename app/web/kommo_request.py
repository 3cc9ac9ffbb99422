"""The body of a `widget_request`, form or JSON, as typed values (contract 4, kommo.md 2.2).

First the body is taken apart (read_parts), because the token in it must be verified before anything else is judged;
then its fields are read (read_fields).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from marshmallow import EXCLUDE, Schema, ValidationError, fields, missing, validate

from app.domain.webhook import WebhookData, is_placeholder

MOST_FORM_FIELDS = 64

_NOT_TEXT = re.compile("[\ud800-\udfff]")
_DATA_FIELDS = ("message", "instructions", "contact_id", "contact_name", "lead_id", "origin", "handler")
# The only keys of a form that mean anything, by the name an error calls them. All others are left alone, among them
# deeper ones such as data[a][b].
_FORM_KEYS = {
    "token": "token",
    "return_url": "return_url",
    "data": "data",
    **{f"data[{name}]": f"data.{name}" for name in _DATA_FIELDS},
}
# The same as most senders write them; whatever else unescapes to one of the above is found too.
_WRITTEN_KEYS = {**_FORM_KEYS, **{f"data%5B{name}%5D": f"data.{name}" for name in _DATA_FIELDS}}
_TWICE = "Given more than once."


class BodyRefused(Exception):
    """The body cannot be read, or a field is missing or wrong.

    fields: what is wrong, by the field's name (`body` for all of it). It never repeats a value.
    """

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        super().__init__(", ".join(fields))
        self.fields = dict(fields)


@dataclass(frozen=True, slots=True)
class Parts:
    """The three parts of a webhook as they came, None or empty where absent: nothing about them is known yet."""

    token: object = field(repr=False)
    return_url: object = field(repr=False)
    data: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a webhook that has all it needs. return_url is not judged yet."""

    return_url: str
    data: WebhookData


def read_parts(body: bytes, mimetype: str) -> Parts:
    """Take a body apart: JSON where the type says so, else the form that Kommo really sends. Raises BodyRefused."""
    if mimetype == "application/json" or mimetype.endswith("+json"):
        return _json_parts(body)
    if mimetype.startswith("multipart/"):
        raise BodyRefused({"body": ["Not a URL-encoded form and not JSON."]})
    return read_form(body)


def _json_parts(body: bytes) -> Parts:
    whole = _json_object(body.decode(errors="replace"), "body")
    data = whole.get("data", {})
    if not isinstance(data, dict):
        raise BodyRefused({"data": ["Not an object."]})
    return Parts(whole.get("token"), whole.get("return_url"), data)


def read_form(body: bytes) -> Parts:
    """Take a form apart: what urllib.parse.parse_qsl makes of it, without unescaping what means nothing.

    Raises BodyRefused.
    """
    pairs = body.decode(errors="replace").split("&")
    if len(pairs) > MOST_FORM_FIELDS:
        raise BodyRefused({"body": [f"More than {MOST_FORM_FIELDS} fields."]})
    known: dict[str, str] = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        name = _WRITTEN_KEYS.get(key) or _FORM_KEYS.get(_unescaped(key))
        if name in known:
            raise BodyRefused({name: [_TWICE]})
        if name is not None:
            known[name] = _unescaped(value)
    return Parts(known.get("token"), known.get("return_url"), _form_data(known))


def _unescaped(text: str) -> str:
    """What urllib.parse.unquote_plus makes of it, which looks for what is not ASCII first, and takes twice as long."""
    spaced = text.replace("+", " ")
    return unquote_to_bytes(spaced).decode(errors="replace") if "%" in spaced else spaced


def _form_data(known: Mapping[str, str]) -> Mapping[str, object]:
    """`data` from its own fields, or from one field that holds it as JSON: one parser of the field tolerates that."""
    data = {name.removeprefix("data."): value for name, value in known.items() if name.startswith("data.")}
    whole = known.get("data", "").strip()
    if not whole:
        return data
    if data:
        raise BodyRefused({"data": [_TWICE]})
    return _json_object(whole, "data")


def _json_object(text: str, name: str) -> dict[str, Any]:
    """Parse a JSON object whose keys all differ. Raises BodyRefused that names the field."""
    try:
        parsed = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_no_number)
    except (ValueError, RecursionError):  # not JSON, numbers of thousands of digits; thousands of levels
        raise BodyRefused({name: ["Not valid JSON."]}) from None
    if not isinstance(parsed, dict):
        raise BodyRefused({name: ["Not an object."]})
    return parsed


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    parsed = dict(pairs)
    if len(parsed) != len(pairs):
        raise ValueError("a key stands twice")
    return parsed


def _no_number(_name: str) -> NoReturn:
    raise ValueError("NaN and the infinities are no JSON")


def _clean(text: str) -> str:
    """Text that every store and every API takes: no NUL, no half of a surrogate pair."""
    return _NOT_TEXT.sub("\N{REPLACEMENT CHARACTER}", text.replace("\0", ""))


def _reading(longest: int | None = None) -> Callable[[object], str | None]:
    """How an optional text from the bot's designer is read. Nothing that stands in it is a reason to lose a message.

    Too long a text is cut (characters), numbers become text, and what cannot be used counts as absent.
    """

    def read(value: object) -> str | None:
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)[:longest]
        if not isinstance(value, str):
            return None
        text = _clean(value).strip()
        return None if is_placeholder(text) else text[:longest].rstrip() or None

    return read


_HINTS = {
    # Never cut: half an instruction may say the opposite. The limit of the body bounds it.
    "instructions": _reading(),
    # Never cut: two contacts must not become one and share a conversation.
    "contact_id": _reading(),
    "contact_name": _reading(longest=255),
    "lead_id": _reading(longest=64),
    "origin": _reading(longest=64),
    "handler": _reading(longest=64),
}


def _hint(name: str) -> fields.Function:
    return fields.Function(
        deserialize=_HINTS[name],
        load_default=None,
        allow_none=True,
        metadata={
            "type": ["string", "integer"],
            "default": None,
            "description": "What cannot be used counts as absent.",
        },
    )


class DataSchema(Schema):
    """`data` of a webhook: the fields that mean something. All others are left alone."""

    class Meta:  # noqa: D106 - marshmallow's own way to set options
        unknown = EXCLUDE

    message = fields.String(required=True)
    instructions = _hint("instructions")
    contact_id = _hint("contact_id")
    contact_name = _hint("contact_name")
    lead_id = _hint("lead_id")
    origin = _hint("origin")
    handler = _hint("handler")


class BodySchema(Schema):
    """A webhook without its token, which is verified before any field is looked at."""

    class Meta:  # noqa: D106 - marshmallow's own way to set options
        unknown = EXCLUDE

    return_url = fields.String(required=True, validate=validate.Length(min=1, error="Empty."))
    data = fields.Nested(DataSchema, required=True)


_BODY = BodySchema()
_RETURN_URL, _MESSAGE = _BODY.load_fields["return_url"], DataSchema().load_fields["message"]


def read_fields(parts: Parts) -> Fields:
    """Read the fields of a body whose token is genuine. Raises BodyRefused.

    The schema's fields that can be wrong are asked one by one, because its own way around them costs more than they
    do; it says what is wrong. Hints never are, and are only read.
    """
    data = parts.data
    try:
        return_url = _RETURN_URL.deserialize(missing if parts.return_url is None else parts.return_url)
        message = _MESSAGE.deserialize(data.get("message", missing))
    except ValidationError:
        raise BodyRefused(_complaints(parts)) from None
    hints = {name: read(data[name]) for name, read in _HINTS.items() if name in data}
    return Fields(return_url, WebhookData(_clean(message), **hints))


def _complaints(parts: Parts) -> dict[str, list[str]]:
    given: dict[str, object] = {"return_url": parts.return_url, "data": parts.data}
    return _flat(_BODY.validate({name: value for name, value in given.items() if value is not None}))


def _flat(messages: Mapping[str, Any], prefix: str = "") -> dict[str, list[str]]:
    """Nested messages by dotted names: `data.message`."""
    flat: dict[str, list[str]] = {}
    for name, value in messages.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = list(value)
    return flat
