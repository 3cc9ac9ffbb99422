"""Both engines against the simulated OpenAI, on real sockets."""

import logging
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.clients.http import PartnerSession
from app.clients.openai_assistants import AssistantsEngine
from app.clients.openai_responses import ResponsesEngine
from app.clients.openai_setup import OpenAiSetup
from app.domain.answers import Answer, Deadline, Question
from app.domain.assistants import Api, Assistant, Profile
from app.domain.failures import AskError, ConversationTrouble, Failure
from app.services.ports import Engine
from sandbox.openai_server import OpenAISimulator
from tests.waiting import wait_until

KEY = "sk-proj-acme-0123456789abcdef"
OTHER_KEY = "sk-proj-bolos-0123456789abcdef"
RESPONSES = Assistant("asst_1", Api.RESPONSES, Profile("gpt-4o-mini", "Seja gentil.", ("vs_1",), 0.2))
PROMPT = Assistant("pmpt_1", Api.RESPONSES)
ASSISTANTS = Assistant("asst_1", Api.ASSISTANTS)
# Far longer than any test may last: what ends sooner was ended by something else.
LONG = 60.0


@pytest.fixture
def simulator() -> Iterator[OpenAISimulator]:
    with OpenAISimulator() as simulator:
        simulator.add_key(KEY, "acme")
        simulator.add_key(OTHER_KEY, "bolos")
        simulator.add_assistant("asst_1", "acme", vector_store_ids=("vs_1",))
        simulator.add_prompt("pmpt_1", "acme")
        yield simulator


@pytest.fixture
def session() -> Iterator[PartnerSession]:
    with PartnerSession(8) as session:
        yield session


@dataclass
class Client:
    """One account's way to one assistant."""

    engine: Engine
    assistant: Assistant
    key: str = KEY
    known: list[str] = field(default_factory=list)

    def open(self) -> str:
        return self.engine.open_conversation(self.key, self.soon())

    def ask(self, text: str, conversation: str, seconds: float = LONG, step: str = "") -> Answer:
        question = self.question(text, step)
        return self.engine.ask(question, conversation, self.key, self.soon(seconds), self.known.append)

    def find(
        self, text: str, conversation: str, answer_id: str | None = None, after: str | None = None
    ) -> Answer | None:
        question = self.question(text)
        return self.engine.find(question, conversation, answer_id, after, self.key, self.soon(20.0), self.known.append)

    def error(self, text: str, conversation: str, seconds: float = LONG) -> AskError:
        begun = time.monotonic()
        with pytest.raises(AskError) as raised:
            self.ask(text, conversation, seconds)
        assert time.monotonic() - begun < LONG / 4
        shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value)
        assert self.key not in shown
        return raised.value

    def question(self, text: str, step: str = "") -> Question:
        return Question(f"01{text.encode().hex()}", text, step, "h" * 64, self.assistant)

    def soon(self, seconds: float = LONG) -> Deadline:
        return Deadline(time.time() + seconds)


def a_client(
    assistant: Assistant,
    simulator: OpenAISimulator,
    session: PartnerSession,
    read_timeout: float = LONG,
    key: str = KEY,
) -> Client:
    kind = ResponsesEngine if assistant.api is Api.RESPONSES else AssistantsEngine
    return Client(kind(session, simulator.url, 5.0, read_timeout, poll_interval=0.02), assistant, key)


@pytest.fixture(params=[RESPONSES, PROMPT, ASSISTANTS], ids=["responses", "prompt", "assistants"])
def client(request: pytest.FixtureRequest, simulator: OpenAISimulator, session: PartnerSession) -> Client:
    return a_client(request.param, simulator, session)


@pytest.fixture(params=[RESPONSES, ASSISTANTS], ids=["responses", "assistants"])
def either(request: pytest.FixtureRequest, simulator: OpenAISimulator, session: PartnerSession) -> Client:
    return a_client(request.param, simulator, session)


def user_texts(simulator: OpenAISimulator, client: Client, conversation: str) -> list[str]:
    """What the client has said in a conversation, as OpenAI keeps it."""
    if client.assistant.api is Api.ASSISTANTS:
        messages = simulator.thread_messages(conversation)
        return [entry["content"][0]["text"]["value"] for entry in messages if entry["role"] == "user"]
    items = simulator.conversation_items(conversation)
    return [entry["content"][0]["text"] for entry in items if entry.get("role") == "user"]


# --- good days ---------------------------------------------------------------------------------------------------


