"""Notes on leads: written when there is room, dropped when there is none for long (contract 5)."""

from dataclasses import dataclass, field

import pytest

from app.domain.accounts import Account
from app.domain.delivery import CallOutcome, Verdict
from app.domain.failures import Failure
from app.domain.note_texts import alert_text, failure_note
from app.domain.turn import Departure, Status, Turn
from app.services.noting import KEPT_SECONDS, Noting
from tests.builders import an_account
from tests.unit.services.ports_in_memory import (
    ACCEPTED,
    Clock,
    FakeAccounts,
    FakeCrm,
    FakeNotes,
    FakePace,
    FakeTokens,
    FakeTurns,
    a_turn,
    outcomes,
)

POSTPONED = 3.0
FAILED = a_turn(status=Status.DELIVERED, error_code=Failure.OPENAI_QUOTA)
ACCOUNT = an_account(locale="es")


@dataclass
class Desk:
    clock: Clock
    script: list[CallOutcome] = field(default_factory=lambda: [ACCEPTED])
    turn: Turn | None = field(default_factory=lambda: FAILED)
    account: Account | None = ACCOUNT
    tokens: FakeTokens = field(default_factory=FakeTokens)
    pace: FakePace = field(default_factory=FakePace)

    def __post_init__(self) -> None:
        self.notes = FakeNotes(["r1"])
        self.crm = FakeCrm(note_script=self.script)

    def write(self) -> bool:
        accounts = FakeAccounts({ACCOUNT.account_id: self.account} if self.account else {})
        return Noting(
            self.notes,
            FakeTurns(self.turn),
            accounts,
            self.tokens,
            self.pace,
            self.crm,
            lambda account: f"https://{account.subdomain}.kommo.com",
            "https://bot.test",
            self.clock,
            self.clock.sleep,
            POSTPONED,
        ).write_one()


def test_without_a_note_there_is_nothing_to_do(clock: Clock) -> None:
    desk = Desk(clock)
    desk.notes.due = []
    assert desk.write() is False
    assert desk.crm.notes == []


def test_a_note_tells_the_lead_what_happened_in_the_language_of_the_account(clock: Clock) -> None:
    desk = Desk(clock)
    assert desk.write() is True
    text = failure_note(Failure.OPENAI_QUOTA, "es", "r1", "https://bot.test")
    assert desk.crm.notes == [("https://acme.kommo.com", 7, text, "r1", "old")]
    assert desk.notes.ended == [("r1", "note_written", {})]
    assert desk.write() is False


def test_a_note_leaves_in_the_moment_and_from_the_address_reserved_for_it(clock: Clock) -> None:
    desk = Desk(clock, pace=FakePace([Departure("second", 0.015)]))
    assert desk.write() is True
    assert clock.sleeps == [0.015]
    assert desk.crm.egresses == ["second"]


def test_without_a_free_moment_it_is_postponed(clock: Clock) -> None:
    desk = Desk(clock, pace=FakePace([None]))
    assert desk.write() is True
    assert desk.notes.postponed == [("r1", POSTPONED)]
    assert desk.crm.notes == []


@pytest.mark.parametrize(
    ("outcome", "seconds"),
    [
        (CallOutcome(Verdict.TRY_LATER, 429, retry_after=30.0), 30.0),
        (CallOutcome(Verdict.TRY_LATER, 503, maybe_arrived=True), POSTPONED),
        (CallOutcome(Verdict.TRY_LATER, detail="refused"), POSTPONED),
    ],
    ids=["told-when", "overloaded", "refused"],
)
def test_a_kommo_that_has_no_time_is_tried_later(clock: Clock, outcome: CallOutcome, seconds: float) -> None:
    desk = Desk(clock, [outcome])
    assert desk.write() is True
    assert desk.notes.postponed == [("r1", seconds)]
    assert desk.notes.ended == []


def test_a_note_that_may_have_arrived_is_not_written_twice(clock: Clock) -> None:
    desk = Desk(clock, [CallOutcome(Verdict.TRY_LATER, detail="dropped", maybe_arrived=True)])
    assert desk.write() is True
    assert desk.notes.postponed == []
    assert desk.notes.ended == [("r1", "note_unknown", {"detail": "dropped"})]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404])
def test_a_refused_note_is_dropped(clock: Clock, status: int) -> None:
    (outcome,) = outcomes(status)
    desk = Desk(clock, [outcome])
    desk.write()
    assert desk.notes.ended == [("r1", "note_dropped", {"verdict": outcome.verdict, "http_status": status})]


def test_a_note_for_which_there_was_no_room_for_long_is_dropped(clock: Clock) -> None:
    desk = Desk(clock, pace=FakePace([None] * 1000))
    while desk.notes.due:
        assert desk.write() is True
        if desk.notes.postponed:
            clock.now += POSTPONED
            desk.notes.due = [request for request, _ in desk.notes.postponed]
            desk.notes.postponed = []
    assert desk.notes.ended == [("r1", "note_dropped", {"detail": "no_room_in_the_rate"})]
    assert abs(clock() * 1000 - FAILED.accepted_at - KEPT_SECONDS * 1000) <= POSTPONED * 1000
    assert desk.crm.notes == []


@pytest.mark.parametrize(
    "desk",
    [
        lambda clock: Desk(clock, turn=None),
        lambda clock: Desk(clock, account=None),
        lambda clock: Desk(clock, tokens=FakeTokens(access=None)),
    ],
    ids=["no-turn", "no-account", "no-token"],
)
def test_a_note_that_nobody_can_get_is_dropped(clock: Clock, desk: type[Desk]) -> None:
    one = desk(clock)
    assert one.write() is True
    assert one.notes.ended == [("r1", "note_dropped", {"detail": "nobody_to_write_to"})]
    assert one.crm.notes == []


@pytest.mark.parametrize("mark", [80, 100])
def test_a_crossed_mark_is_told_on_the_lead_whose_turn_crossed_it(clock: Clock, mark: int) -> None:
    desk = Desk(clock, [ACCEPTED])
    desk.notes.due = [f"r1:{mark}:8:10"]
    assert desk.write() is True
    assert desk.crm.notes == [("https://acme.kommo.com", 7, alert_text(mark, 8, 10, "es"), f"r1:{mark}:8:10", "old")]
    assert f"{mark} %" in desk.crm.notes[0][2]
    assert desk.notes.ended == [(f"r1:{mark}:8:10", "note_written", {})]
