"""An account as it is written in Redis: JSON that is checked again whenever it is read."""

import json
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from app.domain.accounts import ACCESSES, LOCALES, REPLY_MODES, Account, Secrets
from app.domain.assistants import Profile

# Fields of the hash that stand beside the record, because scripts and the door read or change them by themselves.
_BESIDE = ("account_id", "version", "plan", "next_plan", "paused", "retention_days", "removing", "secrets")


class RecordDamaged(Exception):
    """What stands in Redis is no account; the message names the account and its fields, never their values."""


def _zone_exists(name: str) -> None:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValidationError("unknown time zone") from None


class _ProfileRecord(Schema):
    class Meta:
        unknown = EXCLUDE

    model = fields.String(required=True)
    instructions = fields.String(required=True)
    vector_store_ids = fields.List(fields.String(), required=True)
    temperature = fields.Float(required=True, allow_none=True)
    source = fields.String(required=True, validate=validate.OneOf(("manual", "imported")))
    active = fields.Boolean(required=True)


class _AccountRecord(Schema):
    class Meta:
        unknown = EXCLUDE  # what a newer version wrote does not stop an older one that still runs beside it

    subdomain = fields.String(required=True)
    client_id = fields.String(required=True, allow_none=True)
    assistant_id = fields.String(required=True, allow_none=True)
    profile = fields.Nested(_ProfileRecord, required=True, allow_none=True)
    timezone = fields.String(required=True, validate=_zone_exists)
    locale = fields.String(required=True, validate=validate.OneOf(LOCALES))
    failure_text = fields.String(required=True, allow_none=True)
    contact_daily_limit = fields.Integer(required=True, strict=True, allow_none=True)
    contact_weekly_limit = fields.Integer(strict=True, load_default=None, allow_none=True)
    contact_monthly_limit = fields.Integer(strict=True, load_default=None, allow_none=True)
    alert_marks = fields.List(fields.Integer(strict=True), load_default=list)
    reply_mode = fields.String(required=True, validate=validate.OneOf(REPLY_MODES))
    weights = fields.Dict(fields.String(), fields.Integer(strict=True, validate=validate.Range(1)), required=True)
    access = fields.String(load_default="granted", validate=validate.OneOf(ACCESSES))
    tokens_given_at = fields.Integer(strict=True, load_default=None, allow_none=True)


class _SecretsRecord(Schema):
    class Meta:
        unknown = EXCLUDE

    openai_api_key = fields.String(required=True, allow_none=True)
    access_token = fields.String(required=True, allow_none=True)
    refresh_token = fields.String(required=True, allow_none=True)
    previous_refresh_token = fields.String(load_default=None, allow_none=True)


_ACCOUNT = _AccountRecord()
_SECRETS = _SecretsRecord()


def record_of(account: Account) -> str:
    """The account's settings as compact JSON, without its secrets and without what stands beside the record."""
    settings = {name: value for name, value in asdict(account).items() if name not in _BESIDE}
    return json.dumps(settings, separators=(",", ":"))


def secrets_of(account: Account) -> str:
    """The account's secrets as JSON, to be sealed."""
    return json.dumps(asdict(account.secrets))


def account_of(
    account_id: int,
    *,
    version: int,
    plan: str,
    paused: bool,
    retention_days: int,
    removing: bool,
    record: str | bytes,
    secrets: str,
) -> Account:
    """The account that these fields describe, without what is to come. Raises RecordDamaged."""
    settings = _checked(_ACCOUNT, account_id, record)
    if settings["profile"] is not None:
        profile = settings["profile"]
        settings["profile"] = Profile(**{**profile, "vector_store_ids": tuple(profile["vector_store_ids"])})
    settings["alert_marks"] = tuple(settings["alert_marks"])
    return Account(
        account_id=account_id,
        version=version,
        plan=plan,
        paused=paused,
        retention_days=retention_days,
        removing=removing,
        secrets=Secrets(**_checked(_SECRETS, account_id, secrets)),
        **settings,
    )


def _checked(schema: Schema, account_id: int, text: str | bytes) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.loads(text)
    except ValidationError as error:
        names = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise RecordDamaged(f"account {account_id}: {', '.join(sorted(names))}") from None
    except ValueError:
        raise RecordDamaged(f"account {account_id}: not JSON") from None
    return loaded
