"""The simulated Assistants API v2 over real sockets."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from openai.types.beta import Assistant, AssistantStreamEvent, Thread, ThreadDeleted
from openai.types.beta.threads import Message, Run
from pydantic import ConfigDict, TypeAdapter

from sandbox.openai_answers import Asked
from sandbox.openai_server import OpenAISimulator
from tests.integration.openai_caller import Begun, Caller, error_of, events_of
from tests.waiting import wait_until

KEY = "sk-proj-acme-0001"
INVALID = "invalid_request_error"
BUSY = (400, INVALID, None, None)
STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(AssistantStreamEvent, config=ConfigDict(defer_build=True))


@pytest.fixture
def simulator() -> Iterator[OpenAISimulator]:
    with OpenAISimulator() as simulator:
        simulator.add_key(KEY, "acme")
        simulator.add_key("sk-proj-beta-0002", "beta")
        simulator.add_assistant("asst_acme", "acme", instructions="Você vende bolos.", vector_store_ids=["vs_1"])
        yield simulator


@pytest.fixture
def caller(simulator: OpenAISimulator) -> Caller:
    return Caller(simulator.url, KEY)


@pytest.fixture
def stranger(simulator: OpenAISimulator) -> Caller:
    return Caller(simulator.url, "sk-proj-beta-0002")


def answers(caller: Caller, thread_id: str, run_id: str) -> list[str]:
    messages = caller.get(f"/threads/{thread_id}/messages", run_id=run_id).json()["data"]
    return [part["text"]["value"] for message in messages for part in message["content"]]


# --- the wire ---------------------------------------------------------------------------------------------------

ORDER = [
    "thread.run.created",
    "thread.run.queued",
    "thread.run.in_progress",
    "thread.run.step.created",
    "thread.run.step.in_progress",
    "thread.message.created",
    "thread.message.in_progress",
    "thread.message.delta",
    "thread.message.delta",
    "thread.message.completed",
    "thread.run.step.completed",
    "thread.run.completed",
    "done",
]


def test_a_streamed_run_tells_its_life_in_order(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.configure(deltas=2)
    events = events_of(caller.run(caller.thread("Olá, tudo bem?"), stream=True))
    assert [name for name, _ in events] == ORDER
    assert events[-1][1] == "[DONE]"
    statuses = [data["status"] for name, data in events if name.startswith("thread.run.") and "step" not in name]
    assert statuses == ["queued", "queued", "in_progress", "completed"]
    new_thread = events_of(caller.post("/threads/runs", assistant_id="asst_acme", thread={"messages": []}, stream=True))
    assert [name for name, _ in new_thread] == ["thread.created", *ORDER]


def test_a_delta_is_framed_to_the_byte(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.configure(deltas=1)
    stream = caller.run(caller.thread("ação"), stream=True).content.decode()
    frames = re.sub(r"msg_[0-9a-f]{24}", "msg_1", stream).split("\n\n")
    assert frames[7] == (
        'event: thread.message.delta\ndata: {"id":"msg_1","object":"thread.message.delta","delta":{"content":'
        '[{"index":0,"type":"text","text":{"value":"[acme] Mensagem 1: ação","annotations":[]}}]}}'
    )
    assert frames[-2:] == ["event: done\ndata: [DONE]", ""]


OUTCOMES = [
    "run_failed_quota",
    "run_expired",
    "run_requires_action",
    "run_incomplete",
    "run_cancelled",
    "empty_answer",
    "refusal",
    "unicode",
    "citations",
]


@pytest.mark.parametrize("fault", [None, *OUTCOMES])
def test_every_event_is_one_the_official_client_knows(
    simulator: OpenAISimulator, caller: Caller, fault: str | None
) -> None:
    if fault:
        simulator.fault(fault)
    events = events_of(caller.post("/threads/runs", assistant_id="asst_acme", stream=True))
    assert events.pop() == ("done", "[DONE]")
    for name, data in events:
        assert STREAM_EVENT.validate_python({"event": name, "data": data}).event == name


def test_objects_are_those_the_official_client_knows(caller: Caller) -> None:
    assistant = Assistant.model_validate(caller.get("/assistants/asst_acme").json())
    assert assistant.tool_resources is not None
    assert assistant.tool_resources.file_search is not None
    assert assistant.tool_resources.file_search.vector_store_ids == ["vs_1"]
    thread_id = caller.thread("Olá")
    Thread.model_validate(caller.get(f"/threads/{thread_id}").json())
    queued = Run.model_validate(caller.run(thread_id).json())
    assert (queued.status, queued.expires_at) == ("queued", queued.created_at + 600)
    run = Run.model_validate(caller.ended_run(thread_id, queued.id))
    assert run.status == "completed"
    assert run.usage is not None
    assert run.usage.total_tokens == run.usage.prompt_tokens + run.usage.completion_tokens
    for message in caller.get(f"/threads/{thread_id}/messages").json()["data"]:
        Message.model_validate(message)


# --- threads and messages ---------------------------------------------------------------------------------------


def test_threads_are_created_changed_and_deleted(caller: Caller) -> None:
    thread_id = caller.thread()
    path = f"/threads/{thread_id}"
    assert caller.post(path, metadata={"contact": "1"}).json()["metadata"] == {"contact": "1"}
    assert caller.get(path).json()["metadata"] == {"contact": "1"}
    ThreadDeleted.model_validate(caller.delete(path).json())
    refused = caller.delete(path)
    assert error_of(refused) == (404, INVALID, None, None)
    assert refused.json()["error"]["message"] == f"No thread found with id '{thread_id}'."


def test_messages_are_listed_newest_first_in_pages_and_by_run(caller: Caller) -> None:
    thread_id = caller.thread("um")
    path = f"/threads/{thread_id}/messages"
    parts = [{"type": "text", "text": "dois"}]
    second = caller.post(path, role="user", content=parts, metadata={"request": "r-2"}).json()
    assert (second["metadata"], second["run_id"]) == ({"request": "r-2"}, None)
    run_id = caller.run(thread_id).json()["id"]
    caller.ended_run(thread_id, run_id)
    listed = caller.get(path).json()
    assert [message["role"] for message in listed["data"]] == ["assistant", "user", "user"]
    assert listed["data"][1] == second == caller.get(f"{path}/{second['id']}").json()
    page = caller.get(path, limit=1, order="asc").json()
    assert (page["data"][0]["content"][0]["text"]["value"], page["has_more"]) == ("um", True)
    before = caller.get(path, order="asc", before=second["id"]).json()["data"]
    assert [message["id"] for message in before] == [page["first_id"]]
    assert answers(caller, thread_id, run_id) == ["[acme] Mensagem 2: dois"]
    assert error_of(caller.get(f"{path}/msg_X")) == (404, INVALID, None, None)


def test_additional_messages_join_the_thread_before_the_run(caller: Caller) -> None:
    thread_id = caller.thread("meu nome é Ana")
    said = [{"role": "user", "content": "qual é o meu nome?"}]
    run = caller.run(thread_id, additional_messages=said, additional_instructions="Seja breve.").json()
    assert run["instructions"] == "Você vende bolos.\n\nSeja breve."
    caller.ended_run(thread_id, run["id"])
    assert answers(caller, thread_id, run["id"]) == ["[acme] Mensagem 2: seu nome é Ana."]


def test_the_answerer_is_told_everything_that_was_asked() -> None:
    asked: list[Asked] = []

    def note(question: Asked) -> str:
        asked.append(question)
        return "ok"

    with OpenAISimulator(answerer=note) as simulator:
        simulator.add_key(KEY, "acme")
        simulator.add_assistant("asst_acme", "acme", model="gpt-4o", instructions="Você vende bolos.")
        caller = Caller(simulator.url, KEY)
        caller.run(caller.thread("um", "dois"))
        caller.run(caller.thread("três"), instructions="Outra coisa.", model="gpt-6-luna")
    assert asked == [
        Asked("acme", "gpt-4o", "Você vende bolos.", ("um",), "dois"),
        Asked("acme", "gpt-6-luna", "Outra coisa.", (), "três"),
    ]


# --- one run at a time ------------------------------------------------------------------------------------------


def test_an_active_run_closes_its_thread(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.configure(total=0.6)
    thread_id, other = caller.thread("um"), caller.thread("um")
    run_id = caller.run(thread_id).json()["id"]
    second, message = caller.run(thread_id), caller.post(f"/threads/{thread_id}/messages", role="user", content="dois")
    assert (error_of(second), error_of(message)) == (BUSY, BUSY)
    assert second.json()["error"]["message"] == f"Thread {thread_id} already has an active run {run_id}."
    assert message.json()["error"]["message"] == f"Can't add messages to {thread_id} while a run {run_id} is active."
    assert caller.run(other).status_code == 200
    caller.ended_run(thread_id, run_id)
    assert caller.post(f"/threads/{thread_id}/messages", role="user", content="dois").status_code == 200
    runs = caller.get(f"/threads/{thread_id}/runs").json()["data"]
    assert [run["id"] for run in runs] == [run_id]


def test_a_run_goes_on_when_its_client_leaves(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.configure(total=0.1)
    thread_id = caller.thread("Olá")
    stream = Begun(caller.run(thread_id, stream=True))
    run = simulator.thread_runs(thread_id)[0]
    run_id = run["id"]
    stream.leave()
    assert run["status"] == "in_progress"
    assert caller.ended_run(thread_id, run_id)["status"] == "completed"
    assert answers(caller, thread_id, run_id) == ["[acme] Mensagem 1: Olá"]


def test_a_cancelled_run_ends_a_little_later_with_an_incomplete_message(
    simulator: OpenAISimulator, caller: Caller
) -> None:
    simulator.configure(total=2.4)
    thread_id = caller.thread("Olá")
    stream = Begun(caller.run(thread_id, stream=True))
    wait_until(lambda: len(simulator.thread_messages(thread_id)) == 2)
    run_id = simulator.thread_runs(thread_id)[0]["id"]
    path = f"/threads/{thread_id}/runs/{run_id}/cancel"
    assert caller.post(path).json()["status"] == "cancelling"
    names = [name for name, _ in stream.rest()]
    assert names[-5:] == [
        "thread.run.cancelling",
        "thread.message.incomplete",
        "thread.run.step.cancelled",
        "thread.run.cancelled",
        "done",
    ]
    assert simulator.thread_messages(thread_id)[1]["incomplete_details"] == {"reason": "run_cancelled"}
    again = caller.post(path)
    assert error_of(again) == BUSY
    assert again.json()["error"]["message"] == "Cannot cancel run with status 'cancelled'."
    assert caller.run(thread_id).status_code == 200


def test_a_run_that_takes_too_long_expires(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.configure(total=1.2, run_lifetime=0.6)
    thread_id = caller.thread("Olá")
    run = caller.ended_run(thread_id, caller.run(thread_id).json()["id"])
    assert (run["status"], run["last_error"]) == ("expired", None)
    assert simulator.thread_messages(thread_id)[1]["incomplete_details"] == {"reason": "run_expired"}


def test_a_run_that_wants_tool_outputs_keeps_its_thread_and_refuses_outputs(
    simulator: OpenAISimulator, caller: Caller
) -> None:
    simulator.fault("run_requires_action", times=1)
    thread_id = caller.thread("Olá")
    events = events_of(caller.run(thread_id, stream=True))
    assert [name for name, _ in events[-2:]] == ["thread.run.requires_action", "done"]
    run = events[-2][1]
    call = run["required_action"]["submit_tool_outputs"]["tool_calls"][0]
    path = f"/threads/{thread_id}/runs/{run['id']}"
    outputs = [{"tool_call_id": call["id"], "output": "3"}]
    assert error_of(caller.post(f"{path}/submit_tool_outputs", tool_outputs=outputs)) == BUSY
    assert error_of(caller.run(thread_id)) == BUSY
    caller.post(f"{path}/cancel")
    assert caller.ended_run(thread_id, run["id"])["status"] == "cancelled"
    assert caller.run(thread_id).status_code == 200


# --- refusals ---------------------------------------------------------------------------------------------------


def test_without_the_beta_header_nothing_is_answered(simulator: OpenAISimulator) -> None:
    refused = Caller(simulator.url, KEY, beta=None).post("/threads")
    assert error_of(refused) == (401, INVALID, "invalid_beta", None)
    assert "'OpenAI-Beta: assistants=v2'" in refused.json()["error"]["message"]


def test_a_wrong_run_is_refused(caller: Caller) -> None:
    thread_id = caller.thread("Olá")
    assert error_of(caller.run(thread_id, assistant_id="asst_X")) == (404, INVALID, None, None)
    assert error_of(caller.run(thread_id, model="gpt-4")) == (404, INVALID, "model_not_found", None)
    assert error_of(caller.run(thread_id, max_prompt_tokens=255)) == (
        400,
        INVALID,
        "integer_below_min_value",
        "max_prompt_tokens",
    )
    missing = caller.post(f"/threads/{thread_id}/runs")
    assert error_of(missing) == (400, INVALID, "missing_required_parameter", "assistant_id")
    assert caller.get(f"/threads/{thread_id}/runs").json()["data"] == []
    unknown = caller.get("/assistants/asst_X").json()["error"]["message"]
    assert unknown == "No assistant found with id 'asst_X'."


def test_another_projects_key_sees_nothing(caller: Caller, stranger: Caller) -> None:
    thread_id = caller.thread("Olá")
    run_id = caller.run(thread_id).json()["id"]
    refused = [
        stranger.get("/assistants/asst_acme"),
        stranger.get(f"/threads/{thread_id}"),
        stranger.get(f"/threads/{thread_id}/messages"),
        stranger.get(f"/threads/{thread_id}/runs/{run_id}"),
        stranger.run(thread_id),
        stranger.run(stranger.thread("Olá")),
    ]
    assert [error_of(answer) for answer in refused] == [(404, INVALID, None, None)] * 6


def test_after_the_sunset_every_assistants_route_is_not_found_and_the_rest_lives(
    simulator: OpenAISimulator, caller: Caller
) -> None:
    thread_id = caller.thread("Olá")
    simulator.sunset()
    refused = [
        caller.get("/assistants/asst_acme"),
        caller.post("/threads"),
        caller.get(f"/threads/{thread_id}/messages"),
        caller.run(thread_id),
        caller.post("/threads/runs", assistant_id="asst_acme"),
    ]
    assert [error_of(answer) for answer in refused] == [(404, INVALID, None, None)] * 5
    assert refused[1].json()["error"]["message"] == "Invalid URL (POST /v1/threads)"
    assert caller.answer("Olá").status_code == 200
