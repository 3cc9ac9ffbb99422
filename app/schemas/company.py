"""The JSON in which a company changes and tests its own settings, in the widget (contract 8)."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from marshmallow import ValidationError, fields, validate

from app.domain.account_changes import InvalidFields, ProfileChange, SettingsChange
from app.domain.assistant_definition import left_behind, profile_fields
from app.domain.company_settings import LARGEST_VERSION, SettingsForm
from app.schemas.account import ProfileSchema, SettingsSchema, load_fields
from app.schemas.fields import Text, Whole

DEFINITION = "assistant_definition"
TWO_PROFILES = "Send either profile or assistant_definition, not both."
NO_ASSISTANT = "Must be the JSON object of an assistant, as OpenAI shows it."

# What the form is shown of a profile beside the fields that a person may write.
_MARKS = ("source", "active")


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValidationError("Must be true or false.")
    return value


def _definition(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.get("object", "assistant") != "assistant":
        raise ValidationError(NO_ASSISTANT)
    return value


class _ShownProfileSchema(ProfileSchema):
    """A profile as it was shown, so that it may come back whole."""

    hints: ClassVar[Mapping[str, str]] = {}

    source = Text(longest=20, validate=validate.OneOf(("manual", "imported"), error="Must be one of: {choices}."))
    active = fields.Function(deserialize=_truth, metadata={"type": "boolean"})


class FormSchema(SettingsSchema):
    """The settings as they were shown, changed or not, and what comes with them."""

    profile = fields.Nested(_ShownProfileSchema, allow_none=True)
    assistant_definition = fields.Function(deserialize=_definition, metadata={"type": "object"})
    version = Whole(smallest=1, largest=LARGEST_VERSION)
    status = fields.Raw(allow_none=True)  # said by us, and not looked at when it comes back


_FORM = FormSchema()
_PROFILE = ProfileSchema(unknown="exclude")


def read_settings_form(body: object) -> SettingsForm:
    """What a company sends, from decoded JSON. Raises InvalidFields."""
    loaded = load_fields(_FORM, body, partial=True)
    loaded.pop("status", None)
    version = loaded.pop("version", None)
    definition = loaded.pop(DEFINITION, None)
    if definition is None:
        profile = loaded.get("profile") or {}
        marks = {name: profile.pop(name) for name in _MARKS if name in profile}
        return SettingsForm(cast("SettingsChange", loaded), version, marks)
    if "profile" in loaded:
        raise InvalidFields({DEFINITION: [TWO_PROFILES]})
    change = cast("SettingsChange", {**loaded, "profile": _profile_in(definition)})
    return SettingsForm(change, version, left_behind=left_behind(definition))


def _profile_in(definition: Mapping[str, Any]) -> ProfileChange:
    try:
        return cast("ProfileChange", load_fields(_PROFILE, profile_fields(definition), partial=False))
    except InvalidFields as error:
        raise InvalidFields({f"{DEFINITION}.{name}": texts for name, texts in error.fields.items()}) from None