def test_a_conversation_goes_on(client: Client, simulator: OpenAISimulator) -> None:
    conversation = client.open()
    first = client.ask("Meu nome é Ana", conversation)
    assert first.text == "[acme] Mensagem 1: Meu nome é Ana"
    assert first.usage is not None
    assert first.model
    assert client.ask("Qual é o meu nome?", conversation).text == "[acme] Mensagem 2: seu nome é Ana."
    assert len(client.known) == 2
    assert first.answer_id == client.known[0]
    assert all(call.status == 200 for call in simulator.calls), "nothing we sent was refused"


def test_conversations_are_apart(client: Client) -> None:
    one, other = client.open(), client.open()
    client.ask("Meu nome é Ana", one)
    assert client.ask("Qual é o meu nome?", other).text.endswith("você ainda não me disse o seu nome.")


def test_the_steps_instructions_arrive(client: Client, simulator: OpenAISimulator) -> None:
    client.ask("Oi", client.open(), step="Peça o CPF.")
    assert "Peça o CPF." in str(simulator.calls[-1].body)


def test_many_accounts_share_a_session_without_mixing(simulator: OpenAISimulator, session: PartnerSession) -> None:
    simulator.add_assistant("asst_1", "acme")
    simulator.configure(total=0.05)
    clients = [a_client(RESPONSES, simulator, session, key=key) for key in (KEY, OTHER_KEY)]

    def talk(number: int) -> list[str]:
        client = clients[number % 2]
        conversation = client.open()
        return [client.ask(f"{number}-{turn}", conversation).text for turn in range(3)]

    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(talk, range(24)))
    projects = ("acme", "bolos")
    assert said == [
        [f"[{projects[number % 2]}] Mensagem {turn + 1}: {number}-{turn}" for turn in range(3)] for number in range(24)
    ]


@pytest.mark.parametrize(
    ("fault", "options", "text"),
    [
        ("unicode", {}, "[acme] Mensagem 1: Oi linha\u2028parágrafo\u0085fim 👩🏽‍🚀 ação cafe\u0301"),
        ("refusal", {}, "Desculpe, não posso ajudar com isso."),
        ("slow", {"first_byte": 0.1, "total": 0.2}, "[acme] Mensagem 1: Oi"),
        ("ratelimit_exhausted", {}, "[acme] Mensagem 1: Oi"),
    ],
)
def test_unusual_answers_are_answers(
    either: Client, simulator: OpenAISimulator, fault: str, options: dict[str, Any], text: str
) -> None:
    simulator.fault(fault, **options)
    assert either.ask("Oi", either.open()).text == text


@pytest.mark.parametrize(
    ("assistant", "fault", "text"),
    [
        (RESPONSES, "commentary_phase", "[acme] Mensagem 1: Oi"),
        (RESPONSES, "incomplete_max_tokens", "[acme] Men"),
        (ASSISTANTS, "run_incomplete", "[acme] Men"),
    ],
    ids=["commentary", "cut response", "cut run"],
)
def test_unusual_answers_of_one_api_are_answers(
    simulator: OpenAISimulator, session: PartnerSession, assistant: Assistant, fault: str, text: str
) -> None:
    simulator.fault(fault)
    client = a_client(assistant, simulator, session)
    assert client.ask("Oi", client.open()).text == text


def test_citation_marks_of_assistants_are_taken_out(simulator: OpenAISimulator, session: PartnerSession) -> None:
    simulator.fault("citations")
    client = a_client(ASSISTANTS, simulator, session)
    answer = client.ask("Oi", client.open()).text
    assert "【" not in answer
    assert "sandbox:" not in answer


