"""The JSON in which accounts are written and changed: `bytegpt account add|set`, the widget's settings (contract 3)."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, cast
from zoneinfo import available_timezones

from marshmallow import Schema, ValidationError, fields, post_load, validate

from app.domain.account_changes import AccountChange, InvalidFields, SettingsChange
from app.domain.accounts import LOCALES, REPLY_MODES
from app.domain.plans import MOST_REQUESTS, PLAN_NAME, PLAN_NAME_RULE
from app.domain.retention import MOST_DAYS
from app.schemas.fields import Decimal, StrictSchema, Text, Whole, flat, safe_name

# The largest whole number that JSON and Lua keep exactly.
_LARGEST_ID = 2**53 - 1
# Five parts of 900 characters, the most that a continue call carries (contract 5).
_LONGEST_FAILURE_TEXT = 4500
# openai.md 2.1: instructions of an assistant.
_LONGEST_INSTRUCTIONS = 256_000
_LONGEST_CODE = 200

_SECRET = validate.Regexp(
    re.compile(r"([!-~]+|(sk-)?…[!-~]*)\Z"), error="Must be printable characters without spaces, and not be empty."
)
_SUBDOMAIN = validate.Regexp(
    re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z"),
    error="Must be letters, digits and hyphens: only what stands before the first dot of the account's address.",
)
_CLIENT_ID = validate.Regexp(re.compile(r"[A-Za-z0-9_-]{1,100}\Z"), error="Must be letters, digits and hyphens.")
_MODEL = validate.Regexp(re.compile(r"[!-~]{1,200}\Z"), error="Must be a model's name, without spaces.")
_FILE_STORE = validate.Regexp(re.compile(r"[A-Za-z0-9_-]{1,200}\Z"), error="Must be ids of vector stores.")
_PLAN = validate.Regexp(re.compile(f"{PLAN_NAME.pattern}\\Z"), error=f"A plan's name has {PLAN_NAME_RULE}.")

# A blank form field says that there is none.
_BLANK_MEANS_NONE = ("assistant_id", "failure_text")


def _account_id(value: object) -> int:
    """Kommo writes ids as numbers in some places and as strings in others (kommo.md 2.3)."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(_LARGEST_ID)):
        value = int(value)
    if type(value) is not int or not 1 <= value <= _LARGEST_ID:
        raise ValidationError("Must be the number of the account in Kommo.")
    return value


def _weights(value: object) -> dict[str, int]:
    if not isinstance(value, dict):
        raise ValidationError("Must be an object of handler codes and whole numbers.")
    wrong = [
        f"{safe_name(code)}: must be a whole number from 1."
        for code, weight in value.items()
        if type(weight) is not int or not 1 <= weight <= MOST_REQUESTS
    ]
    if any(not code or len(code) > _LONGEST_CODE for code in value):
        wrong.append(f"A handler code has 1 to {_LONGEST_CODE} characters.")
    if wrong:
        raise ValidationError(wrong)
    return value


def _known_zone(name: str) -> None:
    if name not in available_timezones():
        raise ValidationError("Unknown time zone: write it as in America/Sao_Paulo.")


class ProfileSchema(StrictSchema):
    """A profile as a person writes it."""

    hints: ClassVar[Mapping[str, str]] = {
        "source": "Decided by ByteGPT: leave it out.",
        "active": "Decided by ByteGPT: leave it out.",
    }

    model = Text(longest=200, required=True, validate=_MODEL)
    instructions = Text(longest=_LONGEST_INSTRUCTIONS)
    vector_store_ids = fields.List(Text(longest=200, validate=_FILE_STORE))
    temperature = Decimal(smallest=0, largest=2, allow_none=True)


