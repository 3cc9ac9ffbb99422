"""The JSON of a company's own settings: the operator's checks, without what is not the company's to change."""

from typing import Any

import pytest

from app.domain.account_changes import InvalidFields
from app.domain.company_settings import SettingsForm
from app.schemas.account_view import shown_settings
from app.schemas.company import NO_ASSISTANT, TWO_PROFILES, read_settings_form
from tests.builders import an_account
from tests.unit.services.openai_in_memory import COPY

ASSISTANT = {
    "id": "asst_1",
    "object": "assistant",
    "created_at": 1700000000,
    "name": "Loja",
    "model": "gpt-4o-mini",
    "instructions": " Seja gentil. ",
    "tools": [{"type": "file_search"}, {"type": "function", "function": {"name": "f"}}],
    "tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}},
    "temperature": 1.0,
    "top_p": 1.0,
    "metadata": {},
}


def errors_of(body: object) -> dict[str, list[str]]:
    with pytest.raises(InvalidFields) as invalid:
        read_settings_form(body)
    assert "s3gredo" not in f"{invalid.value} {invalid.value.fields}"
    return invalid.value.fields


def test_only_what_was_sent_is_in_a_change() -> None:
    assert read_settings_form({}) == SettingsForm({})
    assert read_settings_form({"locale": "es", "version": 7}) == SettingsForm({"locale": "es"}, 7)


def test_what_was_shown_may_come_back_whole() -> None:
    shown = shown_settings(an_account(profile=COPY, alert_marks=(50,)))
    form = read_settings_form({**shown, "version": 7, "status": {"can_change": True, "missing": []}})
    assert form.profile_marks == {"source": "imported", "active": False}
    assert form.change["profile"] == {
        "model": "gpt-5",
        "instructions": "Copied.",
        "vector_store_ids": [],
        "temperature": None,
    }
    assert set(form.change) == set(shown)


def test_a_pasted_assistant_becomes_a_profile() -> None:
    form = read_settings_form({"assistant_definition": ASSISTANT, "locale": "pt"})
    assert form == SettingsForm(
        {
            "locale": "pt",
            "profile": {
                "model": "gpt-4o-mini",
                "instructions": "Seja gentil.",
                "vector_store_ids": ["vs_1"],
                "temperature": None,
            },
        },
        left_behind=("function",),
    )


def test_a_pasted_assistant_needs_no_word_for_what_it_is() -> None:
    assert read_settings_form({"assistant_definition": {"model": "gpt-5"}}).change["profile"] is not None


@pytest.mark.parametrize(
    ("body", "named"),
    [
        *(
            ({name: value}, name)
            for name, value in {
                "account_id": 31000001,
                "subdomain": "acme",
                "client_id": "c-1",
                "client_secret": "s3gredo",
                "access_token": "s3gredo",
                "refresh_token": "s3gredo",
                "plan": "pro",
                "next_plan": "pro",
                "weights": {"ai_reply": 1},
                "paused": True,
                "access": "granted",
                "surprise": 1,
            }.items()
        ),
        ({"openai_api_key": 5}, "openai_api_key"),
        ({"openai_api_key": ""}, "openai_api_key"),
        ({"assistant_id": ["asst_1"]}, "assistant_id"),
        ({"failure_text": 5}, "failure_text"),
        ({"contact_daily_limit": "5"}, "contact_daily_limit"),
        ({"contact_daily_limit": 0}, "contact_daily_limit"),
        ({"locale": "fr"}, "locale"),
        ({"timezone": "Nowhere"}, "timezone"),
        ({"reply_mode": "both"}, "reply_mode"),
        ({"alert_marks": [100]}, "alert_marks.0"),
        ({"profile": "gpt-5"}, "profile"),
        ({"profile": {"model": 5}}, "profile.model"),
        ({"profile": {"temperature": "warm"}}, "profile.temperature"),
        ({"profile": {"active": 1}}, "profile.active"),
        ({"profile": {"active": "true"}}, "profile.active"),
        ({"profile": {"source": "s3gredo"}}, "profile.source"),
        ({"profile": {"tools": []}}, "profile.tools"),
        ({"version": "7"}, "version"),
        ({"version": True}, "version"),
        ({"version": None}, "version"),
        ({"version": 0}, "version"),
        ({"version": 2**53}, "version"),
        ({"assistant_definition": "s3gredo"}, "assistant_definition"),
        ({"assistant_definition": None}, "assistant_definition"),
        ({"assistant_definition": [ASSISTANT]}, "assistant_definition"),
        ({"assistant_definition": {**ASSISTANT, "object": "thread"}}, "assistant_definition"),
        ({"assistant_definition": {**ASSISTANT, "model": None}}, "assistant_definition.model"),
        ({"assistant_definition": {**ASSISTANT, "model": "a s3gredo"}}, "assistant_definition.model"),
        ({"assistant_definition": {"object": "assistant"}}, "assistant_definition.model"),
        ({"assistant_definition": {**ASSISTANT, "instructions": "a" * 256_001}}, "assistant_definition.instructions"),
        ({"assistant_definition": {**ASSISTANT, "temperature": 3}}, "assistant_definition.temperature"),
        ({"assistant_definition": ASSISTANT, "profile": None}, "assistant_definition"),
        ([], "body"),
        ("s3gredo", "body"),
        (None, "body"),
    ],
)
def test_what_is_wrong_is_named(body: Any, named: str) -> None:
    assert list(errors_of(body)) == [named]


def test_a_pasted_text_is_told_what_is_expected() -> None:
    assert errors_of({"assistant_definition": "{}"}) == {"assistant_definition": [NO_ASSISTANT]}
    assert errors_of({"assistant_definition": {}, "profile": {}}) == {"assistant_definition": [TWO_PROFILES]}
