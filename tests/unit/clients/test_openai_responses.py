import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st
from responses import matchers

from app.clients.http import PartnerSession
from app.clients.openai_responses import ResponsesEngine, answer_of, request_body
from app.domain.answers import Answer, Deadline, Question, Usage
from app.domain.assistants import Api, Assistant, Profile
from app.domain.failures import AskError, ConversationTrouble, Failure
from app.services.ports import Engine
from tests.unit.clients import openai_oracle
from tests.unit.clients.openai_replies import (
    CREATED,
    DELTA,
    DONE,
    a_response,
    asked,
    frame,
    listed,
    message,
    response_event,
    response_stream,
)

URL = "https://api.openai.example/v1"
KEY = "sk-proj-secret-0123456789"
NOW = 1_800_000_000.0
PROFILE = Profile("gpt-6-luna", "Seja gentil.", ("vs_1", "vs_2"), 0.3)
USAGE = Usage(input=36, cached=4, output=87, reasoning=7)


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def engine() -> Iterator[Engine]:
    with PartnerSession(2) as session:
        yield ResponsesEngine(session, URL + "/", connect_timeout=5.0, read_timeout=5.0, poll_interval=0.001)


class Clock:
    """A clock that goes on by itself: the deadline comes nearer with every look at it."""

    def __init__(self, step: float = 0.001) -> None:
        self.now = NOW
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def soon(step: float = 0.001) -> Deadline:
    return Deadline(NOW + 20.0, Clock(step))


def a_question(
    text: str = "Qual é o preço?", step: str = "", profile: Profile | None = PROFILE, assistant_id: str = "asst_1"
) -> Question:
    return Question("01TURN", text, step, "h" * 64, Assistant(assistant_id, Api.RESPONSES, profile))


def no_one(_: str) -> None: ...


def stream(wire: responses.RequestsMock, body: bytes, **fields: Any) -> None:
    wire.post(f"{URL}/responses", body=body, content_type="text/event-stream; charset=utf-8", **fields)


def ask(engine: Engine, question: Question | None = None, answer_id_known: Callable[[str], None] = no_one) -> Answer:
    return engine.ask(question or a_question(), "conv_1", KEY, soon(), answer_id_known)


def find(
    engine: Engine, answer_id: str | None = None, after_item: str | None = None, deadline: Deadline | None = None
) -> Answer | None:
    return engine.find(a_question(), "conv_1", answer_id, after_item, KEY, deadline or soon(), no_one)


# --- what is sent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "stands"),
    [
        pytest.param(a_question(), False, id="profile"),
        pytest.param(a_question(step="Peça o nome."), False, id="profile and step"),
        pytest.param(a_question(profile=Profile("gpt-6-luna")), False, id="bare profile"),
        pytest.param(a_question(profile=None, assistant_id="pmpt_1"), False, id="prompt"),
        pytest.param(a_question(profile=None, assistant_id="pmpt_1", step="Peça o nome."), False, id="prompt and step"),
        pytest.param(a_question(), True, id="the question stands"),
        pytest.param(a_question(profile=None, assistant_id="pmpt_1"), True, id="prompt, the question stands"),
    ],
)
def test_the_body_is_one_that_openais_client_could_send(question: Question, stands: bool) -> None:
    body = request_body(question, "conv_1", stands=stands)
    openai_oracle.RESPONSE.check(body)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_obfuscation": False}
    assert body["conversation"] == "conv_1"
    assert body["safety_identifier"] == "h" * 64
    assert body["metadata"] == {"request_id": "01TURN"}


def test_a_profile_is_spelled_out() -> None:
    body = request_body(a_question(step="Peça o nome."), "conv_1")
    assert body["model"] == "gpt-6-luna"
    assert body["instructions"] == "Seja gentil.\n\nPeça o nome."
    assert body["tools"] == [{"type": "file_search", "vector_store_ids": ["vs_1", "vs_2"]}]
    assert body["temperature"] == 0.3
    assert body["input"] == [{"type": "message", "role": "user", "content": "Qual é o preço?"}]
    assert "prompt" not in body


