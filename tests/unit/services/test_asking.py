"""Asking OpenAI: retries, gates, conversations that break, lost attempts, an API that is gone (contract 3.1 and 6)."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from app.domain.accounts import Account, Secrets
from app.domain.answers import Answer, Conversation, Deadline
from app.domain.assistants import Api, ApiChoice, Assistant, Profile
from app.domain.failures import AskError, ConversationTrouble, Failure
from app.domain.prices import PriceBook
from app.domain.turn import Parked, Status, Turn, TurnLost
from app.services.asking import TIME_TO_ASK, Asking
from app.services.held import HeldTurn
from tests.builders import an_account
from tests.unit.services.ports_in_memory import (
    Clock,
    FakeConversations,
    FakeEngine,
    FakeGates,
    FakeSwitch,
    FakeTurns,
    a_turn,
    answers,
)

ACCOUNT = an_account(profile=Profile("gpt-6-luna", "Seja gentil."), assistant_id=None)
KEY = ACCOUNT.secrets.openai_api_key or ""
GATE = f"gate of {KEY}"
LINE = (ACCOUNT.account_id, "contact-1")
(ANSWER,) = answers("Custa 5 reais.")
PROFILE = Profile("gpt-5", "Importado.", source="imported")


def rate_limited(seconds: float | None = None) -> AskError:
    return AskError(Failure.OPENAI_QUOTA, retryable=True, retry_after=seconds, status=429, code="rate_limit_exceeded")


def server_error() -> AskError:
    return AskError(Failure.OPENAI_UNEXPECTED, retryable=True, maybe_processed=True, status=500, code="server_error")


def trouble(kind: ConversationTrouble) -> AskError:
    locked = kind is ConversationTrouble.LOCKED
    return AskError(Failure.OPENAI_UNEXPECTED, retryable=locked, trouble=kind, status=400, code="trouble")


def gone() -> AskError:
    return AskError(Failure.OPENAI_UNEXPECTED, status=404, code="http_404", api_gone=True)


@dataclass
class Desk:
    """One turn and everything around it. waits: how often it was let go of, to wait for its key."""

    clock: Clock
    turn: Turn = field(default_factory=a_turn)
    account: Account = ACCOUNT
    choice: ApiChoice = "auto"
    seconds: float = 45.0
    responses: FakeEngine = field(default_factory=FakeEngine)
    assistants: FakeEngine = field(default_factory=lambda: FakeEngine(Api.ASSISTANTS))
    conversations: FakeConversations = field(default_factory=FakeConversations)
    switch: FakeSwitch = field(default_factory=FakeSwitch)
    waits: int = 0

    def __post_init__(self) -> None:
        self.gates = FakeGates(self.clock)
        self.turns = FakeTurns(self.turn, gates=self.gates, conversations=self.conversations)
        self.deadline = Deadline(self.clock() + self.seconds, self.clock)
        self.take()

    def take(self) -> None:
        """A worker takes the turn; what an earlier one knew is gone."""
        self.held = HeldTurn(self.turns, self.turns.taken(), PriceBook({}))

    def ask_once(self) -> tuple[Answer, str | None]:
        """Ask as far as a worker gets in one go: the answer, and the gate that is to be told of it."""
        asking = Asking(
            engines={Api.RESPONSES: self.responses, Api.ASSISTANTS: self.assistants},
            gates=self.gates,
            profile_switch=self.switch,
            choice=self.choice,
            identifier_key=b"key",
        )
        return asking.answer(self.held, self.account, self.deadline)

    def ask(self) -> Answer:
        """Ask, however often the turn must wait for its key: it goes on as soon as the gate opens."""
        while True:
            try:
                return self.ask_once()[0]
            except Parked:
                self.waits += 1
                self.clock.now = max(self.clock.now, self.gates.until[GATE][0])
                self.take()

    def failure(self) -> AskError:
        with pytest.raises(AskError) as raised:
            self.ask()
        return raised.value

    def know(
        self, conversation_id: str = "conv_old", last_item: str | None = "msg_0", api: Api = Api.RESPONSES
    ) -> None:
        self.conversations.known[LINE] = Conversation(api, conversation_id, last_item)
        self.take()


# --- the plain way --------------------------------------------------------------------------------------------------


def test_the_first_question_of_a_client_opens_a_conversation_that_is_remembered(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[ANSWER]))
    assert desk.ask() is ANSWER
    assert desk.conversations.known == {LINE: Conversation(Api.RESPONSES, "responses-1")}
    assert desk.turns.steps == ["asking", "answer_begun"]
    assert desk.turns.told("asking") == [{"attempt": 1, "api": "responses"}]
    assert desk.held.turn.answer_id == "resp_1"
    assert clock.sleeps == []


def test_the_question_is_the_turns(clock: Clock) -> None:
    desk = Desk(clock, a_turn(instructions="Seja breve."), responses=FakeEngine(script=[ANSWER]))
    desk.ask()
    ((question, _),) = desk.responses.asked
    assert (question.request_id, question.text, question.step_instructions) == ("r1", "Quanto custa?", "Seja breve.")
    assert question.assistant == Assistant("", Api.RESPONSES, ACCOUNT.profile)
    assert len(question.safety_identifier) == 64


def test_openai_knows_each_client_of_each_company_by_another_hash(clock: Clock) -> None:
    turns = [
        a_turn(),
        a_turn(line="contact-2"),
        a_turn(account_id=31000002),
        a_turn(line=None),
        a_turn(line=None, request_id="r2"),
    ]
    seen = []
    for turn in [*turns, turns[0]]:
        desk = Desk(clock, turn, responses=FakeEngine(script=[ANSWER]))
        desk.ask()
        seen.append(desk.responses.asked[0][0].safety_identifier)
    assert len(set(seen)) == len(turns)
    assert seen[0] == seen[-1]


def test_a_known_conversation_is_gone_on_with(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[ANSWER]))
    desk.know()
    desk.ask()
    assert desk.responses.opened == 0
    assert desk.responses.asked[0][1] == "conv_old"
    assert desk.conversations.known[LINE].last_item == "msg_0"
    desk.held.answered(ANSWER)
    assert desk.conversations.known[LINE].last_item == "msg_1"


def test_an_answer_without_an_item_keeps_the_newest_known_one(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[replace(ANSWER, item_id=None)]))
    desk.know()
    desk.held.answered(desk.ask())
    assert desk.conversations.known[LINE].last_item == "msg_0"


def test_a_conversation_of_the_other_api_is_not_used(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[ANSWER]))
    desk.know("thread_1", None, Api.ASSISTANTS)
    desk.ask()
    assert desk.responses.asked[0][1] == "responses-1"
    assert desk.conversations.known[LINE].conversation_id == "responses-1"


def test_a_turn_without_a_client_has_a_conversation_of_its_own(clock: Clock) -> None:
    desk = Desk(clock, a_turn(line=None), responses=FakeEngine(script=[ANSWER]))
    assert desk.ask() is ANSWER
    assert desk.conversations.known == {}


@pytest.mark.parametrize(
    ("account", "choice", "failure", "code"),
    [
        (replace(ACCOUNT, secrets=Secrets()), "auto", Failure.OPENAI_AUTHENTICATION, "no_key_saved"),
        (an_account(assistant_id=None), "auto", Failure.ASSISTANT_NOT_FOUND, "no_valid_id_saved"),
        (an_account(assistant_id="vendas"), "auto", Failure.ASSISTANT_NOT_FOUND, "no_valid_id_saved"),
        (an_account(assistant_id="asst_1"), "responses", Failure.OPENAI_UNEXPECTED, "api_closed_and_no_profile"),
    ],
)
def test_what_cannot_be_asked_asks_nobody(
    clock: Clock, account: Account, choice: ApiChoice, failure: Failure, code: str
) -> None:
    desk = Desk(clock, account=account, choice=choice)
    error = desk.failure()
    assert (error.failure, error.code) == (failure, code)
    assert desk.turns.changes == []


# --- retries --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "waits_for_key"),
    [
        pytest.param(rate_limited(), True, id="too-many"),
        pytest.param(rate_limited(0.5), True, id="too-many-for-so-long"),
        pytest.param(AskError(Failure.OPENAI_CONNECTION, retryable=True, code="refused"), False, id="refused"),
        pytest.param(
            AskError(Failure.OPENAI_UNEXPECTED, retryable=True, status=409, code="conflict"), False, id="conflict"
        ),
    ],
)
def test_what_is_retryable_is_asked_again(clock: Clock, error: AskError, waits_for_key: bool) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[error, ANSWER]))
    began = clock()
    assert desk.ask() is ANSWER
    assert len(desk.responses.asked) == 2
    assert desk.responses.looked == []
    (retry,) = desk.turns.told("retry")
    assert (retry["error_code"], retry["code"]) == (error.failure, error.code)
    assert retry["wait"] == pytest.approx(clock() - began, abs=0.001)
    assert [told["attempt"] for told in desk.turns.told("asking")] == [1, 2]
    # The conversation is opened once.
    assert desk.responses.opened == 1
    # Where the key is told to wait no thread waits with it.
    assert (desk.waits, len(clock.sleeps)) == ((1, 0) if waits_for_key else (0, 1))


@pytest.mark.parametrize("failure", [Failure.OPENAI_TIMEOUT, Failure.OPENAI_AUTHENTICATION, Failure.OPENAI_QUOTA])
def test_what_is_final_fails_at_once(clock: Clock, failure: Failure) -> None:
    error = AskError(failure, retry_after=30.0, maybe_processed=True)
    desk = Desk(clock, responses=FakeEngine(script=[error]))
    assert desk.failure() is error
    assert (clock.sleeps, desk.waits) == ([], 0)
    # A time to wait that comes with a final error is no order to the key.
    assert [seconds for _, seconds, _ in desk.gates.closings] == ([0.0] if failure is Failure.OPENAI_QUOTA else [])


def test_a_failure_to_open_a_conversation_is_retried_too(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[ANSWER], opens=[server_error(), rate_limited()]))
    assert desk.ask() is ANSWER
    assert desk.turns.told("asking") == [{"attempt": 1, "api": "responses"}]
    assert len(desk.turns.told("retry")) == 2


@pytest.mark.parametrize(("attempts", "more"), [(0, 6), (1, 5), (4, 2), (5, 1)])
def test_six_attempts_at_most_those_of_lost_workers_included(clock: Clock, attempts: int, more: int) -> None:
    desk = Desk(clock, a_turn(attempts=attempts), seconds=1000.0, responses=FakeEngine(script=[rate_limited()] * 9))
    assert desk.failure().failure is Failure.OPENAI_QUOTA
    assert len(desk.responses.asked) == more
    assert desk.held.turn.attempts == 6


@pytest.mark.parametrize("seconds", [1.0, 1.3, 1.7, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0])
def test_no_attempt_is_begun_without_time_for_its_answer(clock: Clock, seconds: float) -> None:
    refused = AskError(Failure.OPENAI_CONNECTION, retryable=True, code="refused")
    desk = Desk(clock, seconds=seconds, responses=FakeEngine(script=[refused] * 9))
    began = clock()
    assert desk.failure() is refused, "what went wrong is told, not that time is over"
    assert clock() - began <= seconds - TIME_TO_ASK


def test_attempts_end_with_the_deadline(clock: Clock) -> None:
    desk = Desk(clock, seconds=4.0, responses=FakeEngine(script=[rate_limited()] * 9))
    began = clock()
    error = desk.failure()
    # Where the key may not be used in time any more, the turn says so and does not wait for its end.
    assert (error.failure, error.code) == (Failure.OPENAI_QUOTA, "key_told_to_wait")
    assert clock() - began < 4.0
    assert 2 <= len(desk.responses.asked) <= 5


def test_a_turn_that_is_lost_stops_at_once(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[rate_limited(), ANSWER]))
    desk.turns.lost_at = "retry"
    with pytest.raises(TurnLost):
        desk.ask()
    assert len(desk.responses.asked) == 1


# --- lost attempts --------------------------------------------------------------------------------------------------


def test_after_an_error_with_an_unknown_outcome_the_answer_is_looked_for_first(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[server_error()], finds=[ANSWER]))
    desk.know()
    assert desk.ask() is ANSWER
    assert len(desk.responses.asked) == 1
    assert desk.responses.looked == [("conv_old", None, "msg_0")]
    assert desk.turns.told("found") == [{"answer_id": "resp_1"}]


def test_where_nothing_is_found_the_question_is_sent_again(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[server_error(), rate_limited(), ANSWER], finds=[None, None]))
    assert desk.ask() is ANSWER
    assert len(desk.responses.asked) == 3
    # Once unknown, always unknown: it is looked for before every further attempt.
    assert len(desk.responses.looked) == 2


def test_a_look_that_fails_is_repeated(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[server_error()], finds=[server_error(), ANSWER]))
    assert desk.ask() is ANSWER
    assert len(desk.responses.looked) == 2
    assert len(desk.responses.asked) == 1


RESUMED: dict[str, Any] = {
    "status": Status.ASKING,
    "asked": True,
    "attempts": 1,
    "api": Api.RESPONSES,
    "conversation_id": "conv_old",
    "answer_id": "resp_lost",
    "claims": 2,
}


def test_what_a_lost_worker_left_is_looked_for_by_its_ids(clock: Clock) -> None:
    desk = Desk(clock, a_turn(**RESUMED), responses=FakeEngine(finds=[ANSWER]))
    desk.know()
    assert desk.ask() is ANSWER
    assert desk.responses.looked == [("conv_old", "resp_lost", "msg_0")]
    assert desk.responses.asked == []


def test_a_lost_worker_that_left_nothing_is_made_up_for(clock: Clock) -> None:
    desk = Desk(clock, a_turn(**RESUMED), responses=FakeEngine(script=[ANSWER], finds=[None]))
    desk.know()
    assert desk.ask() is ANSWER
    assert desk.responses.asked[0][1] == "conv_old"
    assert desk.turns.told("asking") == [{"attempt": 2, "api": "responses"}]


@pytest.mark.parametrize(("anew", "attempts"), [(False, 1), (True, 2)], ids=["the-answer-stood-there", "asked-anew"])
def test_a_question_that_is_asked_anew_by_a_look_is_an_attempt(clock: Clock, anew: bool, attempts: int) -> None:
    desk = Desk(clock, a_turn(**RESUMED), responses=FakeEngine(finds=[ANSWER], asks_anew=anew))
    desk.know()
    assert desk.ask() is ANSWER
    assert desk.held.turn.attempts == attempts
    # Its id is known from then on.
    assert desk.held.turn.answer_id == ("resp_1" if anew else "resp_lost")
    assert desk.turns.steps == (["asking", "answer_begun", "found"] if anew else ["found"])


def test_the_conversation_of_a_lost_attempt_comes_before_the_one_remembered(clock: Clock) -> None:
    desk = Desk(clock, a_turn(**RESUMED), responses=FakeEngine(finds=[ANSWER]))
    desk.know("conv_other", "msg_9")
    desk.ask()
    # No item of another conversation says what is new in this one.
    assert desk.responses.looked == [("conv_old", "resp_lost", None)]


def test_nothing_is_looked_for_in_another_api(clock: Clock) -> None:
    turn = a_turn(**{**RESUMED, "api": Api.ASSISTANTS, "conversation_id": "thread_1"})
    desk = Desk(clock, turn, responses=FakeEngine(script=[ANSWER]))
    assert desk.ask() is ANSWER
    assert desk.responses.looked == []
    assert desk.responses.asked[0][1] == "responses-1"


# --- the gate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [Failure.OPENAI_QUOTA, Failure.OPENAI_UNEXPECTED])
@pytest.mark.parametrize("status", [429, 503])
def test_a_time_that_openai_names_closes_the_gate_of_the_key_and_a_share_of_ours_is_added(
    clock: Clock, failure: Failure, status: int
) -> None:
    error = AskError(failure, retryable=True, retry_after=3.0, status=status)
    desk = Desk(clock, responses=FakeEngine(script=[error, ANSWER]))
    assert desk.ask() is ANSWER
    ((gate, seconds, reason),) = desk.gates.closings
    assert (gate, reason) == (GATE, failure)
    assert desk.gates.told_of == [desk.held.turn.account_id]
    assert 3.0 + 0.25 / 4 <= seconds <= 3.0 + 0.5 / 4


def test_too_many_without_a_time_closes_the_gate_for_a_wait_of_our_own(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[rate_limited(), rate_limited(), ANSWER]))
    assert desk.ask() is ANSWER
    first, second = (seconds for _, seconds, _ in desk.gates.closings)
    assert 0.25 <= first <= 0.5 <= second <= 1.0


@pytest.mark.parametrize(
    "error",
    [server_error(), AskError(Failure.OPENAI_CONNECTION, retryable=True), AskError(Failure.OPENAI_AUTHENTICATION)],
    ids=["server-error", "no-connection", "final"],
)
def test_what_says_nothing_about_the_key_closes_no_gate(clock: Clock, error: AskError) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[error, ANSWER], finds=[None]))
    if error.retryable:
        desk.ask()
    else:
        desk.failure()
    assert desk.gates.closings == []


@pytest.mark.parametrize("known", [False, True], ids=["nothing-was-sent-before", "a-conversation-is-known"])
def test_a_turn_whose_key_is_told_to_wait_waits_without_a_worker(clock: Clock, known: bool) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[ANSWER]))
    if known:
        desk.know()
    desk.gates.close(GATE, 7.0, Failure.OPENAI_QUOTA)
    with pytest.raises(Parked):
        desk.ask_once()
    # Nothing was sent with the key, not even a conversation was opened.
    assert (desk.responses.opened, desk.responses.asked) == (0, [])
    (park,) = desk.turns.parks
    assert (park.gate, park.until) == (GATE, int(desk.deadline.at * 1000))
    assert desk.turns.turn is not None
    assert (desk.turns.turn.gated, desk.turns.turn.asked) == (Failure.OPENAI_QUOTA, False)
    clock.now += 7.0
    desk.take()
    answer, gate = desk.ask_once()
    assert answer is ANSWER
    # The gate was told when the answer began.
    assert gate is None
    assert desk.turns.steps == ["waiting_for_key", "asking", "answer_begun"]
    assert clock.sleeps == []
    # No attempt was made before, so that nothing is looked for.
    assert desk.responses.looked == []


def test_a_gate_that_was_closed_again_is_waited_for_again(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[ANSWER]))
    for seconds in (2.0, 1.0):
        desk.gates.close(GATE, seconds, Failure.OPENAI_QUOTA)
        with pytest.raises(Parked):
            desk.ask_once()
        clock.now += seconds
        desk.take()
    assert desk.ask() is ANSWER
    assert desk.turns.steps == ["waiting_for_key", "waiting_for_key", "asking", "answer_begun"]
    assert desk.held.turn.attempts == 1


def test_an_attempt_whose_outcome_is_unknown_is_still_looked_for_after_a_wait_for_the_key(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[server_error(), rate_limited(2.0)], finds=[None, ANSWER]))
    desk.know()
    assert desk.ask() is ANSWER
    assert desk.waits == 1
    assert len(desk.responses.looked) == 2
    assert len(desk.responses.asked) == 2


def test_attempts_are_counted_on_after_a_wait_for_the_key(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[rate_limited(1.0), rate_limited(1.0), ANSWER]))
    assert desk.ask() is ANSWER
    assert [told["attempt"] for told in desk.turns.told("asking")] == [1, 2, 3]


def test_a_gate_of_another_key_does_not_matter(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[ANSWER]))
    desk.gates.close("gate of sk-other", 30.0, Failure.OPENAI_QUOTA)
    assert desk.ask_once() == (ANSWER, None)


@pytest.mark.parametrize("reason", [Failure.OPENAI_QUOTA, Failure.OPENAI_UNEXPECTED])
@pytest.mark.parametrize("seconds", [45.0, 600.0])
def test_a_gate_that_opens_too_late_fails_the_turn_for_its_reason(
    clock: Clock, reason: Failure, seconds: float
) -> None:
    desk = Desk(clock)
    desk.gates.close(GATE, seconds, reason)
    error = desk.failure()
    assert (error.failure, error.code) == (reason, "key_told_to_wait")
    assert (desk.waits, desk.turns.parks) == (0, [])
    assert desk.responses.opened == 0
    # It says nothing new about the key.
    assert len(desk.gates.closings) == 1


@pytest.mark.parametrize("begins", [True, False], ids=["told-by-its-id", "told-by-the-answer"])
def test_a_watching_gate_is_told_once_that_openai_answers(clock: Clock, begins: bool) -> None:
    resumed = {} if begins else RESUMED
    desk = Desk(clock, a_turn(**resumed), responses=FakeEngine(script=[ANSWER], finds=[ANSWER]))
    desk.gates.watching.add(GATE)
    answer, gate = desk.ask_once()
    assert answer is ANSWER
    told = desk.turns.told_gates
    assert [*told, *([gate] if gate else [])] == [GATE]
    assert bool(told) is begins
    assert (desk.gates.closings, desk.gates.freed) == ([], [])


def test_a_gate_that_watches_nobody_is_told_nothing(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[ANSWER]))
    assert desk.ask_once() == (ANSWER, None)
    assert desk.turns.told_gates == []


@pytest.mark.parametrize(
    ("error", "freed", "closed"),
    [
        pytest.param(AskError(Failure.OPENAI_TIMEOUT), True, False, id="silence"),
        pytest.param(AskError(Failure.OPENAI_AUTHENTICATION), True, False, id="wrong-key"),
        pytest.param(AskError(Failure.OPENAI_QUOTA, code="insufficient_quota"), False, True, id="still-no-credit"),
    ],
)
def test_a_probe_that_fails_lets_the_next_one_test_the_ground(
    clock: Clock, error: AskError, freed: bool, closed: bool
) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[error]))
    desk.gates.watching.add(GATE)
    assert desk.failure() is error
    assert desk.gates.freed == ([(GATE, "r1")] if freed else [])
    assert desk.gates.closings == ([(GATE, 0.0, Failure.OPENAI_QUOTA)] if closed else [])
    assert desk.gates.told_of == ([desk.held.turn.account_id] if closed else [])


def test_a_probe_that_is_told_to_wait_closes_the_gate_again_and_waits_too(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[rate_limited(5.0)]))
    desk.gates.watching.add(GATE)
    with pytest.raises(Parked):
        desk.ask_once()
    assert [gate for gate, _, _ in desk.gates.closings] == [GATE]
    assert desk.gates.freed == []


def test_no_question_is_begun_after_the_deadline(clock: Clock) -> None:
    desk = Desk(clock, seconds=0.0)
    error = desk.failure()
    assert (error.failure, error.code) == (Failure.OPENAI_TIMEOUT, "deadline")


# --- conversations that break ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [ConversationTrouble.LOST, ConversationTrouble.TOO_LONG])
def test_a_broken_conversation_is_replaced_at_once(clock: Clock, kind: ConversationTrouble) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[trouble(kind), ANSWER]))
    desk.know()
    assert desk.ask() is ANSWER
    assert [conversation for _, conversation in desk.responses.asked] == ["conv_old", "responses-1"]
    assert desk.conversations.known[LINE] == Conversation(Api.RESPONSES, "responses-1")
    assert desk.turns.told("fresh_conversation") == [{"why": kind}]
    assert clock.sleeps == []


@pytest.mark.parametrize("kind", [ConversationTrouble.LOST, ConversationTrouble.TOO_LONG])
def test_a_fresh_conversation_that_breaks_too_fails_the_turn(clock: Clock, kind: ConversationTrouble) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[trouble(kind), trouble(kind), ANSWER]))
    desk.know()
    assert desk.failure().trouble is kind
    assert len(desk.responses.asked) == 2


def test_a_locked_conversation_is_waited_for_before_it_is_replaced(clock: Clock) -> None:
    locked = trouble(ConversationTrouble.LOCKED)
    desk = Desk(clock, responses=FakeEngine(script=[locked, locked, locked, ANSWER]))
    desk.know()
    assert desk.ask() is ANSWER
    assert [conversation for _, conversation in desk.responses.asked] == [*["conv_old"] * 3, "responses-1"]
    assert len(desk.turns.told("retry")) == 2
    assert desk.turns.told("fresh_conversation") == [{"why": "locked"}]


def test_a_lock_that_goes_keeps_the_conversation(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[trouble(ConversationTrouble.LOCKED), ANSWER]))
    desk.know()
    assert desk.ask() is ANSWER
    assert [conversation for _, conversation in desk.responses.asked] == ["conv_old", "conv_old"]
    assert desk.turns.told("fresh_conversation") == []


def test_with_little_time_left_a_lock_is_not_waited_for(clock: Clock) -> None:
    desk = Desk(clock, seconds=2.5, responses=FakeEngine(script=[trouble(ConversationTrouble.LOCKED), ANSWER]))
    desk.know()
    assert desk.ask() is ANSWER
    assert desk.turns.told("fresh_conversation") == [{"why": "locked"}]
    assert clock.sleeps == []


def test_in_a_fresh_conversation_nothing_old_is_looked_for(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[server_error(), ANSWER], finds=[trouble(ConversationTrouble.LOST)]))
    desk.know()
    assert desk.ask() is ANSWER
    assert len(desk.responses.looked) == 1
    assert [conversation for _, conversation in desk.responses.asked] == ["conv_old", "responses-1"]


# --- an API that is gone --------------------------------------------------------------------------------------------

ASSISTANT = an_account(assistant_id="asst_1", profile=replace(PROFILE, active=False))


@pytest.mark.parametrize(
    "engine",
    [
        lambda: FakeEngine(Api.ASSISTANTS, script=[gone()]),
        lambda: FakeEngine(Api.ASSISTANTS, opens=[gone()]),
    ],
    ids=["while-asking", "while-opening"],
)
def test_an_api_that_is_gone_is_replaced_by_the_profile_within_the_turn(
    clock: Clock, engine: Callable[[], FakeEngine]
) -> None:
    desk = Desk(
        clock,
        account=ASSISTANT,
        assistants=engine(),
        responses=FakeEngine(script=[ANSWER]),
        switch=FakeSwitch(PROFILE),
    )
    assert desk.ask() is ANSWER
    assert desk.switch.woken == [ASSISTANT.account_id]
    ((question, conversation),) = desk.responses.asked
    assert question.assistant == Assistant("asst_1", Api.RESPONSES, PROFILE)
    assert conversation == "responses-1"
    assert desk.conversations.known[LINE] == Conversation(Api.RESPONSES, "responses-1")
    assert desk.turns.steps.count("switched_to_profile") == 1
    assert clock.sleeps == []


def test_without_a_profile_an_api_that_is_gone_fails_the_turn(clock: Clock) -> None:
    desk = Desk(clock, account=ASSISTANT, assistants=FakeEngine(Api.ASSISTANTS, script=[gone()]))
    assert desk.failure().failure is Failure.OPENAI_UNEXPECTED
    assert desk.switch.woken == [ASSISTANT.account_id]
    assert desk.responses.asked == []


def test_a_lost_attempt_of_the_gone_api_is_not_looked_for(clock: Clock) -> None:
    turn = a_turn(**{**RESUMED, "api": Api.ASSISTANTS, "conversation_id": "thread_1", "answer_id": "run_1"})
    desk = Desk(
        clock,
        turn,
        account=ASSISTANT,
        assistants=FakeEngine(Api.ASSISTANTS, finds=[gone()]),
        responses=FakeEngine(script=[ANSWER]),
        switch=FakeSwitch(PROFILE),
    )
    assert desk.ask() is ANSWER
    assert desk.responses.looked == []
