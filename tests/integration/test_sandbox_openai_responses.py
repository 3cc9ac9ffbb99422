"""The simulated Responses and Conversations API over real sockets."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItemList
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import ConfigDict, TypeAdapter

from sandbox.openai_answers import Asked
from sandbox.openai_server import OpenAISimulator
from tests.integration.openai_caller import Begun, Caller, error_of, events_of, text_of
from tests.waiting import wait_until

KEY = "sk-proj-acme-0001"
STREAM_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent, config=ConfigDict(defer_build=True))
LOCKED = (400, "invalid_request_error", "conversation_locked", "conversation")


@pytest.fixture
def simulator() -> Iterator[OpenAISimulator]:
    with OpenAISimulator() as simulator:
        simulator.add_key(KEY, "acme")
        simulator.add_key("sk-proj-beta-0002", "beta")
        simulator.add_prompt("pmpt_acme", "acme", instructions="Você vende bolos.")
        yield simulator


@pytest.fixture
def caller(simulator: OpenAISimulator) -> Caller:
    return Caller(simulator.url, KEY, beta=None)


@pytest.fixture
def stranger(simulator: OpenAISimulator) -> Caller:
    return Caller(simulator.url, "sk-proj-beta-0002", beta=None)


# --- the wire ---------------------------------------------------------------------------------------------------


def test_a_stream_is_framed_to_the_byte(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.configure(deltas=2)
    answer = caller.answer("Olá, ação", stream=True, store=False)
    assert answer.headers["Content-Type"] == "text/event-stream"
    text = re.sub(r"(resp|msg)_[0-9a-f]{24}", r"\1_1", answer.content.decode())
    text = re.sub(r'"response":{.*}', '"response":R', text)
    place = '"item_id":"msg_1","output_index":0,"content_index":0'
    item = '"type":"message","id":"msg_1"'
    final = '"role":"assistant","phase":"final_answer"'
    part = '{"type":"output_text","text":"[acme] Mensagem 1: Olá, ação","annotations":[],"logprobs":[]}'
    expected = [
        ("response.created", '"response":R'),
        ("response.in_progress", '"response":R'),
        (
            "response.output_item.added",
            f'"output_index":0,"item":{{{item},"status":"in_progress",{final},"content":[]}}',
        ),
        (
            "response.content_part.added",
            place + ',"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}',
        ),
        (
            "response.output_text.delta",
            place + ',"delta":"[acme] Mensagem 1:","logprobs":[],"obfuscation":""',
        ),
        ("response.output_text.delta", place + ',"delta":" Olá, ação","logprobs":[],"obfuscation":"xxxxxx"'),
        ("response.output_text.done", place + ',"text":"[acme] Mensagem 1: Olá, ação","logprobs":[]'),
        ("response.content_part.done", f'{place},"part":{part}'),
        (
            "response.output_item.done",
            f'"output_index":0,"item":{{{item},"status":"completed",{final},"content":[{part}]}}',
        ),
        ("response.completed", '"response":R'),
    ]
    assert text == "".join(
        f'event: {name}\ndata: {{"type":"{name}","sequence_number":{number},{rest}'
        + ("" if rest.endswith("R") else "}")
        + "\n\n"
        for number, (name, rest) in enumerate(expected)
    )


OUTCOMES = [
    "nested_error_event",
    "flat_error_event",
    "response_failed_server_error",
    "response_failed_quota",
    "function_call_output",
    "incomplete_max_tokens",
    "commentary_phase",
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
    events = events_of(caller.answer("Olá", stream=True))
    for number, (name, event) in enumerate(events):
        assert (event["type"], event["sequence_number"]) == (name, number)
        if fault != "nested_error_event":  # seen on the wire, but not typed
            assert STREAM_EVENT.validate_python(event, strict=False).type == name


def test_a_whole_response_is_one_the_official_client_knows(caller: Caller) -> None:
    body = caller.answer("Olá", instructions="Seja breve.", metadata={"request": "r-1"}).json()
    response = Response.model_validate(body)
    assert response.output_text == "[acme] Mensagem 1: Olá"
    assert (response.status, response.metadata, response.error) == ("completed", {"request": "r-1"}, None)
    usage = body["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 2
    assert usage["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0}
    assert usage["output_tokens_details"] == {"reasoning_tokens": 0}


def test_the_text_arrives_in_pieces_of_a_few_words(simulator: OpenAISimulator, caller: Caller) -> None:
    message = " ".join(f"palavra{n}" for n in range(40))
    simulator.configure(deltas=5)
    events = events_of(caller.answer(message, stream=True))
    deltas = [event["delta"] for name, event in events if name == "response.output_text.delta"]
    assert len(deltas) == 5
    assert "".join(deltas) == f"[acme] Mensagem 1: {message}"


def test_every_answer_names_its_request_and_generation_its_limits(caller: Caller) -> None:
    for answer in (caller.answer("Olá"), caller.answer("Olá", stream=True), caller.answer("Olá", model="gpt-0")):
        assert answer.headers["x-request-id"].startswith("req_")
        assert answer.headers["x-ratelimit-remaining-requests"] == "499"
        assert answer.headers["x-ratelimit-reset-requests"] == "120ms"
    assert "x-ratelimit-limit-requests" not in caller.get("/models").headers


def test_models_are_listed_with_their_end(caller: Caller) -> None:
    listed = {model["id"]: model for model in caller.get("/models").json()["data"]}
    assert listed["gpt-4o"]["shutdown_date"] == "2027-01-14"
    assert caller.get("/models/gpt-6-luna").json() == listed["gpt-6-luna"]
    assert error_of(caller.get("/models/gpt-4")) == (404, "invalid_request_error", "model_not_found", None)


# --- what was asked ---------------------------------------------------------------------------------------------


def test_the_assistant_remembers_a_name_in_its_own_conversation_only(caller: Caller) -> None:
    told, other = caller.conversation(), caller.conversation()
    caller.answer("Oi, meu nome é Zoë", conversation=told)
    assert text_of(caller.answer("Qual é o meu nome?", conversation=told).json()) == (
        "[acme] Mensagem 2: seu nome é Zoë."
    )
    assert text_of(caller.answer("Qual é o meu nome?", conversation={"id": other}).json()) == (
        "[acme] Mensagem 1: você ainda não me disse o seu nome."
    )


def test_a_chain_of_responses_remembers_too(caller: Caller) -> None:
    first = caller.answer("my name is Ana").json()
    second = caller.answer("What is my name?", previous_response_id=first["id"]).json()
    assert text_of(second) == "[acme] Mensagem 2: seu nome é Ana."


def test_the_answerer_is_told_everything_that_was_asked(simulator: OpenAISimulator) -> None:
    asked: list[Asked] = []

    def note(question: Asked) -> str:
        asked.append(question)
        return "ok"

    with OpenAISimulator(answerer=note) as simulator:
        simulator.add_key(KEY, "acme")
        simulator.add_prompt("pmpt_1", "acme", model="gpt-6-sol", instructions="Você vende bolos.")
        caller = Caller(simulator.url, KEY)
        conversation = caller.conversation()
        caller.answer("Um", conversation=conversation)
        developer = {"role": "developer", "content": "Seja breve."}
        user = {"role": "user", "content": [{"type": "input_text", "text": "Dois"}]}
        body: dict[str, Any] = {"prompt": {"id": "pmpt_1"}, "input": [developer, user], "conversation": conversation}
        assert text_of(caller.post("/responses", **body).json()) == "ok"
    assert asked[0] == Asked("acme", "gpt-6-luna", "", (), "Um")
    assert asked[1] == Asked("acme", "gpt-6-sol", "Você vende bolos.\n\nSeja breve.", ("Um",), "Dois")


def test_a_conversation_can_be_answered_without_a_new_message(caller: Caller) -> None:
    conversation = caller.post("/conversations", items=[{"role": "user", "content": "Tem bolo?"}]).json()["id"]
    answer = caller.post("/responses", model="gpt-6-luna", conversation=conversation)
    assert text_of(answer.json()) == "[acme] Mensagem 1: Tem bolo?"


# --- refusals ---------------------------------------------------------------------------------------------------

INVALID = "invalid_request_error"
REFUSED: dict[str, tuple[dict[str, Any], tuple[int, str | None, str | None, str | None]]] = {
    "no model": ({"input": "x"}, (400, INVALID, "missing_required_parameter", "model")),
    "nothing asked": ({"model": "gpt-6-luna"}, (400, INVALID, "missing_required_parameter", "input")),
    "empty input": ({"model": "gpt-6-luna", "input": ""}, (400, INVALID, "missing_required_parameter", "input")),
    "unknown field": ({"input": "x", "foo": 1}, (400, INVALID, "unknown_parameter", "foo")),
    "unknown model": ({"model": "gpt-4", "input": "x"}, (404, INVALID, "model_not_found", None)),
    "unknown prompt": ({"prompt": {"id": "pmpt_X"}, "input": "x"}, (404, INVALID, None, None)),
    "unknown conversation": (
        {"model": "gpt-6-luna", "input": "x", "conversation": "conv_X"},
        (404, INVALID, None, None),
    ),
    "unknown previous response": (
        {"model": "gpt-6-luna", "input": "x", "previous_response_id": "resp_X"},
        (400, INVALID, "previous_response_not_found", "previous_response_id"),
    ),
    "conversation and chain": (
        {"model": "gpt-6-luna", "input": "x", "conversation": "conv_X", "previous_response_id": "resp_X"},
        (400, INVALID, "mutually_exclusive_parameters", "conversation"),
    ),
    "temperature for a reasoning model": (
        {"model": "gpt-6-luna", "input": "x", "temperature": 0.2},
        (400, INVALID, None, "temperature"),
    ),
}


@pytest.mark.parametrize(("body", "expected"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_request_is_refused(
    caller: Caller, body: dict[str, Any], expected: tuple[int, str | None, str | None, str | None]
) -> None:
    assert error_of(caller.post("/responses", **body)) == expected


def test_temperature_is_accepted_without_reasoning_and_by_older_models(caller: Caller) -> None:
    assert caller.answer("x", temperature=0.2, reasoning={"effort": "none"}).status_code == 200
    assert caller.answer("x", temperature=0.2, model="gpt-4o").json()["temperature"] == 0.2


def test_messages_of_unknown_references_are_openais(caller: Caller) -> None:
    messages = [
        caller.post("/responses", prompt={"id": "pmpt_X"}, input="x").json()["error"]["message"],
        caller.answer("x", conversation="conv_X").json()["error"]["message"],
        caller.answer("x", model="gpt-4").json()["error"]["message"],
    ]
    assert messages == [
        "Prompt with id 'pmpt_X' not found.",
        "Conversation with id 'conv_X' not found.",
        "The model `gpt-4` does not exist or you do not have access to it.",
    ]


def test_input_beyond_the_window_is_refused_unless_it_may_be_cut(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.configure(context_characters=100)
    conversation = caller.conversation()
    assert caller.answer("x" * 60, conversation=conversation).status_code == 200
    refused = caller.answer("x" * 60, conversation=conversation)
    assert error_of(refused) == (400, INVALID, "context_length_exceeded", "input")
    assert caller.answer("x" * 60, conversation=conversation, truncation="auto").status_code == 200


def test_without_a_key_and_with_a_wrong_one_nobody_enters(simulator: OpenAISimulator) -> None:
    nobody, wrong = Caller(simulator.url, None).get("/models"), Caller(simulator.url, "sk-proj-nobody-wxyz")
    assert error_of(nobody) == (401, INVALID, None, None)
    refused = wrong.get("/models")
    assert error_of(refused) == (401, INVALID, "invalid_api_key", None)
    assert refused.json()["error"]["message"] == (
        "Incorrect API key provided: sk-proj-*******wxyz. You can find your API key at "
        "https://platform.openai.com/account/api-keys."
    )


def test_an_unknown_route_and_a_body_that_is_no_json_are_refused(caller: Caller) -> None:
    unknown = caller.post("/chat/completions")
    assert error_of(unknown) == (404, INVALID, None, None)
    assert unknown.json()["error"]["message"] == "Invalid URL (POST /v1/chat/completions)"
    broken = caller.session.post(caller.url + "/responses", data=b"{", timeout=10)
    assert error_of(broken) == (400, INVALID, None, None)


def test_another_projects_key_sees_nothing(caller: Caller, stranger: Caller) -> None:
    conversation, response = caller.conversation(), caller.answer("Olá").json()["id"]
    assert stranger.get(f"/conversations/{conversation}").status_code == 404
    assert stranger.get(f"/conversations/{conversation}/items").status_code == 404
    assert stranger.delete(f"/conversations/{conversation}").status_code == 404
    assert stranger.get(f"/responses/{response}").status_code == 404
    assert stranger.answer("Olá", conversation=conversation).status_code == 404
    assert stranger.answer("Olá", previous_response_id=response).status_code == 400
    assert stranger.post("/responses", prompt={"id": "pmpt_acme"}, input="Olá").status_code == 404
    assert caller.get(f"/conversations/{conversation}").status_code == 200


def test_after_their_end_no_prompt_is_found(simulator: OpenAISimulator, caller: Caller) -> None:
    body: dict[str, Any] = {"prompt": {"id": "pmpt_acme"}, "input": "Olá"}
    assert caller.post("/responses", **body).status_code == 200
    simulator.sunset(assistants=False, prompts=True)
    assert error_of(caller.post("/responses", **body)) == (404, INVALID, None, None)


# --- conversations ----------------------------------------------------------------------------------------------


def test_conversations_are_created_read_changed_and_deleted(caller: Caller) -> None:
    created = caller.post("/conversations", metadata={"contact": "1"}).json()
    Conversation.model_validate(created)
    path = f"/conversations/{created['id']}"
    assert caller.get(path).json() == created
    assert caller.post(path, metadata={"contact": "2"}).json() == {**created, "metadata": {"contact": "2"}}
    ConversationDeletedResource.model_validate(caller.delete(path).json())
    assert error_of(caller.delete(path)) == (404, INVALID, None, None)


def test_items_are_added_listed_in_pages_and_deleted(caller: Caller) -> None:
    path = f"/conversations/{caller.conversation()}/items"
    said = [{"role": "user", "content": f"mensagem {n}"} for n in range(5)]
    added = caller.post(path, items=said).json()
    ConversationItemList.model_validate(added)
    ids = [item["id"] for item in added["data"]]
    newest = caller.get(path, limit=2).json()
    assert [item["id"] for item in newest["data"]] == ids[:2:-1]
    assert (newest["first_id"], newest["last_id"], newest["has_more"]) == (ids[4], ids[3], True)
    rest = caller.get(path, limit=3, after=ids[3]).json()
    assert ([item["id"] for item in rest["data"]], rest["has_more"]) == (ids[2::-1], False)
    assert [item["id"] for item in caller.get(path, order="asc").json()["data"]] == ids
    assert caller.get(f"{path}/{ids[0]}").json()["content"] == [{"type": "input_text", "text": "mensagem 0"}]
    assert caller.delete(f"{path}/{ids[0]}").json()["object"] == "conversation"
    assert caller.get(f"{path}/{ids[0]}").status_code == 404


@pytest.mark.parametrize("limit", ["0", "101", "viele"])
def test_a_page_size_outside_its_bounds_is_refused(caller: Caller, limit: str) -> None:
    answer = caller.get(f"/conversations/{caller.conversation()}/items", limit=limit)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "limit")


def test_more_than_20_items_at_once_are_refused(caller: Caller) -> None:
    said = [{"role": "user", "content": "x"}] * 21
    assert error_of(caller.post("/conversations", items=said)) == (400, INVALID, "array_above_max_length", "items")


def test_items_show_up_together_and_only_when_the_answer_is_complete(
    simulator: OpenAISimulator, caller: Caller
) -> None:
    simulator.configure(total=0.6)
    conversation = caller.conversation()
    begun = Begun(caller.answer("Olá", conversation=conversation, stream=True))
    assert caller.get(f"/conversations/{conversation}/items").json()["data"] == []
    begun.rest()
    items = caller.get(f"/conversations/{conversation}/items", order="asc").json()
    ConversationItemList.model_validate(items)
    assert [item["role"] for item in items["data"]] == ["user", "assistant"]


def test_a_locked_conversation_refuses_a_second_response_until_the_first_is_done(
    simulator: OpenAISimulator, caller: Caller
) -> None:
    simulator.configure(total=0.6)
    conversation = caller.conversation()
    begun = Begun(caller.answer("Um", conversation=conversation, stream=True))
    refused = caller.answer("Dois", conversation=conversation)
    assert error_of(refused) == LOCKED
    assert refused.json()["error"]["message"] == (
        "Another process is currently operating on this conversation. Please retry in a few seconds."
    )
    adding = caller.post(f"/conversations/{conversation}/items", items=[{"role": "user", "content": "x"}])
    assert error_of(adding) == LOCKED
    assert caller.answer("Outra conversa", conversation=caller.conversation()).status_code == 200
    begun.rest()
    assert text_of(caller.answer("Dois", conversation=conversation).json()) == "[acme] Mensagem 2: Dois"


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_response_whose_client_leaves_is_cancelled_and_leaves_no_trace(
    simulator: OpenAISimulator, caller: Caller, stream: bool
) -> None:
    simulator.configure(total=30)
    conversation = caller.conversation()
    if stream:
        begun = Begun(caller.answer("Olá", conversation=conversation, stream=True))
        assert simulator.responses()[0]["status"] == "in_progress"
        begun.leave()
    else:
        with pytest.raises(requests.ReadTimeout):
            caller.answer("Olá", conversation=conversation, timeout=0.1)
    wait_until(lambda: not simulator.conversation_locked(conversation))
    assert simulator.conversation_items(conversation) == []
    stored = caller.get(f"/responses/{simulator.responses()[0]['id']}").json()
    assert stored["status"] == "cancelled"


def test_a_lock_can_outlive_a_dropped_connection(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.configure(total=30, lock_linger=0.5)
    conversation = caller.conversation()
    with pytest.raises(requests.ReadTimeout):
        caller.answer("Olá", conversation=conversation, timeout=0.05)
    wait_until(lambda: simulator.responses()[0]["status"] == "cancelled")
    simulator.configure(total=0)
    assert error_of(caller.answer("Olá", conversation=conversation)) == LOCKED
    wait_until(lambda: caller.answer("Olá", conversation=conversation).status_code == 200)


# --- stored and background responses ----------------------------------------------------------------------------


def test_a_stored_response_can_be_read_while_it_runs_and_afterwards(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.configure(total=0.6)
    begun = Begun(caller.answer("Olá", stream=True))
    response_id = simulator.responses()[0]["id"]
    assert caller.get(f"/responses/{response_id}").json()["status"] == "in_progress"
    last = begun.rest()[-1][1]["response"]
    assert caller.get(f"/responses/{response_id}").json() == last
    assert [item["role"] for item in caller.get(f"/responses/{response_id}/input_items").json()["data"]] == ["user"]
    assert caller.delete(f"/responses/{response_id}").json()["deleted"] is True
    assert caller.get(f"/responses/{response_id}").status_code == 404


def test_a_response_that_is_not_stored_cannot_be_read(caller: Caller) -> None:
    response_id = caller.answer("Olá", store=False).json()["id"]
    assert error_of(caller.get(f"/responses/{response_id}")) == (404, INVALID, None, None)


def test_a_background_response_goes_on_alone(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.configure(total=0.1)
    queued = caller.answer("Olá", background=True).json()
    assert queued["status"] == "queued"
    path = f"/responses/{queued['id']}"
    wait_until(lambda: caller.get(path).json()["status"] == "completed")
    assert text_of(caller.get(path).json()) == "[acme] Mensagem 1: Olá"


def test_a_background_response_can_be_cancelled_twice(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.configure(total=30)
    path = f"/responses/{caller.answer('Olá', background=True).json()['id']}/cancel"
    assert [caller.post(path).json()["status"] for _ in range(2)] == ["cancelled", "cancelled"]


def test_a_background_stream_can_be_resumed(caller: Caller) -> None:
    events = events_of(caller.answer("Olá", background=True, stream=True))
    response_id = events[0][1]["response"]["id"]
    resumed = caller.get(f"/responses/{response_id}", stream="true", starting_after=3)
    assert events_of(resumed) == events[4:]


def test_input_tokens_are_counted(caller: Caller) -> None:
    counted = caller.post("/responses/input_tokens", model="gpt-6-luna", input="x" * 400)
    assert counted.json() == {"object": "response.input_tokens", "input_tokens": 100}


# --- many at once -----------------------------------------------------------------------------------------------


def test_many_conversations_at_once_do_not_cross(simulator: OpenAISimulator) -> None:
    simulator.configure(total=0.3)

    def talk(number: int) -> str:
        caller = Caller(simulator.url, KEY)
        conversation = caller.conversation()
        events = events_of(caller.answer(f"Sou o {number}", conversation=conversation, stream=True))
        return text_of(events[-1][1]["response"])

    with ThreadPoolExecutor(100) as pool:
        assert list(pool.map(talk, range(100))) == [f"[acme] Mensagem 1: Sou o {n}" for n in range(100)]
