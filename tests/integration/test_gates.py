"""Gates of OpenAI keys on a real Redis: closed for as long as OpenAI asks, then a probe, then one after another."""

from typing import cast

import pytest
import redis

from app.domain.failures import Failure
from app.domain.turn import UNDECIDED, Change, GateClosed, NewTurn, Status, Taken
from app.storage import keys
from app.storage.gates import LONGEST_SECONDS, RedisGates
from tests.builders import TIMING
from tests.integration.turn_store import ASKING, DELIVERED, FAILED, GATE, Store

KEY = "sk-acme-0123456789abcdef"
# As lua/gates.lua has them.
FIRST_SPACING, WIDE_OPEN, PROBE_SECONDS = 0.5, 0.02, 15.0
LOOK_SECONDS = 0.2
HOLDS = Change(expect=(Status.ASKING,), gate_holds=GATE)


@pytest.fixture
def store(redis_client: redis.Redis) -> Store:
    return Store(redis_client, requests=10_000)


class Rush:
    """Workers that take what comes from the queue and ask with the key of one company.

    asked: turns in the order in which they passed the gate, with the second of each; in_hand: those that still ask.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.began = store.clock()
        self.asked: list[tuple[float, str]] = []
        self.in_hand: dict[str, Taken] = {}
        self.turns: list[NewTurn] = []

    def accept(self, number: int) -> list[NewTurn]:
        """Turns of as many clients, one after another."""
        more: list[NewTurn] = []
        for _ in range(number):
            more.append(self.store.accept(line=f"contact-{len(self.turns) + len(more)}"))
            self.store.clock.seconds += 0.002
        self.turns += more
        return more

    def work(self) -> list[str]:
        """Take all that is queued and try to ask; what may not waits in the line. Returns who asks now."""
        passed = []
        while batch := self.store.next():
            for taken in batch:
                try:
                    self.store.advance(taken, ASKING)
                except GateClosed:
                    until = taken.turn.deadline_at / 1000 - TIMING.reserve
                    self.store.park(taken, until - self.store.clock(), GATE)
                else:
                    passed.append(taken.turn.request_id)
                    self.in_hand[taken.turn.request_id] = taken
        self.asked += [(self.store.clock() - self.began, one) for one in passed]
        return passed

    def look(self) -> list[str]:
        """What the thread of a worker does that looks after gates, and what comes of it."""
        self.store.taking.wake()
        return self.work()

    def pass_time(self, seconds: float, *, answering: bool = False) -> list[str]:
        """Let time pass, with looks as often as workers look. answering: OpenAI answers everybody at once."""
        passed: list[str] = []
        end = self.store.clock() + seconds
        while self.store.clock() < end - 0.001:
            self.store.clock.seconds += min(LOOK_SECONDS, end - self.store.clock())
            more = self.look()
            for request_id in more if answering else ():
                self.store.advance(self.in_hand[request_id], HOLDS)
            passed += more
        return passed

    def close(self, seconds: float, reason: Failure = Failure.OPENAI_QUOTA) -> None:
        """OpenAI says so."""
        self.store.gates.close(GATE, seconds, reason)

    def end(self, request_id: str) -> None:
        """One that asked has failed, and its client is told."""
        taken = self.in_hand.pop(request_id)
        self.store.advance(taken, FAILED)
        self.store.advance(taken, DELIVERED)

    def ids(self) -> list[str]:
        """All in order of acceptance."""
        return [new.request_id for new in self.turns]


@pytest.fixture
def rush(store: Store) -> Rush:
    return Rush(store)


def gate_keys(client: redis.Redis) -> list[bytes]:
    return [key for key in cast("list[bytes]", client.keys("*")) if b":gate" in key]


# --- open and closed ------------------------------------------------------------------------------------------------


def test_an_open_gate_lets_everybody_pass_and_costs_nothing(rush: Rush) -> None:
    rush.accept(20)
    assert rush.work() == rush.ids()
    assert gate_keys(rush.store.redis) == []
    assert rush.store.gates.enter(GATE, "anybody") is False


def test_a_closed_gate_lets_nobody_pass_from_any_process(store: Store) -> None:
    other = RedisGates(store.redis, store.clock)
    store.gates.close(GATE, 5.0, Failure.OPENAI_QUOTA)
    for _ in range(49):
        for gates in (store.gates, other):
            with pytest.raises(GateClosed) as closed:
                gates.enter(GATE, "anybody")
            assert closed.value.reason is Failure.OPENAI_QUOTA
        store.clock.seconds += 0.1
    assert 0 < closed.value.wait <= 0.3


def test_one_process_closes_it_for_the_turns_of_the_other(rush: Rush) -> None:
    RedisGates(rush.store.redis, rush.store.clock).close(GATE, 5.0, Failure.OPENAI_QUOTA)
    rush.accept(10)
    assert rush.work() == []
    assert rush.pass_time(4.9) == []


@pytest.mark.parametrize(
    ("first", "second", "seconds", "why"),
    [
        pytest.param(30, 60, 60, Failure.OPENAI_UNEXPECTED, id="a longer wait counts, with its reason"),
        pytest.param(60, 30, 60, Failure.OPENAI_QUOTA, id="a shorter one changes nothing"),
        pytest.param(0, 2 * LONGEST_SECONDS, LONGEST_SECONDS, Failure.OPENAI_UNEXPECTED, id="no longer than sensible"),
    ],
)
def test_a_gate_stays_closed_for_the_longest_wait(
    store: Store, first: float, second: float, seconds: float, why: Failure
) -> None:
    store.gates.close(GATE, first, Failure.OPENAI_QUOTA)
    store.gates.close(GATE, second, Failure.OPENAI_UNEXPECTED)
    with pytest.raises(GateClosed) as closed:
        store.gates.enter(GATE, "anybody")
    assert closed.value.wait == pytest.approx(seconds)
    assert closed.value.reason is why


def test_another_key_is_not_held_up_and_no_key_stands_in_redis(store: Store) -> None:
    gate = store.gates.name(KEY)
    store.gates.close(gate, 30, Failure.OPENAI_QUOTA)
    assert store.gates.enter(store.gates.name("sk-other-0123456789abcdef"), "anybody") is False
    assert not [name for name in store.redis.keys("*") if KEY.encode() in name]
    assert gate == RedisGates(store.redis).name(KEY)


def test_nothing_changes_of_a_turn_that_may_not_pass(rush: Rush) -> None:
    rush.close(5.0)
    rush.accept(1)
    (taken,) = rush.store.next()
    with pytest.raises(GateClosed):
        rush.store.advance(taken, ASKING)
    turn = rush.store.turns.read(taken.turn.request_id)
    assert turn is not None
    assert (turn.status, turn.attempts) == (Status.ACCEPTED, 0)
    assert rush.store.steps(rush.turns[0]) == ["accepted", "taken"]


# --- the probe ------------------------------------------------------------------------------------------------------


def test_after_the_wait_one_passes_and_the_others_wait_for_what_becomes_of_it(rush: Rush) -> None:
    rush.close(5.0)
    rush.accept(10)
    assert rush.work() == []
    assert rush.pass_time(5.4) == rush.ids()[:1]
    assert rush.pass_time(10.0) == []
    # Newcomers do not overtake those who wait.
    rush.accept(3)
    assert rush.work() == []


@pytest.mark.parametrize("stage", ["probe", "one after another"])
def test_a_newcomer_does_not_pass_before_the_first_in_line_though_nobody_has_looked_yet(rush: Rush, stage: str) -> None:
    rush.close(1.0)
    rush.accept(5)
    rush.work()
    if stage == "probe":
        rush.store.clock.seconds += 1.05
    else:
        rush.pass_time(1.7, answering=True)
        rush.store.clock.seconds += 3 * FIRST_SPACING
    rush.accept(1)
    assert rush.work() == []
    rush.pass_time(10.0, answering=True)
    assert [request_id for _, request_id in rush.asked] == rush.ids()


def test_a_newcomer_is_the_probe_where_nobody_waits(store: Store) -> None:
    store.gates.close(GATE, 5.0, Failure.OPENAI_QUOTA)
    store.clock.seconds += 5.1
    store.taking.wake()
    assert store.gates.enter(GATE, "first") is True
    # It may send more than once: a conversation, then the question.
    assert store.gates.enter(GATE, "first") is True
    with pytest.raises(GateClosed):
        store.gates.enter(GATE, "second")


@pytest.mark.parametrize("how", ["begun", "answered", "free"])
def test_what_the_probe_tells_lets_others_pass(rush: Rush, how: str) -> None:
    rush.close(1.0)
    rush.accept(5)
    rush.work()
    (probe,) = rush.pass_time(1.4)
    match how:
        case "begun":
            rush.store.turns.begun(rush.in_hand[probe].hold, 1, "resp_1", GATE)
        case "answered":
            rush.store.advance(rush.in_hand[probe], HOLDS)
        case "free":
            rush.store.gates.free(GATE, probe)
    # Nothing is known after it was freed: the next one is a probe.
    assert len(rush.pass_time(3.0)) == (1 if how == "free" else 4)


def test_only_the_probe_can_free_the_ground(rush: Rush) -> None:
    rush.close(1.0)
    rush.accept(3)
    rush.work()
    rush.pass_time(1.4)
    rush.store.gates.free(GATE, rush.ids()[1])
    assert rush.pass_time(3.0) == []


def test_a_probe_that_is_told_to_wait_closes_the_gate_again(rush: Rush) -> None:
    rush.close(1.0)
    rush.accept(4)
    rush.work()
    (probe,) = rush.pass_time(1.4)
    rush.close(3.0)
    rush.store.park(rush.in_hand.pop(probe), 30.0, GATE)
    assert rush.pass_time(2.9) == []
    # It is first in line again.
    assert rush.pass_time(0.4) == [probe]


def test_a_lost_probe_is_followed_by_another_one(rush: Rush) -> None:
    rush.close(1.0)
    rush.accept(3)
    rush.work()
    assert rush.pass_time(1.4) == rush.ids()[:1]
    assert rush.pass_time(PROBE_SECONDS - 1.0) == []
    assert rush.pass_time(1.4) == rush.ids()[1:2]


# --- one after another ----------------------------------------------------------------------------------------------


def test_then_they_pass_one_after_another_ever_faster_in_order_of_acceptance(rush: Rush) -> None:
    rush.close(5.0)
    rush.accept(100)
    rush.work()
    rush.pass_time(15.0, answering=True)
    assert [request_id for _, request_id in rush.asked] == rush.ids()
    moments = [moment for moment, _ in rush.asked]
    assert moments[0] >= 5.0
    assert moments[1] - moments[0] >= FIRST_SPACING
    # The first second after the probe sees a handful of them, and all have passed after some seconds.
    assert 2 <= sum(moment < moments[0] + 1.2 for moment in moments) <= 5
    assert moments[-1] - moments[0] <= 6.0
    # Never more in a look than the widest opening allows.
    assert max(moments.count(moment) for moment in moments) <= LOOK_SECONDS / WIDE_OPEN + 3


def test_who_has_not_looked_for_long_makes_up_for_little(rush: Rush) -> None:
    rush.close(1.0)
    rush.accept(200)
    rush.work()
    rush.pass_time(6.0, answering=True)
    before = len(rush.asked)
    rush.store.clock.seconds += 5.0
    assert len(rush.look()) <= 0.25 / WIDE_OPEN + 2
    assert before < 200


def test_a_company_that_goes_on_writing_is_served_again_at_its_own_pace(rush: Rush) -> None:
    rush.close(2.0)
    for _ in range(150):
        rush.accept(2)
        rush.pass_time(0.1, answering=True)
    # Twenty a second, for fifteen seconds: the line is gone, and so is the gate.
    assert [request_id for _, request_id in rush.asked] == rush.ids()
    assert gate_keys(rush.store.redis) == []


def test_a_gate_is_forgotten_when_all_have_passed(rush: Rush) -> None:
    rush.close(1.0)
    rush.accept(3)
    rush.work()
    rush.pass_time(5.0, answering=True)
    assert len(rush.asked) == 3
    assert gate_keys(rush.store.redis) == []
    assert rush.store.redis.zcard(keys.gates()) == 0


def test_a_gate_that_closes_while_they_pass_keeps_the_rest_in_order(rush: Rush) -> None:
    rush.close(1.0)
    rush.accept(30)
    rush.work()
    rush.pass_time(3.0, answering=True)
    passed = len(rush.asked)
    assert 1 < passed < 30
    # Some have been woken already and find it closed.
    rush.store.clock.seconds += LOOK_SECONDS
    rush.store.taking.wake()
    rush.close(2.0)
    assert rush.work() == []
    assert rush.pass_time(1.7, answering=True) == []
    rush.pass_time(10.0, answering=True)
    assert [request_id for _, request_id in rush.asked] == rush.ids()


def test_an_answer_to_what_was_sent_before_it_closed_does_not_open_it(rush: Rush) -> None:
    rush.accept(2)
    sent = rush.work()
    rush.close(3.0)
    rush.store.advance(rush.in_hand[sent[0]], HOLDS)
    with pytest.raises(GateClosed):
        rush.store.gates.enter(GATE, "anybody")


# --- a key without credit -------------------------------------------------------------------------------------------


def test_the_turns_of_a_dead_key_find_it_out_one_at_a_time(rush: Rush) -> None:
    rush.close(0.0)
    rush.accept(8)
    told = []
    passed = rush.work()
    for _ in range(60):
        assert len(passed) <= 1
        assert len(rush.in_hand) <= 1
        for request_id in passed:
            # Still no credit: the next one is a probe.
            rush.close(0.0)
            rush.end(request_id)
            told.append(request_id)
        passed = rush.pass_time(LOOK_SECONDS)
    assert told == rush.ids()


def test_a_dead_key_that_has_credit_again_serves_its_whole_line(rush: Rush) -> None:
    rush.close(0.0)
    rush.accept(40)
    (probe,) = rush.work()
    rush.store.advance(rush.in_hand[probe], HOLDS)
    rush.pass_time(6.0, answering=True)
    assert len(rush.asked) == 40


# --- what is not there any more -------------------------------------------------------------------------------------


def test_a_gate_of_which_nothing_is_known_is_open(rush: Rush) -> None:
    rush.close(30.0)
    rush.accept(5)
    assert rush.work() == []
    rush.store.redis.delete(keys.gate(GATE))
    assert rush.store.gates.enter(GATE, "newcomer") is False
    # Also for those who wait already, as soon as the gate was to be looked after.
    assert rush.pass_time(30.4) == rush.ids()
    assert rush.store.redis.zcard(keys.gates()) == 0


def test_a_turn_that_went_from_the_line_holds_nobody_up(rush: Rush) -> None:
    rush.close(1.0)
    rush.accept(3)
    rush.work()
    rush.store.redis.delete(keys.turn(rush.ids()[0]))
    assert rush.pass_time(1.4) == rush.ids()[1:2]


def test_a_closed_gate_and_its_line_do_not_stand_for_ever(rush: Rush) -> None:
    rush.close(10.0)
    rush.accept(1)
    rush.work()
    for key in (keys.gate(GATE), keys.gate_line(GATE)):
        assert 10 < rush.store.redis.ttl(key) <= 3600


def test_asking_counts_an_attempt_once_it_passes(rush: Rush) -> None:
    rush.close(1.0)
    rush.accept(1)
    rush.work()
    (passed,) = rush.pass_time(1.4)
    taken = rush.in_hand[passed]
    assert taken.turn.gated is Failure.OPENAI_QUOTA
    rush.store.advance(taken, Change(expect=UNDECIDED, fields={"gated": ""}))
    turn = rush.store.turns.read(passed)
    assert turn is not None
    assert turn.gated is None
    assert rush.store.steps(rush.turns[0]) == ["accepted", "taken", "key_may_be_used", "taken"]
