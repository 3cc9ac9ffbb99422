import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st
from responses import matchers

from app.clients.http import PartnerSession
from app.clients.openai_assistants import AssistantsEngine, request_body
from app.domain.answers import Answer, Deadline, Question, Usage
from app.domain.assistants import Api, Assistant
from app.domain.failures import AskError, ConversationTrouble, Failure
from app.services.ports import Engine
from tests.unit.clients import openai_oracle
from tests.unit.clients.openai_replies import (
    DONE,
    MESSAGE_DELTA,
    RUN_CREATED,
    a_run,
    frame,
    listed,
    run_stream,
    said,
    thread_message,
)

URL = "https://api.openai.example/v1"
THREAD = f"{URL}/threads/thread_1"
KEY = "sk-proj-secret-0123456789"
NOW = 1_800_000_000.0
USAGE = Usage(input=30, cached=5, output=20, reasoning=2)
MARK = {"request_id": "01TURN"}


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def engine() -> Iterator[Engine]:
    with PartnerSession(2) as session:
        yield AssistantsEngine(session, URL, connect_timeout=5.0, read_timeout=5.0, poll_interval=0.001)


class Clock:
    """A clock that goes on by itself: the deadline comes nearer with every look at it."""

    def __init__(self, step: float) -> None:
        self.now = NOW
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def soon(step: float = 0.001) -> Deadline:
    return Deadline(NOW + 20.0, Clock(step))


def a_question(step: str = "") -> Question:
    return Question("01TURN", "Qual é o preço?", step, "h" * 64, Assistant("asst_1", Api.ASSISTANTS))


def no_one(_: str) -> None: ...


def stream(wire: responses.RequestsMock, body: bytes) -> None:
    wire.post(f"{THREAD}/runs", body=body, content_type="text/event-stream")


def refused(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def ask(engine: Engine, answer_id_known: Callable[[str], None] = no_one, step: str = "") -> Answer:
    return engine.ask(a_question(step), "thread_1", KEY, soon(), answer_id_known)


def find(
    engine: Engine,
    answer_id: str | None = None,
    answer_id_known: Callable[[str], None] = no_one,
    deadline: Deadline | None = None,
) -> Answer | None:
    return engine.find(a_question(), "thread_1", answer_id, None, KEY, deadline or soon(), answer_id_known)


# --- what is sent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["", "Peça o nome."])
@pytest.mark.parametrize("stands", [True, False])
def test_the_body_is_one_that_openais_client_could_send(step: str, stands: bool) -> None:
    body = request_body(a_question(step), stands=stands)
    openai_oracle.RUN.check(body)
    assert body["assistant_id"] == "asst_1"
    assert body["stream"] is True
    assert body["metadata"] == MARK
    assert ("additional_messages" in body) is not stands
    assert body.get("additional_instructions", "") == step


def test_the_message_is_marked_as_ours() -> None:
    assert request_body(a_question())["additional_messages"] == [
        {"role": "user", "content": "Qual é o preço?", "metadata": MARK}
    ]


def test_the_request_says_which_api_is_meant(wire: responses.RequestsMock, engine: Engine) -> None:
    stream(wire, run_stream("completed", said("Olá!")))
    ask(engine)
    sent = wire.calls[0].request
    assert sent.headers["OpenAI-Beta"] == "assistants=v2"
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert json.loads(sent.body or "") == request_body(a_question())


def test_a_thread_is_opened_empty(wire: responses.RequestsMock, engine: Engine) -> None:
    wire.post(f"{URL}/threads", json={"id": "thread_9", "object": "thread"})
    assert engine.open_conversation(KEY, soon()) == "thread_9"
    openai_oracle.THREAD.check(json.loads(wire.calls[0].request.body or ""))


# --- what is heard -----------------------------------------------------------------------------------------------


def test_an_answer_is_what_the_run_said(wire: responses.RequestsMock, engine: Engine) -> None:
    stream(wire, run_stream("completed", MESSAGE_DELTA, MESSAGE_DELTA, said("Olá!")))
    known: list[str] = []
    assert ask(engine, known.append) == Answer("Olá!", "run_1", model="gpt-4o-mini", usage=USAGE)
    assert known == ["run_1"]


def test_the_run_id_is_told_before_the_rest_is_read(wire: responses.RequestsMock, engine: Engine) -> None:
    stream(wire, RUN_CREATED)
    known: list[str] = []
    with pytest.raises(AskError):
        ask(engine, known.append)
    assert known == ["run_1"]


def test_only_what_this_run_and_the_assistant_said_is_taken(wire: responses.RequestsMock, engine: Engine) -> None:
    strangers = (said("Alheia.", run_id="run_0"), said("Minha pergunta", role="user"))
    stream(wire, run_stream("completed", strangers[0], said("Um."), said("  "), strangers[1], said("Dois.")))
    assert ask(engine).text == "Um.\n\nDois."


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(frame("thread.run.queued", a_run("queued")), id="an event that says nothing new"),
        pytest.param(frame("thread.run.step.delta", {"id": "step_1"}), id="a step"),
        pytest.param(frame("thread.telepathy", "not json"), id="an unknown event that is no JSON"),
        pytest.param(b": ping\n\n", id="a comment"),
        pytest.param(DONE, id="done"),
    ],
)
def test_events_that_say_nothing_new_are_passed_over(
    wire: responses.RequestsMock, engine: Engine, between: bytes
) -> None:
    stream(wire, run_stream("completed", between, said("Olá!")))
    assert ask(engine).text == "Olá!"


