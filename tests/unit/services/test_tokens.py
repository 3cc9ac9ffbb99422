"""Refreshing the tokens of Kommo: once at a time, and both new ones stored before either is used (kommo.md 5.3)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from app.domain.accounts import Access, Account, Secrets
from app.domain.oauth_tokens import GrantRefused, IntegrationUnknown, KommoUnavailable, Tokens, TokensUnavailable
from app.services.tokens import LOCK_SECONDS, QUICKLY_SECONDS, TokenKeeper
from tests.builders import an_account
from tests.unit.services.ports_in_memory import NOW, Clock, FakeAccounts, FakeLocks

INSTALLED = an_account(secrets=Secrets("sk-key", "old", "refresh-1"))
LONG_LIVED = an_account(secrets=Secrets("sk-key", "old"))
FRESH = Tokens("new", "refresh-2", 0.0)
LOST = TokensUnavailable("dropped", maybe_granted=True)


@dataclass
class Desk:
    """grants: what Kommo's token endpoint says, one entry a call. moved: where the account is found again."""

    clock: Clock
    account: Account | None = INSTALLED
    grants: list[Tokens | Exception] = field(default_factory=lambda: [FRESH])
    moved: Account | Exception | None = None
    asked: list[str] = field(default_factory=list)
    asked_at: list[str] = field(default_factory=list)
    looked_for: int = 0
    locks: FakeLocks = field(default_factory=FakeLocks)
    call_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.accounts = FakeAccounts({INSTALLED.account_id: self.account} if self.account else {})
        self.keeper = TokenKeeper(
            self.accounts,
            self.locks,
            self._refresh,
            self.clock,
            self.clock.sleep,
            relearned=self._relearned,
            now=self.clock,
        )

    def _refresh(self, account: Account, refresh_token: str) -> Tokens:
        self.asked.append(refresh_token)
        self.asked_at.append(account.subdomain)
        self.clock.now += self.call_seconds
        grant = self.grants.pop(0)
        if isinstance(grant, Exception):
            raise grant
        return grant

    def _relearned(self, account: Account) -> Account | None:
        self.looked_for += 1
        if isinstance(self.moved, Exception):
            raise self.moved
        return self.moved

    def renewed(self, refused: str = "old") -> str | None:
        return self.keeper.renewed(self.account or INSTALLED, refused)

    @property
    def stored(self) -> Account:
        return self.accounts.stored[INSTALLED.account_id]

    @property
    def secrets(self) -> Secrets:
        return self.stored.secrets


def test_the_present_token_is_used_as_it_is(clock: Clock) -> None:
    assert Desk(clock).keeper.current(INSTALLED) == "old"
    assert Desk(clock).keeper.current(an_account(secrets=Secrets())) is None


def test_a_refused_token_is_refreshed_and_both_new_ones_are_stored_beside_the_used_one(clock: Clock) -> None:
    desk = Desk(clock)
    assert desk.renewed() == "new"
    assert desk.asked == ["refresh-1"]
    assert desk.secrets == Secrets("sk-key", "new", "refresh-2", "refresh-1")
    assert desk.stored.tokens_given_at == int(NOW)
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


# --- lost answers ---------------------------------------------------------------------------------------------------


def test_an_answer_that_is_lost_on_the_way_is_asked_for_again_with_the_same_token(clock: Clock) -> None:
    desk = Desk(clock, grants=[LOST, FRESH])
    assert desk.renewed() == "new"
    assert desk.asked == ["refresh-1", "refresh-1"]


def test_it_is_asked_for_once_more_and_not_for_ever(clock: Clock) -> None:
    desk = Desk(clock, grants=[LOST, LOST, FRESH])
    with pytest.raises(TokensUnavailable):
        desk.renewed()
    assert desk.asked == ["refresh-1", "refresh-1"]
    assert desk.stored == INSTALLED
    assert desk.renewed() == "new"


@pytest.mark.parametrize(
    ("trouble", "seconds"),
    [(LOST, QUICKLY_SECONDS + 1), (TokensUnavailable("503"), 0.0), (TokensUnavailable("refused"), 0.0)],
    ids=["lost after a long silence", "a fault of Kommo's", "nothing was sent"],
)
def test_where_kommo_cannot_be_asked_now_the_caller_hears_it(
    clock: Clock, trouble: TokensUnavailable, seconds: float
) -> None:
    desk = Desk(clock, grants=[trouble, FRESH], call_seconds=seconds)
    with pytest.raises(TokensUnavailable):
        desk.renewed()
    assert desk.asked == ["refresh-1"]
    assert desk.stored == INSTALLED
    assert desk.renewed() == "new"
    assert desk.asked == ["refresh-1", "refresh-1"]