@pytest.mark.parametrize(
    ("profile", "step", "instructions"),
    [
        (Profile("m", "A"), "", "A"),
        (Profile("m", ""), "B", "B"),
        (Profile("m", "A"), "B", "A\n\nB"),
        (Profile("m", ""), "", None),
    ],
)
def test_the_steps_instructions_join_the_profiles(profile: Profile, step: str, instructions: str | None) -> None:
    assert request_body(a_question(profile=profile, step=step), "conv_1").get("instructions") == instructions


def test_what_a_profile_leaves_open_is_left_out() -> None:
    body = request_body(a_question(profile=Profile("gpt-6-luna")), "conv_1")
    assert body.keys().isdisjoint({"instructions", "tools", "temperature", "prompt"})


def test_a_temperature_of_zero_is_sent() -> None:
    assert request_body(a_question(profile=Profile("m", temperature=0.0)), "conv_1")["temperature"] == 0.0


def test_a_prompt_is_named_and_the_steps_instructions_go_before_the_message() -> None:
    body = request_body(a_question(profile=None, assistant_id="pmpt_1", step="Peça o nome."), "conv_1")
    assert body["prompt"] == {"id": "pmpt_1"}
    assert [(entry["role"], entry["content"]) for entry in body["input"]] == [
        ("developer", "Peça o nome."),
        ("user", "Qual é o preço?"),
    ]
    assert body.keys().isdisjoint({"model", "instructions"})


def test_a_question_that_stands_is_not_sent_again() -> None:
    assert "input" not in request_body(a_question(), "conv_1", stands=True)


def test_every_attempt_has_a_name_of_its_own_for_openais_support(wire: responses.RequestsMock, engine: Engine) -> None:
    stream(wire, response_stream())
    ask(engine)
    ask(engine)
    names = [call.request.headers["X-Client-Request-Id"] for call in wire.calls]
    assert len(set(names)) == 2
    assert all(name.startswith("01TURN-") and name.isascii() and len(name) <= 512 for name in names)


def test_the_request_carries_the_key_and_asks_for_a_stream(wire: responses.RequestsMock, engine: Engine) -> None:
    stream(wire, response_stream())
    ask(engine)
    sent = wire.calls[0].request
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.headers["Accept"] == "text/event-stream"
    assert sent.headers["Content-Type"] == "application/json"
    assert json.loads(sent.body or "") == request_body(a_question(), "conv_1")


def test_half_a_character_in_a_message_breaks_nothing(wire: responses.RequestsMock, engine: Engine) -> None:
    stream(wire, response_stream())
    ask(engine, a_question(text="oi \ud83d"))
    assert json.loads(wire.calls[0].request.body or "")["input"][0]["content"] == "oi \ud83d"


@pytest.mark.parametrize("key", ["", "sk-proj\nX: y", "sk-ção", "sk proj", "sk-\x00"])
def test_what_cannot_be_a_key_is_not_sent_and_not_repeated(engine: Engine, key: str) -> None:
    with pytest.raises(AskError) as raised:
        engine.open_conversation(key, soon())
    assert raised.value.failure is Failure.OPENAI_AUTHENTICATION
    assert raised.value.code == "malformed_api_key"
    assert not key or key not in str(raised.value) + repr(raised.value)


def test_a_conversation_is_opened_empty(wire: responses.RequestsMock, engine: Engine) -> None:
    wire.post(f"{URL}/conversations", json={"id": "conv_9", "object": "conversation"})
    assert engine.open_conversation(KEY, soon()) == "conv_9"
    openai_oracle.CONVERSATION.check(json.loads(wire.calls[0].request.body or ""))


@pytest.mark.parametrize("body", [{}, {"id": ""}, {"id": 5}])
def test_a_conversation_without_an_id_is_unexpected(wire: responses.RequestsMock, engine: Engine, body: Any) -> None:
    wire.post(f"{URL}/conversations", json=body)
    with pytest.raises(AskError) as raised:
        engine.open_conversation(KEY, soon())
    assert raised.value.failure is Failure.OPENAI_UNEXPECTED


# --- what is heard -----------------------------------------------------------------------------------------------