FILE_CITATION = {"type": "file_citation", "text": "【13†source】", "start_index": 1, "end_index": 2}
FILE_PATH = {"type": "file_path", "text": "sandbox:/mnt/data/a.csv", "file_path": {"file_id": "file_1"}}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        pytest.param(thread_message("Custa 5【13†source】.", [FILE_CITATION]), "Custa 5.", id="citation"),
        pytest.param(
            thread_message("A【13†source】 e B【13†source】.", [FILE_CITATION]), "A e B.", id="the same citation twice"
        ),
        pytest.param(
            thread_message("Baixe: sandbox:/mnt/data/a.csv", [FILE_PATH, FILE_CITATION]), "Baixe:", id="file path"
        ),
        pytest.param(
            thread_message("Custa 5【9†x】.", [{"type": "file_citation"}]), "Custa 5【9†x】.", id="without text"
        ),
        pytest.param(thread_message("Olá!", [{"type": "new", "text": ""}, None]), "Olá!", id="odd annotations"),
        pytest.param(
            thread_message("", content=[{"type": "refusal", "refusal": "Não posso."}]), "Não posso.", id="refusal"
        ),
        pytest.param(
            thread_message(
                "",
                content=[
                    {"type": "image_file", "image_file": {"file_id": "file_1"}},
                    {"type": "text", "text": {"value": "Olá!"}},
                ],
            ),
            "Olá!",
            id="beside an image",
        ),
    ],
)
def test_marks_in_the_text_are_taken_out(
    wire: responses.RequestsMock, engine: Engine, message: dict[str, Any], text: str
) -> None:
    stream(wire, run_stream("completed", frame("thread.message.completed", message)))
    assert ask(engine).text == text


def test_an_answer_that_the_stream_left_out_is_read_from_the_thread(
    wire: responses.RequestsMock, engine: Engine
) -> None:
    stream(wire, run_stream("completed"))
    wire.get(
        f"{THREAD}/messages",
        json=listed(thread_message("Alheia.", run_id="run_0"), thread_message("Um."), thread_message("Dois.")),
        match=[matchers.query_param_matcher({"run_id": "run_1", "order": "asc", "limit": "100"})],
    )
    assert ask(engine).text == "Um.\n\nDois."


@pytest.mark.parametrize("ending", ["incomplete", "cancelled"])
def test_a_run_that_was_stopped_after_it_spoke_has_answered(
    wire: responses.RequestsMock, engine: Engine, ending: str
) -> None:
    stream(wire, run_stream(ending, frame("thread.message.incomplete", thread_message("Era uma"))))
    assert ask(engine).text == "Era uma"


