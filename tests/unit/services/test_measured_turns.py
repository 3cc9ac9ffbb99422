"""What is counted of a turn, and how much of its time is OpenAI's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.domain.answers import Answer, Deadline
from app.domain.assistants import Api, Profile
from app.domain.delivery import CallOutcome
from app.domain.failures import AskError, Failure
from app.domain.metrics import Totals
from app.domain.prices import PriceBook
from app.domain.service_metrics import (
    ADDED_LATENCY,
    CONTINUE_CALLS,
    OPENAI_CALLS,
    TURN_DURATION,
    TURNS_ANSWERED,
    TURNS_CLOSED,
    TURNS_FAILED,
)
from app.domain.turn import Departure, Status, Taken, Timing, Turn
from app.services.answering import Answering
from app.services.asking import Asking
from app.services.delivering import Delivering
from app.services.metering import Counting
from tests.builders import an_account
from tests.unit.services.ports_in_memory import (
    ACCEPTED,
    Clock,
    FakeAccounts,
    FakeCrm,
    FakeEngine,
    FakeGates,
    FakePace,
    FakeSwitch,
    FakeTokens,
    FakeTurns,
    a_turn,
    answers,
    outcomes,
)

ACCOUNT = an_account(profile=Profile("gpt-6-luna"), assistant_id=None)
TIMING = Timing(turn=50.0, patience=120.0)
(ANSWER,) = answers("Custa 5.")
RATE = AskError(Failure.OPENAI_QUOTA, retryable=True, status=429, retry_after=4.0)
BROKEN = AskError(Failure.OPENAI_UNEXPECTED, retryable=True, status=503)
SPENT = AskError(Failure.OPENAI_QUOTA, code="insufficient_quota", status=429)


@dataclass
class Worker:
    """A worker that counts. waited: seconds that the turn has waited before it is taken."""

    clock: Clock
    script: list[Any]
    crm: list[CallOutcome] = field(default_factory=lambda: [ACCEPTED])
    departures: list[Departure | None] = field(default_factory=list)
    waited: float = 0.0
    turn: Turn = field(default_factory=a_turn)

    def __post_init__(self) -> None:
        self.counting = Counting()
        self.gates = FakeGates(self.clock)
        self.turns = FakeTurns(self.turn, gates=self.gates, departures=self.departures)
        self.engine = FakeEngine(script=self.script)
        self.clock.now += self.waited

    def run(self, taken: Taken | None = None) -> None:
        """Work on the turn as far as a worker gets in one go."""
        asking = Asking(
            engines={Api.RESPONSES: self.engine},
            gates=self.gates,
            profile_switch=FakeSwitch(),
            choice="auto",
            identifier_key=b"key",
            meter=self.counting,
        )
        crm, tokens = FakeCrm(self.crm), FakeTokens(renewals=["new"])
        delivering = Delivering(crm, tokens, FakePace(), TIMING, self.clock, self.clock.sleep, meter=self.counting)
        accounts = FakeAccounts({ACCOUNT.account_id: ACCOUNT})
        Answering(self.turns, accounts, asking, delivering, TIMING, PriceBook({}), self.counting).run(
            taken or self.turns.taken()
        )

    def totals(self) -> Totals:
        return Totals(self.counting.taken())

    def takes(self, seconds: float, reaction: Answer | AskError) -> Callable[[Deadline, Callable[[str], None]], Answer]:
        """A reaction of OpenAI that takes its time."""

        def react(_deadline: Deadline, _known: Callable[[str], None]) -> Answer:
            self.clock.now += seconds
            if isinstance(reaction, AskError):
                raise reaction
            return reaction

        return react


def added(totals: Totals) -> tuple[int, float]:
    seen = totals.histogram(ADDED_LATENCY)[()]
    return sum(seen.buckets), round(seen.seconds, 3)


def test_openais_time_is_not_added_by_us(clock: Clock) -> None:
    worker = Worker(clock, [], waited=0.3)
    worker.script.append(worker.takes(2.0, ANSWER))
    worker.run()
    totals = worker.totals()
    assert added(totals) == (1, 0.3)
    assert totals.histogram(TURN_DURATION)[()].seconds == pytest.approx(2.3)
    assert totals.counter(TURNS_ANSWERED) == {(): 1}
    assert totals.counter(TURNS_CLOSED)["delivered",] == 1
    calls = totals.histogram(OPENAI_CALLS)
    assert calls["responses", "ask", "ok"].seconds == pytest.approx(2.0)
    assert sum(calls["responses", "open_conversation", "ok"].buckets) == 1
    assert sum(totals.histogram(CONTINUE_CALLS)["accepted",].buckets) == 1


def test_waiting_for_a_retry_is_openais_time(clock: Clock) -> None:
    worker = Worker(clock, [])
    worker.script += [worker.takes(1.0, BROKEN), worker.takes(1.0, ANSWER)]
    worker.run()
    assert clock.now - a_turn().accepted_at / 1000 > 2.2
    number, seconds = added(worker.totals())
    assert number == 1
    assert seconds == pytest.approx(0.0, abs=0.01)


def test_waiting_for_a_key_is_openais_time_whoever_goes_on(clock: Clock) -> None:
    worker = Worker(clock, [], waited=0.2)
    worker.script += [worker.takes(1.0, RATE), worker.takes(1.0, ANSWER)]
    worker.run()
    assert worker.turns.parks
    assert added(worker.totals()) == (0, 0.0)
    clock.now += 10.0
    worker.run()
    totals = worker.totals()
    number, seconds = added(totals)
    assert number == 1
    assert seconds == pytest.approx(0.2, abs=0.01)
    assert totals.histogram(TURN_DURATION)[()].seconds > 12.0


def test_waiting_for_kommos_rate_is_added_by_us(clock: Clock) -> None:
    worker = Worker(clock, [], departures=[None])
    worker.script.append(worker.takes(2.0, ANSWER))
    worker.run()
    assert added(worker.totals()) == (0, 0.0)
    clock.now += 7.0
    worker.run(worker.turns.departed())
    assert added(worker.totals()) == (1, 7.0)


@pytest.mark.parametrize(
    ("crm", "verdicts"),
    [
        (outcomes(400, 202), {"body_refused": 1, "accepted": 1}),
        (outcomes(401, 202), {"token_refused": 1, "accepted": 1}),
        (outcomes(503), {"try_later": 1}),
    ],
)
def test_a_turn_is_measured_at_its_first_call_only(
    clock: Clock, crm: list[CallOutcome], verdicts: dict[str, int]
) -> None:
    worker = Worker(clock, [ANSWER], crm=crm)
    worker.run()
    totals = worker.totals()
    assert added(totals)[0] == 1
    seen = totals.histogram(CONTINUE_CALLS)
    assert {values[0]: sum(observed.buckets) for values, observed in seen.items()} == verdicts


def test_a_turn_that_may_have_been_delivered_by_a_lost_worker_is_not_measured_again(clock: Clock) -> None:
    worker = Worker(clock, [ANSWER], crm=outcomes(503, 202))
    worker.run()
    worker.totals()
    clock.now = worker.turns.parks[-1].until / 1000
    worker.run()
    totals = worker.totals()
    assert added(totals)[0] == 0
    assert totals.counter(TURNS_CLOSED)["delivered",] == 1


def test_a_turn_without_an_answer_is_counted_by_its_code(clock: Clock) -> None:
    worker = Worker(clock, [SPENT])
    worker.run()
    totals = worker.totals()
    assert totals.counter(TURNS_FAILED)["openai_quota",] == 1
    assert totals.counter(TURNS_ANSWERED) == {(): 0}
    assert sum(totals.histogram(OPENAI_CALLS)["responses", "ask", "openai_quota"].buckets) == 1


def test_a_refused_turn_is_all_our_time(clock: Clock) -> None:
    refused = a_turn(error_code=Failure.NO_MESSAGE, status=Status.REFUSED)
    worker = Worker(clock, [], waited=0.4, turn=refused)
    worker.run()
    assert added(worker.totals()) == (1, 0.4)
