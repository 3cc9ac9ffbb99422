"""Calls about accounts and tokens wait for their moment among all calls to Kommo, and leave from its address."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.domain.answers import Deadline
from app.domain.oauth_tokens import KommoAccount, KommoUnavailable, OAuthIntegration
from app.domain.turn import Departure
from app.services.paced import LOOK_AGAIN_SECONDS, NO_ROOM, SHARED_ACCOUNT, Gate, PacedLookUp, PacedTokenEndpoint
from tests.unit.services.kommo_in_memory import GIVEN, FakeLookUp, FakeTokenEndpoint
from tests.unit.services.ports_in_memory import Clock

INTEGRATION = OAuthIntegration("id", "secret", "https://bot/cb")
ORIGIN = "https://acme.kommo.com"
AN_ACCOUNT = KommoAccount(1, "acme")
Call = Callable[[Any, Deadline], Any]

CALLS: dict[str, Call] = {
    "account": lambda paced, deadline: paced.account(ORIGIN, "token", deadline),
    "account_of_refresh_token": lambda paced, deadline: paced.account_of_refresh_token(ORIGIN, "token", deadline),
    "is_administrator": lambda paced, deadline: paced.is_administrator(ORIGIN, 1, "token", deadline),
    "exchange_code": lambda paced, deadline: paced.exchange_code(ORIGIN, INTEGRATION, "code", deadline),
    "refresh": lambda paced, deadline: paced.refresh(ORIGIN, INTEGRATION, "token", deadline),
}


@dataclass
class MomentsOf:
    """A pace. moments: what each ask brings, None where continue calls go first; the last one stays."""

    moments: list[Departure | None]
    asked: list[tuple[int, bool]] = field(default_factory=list)

    def departure(self, account_id: int, *, ahead: bool = False, within: float = 0.02) -> Departure | None:
        self.asked.append((account_id, ahead))
        return self.moments.pop(0) if len(self.moments) > 1 else self.moments[0]

    def hold(self, account_id: int, seconds: float) -> None:
        raise NotImplementedError


def paced(name: str, gate: Gate) -> PacedLookUp | PacedTokenEndpoint:
    """What leaves from the address `second`; a call from the other one fails."""
    if name in ("exchange_code", "refresh"):
        return PacedTokenEndpoint({"first": FakeTokenEndpoint(), "second": FakeTokenEndpoint([GIVEN])}, gate)
    second = FakeLookUp().says(ORIGIN, "token", AN_ACCOUNT)
    return PacedLookUp({"first": FakeLookUp(administrator=KommoUnavailable("x")), "second": second}, gate)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("ahead", [False, True])
def test_a_call_leaves_at_its_moment_from_its_address(name: str, ahead: bool, clock: Clock) -> None:
    pace = MomentsOf([Departure("second", 0.015)])
    gate = Gate(pace, 2.0, ahead, clock, clock.sleep)
    assert CALLS[name](paced(name, gate), Deadline(clock() + 20, clock)) in (GIVEN, AN_ACCOUNT, True)
    assert clock.sleeps == [0.015]
    assert pace.asked == [(SHARED_ACCOUNT, ahead)]


@pytest.mark.parametrize("name", CALLS)
def test_a_call_without_room_does_not_leave(name: str, clock: Clock) -> None:
    began = clock()
    gate = Gate(MomentsOf([None]), 2.0, False, clock, clock.sleep)
    with pytest.raises(KommoUnavailable, match=NO_ROOM):
        CALLS[name](paced(name, gate), Deadline(clock() + 20, clock))
    assert 2.0 - 2 * LOOK_AGAIN_SECONDS <= clock() - began <= 2.0


def test_a_call_waits_until_there_is_room(clock: Clock) -> None:
    gate = Gate(MomentsOf([None, None, Departure("second")]), 2.0, False, clock, clock.sleep)
    assert gate.passed(Deadline(clock() + 20, clock)) == "second"
    assert clock.sleeps == [LOOK_AGAIN_SECONDS] * 2


def test_nobody_waits_past_a_deadline(clock: Clock) -> None:
    began = clock()
    gate = Gate(MomentsOf([None]), 2.0, False, clock, clock.sleep)
    assert gate.passed(Deadline(clock() + 0.5, clock)) is None
    assert clock() - began <= 0.5


def test_a_call_that_finds_room_at_once_does_not_ask_how_much_time_there_is(clock: Clock) -> None:
    gate = Gate(MomentsOf([Departure("second")]), 0.0, True, clock, clock.sleep)
    assert gate.passed(Deadline(clock(), clock)) == "second"
    assert clock.sleeps == []
