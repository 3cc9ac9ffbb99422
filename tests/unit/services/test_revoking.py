"""A signed revocation is believed when Kommo's API agrees, however often it is sent (kommo.md 5.4)."""

from dataclasses import replace
from typing import Any

import pytest

from app.domain.accounts import Account, Secrets
from app.domain.kommo_hooks import HookOutcome, RevokedHook
from app.domain.oauth_tokens import KommoUnavailable
from app.services.revoking import SECOND_LOOK_SECONDS, Revoking
from tests.unit.services.kommo_in_memory import CLIENT_ID, INSTALLED, PRIVATE_ID, Registry
from tests.unit.services.ports_in_memory import NOW, Clock

HOOK = RevokedHook(INSTALLED.account_id, CLIENT_ID, NOW)


class FakeProving:
    """answers: how Kommo refuses the tokens, None where it takes them, one entry a look."""

    def __init__(self, *answers: int | Exception | None) -> None:
        self.answers = list(answers)

    def refusal(self, account: Account) -> int | None:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def revoked(accounts: Registry, *answers: int | Exception | None, clock: Clock | None = None) -> HookOutcome:
    proving: Any = FakeProving(*answers)
    outcome = Revoking(accounts, proving, CLIENT_ID, (clock or Clock()).sleep).revoked(HOOK)
    assert proving.answers == []
    return outcome


def test_tokens_that_kommo_refuses_confirm_it() -> None:
    accounts = Registry(INSTALLED)
    assert revoked(accounts, 401) is HookOutcome.REVOKED
    assert accounts.one == replace(INSTALLED, access="revoked", version=INSTALLED.version + 1)


def test_a_hook_that_was_faster_than_the_revocation_is_confirmed_by_a_second_look(clock: Clock) -> None:
    accounts = Registry(INSTALLED)
    assert revoked(accounts, None, 401, clock=clock) is HookOutcome.REVOKED
    assert accounts.one.access == "revoked"
    assert clock.sleeps == [SECOND_LOOK_SECONDS]


def test_an_account_that_was_installed_again_is_not_revoked_by_its_old_hook() -> None:
    accounts = Registry(INSTALLED)
    assert revoked(accounts, None, None) is HookOutcome.ACCESS_STILL_GRANTED
    assert accounts.one == INSTALLED


def test_a_second_hook_changes_nothing_and_asks_nobody() -> None:
    account = replace(INSTALLED, access="revoked", version=9)
    accounts = Registry(account)
    assert revoked(accounts) is HookOutcome.REVOKED_BEFORE
    assert accounts.one == account


@pytest.mark.parametrize(
    ("accounts", "outcome"),
    [
        (Registry(), HookOutcome.ACCOUNT_UNKNOWN),
        (Registry(replace(INSTALLED, client_id=PRIVATE_ID)), HookOutcome.OTHER_INTEGRATION),
    ],
)
def test_who_is_not_concerned_is_left_alone(accounts: Registry, outcome: HookOutcome) -> None:
    before = dict(accounts.stored)
    assert revoked(accounts) is outcome
    assert accounts.stored == before


def test_an_account_that_lost_its_tokens_before_is_looked_at_all_the_same() -> None:
    accounts = Registry(replace(INSTALLED, access="lost"))
    assert revoked(accounts, 401) is HookOutcome.REVOKED


def test_an_account_without_tokens_has_nothing_that_could_be_proved() -> None:
    accounts = Registry(replace(INSTALLED, secrets=Secrets("sk-key")))
    assert revoked(accounts) is HookOutcome.REVOKED


@pytest.mark.parametrize("said", [KommoUnavailable("503"), 404, 301], ids=repr)
def test_where_kommo_does_not_say_that_the_tokens_are_refused_nothing_is_changed(said: int | Exception) -> None:
    accounts = Registry(INSTALLED)
    with pytest.raises(KommoUnavailable):
        revoked(accounts, said)
    assert accounts.one == INSTALLED