@pytest.mark.parametrize(
    ("ending", "code"),
    [("completed", "empty_answer"), ("incomplete", "run_incomplete"), ("cancelled", "run_cancelled")],
)
def test_a_run_that_said_nothing_is_unexpected(
    wire: responses.RequestsMock, engine: Engine, ending: str, code: str
) -> None:
    stream(wire, run_stream(ending, said("  ")))
    wire.get(f"{THREAD}/messages", json=listed(thread_message("")))
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert (raised.value.failure, raised.value.retryable) == (Failure.OPENAI_UNEXPECTED, False)
    assert raised.value.code == code


def test_an_expired_run_is_a_timeout(wire: responses.RequestsMock, engine: Engine) -> None:
    stream(wire, run_stream("expired"))
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert (raised.value.failure, raised.value.retryable) == (Failure.OPENAI_TIMEOUT, False)


@pytest.mark.parametrize("cancelled", [200, 400, 500])
def test_a_run_that_wants_tools_is_cancelled_and_unexpected(
    wire: responses.RequestsMock, engine: Engine, cancelled: int
) -> None:
    stream(wire, run_stream("requires_action"))
    wire.post(f"{THREAD}/runs/run_1/cancel", json=a_run("cancelling"), status=cancelled)
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert (raised.value.failure, raised.value.retryable) == (Failure.OPENAI_UNEXPECTED, False)
    assert raised.value.code == "unknown_tool_call"


QUOTA_SENTENCE = "You exceeded your current quota, please check your plan and billing details."
INACTIVE_SENTENCE = "Your account is not active, please check your billing details on our website."
RATE_SENTENCE = "Rate limit reached for gpt-4o-mini in organization org-x on requests per min (RPM): Limit 3, Used 3."


def failed(code: str, message: str) -> bytes:
    return run_stream("failed", last_error={"code": code, "message": message})


@pytest.mark.parametrize(
    ("body", "failure", "retryable"),
    [
        pytest.param(failed("server_error", "Sorry."), Failure.OPENAI_UNEXPECTED, True, id="server error"),
        pytest.param(failed("rate_limit_exceeded", RATE_SENTENCE), Failure.OPENAI_QUOTA, True, id="rate"),
        pytest.param(failed("rate_limit_exceeded", QUOTA_SENTENCE), Failure.OPENAI_QUOTA, False, id="quota"),
        pytest.param(failed("rate_limit_exceeded", INACTIVE_SENTENCE), Failure.OPENAI_QUOTA, False, id="inactive"),
        pytest.param(failed("invalid_prompt", "No."), Failure.OPENAI_UNEXPECTED, False, id="prompt"),
        pytest.param(run_stream("failed"), Failure.OPENAI_UNEXPECTED, False, id="no reason"),
        pytest.param(
            RUN_CREATED + frame("error", {"error": {"code": "server_error", "message": "Sorry."}}),
            Failure.OPENAI_UNEXPECTED,
            True,
            id="nested event",
        ),
        pytest.param(
            RUN_CREATED + frame("error", {"code": "insufficient_quota", "message": "No."}),
            Failure.OPENAI_QUOTA,
            False,
            id="flat event",
        ),
    ],
)
def test_a_run_that_fails_is_told_apart(
    wire: responses.RequestsMock, engine: Engine, body: bytes, failure: Failure, retryable: bool
) -> None:
    stream(wire, body)
    with pytest.raises(AskError) as raised:
        ask(engine)
    error = raised.value
    assert (error.failure, error.retryable, error.maybe_processed) == (failure, retryable, True)


@pytest.mark.parametrize("seen", [MESSAGE_DELTA, said("Olá!")], ids=["a delta", "a message"])
def test_what_failed_after_text_was_seen_is_not_repeated(
    wire: responses.RequestsMock, engine: Engine, seen: bytes
) -> None:
    stream(wire, run_stream("failed", seen, last_error={"code": "server_error", "message": "Sorry."}))
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert not raised.value.retryable


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(RUN_CREATED + MESSAGE_DELTA, id="in the middle"),
        pytest.param(RUN_CREATED + said("Olá!"), id="before the run's end"),
        pytest.param(RUN_CREATED + DONE, id="done without an end"),
    ],
)
def test_a_stream_that_ends_early_is_unexpected(wire: responses.RequestsMock, engine: Engine, body: bytes) -> None:
    stream(wire, body)
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert (raised.value.failure, raised.value.code) == (Failure.OPENAI_UNEXPECTED, "stream_cut")


