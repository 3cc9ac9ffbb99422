"""The widget's API: what is shown, changed and tested, and what cannot be saved."""

import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.domain.accounts import Account, Secrets
from app.domain.assistants import Profile
from app.domain.failures import OPENAI_FAILURES, TEXTS, AskError, Failure
from app.domain.note_texts import remedy
from app.domain.widget_texts import message
from app.web.widget import MOST_AT_ONCE, MOST_CHECKS, MOST_SAVES
from app.web.widget_body import BODY_LIMIT
from tests.builders import an_account
from tests.unit.services.openai_in_memory import COPY
from tests.unit.services.ports_in_memory import answers
from tests.webhooks import (
    ACCOUNT_ID,
    ISSUER,
)
from tests.widget_calls import (
    CALLS,
    CHANGE,
    CHECK,
    SETTINGS,
    USAGE,
    Page,
    a_widget_token,
    changing_call,
    code_of,
    error_of,
)

GONE = AskError(Failure.OPENAI_UNEXPECTED, api_gone=True, status=404)


@pytest.fixture
def page() -> Page:
    return Page()


# Settings


def test_the_settings_are_shown_with_what_there_is_to_say_of_them(page: Page) -> None:
    answer = page.call("GET", SETTINGS)
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    assert answer.get_json() == {
        "openai_api_key": "sk-…cdef",
        "assistant_id": "asst_acme",
        "profile": None,
        "timezone": "America/Sao_Paulo",
        "locale": "pt",
        "failure_text": None,
        "contact_daily_limit": None,
        "contact_weekly_limit": None,
        "contact_monthly_limit": None,
        "alert_marks": [],
        "reply_mode": "data",
        "version": page.office.settings.state(page.account).version,
        "status": {
            "can_change": True,
            "paused": False,
            "asked_through": "assistants",
            "missing": [],
            "default_failure_text": page.account.shown_failure_text,
        },
    }


def test_no_answer_holds_a_secret(page: Page) -> None:
    answers_ = [page.call(method, path, body).get_data(as_text=True) for method, path, body in CALLS]
    for secret in (page.account.secrets.openai_api_key, page.account.secrets.access_token):
        assert secret is not None
        assert not [text for text in answers_ if secret in text]


def test_what_is_sent_is_changed_and_the_rest_stays(page: Page) -> None:
    before = page.account
    answer = page.call("PUT", SETTINGS, {**CHANGE, "contact_daily_limit": 5, "openai_api_key": "sk-…cdef"})
    assert answer.status_code == 200
    expected = replace(before, failure_text="Um momento.", contact_daily_limit=5, profile=COPY)
    assert page.account == replace(expected, version=page.account.version)
    shown = answer.get_json()
    setup = shown.pop("setup")
    assert shown == page.call("GET", SETTINGS).get_json()
    assert (setup["ok"], setup["reply"]) == (True, None)


def test_what_was_shown_may_be_sent_back_whole_and_changes_nothing() -> None:
    page = Page(an_account(profile=COPY, alert_marks=(50,), failure_text="Um momento."))
    before = page.account
    assert page.call("PUT", SETTINGS, page.call("GET", SETTINGS).get_json()).status_code == 200
    assert page.account == before


def test_a_new_key_is_stored_and_only_its_mask_is_shown(page: Page) -> None:
    shown = page.call("PUT", SETTINGS, {"openai_api_key": "sk-proj-0123456789abcWXYZ"}).get_json()
    assert shown["openai_api_key"] == "sk-…WXYZ"
    assert page.account.secrets.openai_api_key == "sk-proj-0123456789abcWXYZ"
    assert page.account.secrets.access_token == "token-of-acme"


def test_null_clears_and_says_what_is_missing_then(page: Page) -> None:
    answer = page.call("PUT", SETTINGS, {"openai_api_key": None}).get_json()
    assert page.account.secrets.openai_api_key is None
    assert answer["status"]["missing"] == ["openai_api_key"]
    assert (answer["setup"]["error_code"], answer["setup"]["reason"]) == ("openai_authentication", "no_key_saved")


def test_a_pasted_assistant_becomes_the_profile(page: Page) -> None:
    pasted = {"object": "assistant", "model": "gpt-5", "instructions": "Oi.", "tools": [{"type": "function"}]}
    answer = page.call("PUT", SETTINGS, {"assistant_definition": pasted}).get_json()
    assert page.account.profile == Profile(model="gpt-5", instructions="Oi.")
    assert answer["setup"]["left_behind"] == ["function"]
    assert answer["status"]["asked_through"] == "responses"


