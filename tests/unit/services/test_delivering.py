"""Handing an outcome to Kommo: one accepted call, until patience is over (contract 5)."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.accounts import Account
from app.domain.delivery import CallOutcome, Verdict
from app.domain.failures import Failure
from app.domain.oauth_tokens import TokensUnavailable
from app.domain.prices import PriceBook
from app.domain.turn import Departure, Parked, Status, Taken, Timing, Turn, TurnLost
from app.services.delivering import Delivering
from app.services.held import HeldTurn
from tests.builders import an_account
from tests.unit.services.ports_in_memory import (
    ACCEPTED,
    NOW,
    Clock,
    FakeCrm,
    FakePace,
    FakeTokens,
    FakeTurns,
    a_turn,
    outcomes,
)

ACCOUNT = an_account(failure_text="Um instante.")
ANSWERED = a_turn(status=Status.ANSWERED, answer="Custa 5.", remaining=41)
FAILED = a_turn(status=Status.FAILED, error_code=Failure.OPENAI_QUOTA, remaining=42)
LOST = CallOutcome(Verdict.TRY_LATER, maybe_arrived=True, detail="dropped")
UNREACHABLE = CallOutcome(Verdict.TRY_LATER, detail="refused")
PATIENCE = 120.0


@dataclass
class Desk:
    """A decided turn, and Kommo. departures: when each of its calls may leave (FakeTurns)."""

    clock: Clock
    script: list[CallOutcome]
    turn: Turn = field(default_factory=lambda: ANSWERED)
    account: Account = ACCOUNT
    tokens: FakeTokens = field(default_factory=FakeTokens)
    departures: list[Departure | None] = field(default_factory=list)
    first_wait: float = 0.5

    def __post_init__(self) -> None:
        self.crm = FakeCrm(self.script)
        self.turns = FakeTurns(self.turn, departures=self.departures)
        self.pace = FakePace()

    def deliver_once(self, taken: Taken | None = None) -> None:
        """Deliver as far as a worker gets in one go."""
        timing = Timing(turn=50.0, patience=PATIENCE)
        delivering = Delivering(
            self.crm, self.tokens, self.pace, timing, self.clock, self.clock.sleep, first_wait=self.first_wait
        )
        delivering.deliver(HeldTurn(self.turns, taken or self.turns.taken(), PriceBook({})), self.account)

    def deliver(self) -> Status:
        """Deliver, however often the turn is let go of: when its wait is over, its call leaves at once."""
        taken = self.turns.taken()
        while not self.turns.closings:
            try:
                self.deliver_once(taken)
            except Parked:
                if self.turns.changes[-1].park:
                    self.clock.now = max(self.clock.now, self.turns.parks[-1].until / 1000)
                taken = self.turns.departed()
        (closing,) = self.turns.closings
        assert closing is self.turns.changes[-1]
        assert closing.status is not None
        return closing.status

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, body, _ in self.crm.calls]


@pytest.mark.parametrize(
    ("script", "status", "calls"),
    [
        pytest.param([ACCEPTED], Status.DELIVERED, 1, id="accepted"),
        pytest.param(outcomes(404), Status.NOT_WAITING, 1, id="nobody-waits"),
        pytest.param(outcomes(429, 202), Status.DELIVERED, 2, id="rate"),
        pytest.param(outcomes(503, 202), Status.DELIVERED, 2, id="overloaded"),
        pytest.param([UNREACHABLE, ACCEPTED], Status.DELIVERED, 2, id="unreachable"),
        pytest.param([UNREACHABLE, *outcomes(404)], Status.NOT_WAITING, 2, id="unreachable-then-nobody-waits"),
        pytest.param(outcomes(429, 404), Status.NOT_WAITING, 2, id="rate-then-nobody-waits"),
        pytest.param([LOST, *outcomes(404)], Status.DELIVERED, 2, id="answer-lost"),
        pytest.param(outcomes(503, 404), Status.DELIVERED, 2, id="overloaded-after-the-effect"),
        pytest.param([LOST, *outcomes(429, 404)], Status.DELIVERED, 3, id="answer-lost-then-rate"),
        pytest.param(outcomes(400, 202), Status.DELIVERED, 2, id="body-refused"),
        pytest.param(outcomes(400, 503, 202), Status.DELIVERED, 3, id="body-refused-then-overloaded"),
        pytest.param(outcomes(400, 404), Status.NOT_WAITING, 2, id="body-refused-then-nobody-waits"),
        pytest.param(outcomes(400, 400), Status.UNDELIVERABLE, 2, id="last-resort-refused"),
        *(pytest.param(outcomes(code), Status.UNDELIVERABLE, 1, id=str(code)) for code in (301, 402, 403, 410)),
        pytest.param(outcomes(503, 403), Status.UNDELIVERABLE, 2, id="overloaded-then-forbidden"),
    ],
)
def test_kommos_words_decide(clock: Clock, script: list[CallOutcome], status: Status, calls: int) -> None:
    desk = Desk(clock, script)
    assert desk.deliver() is status
    assert len(desk.crm.calls) == calls
    assert {url for url, _, _ in desk.crm.calls} == {ANSWERED.return_url}
    assert desk.turns.charges == []


@pytest.mark.parametrize(
    ("turn", "head", "remaining"),
    [
        (ANSWERED, {"status": "success"}, "41"),
        (FAILED, {"status": "fail", "error_code": "openai_quota", "error": "Limite de Quota Excedido"}, "42"),
    ],
    ids=["answered", "failed"],
)
@pytest.mark.parametrize("reply_mode", ["data", "handlers"])
def test_a_refused_body_is_followed_by_the_failure_text_alone(
    clock: Clock, turn: Turn, head: dict[str, str], remaining: str, reply_mode: Any
) -> None:
    desk = Desk(clock, outcomes(400, 202), turn, an_account(failure_text="Um instante.", reply_mode=reply_mode))
    desk.deliver()
    assert ("execute_handlers" in desk.bodies[0]) is (reply_mode == "handlers")
    last = {**head, "reply": "Um instante.", "parts": "1", "request_id": "r1", "remaining": remaining}
    assert desk.bodies[1] == {"data": last}


def test_every_call_is_told_before_it_is_made(clock: Clock) -> None:
    desk = Desk(clock, [LOST, ACCEPTED])
    desk.deliver()
    assert desk.turns.steps == ["continue_call", "retry_continue", "continue_call", "delivered"]
    assert desk.turns.told("continue_call") == [{"egress": "default"}, {"egress": "default"}]
    (retry,) = desk.turns.told("retry_continue")
    assert (retry["verdict"], retry["detail"], retry["too_late_to_know"]) == ("try_later", "dropped", True)


@pytest.mark.parametrize(
    ("outcome", "maybe"), [(LOST, True), (UNREACHABLE, False), (*outcomes(429), False), (*outcomes(503), True)]
)
def test_whoever_takes_over_knows_whether_a_call_may_have_arrived(
    clock: Clock, outcome: CallOutcome, maybe: bool
) -> None:
    desk = Desk(clock, [outcome])
    with pytest.raises(Parked):
        desk.deliver_once()
    assert desk.turns.turn is not None
    assert desk.turns.turn.maybe_delivered is maybe


def test_after_a_lost_worker_a_404_means_that_its_call_had_arrived(clock: Clock) -> None:
    turn = a_turn(status=Status.ANSWERED, answer="Custa 5.", maybe_delivered=True)
    assert Desk(clock, outcomes(404), turn).deliver() is Status.DELIVERED


# --- patience -------------------------------------------------------------------------------------------------------


def test_late_beats_never(clock: Clock) -> None:
    desk = Desk(clock, [*outcomes(*[503] * 9), ACCEPTED])
    assert desk.deliver() is Status.DELIVERED
    assert clock() - NOW < PATIENCE
    waits = [told["wait"] for told in desk.turns.told("retry_continue")]
    for wait, whole in zip(waits, (0.5, 1, 2, 4, 8, 15, 15, 15, 15), strict=True):
        assert whole / 2 <= wait <= whole


def test_patience_ends(clock: Clock) -> None:
    desk = Desk(clock, outcomes(*[503] * 50))
    assert desk.deliver() is Status.UNDELIVERABLE
    assert PATIENCE - 20 < clock() - NOW < PATIENCE
    assert desk.turns.told("undeliverable") == [
        {"verdict": "try_later", "http_status": 503, "too_late_to_know": True},
    ]


@pytest.mark.parametrize("seconds", [0.0, 1.0, 60.0])
def test_a_wait_that_kommo_names_is_the_least(clock: Clock, seconds: float) -> None:
    desk = Desk(clock, [CallOutcome(Verdict.TRY_LATER, 429, retry_after=seconds), ACCEPTED])
    assert desk.deliver() is Status.DELIVERED
    assert seconds <= clock() - NOW <= seconds + 0.13


def test_a_wait_beyond_patience_is_not_begun(clock: Clock) -> None:
    desk = Desk(clock, [CallOutcome(Verdict.TRY_LATER, 429, retry_after=PATIENCE + 1)])
    assert desk.deliver() is Status.UNDELIVERABLE
    assert clock() == NOW


@pytest.mark.parametrize("late", [119.0, 121.0, 3600.0])
def test_a_turn_that_was_taken_over_late_is_offered_once_at_least(clock: Clock, late: float) -> None:
    clock.now += late
    assert Desk(clock, [ACCEPTED]).deliver() is Status.DELIVERED


@pytest.mark.parametrize("outcome", [LOST, UNREACHABLE, *outcomes(429, 503)], ids=["lost", "refused", "429", "503"])
def test_a_wait_for_kommo_holds_no_thread(clock: Clock, outcome: CallOutcome) -> None:
    desk = Desk(clock, [outcome])
    with pytest.raises(Parked):
        desk.deliver_once()
    (park,) = desk.turns.parks
    assert park.gate is None
    assert 0.25 <= park.until / 1000 - NOW <= 0.5
    assert clock.sleeps == []


def test_a_wait_too_short_to_be_worth_it_is_waited_for_in_place(clock: Clock) -> None:
    desk = Desk(clock, [UNREACHABLE, ACCEPTED], first_wait=0.1)
    assert desk.deliver() is Status.DELIVERED
    (wait,) = clock.sleeps
    assert 0.05 <= wait <= 0.1
    assert desk.turns.parks == []


def test_how_often_kommo_had_no_time_is_counted_on_by_whoever_goes_on(clock: Clock) -> None:
    desk = Desk(clock, [*outcomes(503, 503, 503), ACCEPTED])
    desk.deliver()
    assert desk.turns.turn is not None
    assert desk.turns.turn.offers == 3


# --- the pace -------------------------------------------------------------------------------------------------------


def test_a_call_leaves_in_the_moment_and_from_the_address_reserved_for_it(clock: Clock) -> None:
    desk = Desk(clock, [ACCEPTED], departures=[Departure("second", 0.015)])
    assert desk.deliver() is Status.DELIVERED
    assert clock.sleeps == [0.015]
    assert desk.crm.egresses == ["second"]


def test_a_moment_that_came_with_the_turn_is_used_and_no_other_one_reserved(clock: Clock) -> None:
    desk = Desk(clock, [ACCEPTED])
    desk.deliver_once(desk.turns.departed("second"))
    assert desk.crm.egresses == ["second"]
    assert [change for change in desk.turns.changes if change.leave] == []


def test_a_repetition_has_a_moment_of_its_own(clock: Clock) -> None:
    desk = Desk(clock, outcomes(401, 202), tokens=FakeTokens(renewals=["new"]), departures=[Departure("third", 0.01)])
    desk.deliver_once(desk.turns.departed("second"))
    assert desk.crm.egresses == ["second", "third"]
    assert clock.sleeps == [0.01]


def test_a_repetition_that_may_not_leave_at_once_waits_without_a_worker(clock: Clock) -> None:
    desk = Desk(clock, outcomes(400, 202), departures=[Departure("default"), None])
    with pytest.raises(Parked):
        desk.deliver_once()
    assert len(desk.crm.calls) == 1
    desk.deliver_once(desk.turns.departed())
    # What was tried before is remembered: it is the failure text's turn.
    assert desk.bodies[1]["data"]["reply"] == "Um instante."


def test_a_call_that_must_wait_for_its_moment_is_not_made(clock: Clock) -> None:
    desk = Desk(clock, [ACCEPTED], departures=[None])
    with pytest.raises(Parked):
        desk.deliver_once()
    assert (desk.crm.calls, clock.sleeps) == ([], [])


def test_a_turn_whose_moment_came_late_is_offered_all_the_same(clock: Clock) -> None:
    desk = Desk(clock, [ACCEPTED], departures=[None])
    with pytest.raises(Parked):
        desk.deliver_once()
    clock.now += PATIENCE + 60
    desk.deliver_once(desk.turns.departed())
    assert desk.turns.closings[0].status is Status.DELIVERED


@pytest.mark.parametrize(
    ("outcome", "shortest", "longest"),
    [
        pytest.param(CallOutcome(Verdict.TRY_LATER, 429, retry_after=7.0), 7.0, 7.13, id="as-long-as-it-says"),
        pytest.param(CallOutcome(Verdict.TRY_LATER, 429, retry_after=90.0), 30.0, 30.0, id="within-reason"),
        pytest.param(CallOutcome(Verdict.TRY_LATER, 429), 0.25, 0.5, id="it-says-nothing"),
        pytest.param(CallOutcome(Verdict.TRY_LATER, 429, retry_after=500.0), 0.25, 0.5, id="too-long-for-this-turn"),
    ],
)
def test_after_too_many_calls_those_of_the_account_are_held_back(
    clock: Clock, outcome: CallOutcome, shortest: float, longest: float
) -> None:
    desk = Desk(clock, [outcome, ACCEPTED])
    desk.deliver()
    ((account_id, seconds),) = desk.pace.holds
    assert account_id == ACCOUNT.account_id
    assert shortest <= seconds <= longest


@pytest.mark.parametrize("outcome", [LOST, UNREACHABLE, *outcomes(503, 404, 403)], ids=str)
def test_nothing_else_holds_an_account_back(clock: Clock, outcome: CallOutcome) -> None:
    desk = Desk(clock, [outcome, ACCEPTED])
    desk.deliver()
    assert desk.pace.holds == []


# --- tokens ---------------------------------------------------------------------------------------------------------


def tokens_of(desk: Desk) -> list[str]:
    return [token for _, _, token in desk.crm.calls]


def test_a_refused_token_is_renewed_once(clock: Clock) -> None:
    desk = Desk(clock, outcomes(401, 202), tokens=FakeTokens(renewals=["new"]))
    assert desk.deliver() is Status.DELIVERED
    assert tokens_of(desk) == ["old", "new"]
    assert desk.tokens.refused == ["old"]
    assert clock.sleeps == []


def test_a_token_that_cannot_be_renewed_ends_the_turn(clock: Clock) -> None:
    desk = Desk(clock, outcomes(401), tokens=FakeTokens(renewals=[None]))
    assert desk.deliver() is Status.UNDELIVERABLE


def test_a_renewed_token_that_is_refused_too_ends_the_turn(clock: Clock) -> None:
    desk = Desk(clock, outcomes(401, 401), tokens=FakeTokens(renewals=["new"]))
    assert desk.deliver() is Status.UNDELIVERABLE
    assert tokens_of(desk) == ["old", "new"]


def test_where_kommo_cannot_be_asked_for_tokens_now_it_is_asked_later(clock: Clock) -> None:
    renewals: list[str | Exception | None] = [TokensUnavailable("500"), TokensUnavailable("dropped"), "new"]
    desk = Desk(clock, outcomes(401, 401, 401, 202), tokens=FakeTokens(renewals=renewals))
    assert desk.deliver() is Status.DELIVERED
    assert tokens_of(desk) == ["old", "old", "old", "new"]
    assert 0.75 <= clock() - NOW <= 1.5


def test_a_body_may_be_refused_after_the_token(clock: Clock) -> None:
    desk = Desk(clock, outcomes(401, 400, 202), tokens=FakeTokens(renewals=["new"]))
    assert desk.deliver() is Status.DELIVERED
    assert tokens_of(desk) == ["old", "new", "new"]
    assert desk.bodies[2]["data"]["reply"] == "Um instante."


def test_without_a_token_nobody_is_called(clock: Clock) -> None:
    desk = Desk(clock, [], tokens=FakeTokens(access=None))
    assert desk.deliver() is Status.UNDELIVERABLE
    assert desk.turns.told("undeliverable") == [{"detail": "no_access_token"}]


@pytest.mark.parametrize("step", ["continue_call", "retry_continue"])
def test_whoever_lost_the_turn_stops(clock: Clock, step: str) -> None:
    desk = Desk(clock, outcomes(503, 202))
    desk.turns.lost_at = step
    with pytest.raises(TurnLost):
        desk.deliver()
    assert len(desk.crm.calls) == (0 if step == "continue_call" else 1)


# --- whatever Kommo does --------------------------------------------------------------------------------------------

ANYTHING = st.lists(
    st.one_of(
        st.sampled_from([200, 202, 301, 400, 401, 402, 403, 404, 429, 500, 503]).map(lambda code: outcomes(code)[0]),
        st.sampled_from([LOST, UNREACHABLE]),
        st.floats(0, 200).map(lambda wait: CallOutcome(Verdict.TRY_LATER, 429, retry_after=wait)),
    ),
    max_size=30,
)


@given(ANYTHING)
def test_every_turn_ends_once_within_its_patience_and_after_a_final_word_nothing_is_sent(
    script: list[CallOutcome],
) -> None:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", clock.sleep)
        desk = Desk(clock, [*script, *outcomes(*[403] * 2)], tokens=FakeTokens(renewals=["new"]))
        status = desk.deliver()
    assert status in (Status.DELIVERED, Status.NOT_WAITING, Status.UNDELIVERABLE)
    assert clock() - NOW <= PATIENCE
    # No thread has waited for long.
    assert all(wait <= 0.1 for wait in clock.sleeps)
    made = [*script, *outcomes(403, 403)][: len(desk.crm.calls)]
    for outcome in made[:-1]:
        assert outcome.verdict in (Verdict.TRY_LATER, Verdict.TOKEN_REFUSED, Verdict.BODY_REFUSED)
    if status is Status.DELIVERED:
        assert made[-1].verdict is Verdict.ACCEPTED or any(outcome.maybe_arrived for outcome in made)
    if status is Status.NOT_WAITING:
        assert not any(outcome.maybe_arrived for outcome in made)