def test_a_server_that_does_not_stream_is_polled(wire: responses.RequestsMock, engine: Engine) -> None:
    wire.post(f"{THREAD}/runs", json=a_run("queued", usage=None))
    wire.get(f"{THREAD}/runs/run_1", json=a_run("in_progress", usage=None))
    wire.get(f"{THREAD}/runs/run_1", json=a_run())
    wire.get(f"{THREAD}/messages", json=listed(thread_message("Olá!")))
    known: list[str] = []
    assert ask(engine, known.append) == Answer("Olá!", "run_1", model="gpt-4o-mini", usage=USAGE)
    assert known == ["run_1"]


@pytest.mark.parametrize(
    "text",
    ["Thread thread_1 already has an active run run_0.", "Can't add messages to thread_1 while a run run_0 is active."],
)
def test_a_busy_thread_is_trouble(wire: responses.RequestsMock, engine: Engine, text: str) -> None:
    wire.post(f"{THREAD}/runs", status=400, json=refused(text))
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert (raised.value.trouble, raised.value.retryable) == (ConversationTrouble.LOCKED, True)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["assistant", "run_1", "completed"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "type", "status", "role", "run_id", "content", "text", "value", "last_error"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=15,
)


@given(
    ANYTHING,
    st.sampled_from(["run.created", "message.completed", "run.completed", "run.failed", "run.requires_action"]),
)
def test_whatever_a_stream_holds_is_an_answer_or_an_error(document: Any, kind: str) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire, PartnerSession(1) as session:
        engine = AssistantsEngine(session, URL, 5.0, 5.0)
        stream(wire, RUN_CREATED + frame(f"thread.{kind}", document) + run_stream())
        wire.get(re.compile(r".*/messages"), json=document)
        wire.post(re.compile(r".*/cancel"), json=document)
        with contextlib.suppress(AskError):
            assert ask(engine).text


# --- the API that is gone ----------------------------------------------------------------------------------------

REMOVED = [
    pytest.param({"json": refused("Invalid URL (POST /v1/threads)")}, id="an unknown path"),
    pytest.param({"body": ""}, id="nothing"),
    pytest.param({"body": "<html>404</html>", "content_type": "text/html"}, id="a page"),
]


@pytest.mark.parametrize("answer", REMOVED)
def test_the_api_is_gone_when_everything_is_missing(
    wire: responses.RequestsMock, engine: Engine, answer: dict[str, Any]
) -> None:
    wire.post(f"{URL}/threads", status=404, **answer)
    wire.post(f"{THREAD}/runs", status=404, **answer)
    wire.get(f"{THREAD}/runs", status=404, **answer)
    wire.get(f"{THREAD}/runs/run_1", status=404, **answer)
    wire.get(f"{URL}/assistants", status=404, **answer)
    for attempt in (
        lambda: engine.open_conversation(KEY, soon()),
        lambda: ask(engine),
        lambda: find(engine),
        lambda: find(engine, "run_1"),
    ):
        with pytest.raises(AskError) as raised:
            attempt()
        assert raised.value.api_gone
        assert (raised.value.failure, raised.value.retryable) == (Failure.OPENAI_UNEXPECTED, False)


@pytest.mark.parametrize("status", [200, 401, 403, 429, 500])
def test_the_api_is_there_when_its_list_of_assistants_is(
    wire: responses.RequestsMock, engine: Engine, status: int
) -> None:
    wire.post(f"{URL}/threads", status=404, body="")
    wire.get(f"{URL}/assistants", status=status, json=listed())
    with pytest.raises(AskError) as raised:
        engine.open_conversation(KEY, soon())
    assert not raised.value.api_gone
    assert (raised.value.failure, raised.value.status) == (Failure.OPENAI_UNEXPECTED, 404)