def test_an_answer_is_read_from_the_last_event(wire: responses.RequestsMock, engine: Engine) -> None:
    stream(wire, response_stream(None, DELTA, DELTA))
    known: list[str] = []
    assert ask(engine, answer_id_known=known.append) == Answer(
        "Olá!", "resp_1", item_id="msg_1", model="gpt-6-luna", usage=USAGE
    )
    assert known == ["resp_1"]


def test_the_response_id_is_told_before_the_rest_is_read(wire: responses.RequestsMock, engine: Engine) -> None:
    stream(wire, CREATED)
    known: list[str] = []
    with pytest.raises(AskError):
        ask(engine, answer_id_known=known.append)
    assert known == ["resp_1"]


@pytest.mark.parametrize("opening", ["response.queued", "response.in_progress"])
def test_the_response_id_is_taken_from_whatever_comes_first(
    wire: responses.RequestsMock, engine: Engine, opening: str
) -> None:
    started = response_event(opening, response=a_response("in_progress", []))
    stream(wire, started + response_stream())
    known: list[str] = []
    ask(engine, answer_id_known=known.append)
    assert known == ["resp_1"]


def test_an_error_of_the_caller_passes_through(wire: responses.RequestsMock, engine: Engine) -> None:
    stream(wire, response_stream())

    def store_is_away(_: str) -> None:
        raise ConnectionRefusedError("redis")

    with pytest.raises(ConnectionRefusedError, match="redis"):
        ask(engine, answer_id_known=store_is_away)


@pytest.mark.parametrize(
    ("between"),
    [
        pytest.param(response_event("response.telepathy.begun", thought=1), id="an unknown event"),
        pytest.param(frame("response.telepathy.begun", "not json"), id="an unknown event that is no JSON"),
        pytest.param(DONE, id="done"),
        pytest.param(b"data: [DONE]\n\n", id="done without a name"),
        pytest.param(b": ping\n\n", id="a comment"),
        pytest.param(response_event("response.output_item.added", item=message()), id="an event that says nothing new"),
    ],
)
def test_events_that_say_nothing_new_are_passed_over(
    wire: responses.RequestsMock, engine: Engine, between: bytes
) -> None:
    stream(wire, response_stream(None, between) + DONE)
    assert ask(engine).text == "Olá!"


def test_events_without_names_are_known_by_their_data(wire: responses.RequestsMock, engine: Engine) -> None:
    lines = response_stream(None, DELTA).split(b"\n")
    stream(wire, b"\n".join(line for line in lines if not line.startswith(b"event:")))
    known: list[str] = []
    assert ask(engine, answer_id_known=known.append).text == "Olá!"
    assert known == ["resp_1"]


@pytest.mark.parametrize("content_type", ["text/event-stream", "text/plain", "text/html; charset=utf-8"])
def test_a_stream_is_understood_under_any_name(wire: responses.RequestsMock, engine: Engine, content_type: str) -> None:
    wire.post(f"{URL}/responses", body=response_stream(), content_type=content_type)
    assert ask(engine).text == "Olá!"


def test_a_server_that_does_not_stream_is_understood(wire: responses.RequestsMock, engine: Engine) -> None:
    wire.post(f"{URL}/responses", json=a_response())
    known: list[str] = []
    assert ask(engine, answer_id_known=known.append).text == "Olá!"
    assert known == ["resp_1"]


@pytest.mark.parametrize(
    ("output", "text"),
    [
        pytest.param([message("Olá!")], "Olá!", id="one message"),
        pytest.param([message("Olá", ", mundo!")], "Olá, mundo!", id="parts of one message"),
        pytest.param([message("Um."), message("Dois.")], "Um.\n\nDois.", id="two messages"),
        pytest.param([message("Vou ver.", phase="commentary"), message("Custa 5.")], "Custa 5.", id="commentary"),
        pytest.param([message("Olá!", phase=None)], "Olá!", id="a null phase"),
        pytest.param([{k: v for k, v in message("Olá!").items() if k != "phase"}], "Olá!", id="no phase"),
        pytest.param([{"type": "reasoning", "id": "rs_1", "summary": []}, message("Olá!")], "Olá!", id="reasoning"),
        pytest.param(
            [{**message(), "content": [{"type": "refusal", "refusal": "Não posso."}]}], "Não posso.", id="refusal"
        ),
        pytest.param([message("\n Olá! \n")], "Olá!", id="blanks around"),
        pytest.param([message("Olá!"), {"type": "function_call", "name": "f"}], "Olá!", id="text beside a call"),
        pytest.param([message("Olá!"), "nonsense", None, {"type": "message"}], "Olá!", id="nonsense beside"),
        pytest.param([message("Olá\u2028você")], "Olá\u2028você", id="odd characters"),
    ],
)
def test_the_text_is_that_of_the_final_messages(output: list[Any], text: str) -> None:
    assert answer_of(a_response(output=output)).text == text


