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
from app.domain.turn import Status, Turn, TurnLost
from app.services.asking import Asking
from app.services.held import HeldTurn
from tests.builders import an_account
from tests.unit.services.ports_in_memory import (
    HOLD,
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
    """One turn and everything around it."""

    clock: Clock
    turn: Turn = field(default_factory=a_turn)
    account: Account = ACCOUNT
    choice: ApiChoice = "auto"
    seconds: float = 45.0
    responses: FakeEngine = field(default_factory=FakeEngine)
    assistants: FakeEngine = field(default_factory=lambda: FakeEngine(Api.ASSISTANTS))
    conversations: FakeConversations = field(default_factory=FakeConversations)
    switch: FakeSwitch = field(default_factory=FakeSwitch)

    def __post_init__(self) -> None:
        self.gates = FakeGates(self.clock)
        self.turns = FakeTurns(self.turn, conversations=self.conversations)
        self.held = HeldTurn(self.turns, HOLD, self.turn, PriceBook({}))

    def ask(self) -> Answer:
        asking = Asking(
            engines={Api.RESPONSES: self.responses, Api.ASSISTANTS: self.assistants},
            gates=self.gates,
            conversations=self.conversations,
            profile_switch=self.switch,
            choice=self.choice,
            identifier_key=b"key",
            sleep=self.clock.sleep,
        )
        return asking.answer(self.held, self.account, Deadline(self.clock() + self.seconds, self.clock))

    def failure(self) -> AskError:
        with pytest.raises(AskError) as raised:
            self.ask()
        return raised.value

    def know(
        self, conversation_id: str = "conv_old", last_item: str | None = "msg_0", api: Api = Api.RESPONSES
    ) -> None:
        self.conversations.known[LINE] = Conversation(api, conversation_id, last_item)


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
    "error",
    [
        rate_limited(),
        rate_limited(0.5),
        AskError(Failure.OPENAI_CONNECTION, retryable=True, code="refused"),
        AskError(Failure.OPENAI_UNEXPECTED, retryable=True, status=409, code="conflict"),
    ],
    ids=lambda error: str(error.code),
)
def test_what_is_retryable_is_asked_again(clock: Clock, error: AskError) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[error, ANSWER]))
    assert desk.ask() is ANSWER
    assert len(desk.responses.asked) == 2
    assert desk.responses.looked == []
    (retry,) = desk.turns.told("retry")
    assert (retry["error_code"], retry["code"]) == (error.failure, error.code)
    assert retry["wait"] == round(clock.sleeps[0], 3)
    assert [told["attempt"] for told in desk.turns.told("asking")] == [1, 2]
    # The conversation is opened once.
    assert desk.responses.opened == 1


@pytest.mark.parametrize("failure", [Failure.OPENAI_TIMEOUT, Failure.OPENAI_AUTHENTICATION, Failure.OPENAI_QUOTA])
def test_what_is_final_fails_at_once(clock: Clock, failure: Failure) -> None:
    error = AskError(failure, retry_after=30.0, maybe_processed=True)
    desk = Desk(clock, responses=FakeEngine(script=[error]))
    assert desk.failure() is error
    assert clock.sleeps == []
    # A time to wait that comes with a final error is no order to the key.
    assert desk.gates.until == {}


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


def test_attempts_end_with_the_deadline(clock: Clock) -> None:
    desk = Desk(clock, seconds=4.0, responses=FakeEngine(script=[rate_limited()] * 9))
    began = clock()
    assert desk.failure().failure is Failure.OPENAI_QUOTA
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
def test_a_time_that_openai_names_closes_the_gate_of_the_key(clock: Clock, failure: Failure) -> None:
    error = AskError(failure, retryable=True, retry_after=3.0, status=429)
    desk = Desk(clock, responses=FakeEngine(script=[error, ANSWER]))
    began = clock()
    assert desk.ask() is ANSWER
    assert desk.gates.until == {KEY: (began + 3.0, failure)}
    assert 3.0 <= clock() - began <= 3.2


def test_without_a_time_the_gate_stays_open(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[rate_limited(), ANSWER]))
    desk.ask()
    assert desk.gates.until == {}


def test_a_closed_gate_is_waited_for(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[ANSWER]))
    desk.gates.close(KEY, 7.0, Failure.OPENAI_QUOTA)
    began = clock()
    assert desk.ask() is ANSWER
    assert 7.0 <= clock() - began <= 7.2
    assert desk.turns.told("waiting_for_key") == [{"wait": 7.0}]
    assert desk.turns.told("asking") == [{"attempt": 1, "api": "responses"}]


def test_a_gate_that_was_closed_again_is_waited_for_again(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[ANSWER]))
    desk.gates.close(KEY, 2.0, Failure.OPENAI_QUOTA)
    once = [True]

    def sleep(seconds: float) -> None:
        Clock.sleep(clock, seconds)
        if once.pop() if once else False:
            desk.gates.close(KEY, 1.0, Failure.OPENAI_QUOTA)

    clock.sleep = sleep  # type: ignore[method-assign]
    assert desk.ask() is ANSWER
    assert [told["wait"] for told in desk.turns.told("waiting_for_key")] == [2.0, 1.0]


def test_a_gate_of_another_key_does_not_matter(clock: Clock) -> None:
    desk = Desk(clock, responses=FakeEngine(script=[ANSWER]))
    desk.gates.close("sk-other", 30.0, Failure.OPENAI_QUOTA)
    desk.ask()
    assert clock.sleeps == []


@pytest.mark.parametrize("reason", [Failure.OPENAI_QUOTA, Failure.OPENAI_UNEXPECTED])
@pytest.mark.parametrize("seconds", [45.0, 600.0])
def test_a_gate_that_opens_too_late_fails_the_turn_for_its_reason(
    clock: Clock, reason: Failure, seconds: float
) -> None:
    desk = Desk(clock)
    desk.gates.close(KEY, seconds, reason)
    error = desk.failure()
    assert (error.failure, error.code) == (reason, "key_told_to_wait")
    assert clock.sleeps == []
    assert desk.responses.opened == 0


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