def test_nothing_is_known_of_the_api_when_nobody_answers(wire: responses.RequestsMock, engine: Engine) -> None:
    wire.post(f"{URL}/threads", status=404, body="")
    wire.get(f"{URL}/assistants", body=ConnectionResetError())
    with pytest.raises(AskError) as raised:
        engine.open_conversation(KEY, soon())
    assert (raised.value.failure, raised.value.api_gone) == (Failure.OPENAI_CONNECTION, False)


@pytest.mark.parametrize(
    ("text", "code", "failure", "trouble"),
    [
        ("No assistant found with id 'asst_1'.", None, Failure.ASSISTANT_NOT_FOUND, None),
        ("No thread found with id 'thread_1'.", None, Failure.OPENAI_UNEXPECTED, ConversationTrouble.LOST),
        ("The model `gpt-4` does not exist", "model_not_found", Failure.OPENAI_UNEXPECTED, None),
    ],
)
def test_an_api_that_says_what_it_did_not_find_is_there(
    wire: responses.RequestsMock,
    engine: Engine,
    text: str,
    code: str | None,
    failure: Failure,
    trouble: ConversationTrouble | None,
) -> None:
    wire.post(f"{THREAD}/runs", status=404, json=refused(text, code))
    with pytest.raises(AskError) as raised:
        ask(engine)
    assert (raised.value.failure, raised.value.trouble, raised.value.api_gone) == (failure, trouble, False)


# --- what is found again -----------------------------------------------------------------------------------------


def on_runs(wire: responses.RequestsMock, *newest_first: dict[str, Any]) -> None:
    wire.get(
        f"{THREAD}/runs",
        json=listed(*newest_first),
        match=[matchers.query_param_matcher({"order": "desc", "limit": "100"})],
    )


def on_run(wire: responses.RequestsMock, run: dict[str, Any], status: int = 200) -> None:
    wire.get(f"{THREAD}/runs/run_1", json=run, status=status)


def on_texts(wire: responses.RequestsMock, *messages: dict[str, Any]) -> None:
    wire.get(
        f"{THREAD}/messages",
        json=listed(*messages),
        match=[matchers.query_param_matcher({"run_id": "run_1", "order": "asc", "limit": "100"})],
    )


def on_messages(wire: responses.RequestsMock, *newest_first: dict[str, Any]) -> None:
    wire.get(
        f"{THREAD}/messages",
        json=listed(*newest_first),
        match=[matchers.query_param_matcher({"order": "desc", "limit": "100"})],
    )


OURS = thread_message("Qual é o preço?", role="user", run_id=None, metadata=MARK)
EARLIER = thread_message("Qual é o preço?", role="user", run_id=None, metadata={"request_id": "01EARLIER"})


def test_a_run_that_completed_meanwhile_has_answered(wire: responses.RequestsMock, engine: Engine) -> None:
    on_run(wire, a_run())
    on_texts(wire, thread_message("Olá!"))
    assert find(engine, "run_1") == Answer("Olá!", "run_1", model="gpt-4o-mini", usage=USAGE)


def test_a_run_that_still_runs_is_waited_for(wire: responses.RequestsMock, engine: Engine) -> None:
    for status in ("queued", "in_progress", "cancelling", "completed"):
        on_run(wire, a_run(status))
    on_texts(wire, thread_message("Olá!"))
    found = find(engine, "run_1")
    assert found is not None
    assert found.text == "Olá!"


def test_a_run_that_runs_past_the_deadline_is_a_timeout(wire: responses.RequestsMock, engine: Engine) -> None:
    on_run(wire, a_run("in_progress"))
    with pytest.raises(AskError) as raised:
        find(engine, "run_1", deadline=soon(step=0.5))
    assert (raised.value.failure, raised.value.retryable) == (Failure.OPENAI_TIMEOUT, False)


def test_a_run_is_found_by_our_mark(wire: responses.RequestsMock, engine: Engine) -> None:
    stranger = a_run(id="run_9", metadata={"request_id": "01OTHER"})
    on_runs(wire, stranger, a_run(metadata=MARK), a_run("failed", id="run_0", metadata=MARK))
    on_texts(wire, thread_message("Olá!"))
    found = find(engine)
    assert found is not None
    assert found.answer_id == "run_1"