# --- bad days ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "failure", "retryable"),
    [
        ("unauthorized", Failure.OPENAI_AUTHENTICATION, False),
        ("forbidden_region", Failure.OPENAI_AUTHENTICATION, False),
        ("forbidden_model", Failure.OPENAI_AUTHENTICATION, False),
        ("model_not_found", Failure.OPENAI_UNEXPECTED, False),
        ("rate_limit", Failure.OPENAI_QUOTA, True),
        ("slow_down", Failure.OPENAI_QUOTA, True),
        ("request_too_large", Failure.OPENAI_UNEXPECTED, False),
        ("credit_exhausted", Failure.OPENAI_QUOTA, False),
        ("insufficient_quota", Failure.OPENAI_QUOTA, False),
        ("org_spend_limit", Failure.OPENAI_QUOTA, False),
        ("project_spend_limit", Failure.OPENAI_QUOTA, False),
        ("org_usage_limit", Failure.OPENAI_QUOTA, False),
        ("billing_not_active", Failure.OPENAI_QUOTA, False),
        ("billing_hard_limit", Failure.OPENAI_QUOTA, False),
        ("timeout_408", Failure.OPENAI_UNEXPECTED, True),
        ("conflict_409", Failure.OPENAI_UNEXPECTED, True),
        ("server_error_500", Failure.OPENAI_UNEXPECTED, True),
        ("overloaded_503", Failure.OPENAI_UNEXPECTED, True),
        ("bad_gateway_html_502", Failure.OPENAI_UNEXPECTED, True),
        ("not_json", Failure.OPENAI_UNEXPECTED, False),
        ("reset", Failure.OPENAI_CONNECTION, True),
        ("reset_midway", Failure.OPENAI_UNEXPECTED, False),
        ("cut_midway", Failure.OPENAI_UNEXPECTED, False),
        ("nested_error_event", Failure.OPENAI_UNEXPECTED, True),
        ("flat_error_event", Failure.OPENAI_UNEXPECTED, True),
        ("quota_error_event", Failure.OPENAI_QUOTA, False),
        ("empty_answer", Failure.OPENAI_UNEXPECTED, False),
    ],
)
def test_a_failure_is_told_apart(
    either: Client, simulator: OpenAISimulator, fault: str, failure: Failure, retryable: bool
) -> None:
    conversation = either.open()
    simulator.fault(fault, message="Oi")
    error = either.error("Oi", conversation)
    assert (error.failure, error.retryable, error.trouble) == (failure, retryable, None)
    assert any(call.faults == (fault,) for call in simulator.calls)