# --- the token before it --------------------------------------------------------------------------------------------

ROTATED = an_account(secrets=Secrets("sk-key", "old", "refresh-2", "refresh-1"))


def test_where_the_newest_token_is_refused_the_one_before_it_is_tried_once(clock: Clock) -> None:
    desk = Desk(clock, ROTATED, grants=[GrantRefused(400), Tokens("new", "refresh-3", 0.0)])
    assert desk.renewed() == "new"
    assert desk.asked == ["refresh-2", "refresh-1"]
    assert desk.secrets == Secrets("sk-key", "new", "refresh-3", "refresh-1")


def test_the_one_before_it_is_forgotten_when_the_new_one_has_been_used(clock: Clock) -> None:
    desk = Desk(clock, ROTATED, grants=[Tokens("new", "refresh-3", 0.0)])
    assert desk.renewed() == "new"
    assert desk.secrets == Secrets("sk-key", "new", "refresh-3", "refresh-2")


# --- a dead grant ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 404])
def test_an_account_whose_tokens_are_dead_says_so_and_keeps_them(clock: Clock, status: int) -> None:
    desk = Desk(clock, ROTATED, grants=[GrantRefused(status), GrantRefused(status)])
    assert desk.renewed() is None
    assert (desk.stored.access, desk.secrets) == ("lost", ROTATED.secrets)


@pytest.mark.parametrize("status", [301, 402, 403, 422])
def test_a_refusal_that_says_nothing_of_the_token_leaves_the_account_alone(clock: Clock, status: int) -> None:
    desk = Desk(clock, grants=[GrantRefused(status)])
    assert desk.renewed() is None
    assert desk.stored == INSTALLED


def test_an_integration_without_a_secret_is_no_fault_of_the_token(clock: Clock) -> None:
    desk = Desk(clock, grants=[IntegrationUnknown("x")])
    assert desk.renewed() is None
    assert desk.stored == INSTALLED


@pytest.mark.parametrize(("before", "after"), [("lost", "granted"), ("revoked", "revoked")])
def test_tokens_that_are_given_again_mend_a_lost_account_only(clock: Clock, before: Access, after: Access) -> None:
    desk = Desk(clock, replace(INSTALLED, access=before))
    assert desk.renewed() == "new"
    assert desk.stored.access == after


def test_a_revoked_account_stays_revoked_when_its_grant_is_refused(clock: Clock) -> None:
    desk = Desk(clock, replace(INSTALLED, access="revoked"), grants=[GrantRefused(400)])
    assert desk.renewed() is None
    assert desk.stored.access == "revoked"


# --- a renamed account ----------------------------------------------------------------------------------------------

MOVED = replace(INSTALLED, subdomain="novo")


@pytest.mark.parametrize("status", [301, 307, 401, 404])
def test_a_renamed_account_is_refreshed_at_its_new_address(clock: Clock, status: int) -> None:
    desk = Desk(clock, grants=[GrantRefused(status), FRESH], moved=MOVED)
    assert desk.renewed() == "new"
    assert (desk.asked, desk.asked_at) == (["refresh-1", "refresh-1"], ["acme", "novo"])


@pytest.mark.parametrize("status", [400, 402, 403])
def test_other_refusals_do_not_make_anybody_look_for_it(clock: Clock, status: int) -> None:
    desk = Desk(clock, grants=[GrantRefused(status)], moved=MOVED)
    assert desk.renewed() is None
    assert desk.looked_for == 0


def test_where_nobody_can_be_asked_for_the_address_the_caller_hears_it(clock: Clock) -> None:
    desk = Desk(clock, grants=[GrantRefused(404)], moved=KommoUnavailable("503"))
    with pytest.raises(TokensUnavailable):
        desk.renewed()
    assert desk.stored == INSTALLED


# --- others at the same time ----------------------------------------------------------------------------------------


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
    assert desk.secrets == Secrets("sk-other", "new", "refresh-2", "refresh-1")
    assert desk.stored.failure_text == "outro"


def installed_anew(account: Account) -> Account:
    return replace(account, secrets=Secrets("sk-key", "of the installation", "refresh-9"), access="granted")


@pytest.mark.parametrize("grant", [FRESH, GrantRefused(400)], ids=["given", "refused"])
def test_tokens_of_an_installation_meanwhile_are_not_touched(clock: Clock, grant: Tokens | Exception) -> None:
    desk = Desk(clock, grants=[grant])
    rivals: list[Callable[[Account], Account | None]] = [installed_anew]
    desk.accounts.rivals = rivals
    desk.renewed()
    assert desk.secrets == Secrets("sk-key", "of the installation", "refresh-9")
    assert desk.stored.access == "granted"
