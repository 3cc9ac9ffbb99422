"""Adding, changing and removing accounts, over fakes at the ports."""

from dataclasses import dataclass, field, replace

import pytest

from app.domain.account_changes import AccountChange, InvalidFields
from app.domain.accounts import Account, AccountExists, AccountUnknown, ChangedMeanwhile
from app.domain.assistants import ApiChoice, Profile
from app.domain.plans import Plan, PlanUnknown, When
from app.services.administration import ATTEMPTS, Administration, Defaults
from app.services.ports import SetupFindings

KEY = "sk-proj-abcdefghwxyz"
IMPORTED = Profile(model="gpt-5", instructions="Imported.", source="imported", active=False)
NOTHING_FOUND = SetupFindings()
READY: AccountChange = {
    "subdomain": "acme",
    "openai_api_key": KEY,
    "assistant_id": "asst_1",
    "access_token": "kommo-token-1234",
}


@dataclass
class FakeAccounts:
    stored: dict[int, Account] = field(default_factory=dict)
    secrets: dict[str, list[str]] = field(default_factory=dict)
    rivals: int = 0  # how often somebody else is quicker from now on
    writes: int = 0

    def get(self, account_id: int) -> Account | None:
        return self.stored.get(account_id)

    def add(self, account: Account, client_secret: str | None = None) -> Account:
        if account.account_id in self.stored:
            raise AccountExists(account.account_id)
        return self._keep(replace(account, version=1), client_secret)

    def replace(self, account: Account, expected_version: int, client_secret: str | None = None) -> Account:
        if self.rivals:
            self.rivals -= 1
            rival = self.stored[account.account_id]
            self.stored[account.account_id] = replace(rival, version=rival.version + 1, failure_text="rival")
        if self.stored[account.account_id].version != expected_version:
            raise ChangedMeanwhile(account.account_id)
        return self._keep(replace(account, version=expected_version + 1), client_secret)

    def remove(self, account_id: int) -> None:
        if self.stored.pop(account_id, None) is None:
            raise AccountUnknown(account_id)

    def page(self, after: int = 0, size: int = 100) -> tuple[Account, ...]:
        raise NotImplementedError

    def of(self, client_id: str) -> list[str]:
        return self.secrets.get(client_id, [])

    def _keep(self, account: Account, client_secret: str | None) -> Account:
        self.writes += 1
        self.stored[account.account_id] = account
        if account.client_id and client_secret:
            self.secrets[account.client_id] = [client_secret, *self.of(account.client_id)]
        return account


@dataclass
class FakePlans:
    names: tuple[str, ...] = ("teste", "basico")

    def get(self, name: str) -> Plan:
        if name not in self.names:
            raise PlanUnknown(name)
        return Plan(name, 10)


@dataclass
class FakePlanChange:
    accounts: FakeAccounts
    applied: list[tuple[int, str, str]] = field(default_factory=list)

    def apply(self, account_id: int, plan: str, when: When) -> None:
        self.applied.append((account_id, plan, when))
        if when == "now":
            found = self.accounts.stored[account_id]
            self.accounts.stored[account_id] = replace(found, plan=plan, version=found.version + 1)


@dataclass
class FakeOpenAi:
    """What is found at OpenAI. stored_when_asked: what stood in the store at that moment."""

    accounts: FakeAccounts
    findings: SetupFindings = NOTHING_FOUND
    looks: list[tuple[str | None, str]] = field(default_factory=list)
    stored_when_asked: list[Account] = field(default_factory=list)
    meanwhile: Account | None = None

    def look(self, assistant_id: str | None, api_key: str) -> SetupFindings:
        self.looks.append((assistant_id, api_key))
        self.stored_when_asked.extend(self.accounts.stored.values())
        if self.meanwhile is not None:
            self.accounts.stored[self.meanwhile.account_id] = self.meanwhile
        return self.findings


@dataclass
class Office:
    accounts: FakeAccounts
    plan_change: FakePlanChange
    openai: FakeOpenAi
    administration: Administration


def an_office(findings: SetupFindings = NOTHING_FOUND, api_choice: ApiChoice = "auto") -> Office:
    accounts = FakeAccounts()
    plan_change, openai = FakePlanChange(accounts), FakeOpenAi(accounts, findings)
    administration = Administration(
        accounts, accounts, FakePlans(), plan_change, openai, Defaults("America/Lima", "es"), api_choice
    )
    return Office(accounts, plan_change, openai, administration)


