"""Changing an account's record while others may change it too."""

from dataclasses import replace

import pytest

from app.domain.accounts import Account, ChangedMeanwhile
from app.services.record_changes import ATTEMPTS, change_record
from tests.builders import an_account
from tests.unit.services.ports_in_memory import FakeAccounts

ACCOUNT = an_account()


def in_english(account: Account) -> Account:
    return replace(account, locale="en")


def test_a_change_is_stored_and_returned() -> None:
    accounts = FakeAccounts({ACCOUNT.account_id: ACCOUNT})
    changed, was = change_record(accounts, ACCOUNT.account_id, in_english)
    assert was
    assert changed == accounts.stored[ACCOUNT.account_id] == replace(ACCOUNT, locale="en", version=1)


def test_a_change_of_somebody_else_meanwhile_is_kept() -> None:
    accounts = FakeAccounts({ACCOUNT.account_id: ACCOUNT}, [lambda found: replace(found, paused=True)])
    changed, was = change_record(accounts, ACCOUNT.account_id, in_english)
    assert changed is not None
    assert (was, changed.locale, changed.paused) == (True, "en", True)


def test_what_is_so_already_makes_no_new_version() -> None:
    accounts = FakeAccounts({ACCOUNT.account_id: ACCOUNT})
    assert change_record(accounts, ACCOUNT.account_id, lambda found: replace(found, locale="pt")) == (ACCOUNT, False)
    assert change_record(accounts, ACCOUNT.account_id, lambda _: None) == (ACCOUNT, False)
    assert accounts.stored[ACCOUNT.account_id].version == ACCOUNT.version


def test_an_account_that_is_not_there_or_goes_meanwhile_is_not_changed() -> None:
    assert change_record(FakeAccounts(), 1, in_english) == (None, False)
    leaving = FakeAccounts({ACCOUNT.account_id: ACCOUNT}, [lambda _: None])
    assert change_record(leaving, ACCOUNT.account_id, in_english) == (None, False)
    assert leaving.stored == {}


def test_where_others_change_it_all_the_time_it_is_given_up() -> None:
    rivals = [lambda found: replace(found, paused=not found.paused)] * ATTEMPTS
    accounts = FakeAccounts({ACCOUNT.account_id: ACCOUNT}, list(rivals))
    with pytest.raises(ChangedMeanwhile):
        change_record(accounts, ACCOUNT.account_id, in_english)
