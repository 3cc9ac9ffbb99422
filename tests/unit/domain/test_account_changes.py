"""What a change makes of an account, and what the account lacks afterwards."""

from dataclasses import replace

import pytest

from app.domain.account_changes import (
    AccountChange,
    InvalidFields,
    ProfileChange,
    asked_of_openai,
    changed,
    shortcomings,
    with_imported,
)
from app.domain.accounts import Account, Secrets
from app.domain.assistants import Api, ApiChoice, Profile

KEY = "sk-proj-abcdefghwxyz"
MANUAL = Profile(model="gpt-6-luna", instructions="Be kind.", vector_store_ids=("vs_1",), temperature=0.5)
IMPORTED = Profile(model="gpt-5", instructions="Imported.", source="imported", active=False)


def an_account(**overrides: object) -> Account:
    secrets = Secrets(openai_api_key=KEY, access_token="kommo-token-1234", refresh_token="refresh-5678")
    account = Account(31000001, "acme", version=3, assistant_id="asst_1", secrets=secrets)
    return replace(account, **overrides)  # type: ignore[arg-type]


def test_what_is_left_out_stays() -> None:
    account = an_account(profile=MANUAL, weights={"ai": 2})
    assert changed(account, {}) == account
    assert changed(account, {"locale": "es"}) == replace(account, locale="es")


def test_every_field_can_be_changed() -> None:
    change: AccountChange = {
        "subdomain": "beta",
        "client_id": "c-1",
        "client_secret": "kept elsewhere",
        "access_token": "t",
        "openai_api_key": "sk-new",
        "assistant_id": "pmpt_1",
        "profile": {"model": "m", "vector_store_ids": ["vs_2"]},
        "plan": "basico",
        "timezone": "UTC",
        "locale": "en",
        "failure_text": "Sorry.",
        "contact_daily_limit": 5,
        "reply_mode": "handlers",
        "weights": {"a": 3},
    }
    assert changed(an_account(), change) == Account(
        31000001,
        "beta",
        version=3,
        client_id="c-1",
        assistant_id="pmpt_1",
        profile=Profile(model="m", vector_store_ids=("vs_2",)),
        plan="basico",
        timezone="UTC",
        locale="en",
        failure_text="Sorry.",
        contact_daily_limit=5,
        reply_mode="handlers",
        weights={"a": 3},
        secrets=Secrets(openai_api_key="sk-new", access_token="t"),
    )


def test_null_empties_a_field() -> None:
    account = an_account(profile=MANUAL, failure_text="x", contact_daily_limit=3, client_id="c")
    emptied = changed(
        account,
        {
            "openai_api_key": None,
            "access_token": None,
            "assistant_id": None,
            "profile": None,
            "failure_text": None,
            "contact_daily_limit": None,
            "client_id": None,
        },
    )
    assert emptied == Account(31000001, "acme", version=3)


def test_a_masked_secret_means_that_it_stays() -> None:
    account = an_account()
    assert changed(account, {"openai_api_key": "sk-…wxyz", "access_token": "…1234"}) == account


@pytest.mark.parametrize("stored", [KEY[:-1] + "0", None], ids=["another key", "no key"])
def test_the_mask_of_another_key_is_refused(stored: str | None) -> None:
    with pytest.raises(InvalidFields) as caught:
        changed(an_account(secrets=Secrets(openai_api_key=stored)), {"openai_api_key": "sk-…wxyz"})
    assert list(caught.value.fields) == ["openai_api_key"]


@pytest.mark.parametrize(
    ("given", "access"),
    [("new", "granted"), ("kommo-token-1234", "lost"), (None, "lost")],
    ids=["another", "the same", "none"],
)
def test_only_another_access_token_is_taken_for_a_good_one(given: str | None, access: str) -> None:
    lost = an_account(access="lost", tokens_given_at=5)
    found = changed(lost, {"access_token": given})
    assert (found.access, found.tokens_given_at) == (access, None if access == "granted" else 5)


def test_a_new_access_token_leaves_the_old_refresh_token_behind() -> None:
    assert changed(an_account(), {"access_token": "new"}).secrets.refresh_token is None
    assert changed(an_account(), {"access_token": "kommo-token-1234"}).secrets.refresh_token == "refresh-5678"


def test_a_profile_is_changed_field_by_field() -> None:
    account = changed(an_account(profile=MANUAL), {"profile": {"instructions": "New.", "temperature": None}})
    assert account.profile == replace(MANUAL, instructions="New.", temperature=None)


def test_the_first_profile_needs_a_model() -> None:
    with pytest.raises(InvalidFields) as caught:
        changed(an_account(), {"profile": {"instructions": "New."}})
    assert list(caught.value.fields) == ["profile.model"]


