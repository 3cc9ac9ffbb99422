"""The version of a company's settings, and the marks that a form sends back."""

from dataclasses import replace

import pytest

from app.domain.account_changes import InvalidFields
from app.domain.accounts import Account, Secrets
from app.domain.assistants import Profile
from app.domain.company_settings import LARGEST_VERSION, SettingsForm, refuse_changed_marks, settings_version
from tests.builders import an_account

KEY = b"key of the tests"
OWN = Profile(model="gpt-6-luna")
COPY = Profile(model="gpt-5", source="imported", active=False)
ACCOUNT = an_account(profile=OWN)


@pytest.mark.parametrize(
    "changed",
    [
        replace(ACCOUNT, secrets=replace(ACCOUNT.secrets, openai_api_key="sk-acme-other-cdef")),
        replace(ACCOUNT, secrets=replace(ACCOUNT.secrets, openai_api_key=None)),
        replace(ACCOUNT, assistant_id="asst_other"),
        replace(ACCOUNT, assistant_id=None),
        replace(ACCOUNT, profile=None),
        replace(ACCOUNT, profile=replace(OWN, instructions="Seja gentil \ud83d.")),
        replace(ACCOUNT, profile=replace(OWN, temperature=0.5)),
        replace(ACCOUNT, profile=replace(OWN, vector_store_ids=("vs_1",))),
        replace(ACCOUNT, timezone="America/Lima"),
        replace(ACCOUNT, locale="es"),
        replace(ACCOUNT, failure_text="Um momento."),
        replace(ACCOUNT, contact_daily_limit=5),
        replace(ACCOUNT, contact_weekly_limit=5),
        replace(ACCOUNT, contact_monthly_limit=5),
        replace(ACCOUNT, alert_marks=(50,)),
        replace(ACCOUNT, reply_mode="handlers"),
    ],
)
def test_whatever_a_person_sets_makes_another_version(changed: Account) -> None:
    assert settings_version(changed, KEY) != settings_version(ACCOUNT, KEY)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ACCOUNT, replace(ACCOUNT, version=99)),
        (ACCOUNT, replace(ACCOUNT, plan="pro", next_plan="basico", paused=True, weights={"ai": 2})),
        (ACCOUNT, replace(ACCOUNT, subdomain="renamed", client_id="c-1")),
        (ACCOUNT, replace(ACCOUNT, secrets=Secrets(ACCOUNT.secrets.openai_api_key, "new token", "new refresh"))),
        (replace(ACCOUNT, profile=None), replace(ACCOUNT, profile=COPY)),
        (replace(ACCOUNT, profile=COPY), replace(ACCOUNT, profile=replace(COPY, active=True, instructions="Newer."))),
    ],
    ids=["the record's version", "an operator", "Kommo", "tokens", "an import", "a copy that wakes"],
)
def test_what_no_person_sets_leaves_the_version(before: Account, after: Account) -> None:
    assert settings_version(before, KEY) == settings_version(after, KEY)


def test_a_version_is_a_whole_number_that_tells_nothing() -> None:
    version = settings_version(ACCOUNT, KEY)
    assert 1 <= version <= LARGEST_VERSION
    assert settings_version(ACCOUNT, b"another key") != version
    assert settings_version(replace(ACCOUNT, account_id=2), KEY) != version


@pytest.mark.parametrize(
    ("profile", "marks", "wrong"),
    [
        (OWN, {}, []),
        (None, {}, []),
        (OWN, {"source": "manual", "active": True}, []),
        (COPY, {"source": "imported", "active": False}, []),
        (COPY, {"active": True}, ["profile.active"]),
        (OWN, {"source": "imported", "active": False}, ["profile.source", "profile.active"]),
        (None, {"source": "manual"}, ["profile.source"]),
        (None, {"active": False}, ["profile.active"]),
    ],
)
def test_what_is_ours_to_decide_may_only_come_back_as_it_was(
    profile: Profile | None, marks: dict[str, str | bool], wrong: list[str]
) -> None:
    account = replace(ACCOUNT, profile=profile)
    if not wrong:
        refuse_changed_marks(account, marks)
        return
    with pytest.raises(InvalidFields) as invalid:
        refuse_changed_marks(account, marks)
    assert list(invalid.value.fields) == wrong


def test_a_form_that_only_says_what_it_was_shown_is_empty() -> None:
    assert SettingsForm({}, version=5).is_empty
    assert not SettingsForm({"locale": "pt"}).is_empty
    assert not SettingsForm({}, profile_marks={"active": True}).is_empty
