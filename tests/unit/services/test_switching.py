"""Waking the imported profile when the Assistants API is gone (contract 3.1)."""

from dataclasses import replace

import pytest

from app.domain.accounts import Account
from app.domain.assistants import Profile
from app.services.switching import ProfileSwitching
from tests.builders import an_account
from tests.unit.services.ports_in_memory import FakeAccounts

SLEEPING = Profile("gpt-5", "Importado.", source="imported", active=False)
AWAKE = replace(SLEEPING, active=True)
ACCOUNT = an_account(profile=SLEEPING)


def accounts_with(account: Account) -> FakeAccounts:
    return FakeAccounts({account.account_id: account})


def test_a_sleeping_profile_is_woken_and_the_account_says_so() -> None:
    accounts = accounts_with(ACCOUNT)
    assert ProfileSwitching(accounts).wake_profile(ACCOUNT) == AWAKE
    stored = accounts.stored[ACCOUNT.account_id]
    assert (stored.profile, stored.version) == (AWAKE, ACCOUNT.version + 1)


def test_a_profile_that_is_awake_is_left_as_it_is() -> None:
    accounts = accounts_with(an_account(profile=AWAKE))
    assert ProfileSwitching(accounts).wake_profile(ACCOUNT) == AWAKE
    assert accounts.stored[ACCOUNT.account_id].version == ACCOUNT.version


@pytest.mark.parametrize("accounts", [FakeAccounts(), accounts_with(an_account())], ids=["no-account", "no-profile"])
def test_where_there_is_none_nothing_wakes(accounts: FakeAccounts) -> None:
    assert ProfileSwitching(accounts).wake_profile(ACCOUNT) is None


def test_many_who_find_out_together_change_the_account_once() -> None:
    accounts = accounts_with(ACCOUNT)
    accounts.rivals = [lambda account: replace(account, profile=AWAKE)]
    assert ProfileSwitching(accounts).wake_profile(ACCOUNT) == AWAKE
    assert accounts.stored[ACCOUNT.account_id].version == ACCOUNT.version + 1


def test_another_change_meanwhile_is_kept() -> None:
    accounts = accounts_with(ACCOUNT)
    accounts.rivals = [lambda account: replace(account, failure_text="outro")]
    assert ProfileSwitching(accounts).wake_profile(ACCOUNT) == AWAKE
    stored = accounts.stored[ACCOUNT.account_id]
    assert (stored.profile, stored.failure_text) == (AWAKE, "outro")