def test_who_changes_an_imported_profile_makes_it_their_own() -> None:
    account = changed(an_account(profile=IMPORTED), {"profile": {"instructions": "Mine."}})
    assert account.profile == replace(IMPORTED, instructions="Mine.", source="manual", active=True)


def test_an_imported_profile_that_comes_back_as_it_was_shown_goes_on_sleeping() -> None:
    shown: ProfileChange = {"model": "gpt-5", "instructions": "Imported.", "vector_store_ids": [], "temperature": None}
    assert changed(an_account(profile=IMPORTED), {"profile": shown}).profile == IMPORTED


@pytest.mark.parametrize("active", [False, True], ids=["sleeping", "awake"])
def test_only_a_profile_of_ones_own_can_be_removed(active: bool) -> None:
    imported = replace(IMPORTED, active=active)
    assert changed(an_account(profile=imported), {"profile": None}).profile == imported
    assert changed(an_account(profile=imported), {"profile": None, "assistant_id": None}).profile is None
    assert changed(an_account(profile=MANUAL), {"profile": None}).profile is None


def test_an_imported_profile_that_comes_back_with_another_assistant_is_left_behind() -> None:
    shown: ProfileChange = {"model": "gpt-5", "instructions": "Imported.", "vector_store_ids": [], "temperature": None}
    assert changed(an_account(profile=IMPORTED), {"assistant_id": "asst_2", "profile": shown}).profile is None


def test_another_assistant_leaves_the_imported_profile_of_the_first_behind() -> None:
    assert changed(an_account(profile=IMPORTED), {"assistant_id": "asst_2"}).profile is None
    assert changed(an_account(profile=IMPORTED), {"assistant_id": "asst_1"}).profile == IMPORTED
    assert changed(an_account(profile=MANUAL), {"assistant_id": "asst_2"}).profile == MANUAL


def test_a_profile_sent_with_another_assistant_does_not_build_on_the_imported_one() -> None:
    with pytest.raises(InvalidFields):
        changed(an_account(profile=IMPORTED), {"assistant_id": "asst_2", "profile": {"instructions": "Mine."}})


@pytest.mark.parametrize(
    ("account", "kept"),
    [
        (an_account(), True),
        (an_account(profile=replace(IMPORTED, instructions="Older.", active=True)), True),
        (an_account(profile=MANUAL), False),
        (an_account(assistant_id="asst_2"), False),
    ],
    ids=["no profile yet", "an older import", "a profile of their own", "the assistant has been changed"],
)
def test_an_import_never_takes_the_place_of_what_a_person_wrote(account: Account, kept: bool) -> None:
    assert (with_imported(account, "asst_1", IMPORTED).profile == IMPORTED) is kept


@pytest.mark.parametrize(
    ("account", "choice", "words"),
    [
        (an_account(), "auto", []),
        (an_account(profile=MANUAL, assistant_id=None), "auto", []),
        (an_account(assistant_id="anything", profile=MANUAL), "auto", []),
        (an_account(assistant_id="pmpt_1"), "responses", []),
        (an_account(assistant_id=None), "auto", ["assistant_id"]),
        (an_account(assistant_id="asistente"), "auto", ["malformed"]),
        (an_account(), "responses", ["OPENAI_API=responses"]),
        (an_account(profile=IMPORTED), "responses", []),
        (an_account(secrets=Secrets(access_token="t")), "auto", ["openai_api_key"]),
        (an_account(secrets=Secrets(access_token="t", openai_api_key="key")), "auto", ["sk-"]),
        (an_account(secrets=Secrets(openai_api_key=KEY)), "auto", ["access_token"]),
        (Account(1, "acme"), "auto", ["openai_api_key", "assistant_id", "access_token"]),
        (an_account(access="lost"), "auto", ["install the integration again"]),
        (an_account(access="revoked"), "auto", ["install the integration again"]),
    ],
)
def test_an_account_that_cannot_answer_yet_is_told_why(account: Account, choice: ApiChoice, words: list[str]) -> None:
    found = shortcomings(account, choice)
    assert len(found) == len(words)
    for sentence, word in zip(found, words, strict=True):
        assert word in sentence
        assert KEY not in sentence


def test_a_sleeping_import_is_not_what_is_asked() -> None:
    asked = asked_of_openai(an_account(profile=IMPORTED), "auto")
    assert asked is not None
    assert (asked.api, asked.profile) == (Api.ASSISTANTS, None)
    assert asked_of_openai(an_account(assistant_id="x"), "auto") is None