def test_a_run_that_vanished_is_looked_for_by_our_mark(wire: responses.RequestsMock, engine: Engine) -> None:
    wire.get(f"{THREAD}/runs/run_0", status=404, json=refused("No run found with id 'run_0'."))
    on_runs(wire, a_run(metadata=MARK))
    on_texts(wire, thread_message("Olá!"))
    found = find(engine, "run_0")
    assert found is not None
    assert found.answer_id == "run_1"


@pytest.mark.parametrize("status", ["failed", "expired", "cancelled"])
def test_a_question_whose_run_came_to_nothing_is_run_again_without_being_added(
    wire: responses.RequestsMock, engine: Engine, status: str
) -> None:
    on_run(wire, a_run(status))
    if status == "cancelled":
        on_texts(wire)
    on_messages(wire, OURS)
    stream(wire, run_stream("completed", said("Olá!")))
    known: list[str] = []
    found = find(engine, "run_1", known.append)
    assert found is not None
    assert found.text == "Olá!"
    assert known == ["run_1"]
    sent = json.loads(wire.calls[-1].request.body or "")
    openai_oracle.RUN.check(sent)
    assert "additional_messages" not in sent


def test_a_question_without_a_run_is_run_without_being_added(wire: responses.RequestsMock, engine: Engine) -> None:
    on_runs(wire)
    on_messages(wire, OURS, EARLIER)
    stream(wire, run_stream("completed", said("Olá!")))
    found = find(engine)
    assert found is not None
    assert "additional_messages" not in json.loads(wire.calls[-1].request.body or "")


@pytest.mark.parametrize(
    "newest_first",
    [
        pytest.param((), id="an empty thread"),
        pytest.param((thread_message("Custa 5.", run_id="run_0"), EARLIER), id="the same text, earlier"),
        pytest.param((EARLIER, OURS), id="others have asked since"),
    ],
)
def test_nothing_of_ours_in_the_thread_is_nothing(
    wire: responses.RequestsMock, engine: Engine, newest_first: tuple[Any, ...]
) -> None:
    on_runs(wire, a_run(metadata={"request_id": "01EARLIER"}), a_run(metadata=None), a_run(metadata={"request_id": 1}))
    on_messages(wire, *newest_first)
    assert find(engine) is None


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_a_run_that_ended_in_silence_is_as_unexpected_as_before(
    wire: responses.RequestsMock, engine: Engine, status: str
) -> None:
    on_run(wire, a_run(status))
    on_texts(wire)
    with pytest.raises(AskError) as raised:
        find(engine, "run_1")
    assert (raised.value.failure, raised.value.retryable) == (Failure.OPENAI_UNEXPECTED, False)


def test_a_run_that_waits_for_tools_is_cancelled_when_it_is_found(wire: responses.RequestsMock, engine: Engine) -> None:
    on_run(wire, a_run("requires_action"))
    wire.post(f"{THREAD}/runs/run_1/cancel", json=a_run("cancelling"))
    with pytest.raises(AskError) as raised:
        find(engine, "run_1")
    assert raised.value.code == "unknown_tool_call"


@pytest.mark.parametrize("answer_id", [None, "run_1"])
def test_a_thread_that_was_lost_meanwhile_is_trouble(
    wire: responses.RequestsMock, engine: Engine, answer_id: str | None
) -> None:
    lost = refused("No thread found with id 'thread_1'.")
    wire.get(f"{THREAD}/runs" + (f"/{answer_id}" if answer_id else ""), status=404, json=lost)
    with pytest.raises(AskError) as raised:
        find(engine, answer_id)
    assert raised.value.trouble is ConversationTrouble.LOST


def test_a_failure_to_look_is_an_error(wire: responses.RequestsMock, engine: Engine) -> None:
    on_run(wire, {}, 500)
    with pytest.raises(AskError) as raised:
        find(engine, "run_1")
    assert raised.value.retryable