@pytest.mark.parametrize(
    ("assistant", "fault", "failure", "retryable"),
    [
        (PROMPT, "prompt_not_found", Failure.ASSISTANT_NOT_FOUND, False),
        (RESPONSES, "response_failed_server_error", Failure.OPENAI_UNEXPECTED, True),
        (RESPONSES, "response_failed_rate", Failure.OPENAI_QUOTA, True),
        (RESPONSES, "response_failed_quota", Failure.OPENAI_QUOTA, False),
        (RESPONSES, "function_call_output", Failure.OPENAI_UNEXPECTED, False),
        (ASSISTANTS, "assistant_not_found", Failure.ASSISTANT_NOT_FOUND, False),
        (ASSISTANTS, "run_failed_server_error", Failure.OPENAI_UNEXPECTED, True),
        (ASSISTANTS, "run_failed_rate", Failure.OPENAI_QUOTA, True),
        (ASSISTANTS, "run_failed_quota", Failure.OPENAI_QUOTA, False),
        (ASSISTANTS, "run_expired", Failure.OPENAI_TIMEOUT, False),
        (ASSISTANTS, "run_cancelled", Failure.OPENAI_UNEXPECTED, False),
        (ASSISTANTS, "run_requires_action", Failure.OPENAI_UNEXPECTED, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_failure_of_one_api_is_told_apart(
    simulator: OpenAISimulator,
    session: PartnerSession,
    assistant: Assistant,
    fault: str,
    failure: Failure,
    retryable: bool,
) -> None:
    client = a_client(assistant, simulator, session)
    conversation = client.open()
    simulator.fault(fault)
    error = client.error("Oi", conversation)
    assert (error.failure, error.retryable) == (failure, retryable)


@pytest.mark.parametrize("fault", ["hang", "hang_midway"])
def test_a_silence_is_a_timeout(
    either: Client, simulator: OpenAISimulator, session: PartnerSession, fault: str
) -> None:
    client = a_client(either.assistant, simulator, session, read_timeout=0.3)
    conversation = client.open()
    simulator.fault(fault)
    error = client.error("Oi", conversation)
    assert (error.failure, error.retryable, error.code) == (Failure.OPENAI_TIMEOUT, False, "silent")


@pytest.mark.parametrize("fault", ["hang", "hang_midway", "trickle"])
def test_nothing_passes_the_deadline(either: Client, simulator: OpenAISimulator, fault: str) -> None:
    conversation = either.open()
    simulator.fault(fault)
    error = either.error("Oi", conversation, seconds=0.4)
    assert (error.failure, error.retryable, error.code) == (Failure.OPENAI_TIMEOUT, False, "deadline")


def test_a_server_that_is_away_cannot_be_connected_to(session: PartnerSession) -> None:
    with OpenAISimulator() as simulator:
        client = a_client(RESPONSES, simulator, session)
    with pytest.raises(AskError) as raised:
        client.open()
    assert (raised.value.failure, raised.value.retryable) == (Failure.OPENAI_CONNECTION, True)


def test_the_time_to_wait_is_read(either: Client, simulator: OpenAISimulator) -> None:
    conversation = either.open()
    simulator.fault("slow_down", times=1, retry_after_ms=250)
    simulator.fault("overloaded_503", times=1, retry_after=7)
    simulator.fault("rate_limit", times=1)
    assert [either.error("Oi", conversation).retry_after for _ in range(3)] == [0.25, 7.0, 20.0]


def test_a_busy_conversation_is_trouble(either: Client, simulator: OpenAISimulator) -> None:
    conversation = either.open()
    simulator.fault("locked", times=1)
    error = either.error("Oi", conversation)
    assert (error.trouble, error.retryable) == (ConversationTrouble.LOCKED, True)
    assert either.ask("Oi", conversation).text == "[acme] Mensagem 1: Oi"


def test_two_questions_at_once_are_one_too_many(either: Client, simulator: OpenAISimulator) -> None:
    conversation = either.open()
    simulator.configure(total=1.0)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(either.ask, "Oi", conversation)
        wait_until(lambda: either.known)
        assert either.error("E agora?", conversation).trouble is ConversationTrouble.LOCKED
        assert first.result().text == "[acme] Mensagem 1: Oi"


def test_a_lost_conversation_is_trouble(either: Client, simulator: OpenAISimulator) -> None:
    conversation = either.open()
    simulator.fault("conversation_lost")
    assert either.error("Oi", conversation).trouble is ConversationTrouble.LOST
    with pytest.raises(AskError) as raised:
        either.find("Oi", conversation)
    assert raised.value.trouble is ConversationTrouble.LOST


def test_a_conversation_that_is_too_long_is_trouble(simulator: OpenAISimulator, session: PartnerSession) -> None:
    client = a_client(RESPONSES, simulator, session)
    conversation = client.open()
    simulator.configure(context_characters=10)
    assert client.error("Uma pergunta longa demais", conversation).trouble is ConversationTrouble.TOO_LONG


def test_an_api_that_is_gone_is_noticed_everywhere(simulator: OpenAISimulator, session: PartnerSession) -> None:
    client = a_client(ASSISTANTS, simulator, session)
    conversation = client.open()
    simulator.sunset()
    for attempt in (
        client.open,
        lambda: client.ask("Oi", conversation),
        lambda: client.find("Oi", conversation),
        lambda: client.find("Oi", conversation, "run_1"),
    ):
        with pytest.raises(AskError) as raised:
            attempt()
        assert raised.value.api_gone


def test_a_prompt_that_was_shut_down_is_not_found(simulator: OpenAISimulator, session: PartnerSession) -> None:
    client = a_client(PROMPT, simulator, session)
    conversation = client.open()
    simulator.sunset(assistants=False, prompts=True)
    assert client.error("Oi", conversation).failure is Failure.ASSISTANT_NOT_FOUND


# --- lost attempts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["reset", "bad_gateway_html_502", "server_error_500"])
def test_an_answer_whose_way_back_was_lost_is_found(either: Client, simulator: OpenAISimulator, fault: str) -> None:
    conversation = either.open()
    either.ask("Antes", conversation)
    simulator.fault(fault, message="Oi", times=1, after_effect=True)
    error = either.error("Oi", conversation)
    assert (error.retryable, error.maybe_processed) == (True, True)
    found = _found(either, conversation)
    assert found.text == "[acme] Mensagem 2: Oi"
    assert user_texts(simulator, either, conversation) == ["Antes", "Oi"]


def test_an_answer_whose_stream_was_lost_is_found_by_its_id(either: Client, simulator: OpenAISimulator) -> None:
    conversation = either.open()
    simulator.fault("cut_midway", times=1, after_effect=True)
    either.error("Oi", conversation)
    [answer_id] = either.known
    found = either.find("Oi", conversation, answer_id)
    assert found is not None
    assert (found.text, found.answer_id) == ("[acme] Mensagem 1: Oi", answer_id)
    assert user_texts(simulator, either, conversation) == ["Oi"]


def test_a_refused_question_left_nothing(either: Client, simulator: OpenAISimulator) -> None:
    conversation = either.open()
    simulator.fault("overloaded_503", times=1)
    assert not either.error("Oi", conversation).maybe_processed
    assert either.find("Oi", conversation) is None
    assert either.ask("Oi", conversation).text == "[acme] Mensagem 1: Oi"


def test_a_response_that_was_given_up_leaves_nothing(simulator: OpenAISimulator, session: PartnerSession) -> None:
    client = a_client(RESPONSES, simulator, session)
    conversation = client.open()
    simulator.fault("hang_midway", times=1)
    client.error("Oi", conversation, seconds=0.3)
    assert client.find("Oi", conversation, client.known[0]) is None
    assert client.ask("Oi", conversation).text == "[acme] Mensagem 1: Oi"


def test_the_same_text_again_is_another_question(simulator: OpenAISimulator, session: PartnerSession) -> None:
    client = a_client(RESPONSES, simulator, session)
    conversation = client.open()
    earlier = client.ask("Oi", conversation)
    assert earlier.item_id is not None
    assert client.find("Oi", conversation, after=earlier.item_id) is None
    again = client.ask("Oi", conversation)
    found = client.find("Oi", conversation, after=earlier.item_id)
    assert found is not None
    assert (found.text, found.item_id) == (again.text, again.item_id)


@pytest.mark.parametrize("fault", ["run_failed_server_error", "run_expired", "run_cancelled"])
def test_a_failed_run_is_repeated_without_its_message(
    simulator: OpenAISimulator, session: PartnerSession, fault: str
) -> None:
    client = a_client(ASSISTANTS, simulator, session)
    conversation = client.open()
    simulator.fault(fault, times=1)
    client.error("Oi", conversation)
    found = client.find("Oi", conversation, client.known[0])
    assert found is not None
    assert found.text == "[acme] Mensagem 1: Oi"
    assert user_texts(simulator, client, conversation) == ["Oi"]


def test_a_run_that_goes_on_alone_is_waited_for(simulator: OpenAISimulator, session: PartnerSession) -> None:
    client = a_client(ASSISTANTS, simulator, session)
    conversation = client.open()
    simulator.configure(total=0.6)
    with pytest.raises(AskError):
        client.ask("Oi", conversation, seconds=0.2)
    found = client.find("Oi", conversation, client.known[0])
    assert found is not None
    assert found.text == "[acme] Mensagem 1: Oi"


def _found(client: Client, conversation: str) -> Answer:
    """What is found once it is there: a response shows only when it has ended."""
    found: list[Answer | None] = []

    def look() -> Answer | None:
        found.append(client.find("Oi", conversation))
        return found[-1]

    wait_until(look)
    answer = found[-1]
    assert answer is not None
    return answer


# --- setting up --------------------------------------------------------------------------------------------------


def test_an_account_is_looked_at_before_it_is_used(simulator: OpenAISimulator, session: PartnerSession) -> None:
    simulator.add_assistant("asst_2", "acme", "gpt-4o-mini", "Seja breve.", "Bot", ("vs_2",), 0.3)
    setup = OpenAiSetup(session, simulator.url, 5.0, LONG)
    deadline = Deadline(time.time() + LONG)
    setup.check_key(KEY, deadline)
    assert setup.import_profile("asst_2", KEY, deadline) == Profile(
        "gpt-4o-mini", "Seja breve.", ("vs_2",), 0.3, source="imported", active=False
    )
    with pytest.raises(AskError) as raised:
        setup.import_profile("asst_2", OTHER_KEY, deadline)
    assert (raised.value.failure, raised.value.api_gone) == (Failure.ASSISTANT_NOT_FOUND, False)
    with pytest.raises(AskError) as raised:
        setup.check_key("sk-proj-nobody", deadline)
    assert raised.value.failure is Failure.OPENAI_AUTHENTICATION
    simulator.sunset()
    with pytest.raises(AskError) as raised:
        setup.import_profile("asst_2", KEY, deadline)
    assert raised.value.api_gone


# --- discretion --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["unauthorized", "server_error_500", "not_json", "reset", "cut_midway", "refusal"])
def test_neither_logs_nor_errors_repeat_a_key_or_a_message(
    either: Client, simulator: OpenAISimulator, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    message = "Meu CPF é 111.222.333-44"
    shown = ""
    with caplog.at_level(logging.DEBUG):
        conversation = either.open()
        simulator.fault(fault)
        try:
            either.ask(message, conversation)
        except AskError as error:
            shown = repr(error) + "".join(traceback.format_exception(error))
    assert caplog.records, "urllib3 logs its requests at this level"
    assert KEY not in caplog.text + shown
    assert "CPF" not in caplog.text + shown
