"""Fields of bodies that people and programs send: strict about types, and silent about values.

Their metadata is what the document of the public routes says of them (app/web/openapi).
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validates_schema

# Names that are safe to repeat in a message: what somebody pasted in the wrong place may be a secret.
_SAFE_NAME = re.compile(r"[A-Za-z_]{1,40}")
UNNAMED = "(name not shown)"


def safe_name(name: object) -> str:
    """The name of a field as a message may repeat it."""
    return name if isinstance(name, str) and _SAFE_NAME.fullmatch(name) else UNNAMED


class StrictSchema(Schema):
    """Refuses every field that it does not know, with a hint."""

    class Meta:  # noqa: D106 - marshmallow's own way to set options
        unknown = EXCLUDE  # reported by refuse_unknown, which says more

    # What to say about fields that exist but cannot be sent here.
    hints: ClassVar[Mapping[str, str]] = {}

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def refuse_unknown(self, _data: object, original: object, **_: object) -> None:
        """Raise ValidationError for fields without a definition."""
        unknown = [name for name in original if name not in self.fields] if isinstance(original, Mapping) else []
        if unknown:
            raise ValidationError({safe_name(name): [self._hint(name)] for name in unknown})

    def _hint(self, name: object) -> str:
        if not isinstance(name, str):
            return "Unknown field."
        if name in self.hints:
            return self.hints[name]
        near = get_close_matches(name, list(self.fields), n=1)
        return f"Unknown field. Did you mean {near[0]}?" if near else "Unknown field."


class Text(fields.String):
    """A text that can be stored and sent; without the white space around it."""

    def __init__(self, *, longest: int, lower: bool = False, **options: Any) -> None:
        """longest: characters at most. lower: capital letters are taken for small ones."""
        super().__init__(metadata={"maxLength": longest}, **options)
        self._longest = longest
        self._lower = lower

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **options).strip()
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise ValidationError("Contains characters that are not valid text.")
        if len(text) > self._longest:
            raise ValidationError(f"Longer than {self._longest} characters.")
        return text.lower() if self._lower else text


class Whole(fields.Integer):
    """A whole number; no string, no boolean, no 1.0."""

    def __init__(self, *, smallest: int, largest: int, **options: Any) -> None:
        super().__init__(strict=True, metadata={"minimum": smallest, "maximum": largest}, **options)
        self._smallest = smallest
        self._largest = largest

    def _validated(self, value: Any) -> int:
        if type(value) is not int or not self._smallest <= value <= self._largest:
            raise ValidationError(f"Must be a whole number from {self._smallest} to {self._largest}.")
        return value


class Decimal(fields.Float):
    """A number between two bounds; no string, no boolean."""

    def __init__(self, *, smallest: float, largest: float, **options: Any) -> None:
        super().__init__(metadata={"minimum": smallest, "maximum": largest}, **options)
        self._smallest = smallest
        self._largest = largest

    def _validated(self, value: Any) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not self._smallest <= value <= self._largest:
            raise ValidationError(f"Must be a number from {self._smallest:g} to {self._largest:g}.")
        return float(value)


def flat(messages: Mapping[Any, Any], prefix: str = "") -> dict[str, list[str]]:
    """The messages of a ValidationError by dotted name: `profile.model`."""
    found: dict[str, list[str]] = {}
    for name, inner in messages.items():
        path = prefix if name == "_schema" else f"{prefix}.{name}" if prefix else str(name)
        if isinstance(inner, Mapping):
            found.update(flat(inner, path))
        else:
            found.setdefault(path or "body", []).extend(inner)
    return found
