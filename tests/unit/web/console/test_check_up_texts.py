"""The texts of a check-up: every finding of an account has one in every language, and a remedy where it needs one."""

import inspect
import re

import pytest

from app.domain import account_checkup
from app.domain.accounts import LOCALES, Locale
from app.domain.checkup import Finding
from app.domain.quota import Counters
from app.web.console.texts import catalogue
from tests.builders import an_account

SOURCE = inspect.getsource(account_checkup)
# Every key that a finding may say: in a call, or in the table of Kommo's refusals.
KEYS = set(re.findall(r'"((?:account|address|token|key|assistant|dry_run|plan)\.[a-z_]+)"', SOURCE)) | {"failure"}
# Findings that are not `ok`, besides documented failures, whose remedies stand elsewhere.
WITHOUT_REMEDY = {
    "account.known",
    "address.known",
    "token.accepted",
    "token.lasts",
    "token.renewed",
    "key.saved",
    "key.accepted",
    "failure",
    "assistant.known",
    "dry_run.answered",
}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_finding_has_its_texts(locale: Locale) -> None:
    texts = catalogue(locale)
    assert len(KEYS) > 20
    assert {key for key in texts if key.startswith("check_up.said.")} == {f"check_up.said.{key}" for key in KEYS}
    assert {key for key in texts if key.startswith("check_up.remedy.")} == {
        f"check_up.remedy.{key}" for key in KEYS - WITHOUT_REMEDY
    }


def every_finding() -> list[Finding]:
    account = an_account()
    return [
        account_checkup.of_record(account),
        account_checkup.no_token(),
        *account_checkup.of_kommo(account, "https://{subdomain}.kommo.com", None, 0.0),
        *account_checkup.of_kommo(account, "https://{subdomain}.kommo.com", 401, 0.0),
        *account_checkup.of_kommo(account, "https://{subdomain}.kommo.com", 404, 0.0),
        *account_checkup.of_silent_kommo(account, "https://{subdomain}.kommo.com", "402"),
        *account_checkup.of_silent_kommo(account, "https://{subdomain}.kommo.com", "500"),
        *account_checkup.of_silent_kommo(account, "https://{subdomain}.kommo.com", "timeout"),
        *account_checkup.of_openai(account, None, None, False, 12),
        account_checkup.of_plan(account, Counters("teste", 100, used=90)),
    ]


@pytest.mark.parametrize("locale", LOCALES)
def test_texts_take_what_findings_say(locale: Locale) -> None:
    for finding in every_finding():
        assert finding.said is not None, finding
        told = catalogue(locale)[f"check_up.said.{finding.said.key}"].format(**finding.said.values)
        assert "{" not in told
        assert bool(finding.remedy) == (f"check_up.remedy.{finding.said.key}" in catalogue(locale)) or (
            finding.said.key == "plan.left"
        )