def test_a_new_account_has_the_service_s_defaults_and_the_free_plan() -> None:
    office = an_office()
    saved = office.administration.add(7, READY)
    assert saved.warnings == ()
    assert saved.account == office.accounts.stored[7]
    assert (saved.account.timezone, saved.account.locale, saved.account.plan) == ("America/Lima", "es", "teste")


def test_an_account_is_added_once() -> None:
    office = an_office()
    office.administration.add(7, READY)
    with pytest.raises(AccountExists):
        office.administration.add(7, {"subdomain": "other"})
    assert office.accounts.stored[7].subdomain == "acme"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"subdomain": "acme", "assistant_id": "asst_1", "access_token": "t"}, "openai_api_key"),
        ({**READY, "assistant_id": None}, "assistant_id"),
        ({**READY, "assistant_id": "x"}, "malformed"),
        ({**READY, "openai_api_key": "x"}, "sk-"),
        ({**READY, "access_token": None}, "access_token"),
    ],
)
def test_an_account_that_cannot_answer_yet_is_stored_with_a_warning(change: AccountChange, word: str) -> None:
    office = an_office()
    saved = office.administration.add(7, change)
    assert office.accounts.stored[7] == saved.account
    assert len(saved.warnings) == 1
    assert word in saved.warnings[0]


def test_what_openai_says_is_passed_on() -> None:
    office = an_office(SetupFindings(warnings=("OpenAI cannot be reached.",)))
    assert office.administration.add(7, READY).warnings == ("OpenAI cannot be reached.",)
    assert office.openai.looks == [("asst_1", KEY)]


def test_the_account_is_saved_before_openai_is_asked() -> None:
    office = an_office()
    office.administration.add(7, READY)
    office.administration.change(7, {"locale": "en"})
    assert [account.locale for account in office.openai.stored_when_asked] == ["es", "en"]


def test_without_a_key_openai_is_not_asked() -> None:
    office = an_office()
    office.administration.add(7, {"subdomain": "acme"})
    assert office.openai.looks == []


@pytest.mark.parametrize("assistant_id", [None, "x", "asst_1"])
def test_an_account_with_its_own_profile_has_only_its_key_tried(assistant_id: str | None) -> None:
    office = an_office()
    office.administration.add(7, {**READY, "assistant_id": assistant_id, "profile": {"model": "m"}})
    assert office.openai.looks == [(None, KEY)]


def test_the_definition_that_openai_gives_is_stored_asleep() -> None:
    office = an_office(SetupFindings(imported_profile=IMPORTED))
    saved = office.administration.add(7, READY)
    assert saved.account.profile == IMPORTED
    assert office.accounts.stored[7] == saved.account


def test_an_import_that_is_stored_already_is_not_written_again() -> None:
    office = an_office(SetupFindings(imported_profile=IMPORTED))
    before = office.administration.add(7, READY).account
    assert office.administration.change(7, {}).account == before


def test_a_profile_that_was_written_while_openai_was_asked_stays() -> None:
    office = an_office(SetupFindings(imported_profile=IMPORTED))
    own = Account(7, "acme", version=9, assistant_id="asst_1", profile=Profile("mine"))
    office.openai.meanwhile = own
    assert office.administration.add(7, READY).account == own


def test_what_openai_found_is_told_with_what_is_saved() -> None:
    findings = SetupFindings(imported_profile=IMPORTED, api_gone=True)
    assert an_office(findings).administration.add(7, READY).findings == findings
    assert an_office(findings).administration.add(7, {"subdomain": "acme"}).findings == SetupFindings()


def test_a_definition_is_kept_where_the_account_has_a_place_for_it() -> None:
    office = an_office()
    office.administration.add(7, READY)
    assert office.administration.keep_definition(7, "asst_2", IMPORTED).profile is None
    assert office.administration.keep_definition(7, "asst_1", IMPORTED).profile == IMPORTED
    with pytest.raises(AccountUnknown):
        office.administration.keep_definition(8, "asst_1", IMPORTED)


def test_a_guard_sees_what_would_be_changed_at_every_try_and_may_stop_it() -> None:
    office = an_office()
    office.administration.add(7, READY)
    office.accounts.rivals = 1
    seen: list[str | None] = []

    def guard(found: Account) -> None:
        seen.append(found.failure_text)
        if found.failure_text == "rival":
            raise InvalidFields({"failure_text": ["Somebody was quicker."]})

    with pytest.raises(InvalidFields):
        office.administration.change(7, {"locale": "en"}, guard)
    assert seen == [None, "rival"]
    assert office.accounts.stored[7].locale == "es"