def test_the_newest_item_with_text_is_named() -> None:
    output = [message("Um.", item_id="msg_1"), message("Dois.", item_id="msg_2"), {"type": "reasoning", "id": "rs_1"}]
    assert answer_of(a_response(output=output)).item_id == "msg_2"


def test_an_incomplete_answer_is_an_answer() -> None:
    cut = a_response("incomplete", [message("Era uma")], incomplete_details={"reason": "max_output_tokens"})
    assert answer_of(cut).text == "Era uma"


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": "many"}, []])
def test_usage_that_cannot_be_read_is_no_usage(usage: Any) -> None:
    assert answer_of(a_response(usage=usage)).usage is None


def test_usage_without_details_has_none_cached_and_none_reasoned() -> None:
    answer = answer_of(a_response(usage={"input_tokens": 3, "output_tokens": 4}))
    assert answer.usage == Usage(input=3, cached=0, output=4, reasoning=0)


@pytest.mark.parametrize(
    ("response", "code"),
    [
        pytest.param(a_response(output=[]), "empty_answer", id="no output"),
        pytest.param(a_response(output=[message("")]), "empty_answer", id="an empty text"),
        pytest.param(a_response(output=[message(" \n ")]), "empty_answer", id="blanks only"),
        pytest.param(a_response(output=[message("Vou ver.", phase="commentary")]), "empty_answer", id="chatter only"),
        pytest.param(
            a_response(output=[{"type": "function_call", "name": "f", "arguments": "{}"}]),
            "unknown_tool_call",
            id="a function call",
        ),
        pytest.param(
            a_response(output=[{"type": "custom_tool_call", "name": "f"}]), "unknown_tool_call", id="a custom tool"
        ),
        pytest.param(
            a_response("incomplete", [], incomplete_details={"reason": "max_output_tokens"}),
            "max_output_tokens",
            id="cut before any text",
        ),
        pytest.param(
            a_response("incomplete", [], incomplete_details={"reason": "content_filter"}),
            "content_filter",
            id="filtered",
        ),
        pytest.param(a_response("cancelled", []), "cancelled", id="cancelled"),
        pytest.param({"id": "resp_1", "status": "completed"}, "completed", id="no output at all"),
        pytest.param({}, "no_response", id="nothing"),
        pytest.param(None, "no_response", id="not even an object"),
    ],
)
def test_an_answer_without_text_is_unexpected(
    wire: responses.RequestsMock, engine: Engine, response: Any, code: str
) -> None:
    stream(wire, CREATED + response_event("response.completed", response=response))
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert (raised.value.failure, raised.value.retryable) == (Failure.OPENAI_UNEXPECTED, False)
    assert raised.value.code == code


def error_event(nested: bool, code: str, text: str = "Sorry.") -> bytes:
    fields = {"code": code, "message": text, "param": None}
    return response_event("error", **({"error": {"type": "t", **fields}} if nested else fields))


def failed(code: str, text: str = "Sorry.") -> bytes:
    return response_event("response.failed", response=a_response("failed", [], error={"code": code, "message": text}))


QUOTA_SENTENCE = "You exceeded your current quota, please check your plan and billing details."


