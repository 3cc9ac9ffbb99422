"""Settings as companies see, save and test them: versions, the look after saving, the copy that is kept."""

from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from app.domain.account_changes import InvalidFields, SettingsChange
from app.domain.accounts import Account, AccountUnknown, Secrets
from app.domain.assistants import Api, ApiChoice, Profile
from app.domain.company_settings import SettingsForm, SettingsStale
from app.domain.failures import AskError, Failure
from app.services.administration import Administration, Defaults
from app.services.company_settings import CompanySettings
from app.services.ports import Integrations, PlanChange, Plans
from app.services.settings_check import NO_ID, NO_KEY, Checked, SettingsCheck
from app.services.setup_look import API_CLOSED, SetupLook
from tests.builders import an_account
from tests.unit.services.openai_in_memory import COPY, FakeSetup
from tests.unit.services.ports_in_memory import Clock, FakeAccounts, FakeEngine, FakeGates, answers

ACCOUNT_ID = 31000001
GONE = AskError(Failure.OPENAI_UNEXPECTED, api_gone=True, status=404)
OWN = Profile(model="gpt-6-luna", instructions="Be kind.")


@dataclass
class Company:
    """One account, and all that its settings go through. setup: what OpenAI says."""

    account: Account = field(default_factory=an_account)
    choice: ApiChoice = "auto"
    setup: FakeSetup = field(default_factory=FakeSetup)
    engine: FakeEngine = field(default_factory=FakeEngine)

    def __post_init__(self) -> None:
        self.accounts = FakeAccounts({self.account.account_id: self.account})
        clock = Clock()
        administration = Administration(
            self.accounts,
            cast("Integrations", None),
            cast("Plans", None),
            cast("PlanChange", None),
            SetupLook(self.setup, clock),
            Defaults(),
            self.choice,
        )
        engines = {Api.RESPONSES: self.engine, Api.ASSISTANTS: self.engine}
        tests = SettingsCheck(engines, self.setup, FakeGates(clock), self.choice, b"key", clock)
        self.settings = CompanySettings(administration, tests, self.choice, b"key")

    @property
    def stored(self) -> Account:
        return self.accounts.stored[ACCOUNT_ID]

    @property
    def version(self) -> int:
        return self.settings.state(self.stored).version

    def save(self, change: SettingsChange | None = None, **form: object) -> Checked:
        """Save a change; what is told of it. The account that is returned is the one that is stored."""
        account, checked = self.settings.save(ACCOUNT_ID, SettingsForm(change or {}, **form))  # type: ignore[arg-type]
        assert account == self.stored
        return checked

    def test(self, change: SettingsChange | None = None) -> Checked:
        self.engine.script = list(answers("Olá!"))
        return self.settings.test(self.stored, SettingsForm(change or {}))


@pytest.mark.parametrize(
    ("account", "choice", "asked_through", "missing"),
    [
        pytest.param(an_account(), "auto", Api.ASSISTANTS, (), id="complete"),
        pytest.param(an_account(profile=OWN), "auto", Api.RESPONSES, (), id="a profile"),
        pytest.param(an_account(profile=COPY), "auto", Api.ASSISTANTS, (), id="a sleeping copy"),
        pytest.param(an_account(profile=replace(COPY, active=True)), "auto", Api.RESPONSES, (), id="a copy awake"),
        pytest.param(an_account(), "responses", None, ("assistant",), id="an API that is switched off"),
        pytest.param(an_account(assistant_id="x"), "auto", None, ("assistant",), id="a malformed id"),
        pytest.param(an_account(access="lost"), "auto", Api.ASSISTANTS, ("kommo_token",), id="a token that is refused"),
        pytest.param(
            Account(ACCOUNT_ID, "acme"), "auto", None, ("openai_api_key", "assistant", "kommo_token"), id="new"
        ),
    ],
)
def test_what_an_account_lacks_is_told(
    account: Account, choice: ApiChoice, asked_through: Api | None, missing: tuple[str, ...]
) -> None:
    state = Company(account, choice).settings.state(account)
    assert (state.asked_through, state.missing) == (asked_through, missing)


def test_saving_changes_what_is_named_and_keeps_the_definition_of_the_assistant() -> None:
    company = Company()
    assert company.save({"failure_text": "Um momento."}) == Checked(imported=COPY)
    assert company.stored == replace(
        company.account, failure_text="Um momento.", profile=COPY, version=company.stored.version
    )


def test_saving_under_the_version_that_is_shown_is_done_and_makes_a_new_one() -> None:
    company = Company()
    shown = company.version
    company.save({"failure_text": "A"}, version=shown)
    assert company.version != shown
    company.save({"failure_text": "B"}, version=company.version)
    assert company.stored.failure_text == "B"


def test_saving_under_an_older_version_is_refused_and_changes_nothing() -> None:
    company = Company()
    shown = company.version
    company.save({"failure_text": "A"}, version=shown)
    before, looks = company.stored, len(company.setup.calls)
    with pytest.raises(SettingsStale) as stale:
        company.save({"failure_text": "B"}, version=shown)
    assert (stale.value.account, company.stored, len(company.setup.calls)) == (before, before, looks)


def test_of_two_who_save_at_the_same_moment_the_slower_one_is_refused() -> None:
    company = Company()
    company.accounts.rivals = [lambda found: replace(found, failure_text="rival")]
    with pytest.raises(SettingsStale):
        company.save({"failure_text": "mine"}, version=company.version)
    assert company.stored.failure_text == "rival"