def test_a_change_is_made_anew_when_somebody_else_was_quicker() -> None:
    office = an_office()
    office.administration.add(7, READY)
    office.accounts.rivals = 2
    office.administration.change(7, {"locale": "en"})
    assert (office.accounts.stored[7].locale, office.accounts.stored[7].failure_text) == ("en", "rival")


def test_a_change_gives_up_when_others_never_stop() -> None:
    office = an_office()
    office.administration.add(7, READY)
    office.accounts.rivals = ATTEMPTS
    with pytest.raises(ChangedMeanwhile):
        office.administration.change(7, {"locale": "en"})


def test_a_change_that_changes_nothing_writes_nothing() -> None:
    office = an_office()
    office.administration.add(7, READY)
    writes = office.accounts.writes
    office.administration.change(7, {"locale": "es", "openai_api_key": "sk-…wxyz"})
    assert office.accounts.writes == writes


@pytest.mark.parametrize("plan", ["nope", "TESTE"])
def test_an_unknown_plan_stops_everything(plan: str) -> None:
    office = an_office()
    with pytest.raises(InvalidFields) as caught:
        office.administration.add(7, {**READY, "plan": plan})
    assert list(caught.value.fields) == ["plan"]
    assert office.accounts.stored == {}
    before = office.administration.add(7, READY).account
    with pytest.raises(InvalidFields):
        office.administration.change(7, {"plan": plan, "locale": "en"})
    with pytest.raises(PlanUnknown):
        office.administration.set_plan(7, plan, "now")
    assert office.accounts.stored[7] == before


def test_a_new_plan_among_other_changes_goes_the_way_of_plan_changes() -> None:
    office = an_office()
    office.administration.add(7, READY)
    saved = office.administration.change(7, {"plan": "basico", "locale": "en"})
    assert office.plan_change.applied == [(7, "basico", "now")]
    assert (saved.account.plan, saved.account.locale) == ("basico", "en")
    office.administration.change(7, {"plan": "basico"})
    assert len(office.plan_change.applied) == 1


def test_a_plan_can_wait_for_the_next_month() -> None:
    office = an_office()
    office.administration.add(7, READY)
    assert office.administration.set_plan(7, "basico", "next-period").plan == "teste"
    assert office.plan_change.applied == [(7, "basico", "next-period")]


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"client_secret": "s"}, "client_secret"),
        ({"client_id": "c"}, "client_id"),
        ({"client_id": "c", "client_secret": "…wxyz"}, "client_secret"),
        ({"client_id": None, "client_secret": "s"}, "client_secret"),
    ],
    ids=["secret alone", "unknown id alone", "masked secret of an unknown one", "secret of no integration"],
)
def test_a_new_private_integration_needs_its_id_and_its_secret(change: AccountChange, wrong: str) -> None:
    office = an_office()
    with pytest.raises(InvalidFields) as caught:
        office.administration.add(7, {**READY, **change})
    assert list(caught.value.fields) == [wrong]
    assert office.accounts.stored == {}


def test_an_integration_that_is_known_needs_no_secret_again() -> None:
    office = an_office()
    office.administration.add(7, {**READY, "client_id": "c", "client_secret": "first-secret"})
    office.administration.add(8, {**READY, "client_id": "c"})
    office.administration.change(7, {"client_id": "c", "client_secret": "…cret"})
    assert office.accounts.secrets == {"c": ["first-secret"]}


def test_a_secret_can_be_changed_alone() -> None:
    office = an_office()
    office.administration.add(7, {**READY, "client_id": "c", "client_secret": "first-secret"})
    office.administration.change(7, {"client_secret": "second-secret"})
    assert office.accounts.secrets == {"c": ["second-secret", "first-secret"]}
    assert office.administration.client_secret(office.accounts.stored[7]) == "second-secret"


def test_an_account_of_the_public_integration_has_no_secret_of_its_own() -> None:
    office = an_office()
    assert office.administration.client_secret(office.administration.add(7, READY).account) is None


def test_a_pause_ends_with_resume() -> None:
    office = an_office()
    office.administration.add(7, READY)
    assert office.administration.pause(7).paused
    assert office.administration.pause(7).version == office.accounts.stored[7].version
    assert not office.administration.resume(7).paused


def test_an_account_that_is_not_there_cannot_be_worked_on() -> None:
    administration = an_office().administration
    for attempt in (
        lambda: administration.account(7),
        lambda: administration.change(7, {"locale": "en"}),
        lambda: administration.pause(7),
        lambda: administration.resume(7),
    ):
        with pytest.raises(AccountUnknown):
            attempt()
