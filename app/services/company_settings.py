"""The settings of a company as it sees, changes and tests them itself, in the widget (contract 8)."""

from dataclasses import dataclass, replace
from typing import cast

from app.domain.account_changes import AccountChange, asked_of_openai, changed
from app.domain.accounts import Account
from app.domain.assistants import Api, ApiChoice
from app.domain.company_settings import SettingsForm, SettingsStale, refuse_changed_marks, settings_version
from app.domain.failures import Failure
from app.services.administration import Administration, Saved
from app.services.settings_check import Checked, SettingsCheck, obstacle
from app.services.setup_look import API_CLOSED


@dataclass(frozen=True, slots=True)
class SettingsState:
    """What is said of settings beside themselves.

    version: stands for what people have set; see settings_version.
    asked_through: the API that the assistant is asked through, None where the settings name none that can be asked.
    missing: what the account still lacks to answer: `openai_api_key`, `assistant`, `kommo_token`.
    """

    version: int
    asked_through: Api | None
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CompanySettings:
    """Reads, saves and tests. version_key keys the hash that versions are; choice is the setting OPENAI_API."""

    administration: Administration
    tests: SettingsCheck
    choice: ApiChoice
    version_key: bytes

    def state(self, account: Account) -> SettingsState:
        """What there is to say of this account's settings."""
        assistant = asked_of_openai(account, self.choice)
        has = {
            "openai_api_key": account.secrets.openai_api_key is not None,
            "assistant": assistant is not None,
            "kommo_token": account.secrets.access_token is not None and account.access == "granted",
        }
        return SettingsState(
            version=settings_version(account, self.version_key),
            asked_through=assistant.api if assistant else None,
            missing=tuple(name for name, there in has.items() if not there),
        )

    def save(self, account_id: int, form: SettingsForm) -> tuple[Account, Checked]:
        """Save what the form says, then look at OpenAI; no question is asked. Takes up to 10 seconds.

        Raises AccountUnknown, InvalidFields, SettingsStale, ChangedMeanwhile and StoreUnavailable: then nothing was
        saved.
        """

        def guard(found: Account) -> None:
            if form.version is not None and form.version != settings_version(found, self.version_key):
                raise SettingsStale(found)
            refuse_changed_marks(found, form.profile_marks)

        saved = self.administration.change(account_id, _change(form), guard)
        return saved.account, self._looked_at(saved)

    def test(self, account: Account, form: SettingsForm) -> Checked:
        """Test the account's settings with the form's in their place, and save nothing of the form.

        A definition that OpenAI gives of the assistant which the account really names is kept (contract 3.1).
        Takes up to 28 seconds. Raises InvalidFields, AccountUnknown, ChangedMeanwhile and StoreUnavailable.
        """
        refuse_changed_marks(account, form.profile_marks)
        tried = changed(account, _change(form))
        checked = self.tests.check(tried)
        if checked.imported is not None and tried.assistant_id == account.assistant_id:
            self.administration.keep_definition(account.account_id, tried.assistant_id, checked.imported)
        return checked

    def _looked_at(self, saved: Saved) -> Checked:
        found = obstacle(saved.account, self.choice)
        if found is not None:
            return found
        findings = saved.findings
        checked = Checked(findings.failure, findings.reason, findings.api_gone, findings.imported_profile)
        answered_from_copy = saved.account.profile is not None and checked.reason == API_CLOSED
        if answered_from_copy and checked.failure is Failure.OPENAI_UNEXPECTED:
            return replace(checked, failure=None, reason=None)
        return checked


def _change(form: SettingsForm) -> AccountChange:
    """A company's change, where an operator's could stand: it has a part of the same fields."""
    return cast("AccountChange", form.change)
