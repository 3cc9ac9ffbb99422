"""Working hooks off: what cannot be done now is kept until it is done or worthless, and each end is told once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.domain.acceptance import StoreUnavailable
from app.domain.kommo_hooks import CODE_SECONDS, Granted, Hook, HookOutcome, InstallHook, RevokedHook
from app.domain.oauth_tokens import GrantRefused, IntegrationUnknown, KommoUnavailable, TokensUnavailable
from app.services.installing import NotAdministrator, NotAnAccount
from app.services.kommo_hooks import (
    AGAIN_SECONDS,
    KEPT_SECONDS,
    STORE_PATIENCE_SECONDS,
    TAKEN_OVER_SECONDS,
    KommoHooks,
)
from tests.unit.services.kommo_in_memory import ACME, CLIENT_ID, GIVEN, INSTALLED, FakeUnfinished
from tests.unit.services.ports_in_memory import NOW, Clock

HOOK = InstallHook("the-code", ACME, CLIENT_ID, NOW)
GRANTED = Granted(GIVEN, ACME, CLIENT_ID, NOW)
REVOKED = RevokedHook(INSTALLED.account_id, CLIENT_ID, NOW)
AWAY = KommoUnavailable("503")


class Desk:
    """exchanges, installs, revocations: what each call brings, one entry a call."""

    def __init__(
        self,
        exchanges: list[Granted | Exception] | None = None,
        installs: list[Exception | None] | None = None,
        revocations: list[HookOutcome | Exception] | None = None,
    ) -> None:
        self.exchanges, self.installs = list(exchanges or []), list(installs or [])
        self.revocations = list(revocations or [])
        self.unfinished = FakeUnfinished()
        self.clock = Clock()
        self.kept_while_installing: list[Hook] = []
        flows: Any = self
        self.hooks = KommoHooks(flows, flows, self.unfinished, self.clock, self.clock.sleep)

    def exchanged(self, hook: InstallHook) -> Granted:
        granted: Granted = self._next(self.exchanges)
        return granted

    def installed(self, granted: Granted) -> Any:
        self.kept_while_installing += self.unfinished.kept.values()
        self._next(self.installs)
        return INSTALLED

    def revoked(self, hook: RevokedHook) -> HookOutcome:
        outcome: HookOutcome = self._next(self.revocations)
        return outcome

    def _next(self, script: list[Any]) -> Any:
        brought = script.pop(0)
        if isinstance(brought, Exception):
            raise brought
        return brought


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with capture_logs() as found:
        yield found


def told(lines: list[Any]) -> list[str]:
    return [line["outcome"] for line in lines if line["event"] == "kommo_hook"]


def test_an_installation_is_finished_at_once(lines: list[Any]) -> None:
    desk = Desk([GRANTED], [None])
    assert desk.hooks.received(HOOK) is HookOutcome.INSTALLED
    assert desk.unfinished.kept == {}
    assert told(lines) == ["installed"]
    assert lines[0]["account_id"] == INSTALLED.account_id


def test_tokens_are_kept_before_anything_else_is_done_with_them() -> None:
    desk = Desk([GRANTED], [None])
    desk.hooks.received(HOOK)
    assert desk.kept_while_installing == [GRANTED]
    assert desk.unfinished.due == {"hook-1": TAKEN_OVER_SECONDS}


@pytest.mark.parametrize(
    ("refused", "details"),
    [
        (GrantRefused(400), {"http_status": 400}),
        (GrantRefused(401), {"http_status": 401}),
        (IntegrationUnknown("x"), {"reason": "integration_unknown"}),
    ],
)
def test_a_code_that_is_refused_leaves_nothing_behind(
    lines: list[Any], refused: Exception, details: dict[str, Any]
) -> None:
    desk = Desk([refused])
    assert desk.hooks.received(HOOK) is HookOutcome.CODE_REFUSED
    assert (desk.unfinished.kept, desk.unfinished.due) == ({}, {})
    assert told(lines) == ["code_refused"]
    assert lines[0].items() >= details.items()


@pytest.mark.parametrize(
    ("refused", "outcome"),
    [(NotAdministrator(), HookOutcome.NOT_ADMINISTRATOR), (NotAnAccount(404), HookOutcome.NOT_AN_ACCOUNT)],
)
def test_tokens_that_are_good_for_nothing_are_forgotten(
    lines: list[Any], refused: Exception, outcome: HookOutcome
) -> None:
    desk = Desk([GRANTED], [refused])
    assert desk.hooks.received(HOOK) is outcome
    assert desk.unfinished.kept == {}
    assert told(lines) == [outcome]


@pytest.mark.parametrize(
    "away", [TokensUnavailable("silent", maybe_granted=True), AWAY, GrantRefused(403), GrantRefused(301)]
)
def test_a_code_that_kommo_could_not_be_asked_about_is_kept(lines: list[Any], away: Exception) -> None:
    desk = Desk([away, GRANTED], [None])
    assert desk.hooks.received(HOOK) is HookOutcome.POSTPONED
    assert (desk.unfinished.kept, desk.unfinished.due) == ({"hook-1": HOOK}, {"hook-1": AGAIN_SECONDS})
    assert desk.hooks.resume_one()
    assert desk.unfinished.kept == {}
    assert told(lines) == ["postponed", "installed"]


def test_tokens_whose_account_cannot_be_looked_up_are_kept(lines: list[Any]) -> None:
    desk = Desk([GRANTED], [AWAY, AWAY, None])
    assert desk.hooks.received(HOOK) is HookOutcome.POSTPONED
    assert desk.unfinished.kept == {"hook-1": GRANTED}
    assert desk.hooks.resume_one()
    assert desk.unfinished.due == {"hook-1": AGAIN_SECONDS}
    assert desk.hooks.resume_one()
    assert desk.unfinished.kept == {}
    assert told(lines) == ["postponed", "postponed", "installed"]


def test_the_longer_a_hook_has_waited_the_longer_it_waits() -> None:
    desk = Desk(revocations=[AWAY] * 200)
    desk.hooks.received(REVOKED)
    tries = 0
    while desk.unfinished.kept:
        desk.clock.now += desk.unfinished.due["hook-1"]
        desk.hooks.resume_one()
        tries += 1
    assert 20 < tries < 60
    assert KEPT_SECONDS < desk.clock() - NOW < 1.5 * KEPT_SECONDS


def test_a_code_is_tried_until_it_is_used_up_or_worthless(lines: list[Any]) -> None:
    desk = Desk([AWAY, AWAY, GrantRefused(400)])
    desk.hooks.received(HOOK)
    desk.hooks.resume_one()
    assert desk.unfinished.due == {"hook-1": AGAIN_SECONDS}
    desk.hooks.resume_one()
    assert desk.unfinished.kept == {}
    assert told(lines) == ["postponed", "postponed", "code_refused"]
    assert not desk.hooks.resume_one()


@pytest.mark.parametrize(("hook", "seconds"), [(HOOK, CODE_SECONDS), (GRANTED, KEPT_SECONDS), (REVOKED, KEPT_SECONDS)])
def test_what_has_become_worthless_is_given_up(lines: list[Any], hook: Hook, seconds: float) -> None:
    desk = Desk([AWAY], [AWAY], [AWAY])
    desk.unfinished.add(hook, 0.0)
    desk.clock.now += seconds
    assert desk.hooks.resume_one()
    assert list(desk.unfinished.kept.values()) == [hook]
    desk.clock.now += 1
    assert desk.hooks.resume_one()
    assert desk.unfinished.kept == {}
    assert told(lines) == ["postponed", "given_up"]


@pytest.mark.parametrize("outcome", [HookOutcome.REVOKED, HookOutcome.ACCESS_STILL_GRANTED])
def test_a_revocation_ends_as_kommo_says(lines: list[Any], outcome: HookOutcome) -> None:
    desk = Desk(revocations=[outcome])
    assert desk.hooks.received(REVOKED) is outcome
    assert (desk.unfinished.due, told(lines)) == ({}, [outcome])
    assert lines[0]["account_id"] == INSTALLED.account_id


def test_a_revocation_that_cannot_be_confirmed_now_is_confirmed_later(lines: list[Any]) -> None:
    desk = Desk(revocations=[AWAY, HookOutcome.REVOKED])
    assert desk.hooks.received(REVOKED) is HookOutcome.POSTPONED
    assert desk.unfinished.kept == {"hook-1": REVOKED}
    assert desk.hooks.resume_one()
    assert desk.unfinished.kept == {}
    assert told(lines) == ["postponed", "revoked"]


def test_when_too_much_is_kept_already_a_hook_is_given_up(lines: list[Any]) -> None:
    desk = Desk([AWAY])
    desk.unfinished.room = 0
    assert desk.hooks.received(HOOK) is HookOutcome.GIVEN_UP
    assert told(lines) == ["given_up"]


def test_an_installation_needs_no_room_among_the_kept(lines: list[Any]) -> None:
    desk = Desk([GRANTED], [None])
    desk.unfinished.room = 0
    assert desk.hooks.received(HOOK) is HookOutcome.INSTALLED


def test_tokens_in_hand_wait_for_a_redis_that_is_away() -> None:
    desk = Desk([GRANTED], [None])
    desk.unfinished.trouble = [StoreUnavailable(), StoreUnavailable()]
    assert desk.hooks.received(HOOK) is HookOutcome.INSTALLED
    assert len(desk.clock.sleeps) == 2


def test_they_do_not_wait_for_ever() -> None:
    desk = Desk([GRANTED], [None])
    desk.unfinished.trouble = [StoreUnavailable()] * 1000
    with pytest.raises(StoreUnavailable):
        desk.hooks.received(HOOK)
    assert STORE_PATIENCE_SECONDS <= desk.clock() - NOW <= STORE_PATIENCE_SECONDS + 2


def test_no_line_holds_a_code_or_a_token(lines: list[Any]) -> None:
    for desk in (Desk([GRANTED], [None]), Desk([GrantRefused(400)]), Desk([AWAY]), Desk([GRANTED], [AWAY])):
        desk.hooks.received(replace(HOOK, code="SECRET-code"))
    assert len(lines) == 4
    assert not [line for line in lines for secret in ("SECRET", GIVEN.access, GIVEN.refresh) if secret in str(line)]
