"""Refreshing the tokens of Kommo: once at a time, and both new ones stored before either is used (kommo.md 5.3)."""

from dataclasses import dataclass, field, replace

import pytest

from app.domain.accounts import Account, Secrets
from app.domain.oauth_tokens import GrantRefused, Tokens, TokensUnavailable
from app.services.tokens import LOCK_SECONDS, TokenKeeper
from tests.builders import an_account
from tests.unit.services.ports_in_memory import Clock, FakeAccounts, FakeLocks

INSTALLED = an_account(secrets=Secrets("sk-key", "old", "refresh-1"))
LONG_LIVED = an_account(secrets=Secrets("sk-key", "old"))
FRESH = Tokens("new", "refresh-2", 0.0)


@dataclass
class Desk:
    """grants: what Kommo's token endpoint says, one entry a call."""

    clock: Clock
    account: Account | None = INSTALLED
    grants: list[Tokens | Exception] = field(default_factory=lambda: [FRESH])
    asked: list[str] = field(default_factory=list)
    locks: FakeLocks = field(default_factory=FakeLocks)

    def __post_init__(self) -> None:
        self.accounts = FakeAccounts({INSTALLED.account_id: self.account} if self.account else {})
        self.keeper = TokenKeeper(self.accounts, self.locks, self._refresh, self.clock, self.clock.sleep)

    def _refresh(self, account: Account, refresh_token: str) -> Tokens:
        self.asked.append(refresh_token)
        grant = self.grants.pop(0)
        if isinstance(grant, Exception):
            raise grant
        return grant

    def renewed(self, refused: str = "old") -> str | None:
        return self.keeper.renewed(self.account or INSTALLED, refused)

    @property
    def secrets(self) -> Secrets:
        return self.accounts.stored[INSTALLED.account_id].secrets


def test_the_present_token_is_used_as_it_is(clock: Clock) -> None:
    assert Desk(clock).keeper.current(INSTALLED) == "old"
    assert Desk(clock).keeper.current(an_account(secrets=Secrets())) is None


def test_a_refused_token_is_refreshed_and_both_new_ones_are_stored(clock: Clock) -> None:
    desk = Desk(clock)
    assert desk.renewed() == "new"
    assert desk.asked == ["refresh-1"]
    assert desk.secrets == Secrets("sk-key", "new", "refresh-2")
    assert desk.locks.names == [f"token_refresh:{INSTALLED.account_id}"]


def test_a_token_that_somebody_else_has_refreshed_is_simply_used(clock: Clock) -> None:
    desk = Desk(clock)
    assert desk.renewed("older") == "old"
    assert desk.asked == []


def test_a_long_lived_token_has_no_successor(clock: Clock) -> None:
    desk = Desk(clock, LONG_LIVED)
    assert desk.renewed() is None
    assert (desk.asked, desk.locks.names) == ([], [])


def test_an_account_that_is_gone_has_none(clock: Clock) -> None:
    assert Desk(clock, None).renewed() is None


def test_a_grant_that_is_refused_gives_none_and_changes_nothing(clock: Clock) -> None:
    desk = Desk(clock, grants=[GrantRefused(400)])
    assert desk.renewed() is None
    assert desk.secrets == INSTALLED.secrets


def test_where_kommo_cannot_be_asked_the_caller_hears_it(clock: Clock) -> None:
    desk = Desk(clock, grants=[TokensUnavailable("500"), FRESH])
    with pytest.raises(TokensUnavailable):
        desk.renewed()
    assert desk.secrets == INSTALLED.secrets
    assert desk.renewed() == "new"
    assert desk.asked == ["refresh-1", "refresh-1"]


def test_whoever_comes_second_waits_for_the_first_ones_token(clock: Clock) -> None:
    desk = Desk(clock, locks=FakeLocks([True, True]))

    def first_one_ends(seconds: float) -> None:
        clock.sleep(seconds)
        if len(clock.sleeps) == 2:
            desk.accounts.stored[INSTALLED.account_id] = replace(INSTALLED, secrets=Secrets("sk-key", "theirs", "r"))

    desk.keeper = replace(desk.keeper, sleep=first_one_ends)
    assert desk.renewed() == "theirs"
    assert desk.asked == []


def test_a_refresh_of_somebody_else_that_does_not_end_is_not_waited_for_for_ever(clock: Clock) -> None:
    desk = Desk(clock, locks=FakeLocks([True] * 1000))
    began = clock()
    with pytest.raises(TokensUnavailable):
        desk.renewed()
    assert LOCK_SECONDS <= clock() - began <= LOCK_SECONDS + 1


def test_what_was_refreshed_while_the_lock_was_taken_is_used(clock: Clock) -> None:
    desk = Desk(clock)
    reads = [INSTALLED, replace(INSTALLED, secrets=Secrets("sk-key", "theirs", "r"))]

    def read(account_id: int) -> Account | None:
        return reads.pop(0)

    desk.accounts.get = read  # type: ignore[method-assign]
    assert desk.renewed() == "theirs"
    assert desk.asked == []


def test_a_change_of_the_account_meanwhile_is_kept_beside_the_new_tokens(clock: Clock) -> None:
    desk = Desk(clock)

    def rival(account: Account) -> Account:
        return replace(account, failure_text="outro", secrets=replace(account.secrets, openai_api_key="sk-other"))

    desk.accounts.rivals = [rival, rival]
    assert desk.renewed() == "new"
    assert desk.secrets == Secrets("sk-other", "new", "refresh-2")
    assert desk.accounts.stored[INSTALLED.account_id].failure_text == "outro"
