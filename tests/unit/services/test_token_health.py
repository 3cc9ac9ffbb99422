"""The regular look at tokens: who is looked at when, and what becomes of what was found."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from app.domain.accounts import Access, Account, Secrets
from app.domain.oauth_tokens import KommoUnavailable, TokensUnavailable
from app.services.paced import NO_ROOM
from app.services.token_health import (
    AGAIN_AFTER_TROUBLE,
    AGAIN_WITHOUT_ROOM,
    MOST_IN_A_ROUND,
    OLDEST_REFRESH_TOKEN,
    PROVED_FOR,
    TokenHealth,
)
from tests.builders import an_account
from tests.unit.services.kommo_in_memory import Registry
from tests.unit.services.ports_in_memory import NOW, Clock, FakeTokens

DAY = 24 * 3600
THREE_MONTHS = 89 * DAY


def given(days_ago: float, **changes: Any) -> Account:
    """An account whose tokens were given so many days ago."""
    secrets = Secrets("sk-key", "access", "refresh")
    return an_account(secrets=secrets, tokens_given_at=int(NOW - days_ago * DAY), **changes)


LONG_LIVED = an_account(secrets=Secrets("sk-key", "access"))


@dataclass
class FakeChecks:
    """due: accounts whose time has come."""

    due: list[int] = field(default_factory=list)
    put: dict[int, float] = field(default_factory=dict)
    dropped: list[int] = field(default_factory=list)
    enlisted: list[int] = field(default_factory=list)
    within: float = 0.0

    def enlist(self, account_ids: Any, within: float) -> None:
        self.enlisted, self.within = list(account_ids), within

    def take(self) -> int | None:
        return self.due.pop(0) if self.due else None

    def put_off(self, account_id: int, seconds: float) -> None:
        self.put[account_id] = seconds

    def drop(self, account_id: int) -> None:
        self.dropped.append(account_id)


class Desk:
    """answers: what Kommo says of the tokens, one entry a look."""

    def __init__(self, *accounts: Account, answers: Any = (), renewals: Any = ()) -> None:
        self.accounts = Registry(*accounts)
        self.checks = FakeChecks([account.account_id for account in accounts])
        self.tokens = FakeTokens(renewals=list(renewals))
        self.answers = list(answers)
        self.looked_at: list[int] = []
        proving: Any = self
        self.health = TokenHealth(self.checks, self.accounts, self.accounts.ids, proving, self.tokens, Clock())

    def refusal(self, account: Account) -> int | None:
        self.looked_at.append(account.account_id)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return None if answer else 401

    @property
    def put_off(self) -> float:
        (seconds,) = self.checks.put.values()
        return seconds


def test_new_accounts_are_looked_at_within_a_day() -> None:
    desk = Desk(given(1), replace(LONG_LIVED, account_id=5))
    desk.health.enlist()
    assert (desk.checks.enlisted, desk.checks.within) == ([5, 31000001], PROVED_FOR)


@pytest.mark.parametrize("account", [given(1.5), LONG_LIVED, given(1.5, access="lost")], ids=["oauth", "long", "lost"])
def test_a_token_that_was_not_proved_for_a_day_is_proved(account: Account) -> None:
    desk = Desk(account, answers=[True])
    desk.health.look_round()
    assert desk.looked_at == [account.account_id]
    assert (desk.accounts.one.access, desk.put_off) == ("granted", PROVED_FOR)


def test_tokens_that_were_given_within_a_day_need_no_proof() -> None:
    desk = Desk(given(0.25))
    desk.health.look_round()
    assert desk.looked_at == []
    assert desk.put_off == pytest.approx(0.75 * DAY)


def test_a_dead_token_is_written_into_the_record() -> None:
    desk = Desk(LONG_LIVED, answers=[False])
    desk.health.look_round()
    assert (desk.accounts.one.access, desk.put_off) == ("lost", PROVED_FOR)


def test_what_is_known_makes_no_new_version() -> None:
    desk = Desk(replace(LONG_LIVED, access="lost", version=4), answers=[False])
    desk.health.look_round()
    assert desk.accounts.one.version == 4


@pytest.mark.parametrize(
    "account",
    [given(30, access="revoked"), an_account(secrets=Secrets("sk-key"))],
    ids=["revoked", "without a token"],
)
def test_who_has_no_access_is_not_asked_about(account: Account) -> None:
    desk = Desk(account)
    desk.health.look_round()
    assert (desk.looked_at, desk.put_off) == ([], PROVED_FOR)


def test_an_account_that_is_revoked_meanwhile_stays_revoked() -> None:
    desk = Desk(LONG_LIVED, answers=[False])
    desk.accounts.rivals = [lambda found: replace(found, access="revoked")]
    desk.health.look_round()
    assert desk.accounts.one.access == "revoked"


def test_an_account_that_was_removed_is_dropped() -> None:
    desk = Desk()
    desk.checks.due = [7]
    desk.health.look_round()
    assert (desk.checks.dropped, desk.checks.put) == ([7], {})


@pytest.mark.parametrize(
    ("account", "renewed"),
    [
        (given(27.9), False),
        (given(28.1), True),
        (given(85), True),
        (replace(given(1), tokens_given_at=None), True),
        (LONG_LIVED, False),
    ],
    ids=["young", "four weeks", "nearly three months", "of unknown age", "long-lived"],
)
def test_an_old_refresh_token_is_used_before_it_dies(account: Account, renewed: bool) -> None:
    assert OLDEST_REFRESH_TOKEN + PROVED_FOR + AGAIN_AFTER_TROUBLE < THREE_MONTHS
    desk = Desk(account, answers=[True], renewals=["new"])
    desk.health.look_round()
    assert desk.tokens.refused == (["access"] if renewed else [])
    assert desk.looked_at == [account.account_id]


@pytest.mark.parametrize("access", ["granted", "lost"])
@pytest.mark.parametrize("trouble", [KommoUnavailable("503"), TokensUnavailable("refused")])
def test_where_kommo_does_not_answer_it_is_asked_again_in_an_hour(access: Access, trouble: Exception) -> None:
    account = replace(LONG_LIVED, access=access)
    desk = Desk(account, answers=[trouble])
    desk.health.look_round()
    assert (desk.accounts.one, desk.put_off) == (account, AGAIN_AFTER_TROUBLE)


def test_an_account_in_trouble_does_not_keep_the_others_waiting() -> None:
    accounts = [replace(LONG_LIVED, account_id=number) for number in (1, 2, 3)]
    desk = Desk(*accounts, answers=[KommoUnavailable("402"), True, True])
    desk.health.look_round()
    assert desk.looked_at == [1, 2, 3]


def test_without_room_in_the_rate_the_round_ends() -> None:
    accounts = [replace(LONG_LIVED, account_id=number) for number in (1, 2, 3)]
    desk = Desk(*accounts, answers=[True, KommoUnavailable(NO_ROOM), True])
    desk.health.look_round()
    assert desk.looked_at == [1, 2]
    assert desk.checks.put == {1: PROVED_FOR, 2: AGAIN_WITHOUT_ROOM}


def test_a_round_has_an_end() -> None:
    accounts = [replace(LONG_LIVED, account_id=number) for number in range(1, MOST_IN_A_ROUND + 5)]
    desk = Desk(*accounts, answers=[True] * len(accounts))
    desk.health.look_round()
    assert len(desk.looked_at) == MOST_IN_A_ROUND