@pytest.mark.parametrize(
    ("ending", "failure", "retryable"),
    [
        pytest.param(error_event(True, "server_error"), Failure.OPENAI_UNEXPECTED, True, id="nested server error"),
        pytest.param(error_event(False, "server_error"), Failure.OPENAI_UNEXPECTED, True, id="flat server error"),
        pytest.param(failed("server_error"), Failure.OPENAI_UNEXPECTED, True, id="failed with server error"),
        pytest.param(error_event(True, "credit_balance_exhausted"), Failure.OPENAI_QUOTA, False, id="nested credit"),
        pytest.param(error_event(False, "insufficient_quota"), Failure.OPENAI_QUOTA, False, id="flat quota"),
        pytest.param(failed("rate_limit_exceeded", QUOTA_SENTENCE), Failure.OPENAI_QUOTA, False, id="failed by quota"),
        pytest.param(error_event(True, "rate_limit_exceeded"), Failure.OPENAI_QUOTA, True, id="nested rate"),
        pytest.param(error_event(False, "slow_down"), Failure.OPENAI_QUOTA, True, id="flat slow down"),
        pytest.param(failed("rate_limit_exceeded"), Failure.OPENAI_QUOTA, True, id="failed by rate"),
        pytest.param(error_event(True, "invalid_api_key"), Failure.OPENAI_AUTHENTICATION, False, id="nested key"),
        pytest.param(failed("invalid_prompt"), Failure.OPENAI_UNEXPECTED, False, id="failed by prompt"),
        pytest.param(frame("error", "<html>"), Failure.OPENAI_UNEXPECTED, False, id="an error that is no JSON"),
        pytest.param(
            response_event("response.failed", response=a_response("failed", [])),
            Failure.OPENAI_UNEXPECTED,
            False,
            id="failed without a reason",
        ),
    ],
)
def test_a_stream_that_fails_is_told_apart(
    wire: responses.RequestsMock, engine: Engine, ending: bytes, failure: Failure, retryable: bool
) -> None:
    stream(wire, CREATED + ending, headers={"x-request-id": "req_7"})
    with pytest.raises(AskError) as raised:
        ask(engine)
    error = raised.value
    assert (error.failure, error.retryable, error.maybe_processed) == (failure, retryable, True)
    assert (error.status, error.provider_request_id) == (200, "req_7")


@pytest.mark.parametrize("ending", [error_event(True, "server_error"), failed("server_error"), failed("slow_down")])
def test_what_failed_after_text_was_seen_is_not_repeated(
    wire: responses.RequestsMock, engine: Engine, ending: bytes
) -> None:
    stream(wire, CREATED + DELTA + ending)
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert not raised.value.retryable


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>Just a moment...</html>", id="a page"),
        pytest.param(CREATED, id="only the beginning"),
        pytest.param(CREATED + DELTA + DELTA, id="in the middle of the text"),
        pytest.param(response_stream()[:-1], id="one byte before the end"),
        pytest.param(CREATED + DONE, id="done without an end"),
    ],
)
def test_a_stream_that_ends_early_is_unexpected(wire: responses.RequestsMock, engine: Engine, body: bytes) -> None:
    stream(wire, body)
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert (raised.value.failure, raised.value.retryable) == (Failure.OPENAI_UNEXPECTED, False)
    assert raised.value.code == "stream_cut"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b"<html>Just a moment...</html>", "application/json", id="a page"),
        pytest.param(b"", "application/json", id="nothing"),
        pytest.param(b"[1, 2]", "application/json", id="a list"),
        pytest.param(b"\xff\xfe", "application/json", id="no text"),
        pytest.param(b"[" * 100_000, "application/json", id="too deep"),
        pytest.param(b"data: <html>\n\n", "text/event-stream", id="a page in a stream"),
        pytest.param(frame("response.completed", "{"), "text/event-stream", id="half a document in a stream"),
    ],
)
def test_what_is_not_json_is_unexpected(
    wire: responses.RequestsMock, engine: Engine, body: bytes, content_type: str
) -> None:
    wire.post(f"{URL}/responses", body=body, content_type=content_type)
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert (raised.value.failure, raised.value.code) == (Failure.OPENAI_UNEXPECTED, "not_json")


def test_an_error_page_is_judged_by_its_status(wire: responses.RequestsMock, engine: Engine) -> None:
    wire.post(f"{URL}/responses", status=502, body="<html>" + "x" * 200_000, content_type="text/html")
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert (raised.value.failure, raised.value.retryable) == (Failure.OPENAI_UNEXPECTED, True)
    assert (raised.value.status, raised.value.code) == (502, "http_502")


