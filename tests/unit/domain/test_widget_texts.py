"""The texts of the widget's API in its three languages."""

import pytest

from app.domain.accounts import LOCALES, Locale
from app.domain.failures import TEXTS, Failure
from app.domain.note_texts import remedy
from app.domain.widget_texts import check_remedy, message
from app.services.settings_check import NO_ID, NO_KEY
from app.services.setup_look import API_CLOSED

CODES = (
    "unauthorized",
    "token_used",
    "forbidden",
    "admin_required",
    "account_not_installed",
    "invalid_request",
    "settings_changed",
    "too_large",
    "too_many_requests",
    "unavailable",
    "internal_error",
)
REASONS = (NO_KEY, NO_ID, API_CLOSED, "model_not_found")


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_a_sentence_of_its_own_in_every_language(code: str) -> None:
    sentences = {message(code, locale) for locale in LOCALES}
    assert len(sentences) == len(LOCALES)
    assert all(sentence.endswith(".") for sentence in sentences)
    others = {message(other, locale) for other in CODES if other != code for locale in LOCALES}
    assert not sentences & others


@pytest.mark.parametrize("locale", LOCALES)
def test_a_code_without_a_sentence_is_an_error_of_ours(locale: Locale) -> None:
    assert message("anything", locale) == message("internal_error", locale)


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_that_says_more_has_a_remedy_in_every_language(reason: str) -> None:
    remedies = {check_remedy(Failure.OPENAI_UNEXPECTED, reason, locale) for locale in LOCALES}
    assert len(remedies) == len(LOCALES)
    assert not remedies & {remedy(failure, locale) for failure in Failure for locale in LOCALES}


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("failure", TEXTS)
@pytest.mark.parametrize("reason", [None, "http_500"])
def test_else_the_remedy_is_that_of_the_failure(failure: Failure, reason: str | None, locale: Locale) -> None:
    assert check_remedy(failure, reason, locale) == remedy(failure, locale)
