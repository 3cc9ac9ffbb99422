"""A turn from the moment a worker takes it to its end, over fakes at the ports."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from app.domain.accounts import Account
from app.domain.answers import Answer, Deadline
from app.domain.assistants import Api, Profile
from app.domain.failures import OPENAI_FAILURES, TEXTS, AskError, Failure
from app.domain.prices import PriceBook
from app.domain.turn import MOST_CLAIMS, Charge, Departure, Status, Taken, Timing, Turn, TurnLost
from app.services.answering import Answering, Outcome
from app.services.asking import Asking
from app.services.delivering import Delivering
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
)

ACCOUNT = an_account(profile=Profile("gpt-6-luna"), assistant_id=None, failure_text="Um instante.")
KEY = ACCOUNT.secrets.openai_api_key or ""
TIMING = Timing(turn=50.0, patience=120.0)
(ANSWER,) = answers("**Custa** 5 reais.")


@dataclass
class Worker:
    clock: Clock
    turn: Turn = field(default_factory=a_turn)
    account: Account | None = ACCOUNT
    script: list[Any] = field(default_factory=lambda: [ANSWER])
    crm: FakeCrm = field(default_factory=lambda: FakeCrm([ACCEPTED]))
    departures: list[Departure | None] = field(default_factory=list)
    tokens: FakeTokens = field(default_factory=FakeTokens)

    def __post_init__(self) -> None:
        self.gates = FakeGates(self.clock)
        self.turns = FakeTurns(self.turn, gates=self.gates, departures=self.departures)
        self.engine = FakeEngine(script=self.script)

    def run(self, taken: Taken | None = None) -> Outcome:
        """Work on the turn as it was taken, or as it is taken now."""
        accounts = FakeAccounts({ACCOUNT.account_id: self.account} if self.account else {})
        asking = Asking(
            engines={Api.RESPONSES: self.engine},
            gates=self.gates,
            profile_switch=FakeSwitch(),
            choice="auto",
            identifier_key=b"key",
        )
        delivering = Delivering(self.crm, self.tokens, FakePace(), TIMING, self.clock, self.clock.sleep)
        answering = Answering(self.turns, accounts, asking, delivering, TIMING, PriceBook({}))
        return answering.run(taken or self.turns.taken())

    @property
    def told(self) -> dict[str, Any]:
        """What Kommo was told, in the one call that was made."""
        ((_, body, _),) = self.crm.calls
        data: dict[str, Any] = body["data"]
        return data


def test_an_answer_is_stored_and_settled_before_kommo_is_told(clock: Clock) -> None:
    worker = Worker(clock)
    assert worker.run() == Outcome(Status.DELIVERED, None, parked=False)
    assert worker.turns.steps == ["asking", "answer_begun", "answered", "continue_call", "delivered"]
    assert worker.turns.charges == ["settle"]
    (stored,) = (change for change in worker.turns.changes if change.sealed)
    assert stored.sealed == {"answer": "**Custa** 5 reais."}
    assert worker.told == {
        "status": "success",
        "reply": "*Custa* 5 reais.",
        "parts": "1",
        "request_id": "r1",
        "remaining": "99",
    }


@pytest.mark.parametrize("failure", sorted(OPENAI_FAILURES))
def test_a_failure_is_released_before_kommo_is_told(clock: Clock, failure: Failure) -> None:
    worker = Worker(clock, script=[AskError(failure, status=418, code="teapot", provider_request_id="req_1")])
    assert worker.run() == Outcome(Status.DELIVERED, failure, parked=False)
    assert worker.turns.charges == ["release"]
    assert worker.turns.told("failed") == [
        {"error_code": failure, "http_status": 418, "code": "teapot", "openai_request_id": "req_1"}
    ]
    assert worker.told == {
        "status": "fail",
        "error_code": failure,
        "error": TEXTS[failure],
        "reply": "Um instante.",
        "parts": "1",
        "request_id": "r1",
        "remaining": "99",
    }


def ended(turn: Turn) -> str:
    first = "-first" if turn.first_refusal else ""
    return f"{turn.error_code or turn.status}{first}{'' if turn.note_lead_id else '-without-a-lead'}"


@pytest.mark.parametrize(
    ("turn", "due"),
    [
        *((a_turn(status=Status.FAILED, error_code=failure), True) for failure in sorted(OPENAI_FAILURES)),
        (a_turn(status=Status.FAILED, error_code=Failure.OPENAI_TIMEOUT, note_lead_id=None), False),
        (a_turn(status=Status.FAILED, error_code=Failure.BUSY), False),
        (a_turn(status=Status.REFUSED, error_code=Failure.PLAN_QUOTA, first_refusal=True), True),
        (a_turn(status=Status.REFUSED, error_code=Failure.PLAN_QUOTA), False),
        (a_turn(status=Status.REFUSED, error_code=Failure.CONTACT_LIMIT), False),
        (a_turn(status=Status.REFUSED, error_code=Failure.NO_MESSAGE), False),
        (a_turn(status=Status.REFUSED, error_code=Failure.ACCOUNT_PAUSED), False),
        (a_turn(status=Status.ANSWERED, answer="Oi"), False),
    ],
    ids=lambda value: ended(value) if isinstance(value, Turn) else None,
)
def test_a_note_becomes_due_with_the_end_of_some_turns(clock: Clock, turn: Turn, due: bool) -> None:
    worker = Worker(clock, turn)
    worker.run()
    (closing,) = worker.turns.closings
    assert closing.note is due
    # Decided turns are not decided again.
    assert worker.engine.asked == []
    assert worker.turns.charges == []


def test_an_answer_that_a_lost_worker_stored_is_delivered_as_it_is(clock: Clock) -> None:
    worker = Worker(clock, a_turn(status=Status.ANSWERED, answer="Custa 7.", remaining=41, charge=Charge.SETTLED))
    assert worker.run() == Outcome(Status.DELIVERED, None, parked=False)
    assert (worker.told["reply"], worker.told["remaining"]) == ("Custa 7.", "41")


@pytest.mark.parametrize("late", [45.0, 50.0, 500.0])
def test_a_turn_that_nobody_took_in_time_is_our_fault(clock: Clock, late: float) -> None:
    worker = Worker(clock)
    clock.now += late
    assert worker.run() == Outcome(Status.DELIVERED, Failure.BUSY, parked=False)
    assert worker.engine.asked == []
    assert worker.turns.charges == ["release"]
    assert worker.told["error"] == "ByteGPT sobrecarregado. Tente novamente"


def test_a_turn_that_is_taken_just_in_time_is_asked(clock: Clock) -> None:
    worker = Worker(clock)
    clock.now += 43.9
    assert worker.run() == Outcome(Status.DELIVERED, None, parked=False)


@pytest.mark.parametrize(
    ("claims", "seconds", "blamed"),
    [
        pytest.param(1, 45.0, Failure.OPENAI_TIMEOUT, id="openai-had-all-the-time"),
        pytest.param(2, 45.0, Failure.BUSY, id="a-lost-worker-had-a-part-of-it"),
        pytest.param(2, 30.0, Failure.OPENAI_TIMEOUT, id="openai-was-silent-long-enough"),
    ],
)
def test_the_time_of_a_lost_worker_is_not_blamed_on_openai(
    clock: Clock, claims: int, seconds: float, blamed: Failure
) -> None:
    def hang(deadline: Deadline, known: Any) -> Answer:
        clock.sleep(seconds)
        raise AskError(Failure.OPENAI_TIMEOUT, maybe_processed=True)

    worker = Worker(clock, a_turn(claims=claims), script=[hang])
    assert worker.run() == Outcome(Status.DELIVERED, blamed, parked=False)


@pytest.mark.parametrize("text", ["【4:0†fonte】", "\u200b \n", "[](sandbox:/mnt/data/a.csv)"])
def test_an_answer_that_shows_nothing_is_a_failure(clock: Clock, text: str) -> None:
    worker = Worker(clock, script=[replace(ANSWER, text=text)])
    assert worker.run() == Outcome(Status.DELIVERED, Failure.OPENAI_UNEXPECTED, parked=False)
    assert worker.turns.charges == ["release"]
    assert worker.turns.told("failed")[0]["code"] == "nothing_to_show"


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.ASKING, Status.ANSWERED, Status.REFUSED])
def test_a_turn_of_a_removed_account_is_closed(clock: Clock, status: Status) -> None:
    worker = Worker(clock, a_turn(status=status), account=None)
    assert worker.run().status is Status.UNDELIVERABLE
    assert worker.crm.calls == []
    undecided = status in (Status.ACCEPTED, Status.ASKING)
    assert worker.turns.charges == (["release"] if undecided else [])
    assert worker.turns.told("undeliverable") == [{"detail": "account_removed"}]


def test_a_turn_that_was_lost_by_every_worker_is_given_up(clock: Clock) -> None:
    worker = Worker(clock, a_turn(claims=MOST_CLAIMS + 1))
    assert worker.run() == Outcome(Status.UNDELIVERABLE, Failure.BUSY, parked=False)
    assert worker.crm.calls == []
    assert worker.turns.charges == ["release"]
    assert worker.turns.told("undeliverable") == [{"detail": "every_worker_was_lost"}]


def test_a_turn_whose_account_was_gone_when_it_was_taken_is_closed(clock: Clock) -> None:
    worker = Worker(clock)
    assert worker.run(worker.turns.taken(account_version=None)).status is Status.UNDELIVERABLE
    assert worker.turns.told("undeliverable") == [{"detail": "account_removed"}]


# --- waits without a worker -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [None, Failure.OPENAI_CONNECTION], ids=["answered", "failed"])
def test_a_decided_turn_whose_call_may_not_leave_at_once_is_told_when_it_may(
    clock: Clock, failure: Failure | None
) -> None:
    script = [AskError(failure)] if failure else [ANSWER]
    worker = Worker(clock, departures=[None], script=script)
    status = Status.FAILED if failure else Status.ANSWERED
    assert worker.run() == Outcome(status, failure, parked=True)
    assert worker.crm.calls == []
    assert worker.turns.charges == ["release" if failure else "settle"]

    assert worker.run(worker.turns.departed("second")) == Outcome(Status.DELIVERED, failure, parked=False)
    assert worker.crm.egresses == ["second"]
    assert worker.told["status"] == ("fail" if failure else "success")
    assert (len(worker.engine.asked), len(worker.turns.charges)) == (1, 1)
    assert worker.turns.steps[-3:] == ["waiting_to_leave", "continue_call", "delivered"]


def test_a_refused_turn_leaves_when_it_may(clock: Clock) -> None:
    worker = Worker(clock, a_turn(status=Status.REFUSED, error_code=Failure.PLAN_QUOTA), departures=[None])
    assert worker.run() == Outcome(Status.REFUSED, Failure.PLAN_QUOTA, parked=True)
    assert worker.run(worker.turns.departed()) == Outcome(Status.DELIVERED, Failure.PLAN_QUOTA, parked=False)


def test_a_turn_that_can_be_told_to_nobody_waits_for_no_moment(clock: Clock) -> None:
    worker = Worker(clock, departures=[None], tokens=FakeTokens(access=None))
    assert worker.run() == Outcome(Status.UNDELIVERABLE, None, parked=False)
    assert worker.crm.calls == []
    assert worker.turns.charges == ["settle"]


def test_a_turn_whose_key_is_told_to_wait_is_asked_when_it_may_be(clock: Clock) -> None:
    worker = Worker(clock)
    worker.gates.close(worker.gates.name(KEY), 20.0, Failure.OPENAI_QUOTA)
    assert worker.run() == Outcome(Status.ACCEPTED, None, parked=True)
    assert (worker.engine.asked, worker.turns.charges, clock.sleeps) == ([], [], [])
    clock.now += 20.0
    assert worker.run() == Outcome(Status.DELIVERED, None, parked=False)
    assert worker.turns.steps[:2] == ["waiting_for_key", "asking"]


@pytest.mark.parametrize(
    ("gated", "told"),
    [(None, Failure.BUSY), (Failure.OPENAI_QUOTA, Failure.OPENAI_QUOTA)],
    ids=["nobody-had-time", "its-key-was-told-to-wait"],
)
@pytest.mark.parametrize("late", [44.5, 49.0, 60.0])
def test_a_turn_that_waited_until_its_end_is_told_what_it_waited_for(
    clock: Clock, late: float, gated: Failure | None, told: Failure
) -> None:
    worker = Worker(clock, a_turn(gated=gated))
    clock.now += late
    assert worker.run() == Outcome(Status.DELIVERED, told, parked=False)
    assert worker.engine.asked == []
    assert worker.turns.charges == ["release"]


def test_what_a_turn_waited_for_is_forgotten_once_it_could_be_asked(clock: Clock) -> None:
    worker = Worker(clock, a_turn(gated=Failure.OPENAI_QUOTA), script=[AskError(Failure.OPENAI_TIMEOUT)])
    assert worker.run().error_code is Failure.OPENAI_TIMEOUT
    assert worker.turns.turn is not None
    assert worker.turns.turn.gated is None


@pytest.mark.parametrize("step", ["asking", "answer_begun", "answered", "failed"])
def test_whoever_lost_a_turn_tells_kommo_nothing(clock: Clock, step: str) -> None:
    worker = Worker(clock, script=[AskError(Failure.OPENAI_QUOTA)] if step == "failed" else [ANSWER])
    worker.turns.lost_at = step
    with pytest.raises(TurnLost):
        worker.run()
    assert worker.crm.calls == []