@pytest.mark.parametrize("lang", ["pt", "es", "en"])
def test_of_two_administrators_the_slower_one_is_told_what_is_there_now(page: Page, lang: str) -> None:
    shown = page.call("GET", SETTINGS).get_json()
    first = page.call("PUT", SETTINGS, {**CHANGE, "version": shown["version"]})
    assert first.status_code == 200
    before = page.account
    second = page.call("PUT", f"{SETTINGS}?lang={lang}", {"failure_text": "Outro.", "version": shown["version"]})
    assert code_of(second) == (409, "settings_changed")
    assert error_of(second)["message"] == message("settings_changed", lang)  # type: ignore[arg-type]
    assert second.get_json()["settings"] == page.call("GET", SETTINGS).get_json()
    assert page.account == before
    again = {"failure_text": "Outro.", "version": second.get_json()["settings"]["version"]}
    assert page.call("PUT", SETTINGS, again).status_code == 200


def test_without_a_version_the_last_one_wins(page: Page) -> None:
    page.call("PUT", SETTINGS, CHANGE)
    assert page.call("PUT", SETTINGS, {"failure_text": "Outro."}).status_code == 200
    assert page.account.failure_text == "Outro."


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"contact_daily_limit": "5"}, ["contact_daily_limit"]),
        ({"locale": "fr", "timezone": 5}, ["locale", "timezone"]),
        ({"profile": {"model": 5}}, ["profile.model"]),
        ({"profile": {"instructions": "Sem modelo."}}, ["profile.model"]),
        ({"openai_api_key": "sk-…0000"}, ["openai_api_key"]),
        ({"openai_api_key": ["sk-1"]}, ["openai_api_key"]),
        ({"version": "1"}, ["version"]),
        ({"plan": "pro"}, ["plan"]),
        ({"weights": {"ai_reply": 1}}, ["weights"]),
        ({"account_id": 31000002}, ["account_id"]),
        ({"subdomain": "beta"}, ["subdomain"]),
        ({"client_secret": "x"}, ["client_secret"]),
        ({"access_token": "x"}, ["access_token"]),
        ({"unknown": 1}, ["unknown"]),
        ({**CHANGE, "unknown": 1}, ["unknown"]),
        ([], ["body"]),
        (b"", ["body"]),
        (b"{", ["body"]),
        (b"null", ["body"]),
        (b'{"temperature": NaN}', ["body"]),
        (b"\xff\xfe", ["body"]),
        (b"[" * 100_000, ["body"]),
        (b"failure_text=x", ["body"]),
    ],
)
def test_what_cannot_be_saved_is_named_and_nothing_is_changed(page: Page, body: Any, fields: list[str]) -> None:
    before = page.account
    answer = page.call("PUT", SETTINGS, body)
    assert code_of(answer) == (400, "invalid_request")
    assert sorted(error_of(answer)["fields"]) == fields
    assert all(error_of(answer)["fields"].values())
    assert page.account == before
    assert page.office.setup.calls == []


def test_a_body_that_is_too_long_is_not_read(page: Page) -> None:
    before = page.account
    answer = page.call("PUT", SETTINGS, b'{"failure_text": "' + b"a" * BODY_LIMIT + b'"}')
    assert code_of(answer) == (413, "too_large")
    assert page.is_as_before(before)


def test_the_longest_instructions_fit_in(page: Page) -> None:
    instructions = "é" * 256_000
    body = json.dumps({"profile": {"model": "gpt-5", "instructions": instructions}}).encode()
    assert len(body) > 1_500_000
    assert page.call("PUT", SETTINGS, body).status_code == 200
    assert page.account.profile is not None
    assert page.account.profile.instructions == instructions


# The test of the settings


def test_settings_that_work_are_told_so(page: Page) -> None:
    answer = page.call("POST", CHECK, {})
    assert answer.status_code == 200
    assert answer.get_json() == {
        "ok": True,
        "error_code": None,
        "error": None,
        "remedy": None,
        "reason": None,
        "assistants_api_gone": False,
        "left_behind": [],
        "reply": "Olá!",
    }
    assert page.account.profile == COPY


@pytest.mark.parametrize("body", [None, b"", {}, {"version": 5}], ids=["none", "empty", "an object", "a version"])
@pytest.mark.parametrize("admin", [True, False])
def test_every_user_may_test_what_is_saved(page: Page, body: Any, admin: bool) -> None:
    assert page.call("POST", CHECK, body, is_admin=admin).get_json()["ok"]


def test_only_an_administrator_may_test_something_else(page: Page) -> None:
    before = page.account
    answer = page.call("POST", CHECK, {"profile": {"model": "gpt-5"}}, is_admin=False)
    assert code_of(answer) == (403, "admin_required")
    assert page.is_as_before(before)


def test_what_is_sent_is_tested_in_the_place_of_what_is_saved_and_not_saved(page: Page) -> None:
    before = page.account
    page.call("POST", CHECK, {"openai_api_key": "sk-other", "profile": {"model": "gpt-5"}})
    ((question, _),) = page.office.engine.asked
    assert question.assistant.profile == Profile(model="gpt-5")
    assert set(page.office.setup.keys) == {"sk-other"}
    assert page.account == before


@pytest.mark.parametrize("failure", sorted(OPENAI_FAILURES))
def test_every_failure_has_its_documented_text_and_a_remedy(page: Page, failure: Failure) -> None:
    page.office.engine.script = [AskError(failure, code="why")]
    answer = page.call("POST", CHECK, {}).get_json()
    assert (answer["ok"], answer["error_code"], answer["error"]) == (False, failure, TEXTS[failure])
    assert (answer["remedy"], answer["reason"]) == (remedy(failure, "pt"), "why")