class SettingsSchema(StrictSchema):
    """What a company may change itself."""

    hints: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("account_id", "subdomain", "client_id", "client_secret", "access_token", "plan", "weights", "retention_days"),
        "Only an operator of ByteGPT can change this.",
    )

    openai_api_key = Text(longest=1000, allow_none=True, validate=_SECRET)
    assistant_id = Text(longest=200, allow_none=True)
    profile = fields.Nested(ProfileSchema, allow_none=True)
    timezone = Text(longest=100, validate=_known_zone)
    locale = Text(longest=10, validate=validate.OneOf(LOCALES, error="Must be one of: {choices}."))
    failure_text = Text(longest=_LONGEST_FAILURE_TEXT, allow_none=True)
    contact_daily_limit = Whole(smallest=1, largest=MOST_REQUESTS, allow_none=True)
    contact_weekly_limit = Whole(smallest=1, largest=MOST_REQUESTS, allow_none=True)
    contact_monthly_limit = Whole(smallest=1, largest=MOST_REQUESTS, allow_none=True)
    alert_marks = fields.List(Whole(smallest=1, largest=99), validate=validate.Length(max=10))
    reply_mode = Text(longest=20, validate=validate.OneOf(REPLY_MODES, error="Must be one of: {choices}."))

    @post_load
    def blank_means_none(self, data: dict[str, Any], **_: object) -> dict[str, Any]:
        """Take an empty text of a form for no text."""
        if "alert_marks" in data:
            data["alert_marks"] = tuple(sorted(set(data["alert_marks"])))
        return {name: None if name in _BLANK_MEANS_NONE and not value else value for name, value in data.items()}


class OperatorSchema(SettingsSchema):
    """Everything that an operator writes of an account."""

    hints: ClassVar[Mapping[str, str]] = {
        "paused": "Use bytegpt account pause, or resume.",
        "next_plan": "Use bytegpt account set-plan.",
        "version": "Counted by ByteGPT: leave it out.",
        "refresh_token": "Comes with the installation through OAuth: leave it out.",
        "access": "What Kommo says of the tokens: leave it out.",
        "removing": "Use bytegpt account remove.",
    }

    account_id = fields.Function(deserialize=_account_id, required=True)
    subdomain = Text(longest=63, lower=True, required=True, validate=_SUBDOMAIN)
    client_id = Text(longest=100, allow_none=True, validate=_CLIENT_ID)
    client_secret = Text(longest=1000, validate=_SECRET)
    access_token = Text(longest=8000, allow_none=True, validate=_SECRET)
    plan = Text(longest=40, lower=True, validate=_PLAN)
    weights = fields.Function(deserialize=_weights)
    retention_days = Whole(smallest=1, largest=MOST_DAYS)


_SETTINGS = SettingsSchema()
_OPERATOR = OperatorSchema()


def read_new_account(body: object) -> tuple[int, AccountChange]:
    """The id and the fields of an account to add, from decoded JSON. Raises InvalidFields."""
    loaded = load_fields(_OPERATOR, body, partial=False)
    account_id: int = loaded.pop("account_id")
    return account_id, cast("AccountChange", loaded)


def read_account_change(account_id: int, body: object) -> AccountChange:
    """An operator's change of this account, from decoded JSON. Raises InvalidFields."""
    loaded = load_fields(_OPERATOR, body, partial=True)
    if loaded.pop("account_id", account_id) != account_id:
        raise InvalidFields({"account_id": ["An account's id cannot be changed."]})
    return cast("AccountChange", loaded)


def read_settings_change(body: object) -> SettingsChange:
    """A company's change of its own settings, from decoded JSON. Raises InvalidFields."""
    return cast("SettingsChange", load_fields(_SETTINGS, body, partial=True))


def load_fields(schema: Schema, body: object, *, partial: bool) -> dict[str, Any]:
    """What a schema reads of decoded JSON. partial: required fields may be missing. Raises InvalidFields."""
    if not isinstance(body, Mapping):
        raise InvalidFields({"body": ["Must be a JSON object."]})
    try:
        loaded: dict[str, Any] = schema.load(body, partial=partial)
    except ValidationError as error:
        raise InvalidFields(flat(error.normalized_messages())) from None  # type: ignore[no-untyped-call]
    return loaded