def test_what_no_person_has_changed_makes_nobody_start_anew() -> None:
    company = Company()
    shown = company.version
    company.accounts.rivals = [
        lambda found: replace(found, plan="pro", secrets=replace(found.secrets, access_token="new"))
    ]
    company.save({"failure_text": "mine"}, version=shown)
    assert (company.stored.failure_text, company.stored.plan) == ("mine", "pro")


def test_saving_without_a_version_is_always_done() -> None:
    company = Company()
    company.accounts.rivals = [lambda found: replace(found, failure_text="rival")]
    company.save({"failure_text": "mine"})
    assert company.stored.failure_text == "mine"


@pytest.mark.parametrize(
    ("form", "field_name"),
    [
        ({"change": {"openai_api_key": "sk-…0000"}}, "openai_api_key"),
        ({"change": {"profile": {"instructions": "Without a model."}}}, "profile.model"),
        ({"change": {"failure_text": "x"}, "profile_marks": {"active": False}}, "profile.active"),
    ],
    ids=["a stale mask", "a profile without a model", "a mark of a profile that is not there"],
)
def test_what_cannot_be_saved_changes_nothing(form: dict[str, object], field_name: str) -> None:
    company = Company()
    with pytest.raises(InvalidFields) as invalid:
        company.save(**form)  # type: ignore[arg-type]
    assert list(invalid.value.fields) == [field_name]
    assert company.stored == company.account
    with pytest.raises(InvalidFields):
        company.settings.test(company.stored, SettingsForm(**form))  # type: ignore[arg-type]


def test_marks_that_come_back_as_they_were_shown_change_nothing() -> None:
    company = Company(an_account(profile=COPY))
    company.save({}, profile_marks={"source": "imported", "active": False})
    assert company.stored == company.account


def test_an_account_that_was_removed_is_not_saved() -> None:
    company = Company()
    company.accounts.stored.clear()
    with pytest.raises(AccountUnknown):
        company.save({"failure_text": "x"})


@pytest.mark.parametrize(
    ("account", "change", "checked"),
    [
        (an_account(), {"openai_api_key": None}, Checked(Failure.OPENAI_AUTHENTICATION, NO_KEY)),
        (an_account(), {"assistant_id": None}, Checked(Failure.ASSISTANT_NOT_FOUND, NO_ID)),
        (an_account(profile=OWN), {"openai_api_key": "sk-new"}, Checked()),
    ],
    ids=["no key", "no assistant", "nothing"],
)
def test_saving_tells_what_is_missing(account: Account, change: SettingsChange, checked: Checked) -> None:
    assert Company(account).save(change) == checked


def test_saving_tells_what_openai_says() -> None:
    company = Company(setup=FakeSetup(import_error=AskError(Failure.OPENAI_AUTHENTICATION, code="invalid_api_key")))
    assert company.save({"openai_api_key": "sk-new"}) == Checked(Failure.OPENAI_AUTHENTICATION, "invalid_api_key")
    assert company.stored.secrets.openai_api_key == "sk-new"


def test_saving_tells_of_an_api_that_has_ended_only_where_there_is_no_copy_to_ask() -> None:
    company = Company(setup=FakeSetup(import_error=GONE))
    assert company.save({}) == Checked(Failure.OPENAI_UNEXPECTED, API_CLOSED, api_gone=True)
    company = Company(an_account(profile=COPY), setup=FakeSetup(import_error=GONE))
    assert company.save({}) == Checked(api_gone=True)


def test_an_api_that_has_ended_hides_no_bad_key() -> None:
    bad_key = AskError(Failure.OPENAI_AUTHENTICATION, code="invalid_api_key")
    company = Company(an_account(profile=COPY), setup=FakeSetup(import_error=GONE, key_error=bad_key))
    assert company.save({}) == Checked(Failure.OPENAI_AUTHENTICATION, "invalid_api_key", api_gone=True)


def test_a_test_saves_nothing_of_what_it_tries() -> None:
    company = Company(an_account(profile=OWN))
    checked = company.test({"openai_api_key": "sk-other", "profile": {"model": "gpt-5"}, "locale": "es"})
    assert checked.reply == "Olá!"
    ((question, _),) = company.engine.asked
    assert question.assistant.profile == replace(OWN, model="gpt-5")
    assert set(company.setup.keys) == {"sk-other"}
    assert company.stored == company.account


def test_a_test_keeps_the_definition_of_the_assistant_that_is_saved() -> None:
    company = Company()
    shown = company.version
    assert company.test().imported == COPY
    assert company.stored.profile == COPY
    assert company.version == shown


def test_a_test_of_another_assistant_keeps_nothing() -> None:
    company = Company()
    assert company.test({"assistant_id": "asst_other"}).imported == COPY
    assert company.stored == company.account


def test_a_definition_never_takes_the_place_of_what_was_saved_meanwhile() -> None:
    company = Company()
    company.setup.meanwhile = lambda: company.accounts.stored.update(
        {ACCOUNT_ID: replace(company.account, profile=OWN, version=9)}
    )
    company.test()
    assert company.stored.profile == OWN


def test_a_test_without_a_key_asks_nobody() -> None:
    company = Company(an_account(secrets=Secrets()))
    assert company.test().reason == NO_KEY
    assert company.setup.calls == []
