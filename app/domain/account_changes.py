"""What a change of settings makes of an account, and what it still lacks to answer (contract 3)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict

from app.domain.accounts import Account, Locale, ReplyMode, Secrets, masked
from app.domain.assistants import ApiChoice, Assistant, AssistantUnknown, Profile, ProfileMissing, resolve


class ProfileChange(TypedDict, total=False):
    """The fields of a profile that a person may write; what is left out stays."""

    model: str
    instructions: str
    vector_store_ids: list[str]
    temperature: float | None


class SettingsChange(TypedDict, total=False):
    """What a company may change itself, in the widget. What is left out stays; None empties a field."""

    openai_api_key: str | None
    assistant_id: str | None
    profile: ProfileChange | None
    timezone: str
    locale: Locale
    failure_text: str | None
    contact_daily_limit: int | None
    contact_weekly_limit: int | None
    contact_monthly_limit: int | None
    alert_marks: tuple[int, ...]
    reply_mode: ReplyMode


class AccountChange(SettingsChange, total=False):
    """What an operator may change."""

    subdomain: str
    client_id: str | None
    client_secret: str
    access_token: str | None
    plan: str
    weights: dict[str, int]
    retention_days: int


class InvalidFields(Exception):
    """A change that cannot be made. fields: what is wrong by field name; no value stands in it."""

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        super().__init__("; ".join(f"{name}: {' '.join(messages)}" for name, messages in fields.items()))
        self.fields = dict(fields)


STALE_MASK = "This is a masked secret, and not of the one that is stored. Send the whole secret, or leave it out."
MODEL_MISSING = "A profile needs a model."

# Fields of a change that are fields of the account just as they are.
_PLAIN = frozenset(
    (
        "subdomain",
        "client_id",
        "assistant_id",
        "plan",
        "timezone",
        "locale",
        "failure_text",
        "contact_daily_limit",
        "contact_weekly_limit",
        "contact_monthly_limit",
        "alert_marks",
        "reply_mode",
        "weights",
        "retention_days",
    )
)


def is_mask(text: str) -> bool:
    """Whether this is a secret as it is shown, not the secret itself."""
    return "…" in text


def changed(account: Account, change: AccountChange) -> Account:
    """The account after the change.

    A masked secret means that it stays. A profile is changed field by field; whoever changes an imported one makes it
    their own. An imported one, sleeping or not, is nobody's to remove but ours: None takes a profile away that a person
    wrote, and another Assistant ID leaves the profile behind that was imported from the one before, also where that
    profile comes back as it was shown.

    Raises InvalidFields.
    """
    plain: dict[str, Any] = {name: value for name, value in change.items() if name in _PLAIN}
    updated = replace(account, **plain)
    if updated.assistant_id != account.assistant_id and _imported(account.profile):
        updated = replace(updated, profile=None)
    fields = change.get("profile")
    if "profile" in change and not _as_shown(account.profile, fields):
        updated = replace(updated, profile=_changed_profile(updated.profile, fields))
    secrets = _changed_secrets(account.secrets, change)
    if secrets.access_token not in (None, account.secrets.access_token):
        # A token that an operator brings is taken for good until Kommo refuses it.
        updated = replace(updated, access="granted", tokens_given_at=None)
    return replace(updated, secrets=secrets)


def with_imported(account: Account, assistant_id: str | None, profile: Profile) -> Account:
    """The account with the definition that OpenAI gave of this assistant, unless it has moved on or wrote its own."""
    if account.assistant_id != assistant_id or (account.profile is not None and not _imported(account.profile)):
        return account
    return replace(account, profile=profile)


def asked_of_openai(account: Account, choice: ApiChoice) -> Assistant | None:
    """The assistant that the account's settings name, None where they name none."""
    try:
        return resolve(account.assistant_id, account.profile, choice)
    except (AssistantUnknown, ProfileMissing):
        return None


def shortcomings(account: Account, choice: ApiChoice) -> tuple[str, ...]:
    """Why the account cannot answer yet as far as its record tells; sentences for an operator, without secrets."""
    key = account.secrets.openai_api_key
    found = []
    if key is None:
        found.append("No openai_api_key is stored: the account cannot answer.")
    elif not key.startswith("sk-"):
        found.append("openai_api_key does not begin with sk-: is it really a key of OpenAI?")
    if asked_of_openai(account, choice) is None:
        found.append(_missing_assistant(account.assistant_id))
    if account.secrets.access_token is None:
        found.append(
            "No access token of Kommo is stored: install the integration in Kommo, or send a long-lived access_token."
        )
    elif account.access != "granted":
        found.append(
            "Kommo takes no token of this account any more: install the integration again, or send a new access_token."
        )
    return tuple(found)


def _missing_assistant(assistant_id: str | None) -> str:
    if assistant_id is None:
        return "No assistant_id and no profile is stored: the account cannot answer."
    if assistant_id.startswith("asst_"):
        return "The Assistants API is switched off (OPENAI_API=responses) and no profile is stored for assistant_id."
    return "assistant_id is malformed: it should begin with asst_ or pmpt_, or a profile must stand beside it."


def _imported(profile: Profile | None) -> bool:
    return profile is not None and profile.source == "imported"


def _changed_secrets(secrets: Secrets, change: AccountChange) -> Secrets:
    key = _changed_secret("openai_api_key", secrets.openai_api_key, change)
    token = _changed_secret("access_token", secrets.access_token, change)
    if token == secrets.access_token:
        return replace(secrets, openai_api_key=key)
    # A refresh token belongs to the access token that it came with.
    return Secrets(openai_api_key=key, access_token=token)


def _changed_secret(name: str, stored: str | None, change: Mapping[str, Any]) -> str | None:
    if name not in change:
        return stored
    given: str | None = change[name]
    if given is None or not is_mask(given):
        return given
    if given != masked(stored):
        raise InvalidFields({name: [STALE_MASK]})
    return stored


def _as_shown(profile: Profile | None, fields: ProfileChange | None) -> bool:
    """Whether a profile comes back as it was shown; then nothing is changed, and an imported one goes on sleeping.

    None of their own is what a form shows to which nothing had been imported yet.
    """
    if profile is None or fields is None:
        return fields is None and _imported(profile)
    return replace(profile, **_profile_values(fields)) == profile


def _changed_profile(profile: Profile | None, fields: ProfileChange | None) -> Profile | None:
    if fields is None:
        return None
    values = _profile_values(fields)
    if profile is None:
        if "model" not in values:
            raise InvalidFields({"profile.model": [MODEL_MISSING]})
        return Profile(**values)
    return replace(profile, **values, source="manual", active=True)


def _profile_values(fields: ProfileChange) -> dict[str, Any]:
    values: dict[str, Any] = dict(fields)
    if "vector_store_ids" in values:
        values["vector_store_ids"] = tuple(values["vector_store_ids"])
    return values
