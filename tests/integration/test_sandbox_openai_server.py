"""The simulated OpenAI as a server: its records, its control from other processes, the official client."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests

from sandbox.openai_faults import KINDS
from sandbox.openai_server import OpenAISimulator
from tests.integration.openai_caller import Caller, text_of
from tests.waiting import wait_until

KEY = "sk-proj-acme-0001"


@pytest.fixture
def simulator() -> Iterator[OpenAISimulator]:
    with OpenAISimulator() as simulator:
        simulator.add_key(KEY, "acme")
        simulator.add_assistant("asst_acme", "acme")
        yield simulator


@pytest.fixture
def caller(simulator: OpenAISimulator) -> Caller:
    return Caller(simulator.url, KEY)


# --- records ----------------------------------------------------------------------------------------------------


def test_every_request_is_recorded_as_it_arrived(simulator: OpenAISimulator, caller: Caller) -> None:
    caller.session.headers["X-Client-Request-Id"] = "r-1"
    answer = caller.answer("Olá")
    caller.get("/models", limit=3)
    Caller(simulator.url, "sk-proj-nobody").get("/models")
    first, second, third = simulator.calls
    assert (first.method, first.path, first.key, first.status) == ("POST", "/responses", KEY, 200)
    assert first.body == {"model": "gpt-6-luna", "input": "Olá"}
    assert first.headers["x-client-request-id"] == "r-1"
    assert "authorization" not in first.headers
    assert first.request_id == answer.headers["x-request-id"]
    assert (second.path, second.query, second.body) == ("/models", {"limit": "3"}, {})
    assert (third.key, third.status) == ("sk-proj-nobody", 401)
    assert KEY not in repr(first)
    simulator.clear_calls()
    assert simulator.calls == []


def test_only_the_newest_requests_are_kept_where_that_is_wanted() -> None:
    with OpenAISimulator(calls_kept=2) as simulator:
        caller = Caller(simulator.url, KEY)
        for number in range(3):
            caller.get("/models", number=number)
        assert [call.query for call in simulator.calls] == [{"number": "1"}, {"number": "2"}]


def test_what_happened_can_be_read_after_the_end(simulator: OpenAISimulator, caller: Caller) -> None:
    conversation, thread_id = caller.conversation(), caller.thread("Olá")
    caller.answer("Olá", conversation=conversation)
    simulator.stop()
    assert simulator.conversation_ids() == [conversation]
    assert simulator.thread_ids() == [thread_id]
    assert len(simulator.conversation_items(conversation)) == 2
    assert len(simulator.calls) == 3
    with pytest.raises(requests.ConnectionError):
        caller.get("/models")


def test_a_revoked_key_is_unknown(simulator: OpenAISimulator, caller: Caller) -> None:
    assert caller.get("/models").status_code == 200
    simulator.remove_key(KEY)
    assert caller.get("/models").status_code == 401


def test_stopping_does_not_wait_for_answers_that_run(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.configure(total=3600)
    caller.run(caller.thread("Olá"))
    caller.answer("Olá", background=True)
    simulator.stop()
    assert simulator.responses()[0]["status"] == "cancelled"


# --- control over HTTP ------------------------------------------------------------------------------------------


class Control:
    """The control routes of one simulator."""

    def __init__(self, url: str) -> None:
        self.url = url

    def call(self, method: str, path: str, **body: Any) -> requests.Response:
        return requests.request(method, self.url + path, json=body or None, timeout=10)


def test_another_process_can_set_up_everything(simulator: OpenAISimulator) -> None:
    control, caller = Control(simulator.control_url), Caller(simulator.url, "sk-new")
    setup = [
        control.call("POST", "/keys", key="sk-new", project="novo"),
        control.call("POST", "/assistants", assistant_id="asst_novo", project="novo", instructions="Oi."),
        control.call("POST", "/prompts", prompt_id="pmpt_novo", project="novo", model="gpt-6-sol"),
        control.call("POST", "/behaviour", deltas=2, total=0.01),
        control.call("POST", "/faults", name="server_error_500", message="bolo", times=1),
    ]
    assert [answer.status_code for answer in setup] == [200] * 5
    assert caller.get("/assistants/asst_novo").json()["instructions"] == "Oi."
    assert caller.answer("bolo").status_code == 500
    asked = caller.post("/responses", prompt={"id": "pmpt_novo"}, input="Olá").json()
    assert (asked["model"], text_of(asked)) == ("gpt-6-sol", "[novo] Mensagem 1: Olá")
    control.call("POST", "/behaviour", assistants_sunset=True)
    assert caller.get("/assistants/asst_novo").status_code == 404


def test_another_process_can_look_at_everything(simulator: OpenAISimulator, caller: Caller) -> None:
    control = Control(simulator.control_url)
    conversation, thread_id = caller.conversation(), caller.thread("Olá")
    caller.answer("Olá", conversation=conversation)
    items = control.call("GET", f"/conversations/{conversation}").json()
    assert items == simulator.conversation_items(conversation)
    assert control.call("GET", f"/threads/{thread_id}").json() == simulator.thread_messages(thread_id)
    assert control.call("GET", "/threads/thread_X").status_code == 404
    calls = control.call("GET", "/calls").json()
    assert [(call["path"], call["status"]) for call in calls] == [
        ("/conversations", 200),
        ("/threads", 200),
        ("/responses", 200),
    ]
    control.call("DELETE", "/calls")
    assert control.call("GET", "/calls").json() == []
    assert set(control.call("GET", "/faults").json()) == set(KINDS)


def test_another_process_can_clear_the_faults(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("server_error_500")
    assert caller.answer("Olá").status_code == 500
    Control(simulator.control_url).call("DELETE", "/faults")
    assert caller.answer("Olá").status_code == 200


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "unknown fault": ("/faults", {"name": "gremlins"}),
    "no name": ("/faults", {"message": "x"}),
    "unknown behaviour": ("/behaviour", {"speed": 1}),
    "unknown field": ("/assistants", {"assistant_id": "asst_1", "project": "p", "colour": "red"}),
}


@pytest.mark.parametrize(("path", "body"), WRONG.values(), ids=WRONG)
def test_a_control_request_that_makes_no_sense_is_told_why(
    simulator: OpenAISimulator, path: str, body: dict[str, Any]
) -> None:
    answer = Control(simulator.control_url).call("POST", path, **body)
    assert answer.status_code == 400
    assert answer.json()["error"]


# --- a process of its own ---------------------------------------------------------------------------------------


def test_it_serves_as_a_process_until_it_is_stopped() -> None:
    command = [sys.executable, "-m", "sandbox.openai_server", "--key", f"{KEY}=acme", "--assistant", "asst_1=acme"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            caller = Caller(process.stdout.readline().strip(), KEY)
            assert text_of(caller.answer("Olá").json()) == "[acme] Mensagem 1: Olá"
            assert caller.get("/assistants/asst_1").status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_a_key_without_a_project_is_refused_at_the_start() -> None:
    command = [sys.executable, "-m", "sandbox.openai_server", "--key", KEY]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "NAME=PROJECT" in done.stderr


# --- the official client ----------------------------------------------------------------------------------------


@pytest.fixture
def client(simulator: OpenAISimulator) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=simulator.url, api_key=KEY, max_retries=0) as client:
        yield client


def test_the_official_client_holds_a_conversation(client: openai.OpenAI) -> None:
    conversation = client.conversations.create()
    asked: dict[str, Any] = {"model": "gpt-6-luna", "conversation": conversation.id}
    assert client.responses.create(input="meu nome é Ana", **asked).output_text == "[acme] Mensagem 1: meu nome é Ana"
    with client.responses.stream(input="qual é o meu nome?", **asked) as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == "[acme] Mensagem 2: seu nome é Ana."
    assert len(list(client.conversations.items.list(conversation.id))) == 4


def test_the_official_client_sees_errors_by_their_meaning(simulator: OpenAISimulator, client: openai.OpenAI) -> None:
    simulator.fault("credit_exhausted", times=1)
    with pytest.raises(openai.RateLimitError) as refused:
        client.responses.create(model="gpt-6-luna", input="Olá")
    assert (refused.value.code, refused.value.type) == ("credit_balance_exhausted", "insufficient_quota")
    simulator.fault("nested_error_event", times=1)
    with pytest.raises(openai.APIError, match="The server had an error"):
        list(client.responses.create(model="gpt-6-luna", input="Olá", stream=True))


@pytest.mark.filterwarnings("ignore:The Assistants API is deprecated:DeprecationWarning")
def test_the_official_client_runs_an_assistant(client: openai.OpenAI) -> None:
    thread = client.beta.threads.create(messages=[{"role": "user", "content": "Olá"}])
    polled = client.beta.threads.runs.create_and_poll(
        thread_id=thread.id, assistant_id="asst_acme", poll_interval_ms=10
    )
    assert polled.status == "completed"
    with client.beta.threads.runs.stream(thread_id=thread.id, assistant_id="asst_acme") as stream:
        assert "".join(stream.text_deltas) == "[acme] Mensagem 1: Olá"


def test_a_dead_clients_silence_does_not_hold_the_server(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("hang", times=30)
    for _ in range(30):
        with contextlib.suppress(requests.ReadTimeout):
            caller.answer("Olá", timeout=0.01)
    wait_until(lambda: caller.get("/models").status_code == 200)
    assert caller.answer("Olá").status_code == 200