@pytest.mark.parametrize(
    ("query", "body", "locale"),
    [("", {}, "es"), ("", {"locale": "en"}, "en"), ("?lang=pt", {"locale": "en"}, "pt")],
    ids=["the account's", "the form's", "the one that is asked for"],
)
def test_the_remedy_is_in_the_language_of_who_reads_it(query: str, body: Any, locale: Any) -> None:
    page = Page(an_account(locale="es"))
    page.office.engine.script = [AskError(Failure.OPENAI_QUOTA)]
    answer = page.call("POST", CHECK + query, body).get_json()
    assert answer["error"] == "Limite de Quota Excedido"
    assert answer["remedy"] == remedy(Failure.OPENAI_QUOTA, locale)


def test_a_saved_language_is_spoken_at_once(page: Page) -> None:
    page.office.setup.import_error = AskError(Failure.OPENAI_QUOTA)
    answer = page.call("PUT", SETTINGS, {"locale": "en"}).get_json()
    assert answer["setup"]["remedy"] == remedy(Failure.OPENAI_QUOTA, "en")


def test_an_api_that_has_ended_is_told_to_the_form(page: Page) -> None:
    page.office.setup.import_error = GONE
    answer = page.call("POST", CHECK, {}).get_json()
    assert (answer["ok"], answer["assistants_api_gone"]) == (False, True)
    assert answer["reason"] == "api_closed_and_no_profile"
    answer = page.call("POST", CHECK, {"assistant_definition": {"model": "gpt-5"}}).get_json()
    assert (answer["ok"], answer["assistants_api_gone"]) == (True, False)


def test_a_test_charges_nothing_and_is_counted_once(page: Page) -> None:
    page.call("POST", CHECK, {})
    page.call("PUT", SETTINGS, CHANGE)
    assert page.office.counted == [(ACCOUNT_ID, "check", MOST_CHECKS), (ACCOUNT_ID, "save", MOST_SAVES)]
    assert page.door.accepted == []


@changing_call
def test_who_calls_too_often_is_told_when_to_come_back(page: Page, method: str, path: str, body: Any) -> None:
    before = page.account
    page.office.waits = [37]
    answer = page.call(method, path, body)
    assert code_of(answer) == (429, "too_many_requests")
    assert answer.headers["Retry-After"] == "37"
    assert page.account == before
    assert page.office.setup.calls == []


def test_the_door_keeps_its_threads_whatever_openai_does(page: Page) -> None:
    waiting, go_on = threading.Semaphore(0), threading.Event()

    def hang() -> None:
        waiting.release()
        assert go_on.wait(10)

    page.office.setup.meanwhile = hang
    page.office.engine.script = list(answers(*["Olá!"] * MOST_AT_ONCE))
    found: list[TestResponse] = []
    app = page.client.application
    threads = [
        threading.Thread(
            target=lambda: found.append(
                app.test_client().post(CHECK, headers={"X-Auth-Token": a_widget_token(), "Origin": ISSUER})
            )
        )
        for _ in range(MOST_AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert waiting.acquire(timeout=10)
    before = page.account
    answer = page.call("PUT", SETTINGS, CHANGE)
    assert code_of(answer) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert page.account == before
    assert page.call("GET", SETTINGS).status_code == 200
    page.office.setup.meanwhile = lambda: None
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert [one.status_code for one in found] == [200] * MOST_AT_ONCE
    assert page.call("PUT", SETTINGS, CHANGE).status_code == 200


# Usage


@pytest.mark.parametrize(("query", "period"), [("", None), ("?period=2026-10", "2026-10")])
@pytest.mark.parametrize("admin", [True, False])
def test_the_usage_of_a_month_is_shown_to_every_user(page: Page, query: str, period: str | None, admin: bool) -> None:
    answer = page.call("GET", USAGE + query, is_admin=admin)
    assert (answer.status_code, answer.get_json()["used"]) == (200, 3)
    assert page.office.usages == [(ACCOUNT_ID, period)]


@pytest.mark.parametrize("period", ["2026-13", "2026", "10", "x"])
def test_a_month_that_is_none_is_named(page: Page, period: str) -> None:
    answer = page.call("GET", f"{USAGE}?period={period}")
    assert code_of(answer) == (400, "invalid_request")
    assert list(error_of(answer)["fields"]) == ["period"]


def test_an_account_without_secrets_is_shown(page: Page) -> None:
    bare = Page(Account(ACCOUNT_ID, "acme", secrets=Secrets()))
    answer = bare.call("GET", SETTINGS).get_json()
    assert answer["openai_api_key"] is None
    assert answer["status"]["missing"] == ["openai_api_key", "assistant", "kommo_token"]
    assert bare.call("POST", CHECK, {}).get_json()["error"] == "Assistant ID Inválido"