def test_a_lost_conversation_is_trouble(wire: responses.RequestsMock, engine: Engine) -> None:
    text = "Conversation with id 'conv_1' not found."
    wire.post(f"{URL}/responses", status=404, json={"error": {"message": text, "type": "t", "code": None}})
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert raised.value.trouble is ConversationTrouble.LOST


def test_a_redirect_is_not_followed(wire: responses.RequestsMock, engine: Engine) -> None:
    wire.post(f"{URL}/responses", status=307, headers={"Location": "https://elsewhere.example/"})
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert (raised.value.failure, raised.value.status) == (Failure.OPENAI_UNEXPECTED, 307)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["message", "assistant", "completed"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "type", "status", "role", "phase", "content", "text", "output", "usage", "response"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(ANYTHING, st.sampled_from(["response.created", "response.completed", "response.failed", "error", ""]))
def test_whatever_a_stream_holds_is_an_answer_or_an_error(document: Any, kind: str) -> None:
    with responses.RequestsMock() as wire, PartnerSession(1) as session:
        engine = ResponsesEngine(session, URL, 5.0, 5.0)
        event = frame(kind, document) if kind else b"data: " + json.dumps(document).encode() + b"\n\n"
        stream(wire, event)
        with contextlib.suppress(AskError):
            assert ask(engine).text


@given(ANYTHING)
def test_whatever_a_response_holds_is_an_answer_or_an_error(document: Any) -> None:
    for response in (document, a_response(output=[document]), a_response(output=[{**message(), "content": document}])):
        with contextlib.suppress(AskError):
            assert answer_of(response).text


# --- what is found again -----------------------------------------------------------------------------------------


def on_items(wire: responses.RequestsMock, *newest_first: Any) -> None:
    wire.get(
        f"{URL}/conversations/conv_1/items",
        json=listed(*newest_first),
        match=[matchers.query_param_matcher({"order": "desc", "limit": "100"})],
    )


def on_response(wire: responses.RequestsMock, response: Any, status: int = 200) -> None:
    wire.get(f"{URL}/responses/resp_1", json=response, status=status)


GONE = {"error": {"message": "Response with id 'resp_1' not found.", "type": "invalid_request_error", "code": None}}


def test_a_response_that_completed_meanwhile_is_the_answer(wire: responses.RequestsMock, engine: Engine) -> None:
    on_response(wire, a_response())
    assert find(engine, "resp_1") == Answer("Olá!", "resp_1", item_id="msg_1", model="gpt-6-luna", usage=USAGE)


def test_a_response_that_still_runs_is_waited_for(wire: responses.RequestsMock, engine: Engine) -> None:
    on_response(wire, a_response("queued", []))
    on_response(wire, a_response("in_progress", []))
    on_response(wire, a_response())
    found = find(engine, "resp_1")
    assert found is not None
    assert found.text == "Olá!"
    assert len(wire.calls) == 3


def test_an_incomplete_response_with_text_is_the_answer(wire: responses.RequestsMock, engine: Engine) -> None:
    on_response(wire, a_response("incomplete", [message("Era uma")]))
    found = find(engine, "resp_1")
    assert found is not None
    assert found.text == "Era uma"


def test_a_completed_response_without_text_is_as_unexpected_as_before(
    wire: responses.RequestsMock, engine: Engine
) -> None:
    on_response(wire, a_response(output=[]))
    with pytest.raises(AskError) as raised:
        find(engine, "resp_1")
    assert raised.value.code == "empty_answer"


@pytest.mark.parametrize(
    ("response", "status"),
    [
        pytest.param(a_response("failed", []), 200, id="failed"),
        pytest.param(a_response("cancelled", []), 200, id="cancelled"),
        pytest.param(a_response("cancelled", [message("Era uma")]), 200, id="cancelled in the middle"),
        pytest.param(a_response("failed", [message("Era uma")]), 200, id="failed in the middle"),
        pytest.param(a_response("incomplete", []), 200, id="incomplete without text"),
        pytest.param(GONE, 404, id="vanished"),
    ],
)
def test_a_response_that_came_to_nothing_leaves_the_conversation_to_be_looked_at(
    wire: responses.RequestsMock, engine: Engine, response: Any, status: int
) -> None:
    on_response(wire, response, status)
    on_items(wire)
    assert find(engine, "resp_1") is None


def test_a_response_that_runs_for_ever_gets_half_of_the_time(wire: responses.RequestsMock, engine: Engine) -> None:
    on_response(wire, a_response("in_progress", []))
    on_items(wire)
    deadline = soon(step=0.5)
    assert find(engine, "resp_1", deadline=deadline) is None
    assert 5.0 < deadline.left() < 12.0


def test_an_answer_in_the_conversation_is_found_by_its_question(wire: responses.RequestsMock, engine: Engine) -> None:
    reply = message("Custa 5.", item_id="msg_3")
    on_items(wire, reply, {"type": "reasoning", "id": "rs_1"}, asked("Qual é o preço?", "msg_2"), asked("Oi", "msg_1"))
    assert find(engine) == Answer("Custa 5.", "msg_3", item_id="msg_3")


def test_an_answer_in_the_conversation_keeps_the_id_of_its_response(
    wire: responses.RequestsMock, engine: Engine
) -> None:
    on_response(wire, GONE, 404)
    on_items(wire, message("Custa 5.", item_id="msg_3"), asked("Qual é o preço?"))
    assert find(engine, "resp_1") == Answer("Custa 5.", "resp_1", item_id="msg_3")


@pytest.mark.parametrize(
    ("newest_first", "after_item"),
    [
        pytest.param((), None, id="an empty conversation"),
        pytest.param((message("Oi."), asked("Oi")), None, id="other questions only"),
        pytest.param(
            (message("Custa 5.", item_id="msg_2"), asked("Qual é o preço?", "msg_1")), "msg_2", id="the same, earlier"
        ),
        pytest.param(
            (message("Custa 5.", item_id="msg_2"), asked("Qual é o preço?", "msg_1")),
            "msg_0",
            id="items of unknown age",
        ),
        pytest.param(
            (message("Tchau."), asked("Tchau"), asked("Qual é o preço?")), None, id="a question that was passed over"
        ),
    ],
)
def test_nothing_of_ours_in_the_conversation_is_nothing(
    wire: responses.RequestsMock, engine: Engine, newest_first: tuple[Any, ...], after_item: str | None
) -> None:
    on_items(wire, *newest_first)
    assert find(engine, after_item=after_item) is None


def test_the_same_text_written_twice_gets_the_second_answer(wire: responses.RequestsMock, engine: Engine) -> None:
    on_items(
        wire,
        message("Custa 6 agora.", item_id="msg_4"),
        asked("Qual é o preço?", "msg_3"),
        message("Custa 5.", item_id="msg_2"),
        asked("Qual é o preço?", "msg_1"),
    )
    found = find(engine, after_item="msg_2")
    assert found is not None
    assert found.text == "Custa 6 agora."


def test_a_later_questions_answer_is_not_taken(wire: responses.RequestsMock, engine: Engine) -> None:
    on_items(wire, message("Tchau."), asked("Tchau"), message("Custa 5."), asked("Qual é o preço?"))
    found = find(engine)
    assert found is not None
    assert found.text == "Custa 5."


def test_a_question_that_stands_alone_is_answered_without_being_added(
    wire: responses.RequestsMock, engine: Engine
) -> None:
    on_items(wire, asked("Qual é o preço?"))
    stream(wire, response_stream())
    found = find(engine)
    assert found is not None
    assert found.text == "Olá!"
    sent = json.loads(wire.calls[-1].request.body or "")
    assert "input" not in sent
    openai_oracle.RESPONSE.check(sent)


def test_a_conversation_that_was_lost_meanwhile_is_trouble(wire: responses.RequestsMock, engine: Engine) -> None:
    error = {"message": "Conversation with id 'conv_1' not found.", "type": "invalid_request_error", "code": None}
    wire.get(f"{URL}/conversations/conv_1/items", status=404, json={"error": error})
    with pytest.raises(AskError) as raised:
        find(engine)
    assert raised.value.trouble is ConversationTrouble.LOST


def test_a_failure_to_look_is_an_error(wire: responses.RequestsMock, engine: Engine) -> None:
    on_response(wire, {}, 500)
    with pytest.raises(AskError) as raised:
        find(engine, "resp_1")
    assert raised.value.retryable
