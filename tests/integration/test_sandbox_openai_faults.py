"""Every fault of the simulated OpenAI once, and the rules that say when it happens."""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import requests

from sandbox.openai_faults import KINDS, Stage, rule_of
from sandbox.openai_server import OpenAISimulator
from tests.integration.openai_caller import Begun, Caller, error_of, events_in, events_of, text_of
from tests.waiting import wait_until

KEY = "sk-proj-acme-0001"
INVALID = "invalid_request_error"
QUOTA = "insufficient_quota"


@pytest.fixture
def simulator() -> Iterator[OpenAISimulator]:
    with OpenAISimulator() as simulator:
        simulator.add_key(KEY, "acme")
        simulator.add_key("sk-proj-beta-0002", "beta")
        simulator.add_assistant("asst_acme", "acme")
        yield simulator


@pytest.fixture
def caller(simulator: OpenAISimulator) -> Caller:
    return Caller(simulator.url, KEY)


# --- refusals: the same from both APIs, streamed or not ---------------------------------------------------------

Refused = tuple[str, dict[str, Any], tuple[int, str | None, str | None, str | None], dict[str, str]]

REFUSALS: dict[str, Refused] = {
    "unauthorized": ("unauthorized", {}, (401, INVALID, "invalid_api_key", None), {}),
    "forbidden_region": (
        "forbidden_region",
        {},
        (403, "request_forbidden", "unsupported_country_region_territory", None),
        {},
    ),
    "forbidden_model": ("forbidden_model", {}, (403, INVALID, "model_not_found", None), {}),
    "model_not_found": ("model_not_found", {}, (404, INVALID, "model_not_found", None), {}),
    "rate_limit": ("rate_limit", {}, (429, "requests", "rate_limit_exceeded", None), {}),
    "rate_limit of tokens, with seconds": (
        "rate_limit",
        {"type": "tokens", "retry_after": 7},
        (429, "tokens", "rate_limit_exceeded", None),
        {"Retry-After": "7"},
    ),
    "rate_limit with milliseconds": (
        "rate_limit",
        {"retry_after_ms": 250},
        (429, "requests", "rate_limit_exceeded", None),
        {"retry-after-ms": "250"},
    ),
    "slow_down": ("slow_down", {"retry_after": 1}, (429, "rate_limit_error", "slow_down", None), {"Retry-After": "1"}),
    "request_too_large": ("request_too_large", {}, (429, "tokens", "rate_limit_exceeded", None), {}),
    "credit_exhausted": ("credit_exhausted", {}, (429, QUOTA, "credit_balance_exhausted", None), {}),
    "insufficient_quota": ("insufficient_quota", {}, (429, QUOTA, QUOTA, None), {}),
    "org_spend_limit": ("org_spend_limit", {}, (429, QUOTA, "organization_spend_limit_exceeded", None), {}),
    "project_spend_limit": ("project_spend_limit", {}, (429, QUOTA, "project_spend_limit_exceeded", None), {}),
    "org_usage_limit": ("org_usage_limit", {}, (429, QUOTA, "organization_usage_limit_exceeded", None), {}),
    "billing_not_active": ("billing_not_active", {}, (429, "billing_not_active", "billing_not_active", None), {}),
    "billing_not_active, forbidden": (
        "billing_not_active",
        {"status": 403},
        (403, "billing_not_active", "billing_not_active", None),
        {},
    ),
    "billing_hard_limit": ("billing_hard_limit", {}, (429, INVALID, "billing_hard_limit_reached", None), {}),
    "billing_hard_limit, bad request": (
        "billing_hard_limit",
        {"status": 400},
        (400, INVALID, "billing_hard_limit_reached", None),
        {},
    ),
    "timeout_408": ("timeout_408", {}, (408, INVALID, None, None), {}),
    "conflict_409": ("conflict_409", {}, (409, INVALID, None, None), {}),
    "server_error_500": ("server_error_500", {}, (500, "server_error", "server_error", None), {}),
    "overloaded_503": (
        "overloaded_503",
        {"retry_after": 2},
        (503, "service_unavailable_error", "server_is_overloaded", None),
        {"Retry-After": "2"},
    ),
}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize(("name", "options", "expected", "headers"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_has_openais_status_envelope_and_headers(
    simulator: OpenAISimulator,
    caller: Caller,
    stream: bool,
    name: str,
    options: dict[str, Any],
    expected: tuple[int, str | None, str | None, str | None],
    headers: dict[str, str],
) -> None:
    conversation, thread_id = caller.conversation(), caller.thread("Olá")
    simulator.fault(name, **options)
    for answer in (
        caller.answer("Olá", conversation=conversation, stream=stream),
        caller.run(thread_id, stream=stream),
    ):
        assert error_of(answer) == expected
        given = {name: value for name, value in answer.headers.items() if name.lower().startswith("retry-after")}
        assert given == headers
    assert simulator.conversation_items(conversation) == []
    assert simulator.thread_runs(thread_id) == []


def test_what_is_not_found_is_named(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("assistant_not_found")
    simulator.fault("prompt_not_found")
    answers = [
        caller.get("/assistants/asst_acme"),
        caller.run(caller.thread("Olá")),
        caller.post("/responses", prompt={"id": "pmpt_acme"}, input="Olá"),
    ]
    assert [error_of(answer) for answer in answers] == [(404, INVALID, None, None)] * 3
    assert [answer.json()["error"]["message"] for answer in answers] == [
        "No assistant found with id 'asst_acme'.",
        "No assistant found with id 'asst_acme'.",
        "Prompt with id 'pmpt_acme' not found.",
    ]


def test_a_context_can_be_too_long_at_will(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("context_too_long", times=1)
    assert error_of(caller.answer("Olá")) == (400, INVALID, "context_length_exceeded", "input")
    assert caller.answer("Olá").status_code == 200


def test_a_conversation_can_be_locked_by_somebody_else(simulator: OpenAISimulator, caller: Caller) -> None:
    conversation = caller.conversation()
    simulator.fault("locked", times=1)
    assert error_of(caller.answer("Olá", conversation=conversation))[2] == "conversation_locked"
    assert caller.answer("Olá", conversation=conversation).status_code == 200
    simulator.fault("locked", times=1, seconds=3600)
    assert [error_of(caller.answer("Olá", conversation=conversation))[2] for _ in range(3)] == [
        "conversation_locked"
    ] * 3


def test_a_thread_can_be_busy_with_somebody_elses_run(simulator: OpenAISimulator, caller: Caller) -> None:
    thread_id = caller.thread("Olá")
    simulator.fault("locked", route="POST /threads/*/runs", times=1, seconds=3600)
    refused = caller.run(thread_id)
    run_id = simulator.thread_runs(thread_id)[0]["id"]
    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == f"Thread {thread_id} already has an active run {run_id}."
    assert caller.post(f"/threads/{thread_id}/messages", role="user", content="x").status_code == 400
    caller.post(f"/threads/{thread_id}/runs/{run_id}/cancel")
    assert caller.ended_run(thread_id, run_id)["status"] == "cancelled"
    assert caller.run(thread_id).status_code == 200


def test_a_run_of_somebody_else_that_takes_no_time_is_over_when_looked_at(
    simulator: OpenAISimulator, caller: Caller
) -> None:
    thread_id = caller.thread("Olá")
    simulator.fault("locked", times=1)
    assert caller.post(f"/threads/{thread_id}/messages", role="user", content="x").status_code == 400
    assert caller.ended_run(thread_id, simulator.thread_runs(thread_id)[0]["id"])["status"] == "completed"
    assert caller.post(f"/threads/{thread_id}/messages", role="user", content="x").status_code == 200


def test_a_conversation_and_a_thread_can_get_lost(simulator: OpenAISimulator, caller: Caller) -> None:
    conversation, thread_id = caller.conversation(), caller.thread("Olá")
    simulator.fault("conversation_lost", times=2)
    answers = [caller.answer("Olá", conversation=conversation), caller.run(thread_id)]
    assert [answer.json()["error"]["message"] for answer in answers] == [
        f"Conversation with id '{conversation}' not found.",
        f"No thread found with id '{thread_id}'.",
    ]
    assert caller.get(f"/conversations/{conversation}").status_code == 404
    assert caller.answer("Olá", conversation=caller.conversation()).status_code == 200


# --- the wire ---------------------------------------------------------------------------------------------------

# Seconds after which a client gives up where silence is what is tested.
IMPATIENCE = 0.4


def ask_responses(caller: Caller, stream: bool, timeout: float = 10) -> requests.Response:
    return caller.answer("Olá", stream=stream, timeout=timeout)


def ask_assistants(caller: Caller, stream: bool, timeout: float = 10) -> requests.Response:
    return caller.run(caller.thread("Olá"), stream=stream, timeout=timeout)


ASK = {"responses": ask_responses, "assistants": ask_assistants}
both_apis = pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
both_ways = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
Ask = Callable[..., requests.Response]


@both_apis
@both_ways
def test_a_gateway_answers_html(simulator: OpenAISimulator, caller: Caller, ask: Ask, stream: bool) -> None:
    simulator.fault("bad_gateway_html_502")
    answer = ask(caller, stream)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert "<h1>502 Bad Gateway</h1>" in answer.text


@both_apis
def test_what_should_be_json_is_none(simulator: OpenAISimulator, caller: Caller, ask: Ask) -> None:
    simulator.fault("not_json")
    whole, streamed = ask(caller, False), ask(caller, True)
    assert (whole.status_code, streamed.status_code) == (200, 200)
    with pytest.raises(requests.JSONDecodeError):
        whole.json()
    assert streamed.content == b"data: <!doctype html><title>Just a moment...</title>\n\n"


@both_apis
@both_ways
def test_silence_lasts_until_the_client_leaves(
    simulator: OpenAISimulator, caller: Caller, ask: Ask, stream: bool
) -> None:
    simulator.fault("hang")
    with pytest.raises(requests.ReadTimeout):
        ask(caller, stream, IMPATIENCE)
    assert simulator.calls[-1].status is None


@both_apis
@both_ways
def test_a_connection_is_reset_before_any_answer(
    simulator: OpenAISimulator, caller: Caller, ask: Ask, stream: bool
) -> None:
    simulator.fault("reset")
    with pytest.raises(requests.ConnectionError, match="Connection reset by peer"):
        ask(caller, stream)


@both_ways
def test_a_trickle_never_ends(simulator: OpenAISimulator, caller: Caller, stream: bool) -> None:
    simulator.fault("trickle", seconds=0.001)
    body = {"model": "gpt-6-luna", "input": "Olá", "stream": stream}
    # Read in pieces: reading it whole would never end, since every byte comes within the timeout.
    with caller.session.post(f"{caller.url}/responses", json=body, stream=True, timeout=10) as answer:
        pieces = answer.iter_content(1)
        assert {next(pieces) for _ in range(50)} == {b":" if stream else b" "}


@both_apis
def test_a_stream_stops_midway_and_stays_open(simulator: OpenAISimulator, caller: Caller, ask: Ask) -> None:
    simulator.fault("hang_midway")
    received, failure = _received(ask(caller, True, IMPATIENCE))
    assert _deltas(received) == 2
    assert "Read timed out" in str(failure)


@both_apis
def test_a_stream_is_reset_midway(simulator: OpenAISimulator, caller: Caller, ask: Ask) -> None:
    simulator.fault("reset_midway")
    received, failure = _received(ask(caller, True))
    assert _deltas(received) in {0, 2}  # a reset may overtake what was sent before it
    assert "Connection reset by peer" in str(failure)


@both_apis
def test_a_stream_ends_without_its_last_event(simulator: OpenAISimulator, caller: Caller, ask: Ask) -> None:
    simulator.fault("cut_midway")
    received, failure = _received(ask(caller, True))
    assert (_deltas(received), failure) == (2, None)


@both_apis
def test_a_stream_is_closed_in_the_middle_of_its_body(simulator: OpenAISimulator, caller: Caller, ask: Ask) -> None:
    simulator.fault("cut_midway", clean=False)
    received, failure = _received(ask(caller, True))
    assert _deltas(received) == 2
    assert isinstance(failure, requests.exceptions.ChunkedEncodingError)


def _received(answer: requests.Response) -> tuple[bytes, Exception | None]:
    received = b""
    try:
        for chunk in answer.iter_content(None):
            received += chunk
    except requests.RequestException as error:
        return received, error
    return received, None


def _deltas(stream: bytes) -> int:
    names = [name for name, _ in events_in(stream)] if stream else []
    assert not {"response.completed", "thread.run.completed"} & set(names)
    return sum(name.endswith(".delta") for name in names)


MIDWAY_WHOLE: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "hang_midway": ({}, requests.ConnectionError),
    "reset_midway": ({}, requests.RequestException),
    "cut_midway": ({"clean": False}, requests.exceptions.ChunkedEncodingError),
}


@both_apis
@pytest.mark.parametrize("fault", MIDWAY_WHOLE)
def test_a_whole_answer_breaks_off_in_the_middle(
    simulator: OpenAISimulator, caller: Caller, ask: Ask, fault: str
) -> None:
    options, expected = MIDWAY_WHOLE[fault]
    simulator.fault(fault, **options)
    with pytest.raises(expected):
        ask(caller, False, IMPATIENCE)


@both_apis
def test_a_whole_answer_can_end_in_half_a_document(simulator: OpenAISimulator, caller: Caller, ask: Ask) -> None:
    simulator.fault("cut_midway")
    answer = ask(caller, False)
    assert answer.text.startswith('{"id":"r')
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


# --- what is left behind ----------------------------------------------------------------------------------------

LOST = ["hang", "reset", "bad_gateway_html_502", "server_error_500", "hang_midway", "reset_midway", "cut_midway"]


@pytest.mark.parametrize("name", LOST)
@both_ways
def test_an_answer_can_be_lost_before_or_after_it_was_given(
    simulator: OpenAISimulator, caller: Caller, name: str, stream: bool
) -> None:
    for after_effect, roles in ((False, []), (True, ["user", "assistant"])):
        conversation = caller.conversation()
        simulator.fault(name, after_effect=after_effect)
        with contextlib.suppress(requests.RequestException):
            _received(caller.answer("Olá", conversation=conversation, stream=stream, timeout=IMPATIENCE))
        simulator.clear_faults()
        wait_until(partial(_unlocked, simulator, conversation))
        assert [item["role"] for item in simulator.conversation_items(conversation)] == roles


@pytest.mark.parametrize("name", LOST)
def test_a_run_whose_answer_is_lost_was_not_begun_or_goes_on(
    simulator: OpenAISimulator, caller: Caller, name: str
) -> None:
    midway = KINDS[name].stage is Stage.MIDWAY
    for after_effect, statuses in ((False, ["completed"] if midway else []), (True, ["completed"])):
        thread_id = caller.thread("Olá")
        simulator.fault(name, after_effect=after_effect)
        with contextlib.suppress(requests.RequestException):
            _received(caller.run(thread_id, stream=True, timeout=IMPATIENCE))
        simulator.clear_faults()
        wait_until(partial(_runs_have, simulator, thread_id, statuses))


def _unlocked(simulator: OpenAISimulator, conversation: str) -> bool:
    return not simulator.conversation_locked(conversation)


def _runs_have(simulator: OpenAISimulator, thread_id: str, statuses: list[str]) -> bool:
    return [run["status"] for run in simulator.thread_runs(thread_id)] == statuses


def test_while_a_stream_hangs_midway_its_conversation_is_locked(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("hang_midway", times=1)
    conversation = caller.conversation()
    stream = Begun(caller.answer("Olá", conversation=conversation, stream=True))
    assert error_of(caller.answer("Olá", conversation=conversation))[2] == "conversation_locked"
    stream.leave()
    wait_until(lambda: caller.answer("Olá", conversation=conversation).status_code == 200)


# --- outcomes ---------------------------------------------------------------------------------------------------


def ask_response(caller: Caller) -> tuple[list[str], dict[str, Any]]:
    """The names of the events of a streamed response, and the response in the last one."""
    events = events_of(caller.answer("Olá", stream=True))
    return [name for name, _ in events], events[-1][1].get("response", {})


def test_errors_inside_a_stream_are_nested_or_flat(simulator: OpenAISimulator, caller: Caller) -> None:
    message = "The server had an error while processing your request"
    for name in ("nested_error_event", "flat_error_event", "quota_error_event"):
        simulator.fault(name, times=2)
    ended = [events_of(caller.answer("Olá", stream=True)) for _ in range(6)][::2]
    assert [[name for name, _ in events] for events in ended] == [
        ["response.created", "response.in_progress", "error"]
    ] * 3
    nested, flat, quota = (events[-1][1] for events in ended)
    error = {"message": message, "type": "server_error", "param": None, "code": "server_error"}
    assert nested == {"type": "error", "sequence_number": 2, "error": error}
    assert flat == {"type": "error", "sequence_number": 2, "message": message, "param": None, "code": "server_error"}
    assert (quota["error"]["type"], quota["error"]["code"]) == (QUOTA, "credit_balance_exhausted")


def test_the_same_errors_without_a_stream_are_refusals(simulator: OpenAISimulator, caller: Caller) -> None:
    for name in ("nested_error_event", "flat_error_event", "quota_error_event"):
        simulator.fault(name, times=1)
    assert [error_of(caller.answer("Olá"))[0] for _ in range(3)] == [500, 500, 429]


def test_errors_inside_a_runs_stream_end_the_run(simulator: OpenAISimulator, caller: Caller) -> None:
    for name in ("nested_error_event", "flat_error_event", "quota_error_event"):
        simulator.fault(name, times=1)
    codes = []
    for _ in range(3):
        thread_id = caller.thread("Olá")
        name, data = events_of(caller.run(thread_id, stream=True))[-2]
        assert name == "error"
        codes.append(data.get("error", data)["code"])
        assert simulator.thread_runs(thread_id)[0]["status"] == "failed"
    assert codes == ["server_error", "server_error", "credit_balance_exhausted"]


FAILED = {
    "response_failed_server_error": ("server_error", "The model failed to generate a response."),
    "response_failed_rate": ("rate_limit_exceeded", "Rate limit reached for gpt-6-luna in organization"),
    "response_failed_quota": ("rate_limit_exceeded", "You exceeded your current quota, please check your plan"),
}


@pytest.mark.parametrize("name", FAILED)
def test_a_response_can_fail(simulator: OpenAISimulator, caller: Caller, name: str) -> None:
    simulator.fault(name)
    names, streamed = ask_response(caller)
    assert names[-1] == "response.failed"
    for response in (streamed, caller.answer("Olá").json()):
        code, beginning = FAILED[name]
        assert (response["status"], response["output"], response["usage"]) == ("failed", [], None)
        assert response["error"]["code"] == code
        assert response["error"]["message"].startswith(beginning)


RUN_FAILED = {
    "run_failed_server_error": ("server_error", "Sorry, something went wrong."),
    "run_failed_rate": ("rate_limit_exceeded", "Rate limit reached for gpt-4o-mini in organization"),
    "run_failed_quota": ("rate_limit_exceeded", "You exceeded your current quota, please check your plan"),
}


@pytest.mark.parametrize("name", RUN_FAILED)
def test_a_run_can_fail(simulator: OpenAISimulator, caller: Caller, name: str) -> None:
    simulator.fault(name)
    code, beginning = RUN_FAILED[name]
    thread_id = caller.thread("Olá")
    run = caller.ended_run(thread_id, caller.run(thread_id).json()["id"])
    streamed = events_of(caller.run(thread_id, stream=True))[-2]
    assert streamed[0] == "thread.run.failed"
    for failed in (run, streamed[1]):
        assert (failed["status"], failed["last_error"]["code"]) == ("failed", code)
        assert failed["last_error"]["message"].startswith(beginning)
        assert failed["failed_at"] is not None


ENDS = {"run_expired": "expired", "run_cancelled": "cancelled", "run_incomplete": "incomplete"}


@pytest.mark.parametrize("name", ENDS)
def test_a_run_can_end_early(simulator: OpenAISimulator, caller: Caller, name: str) -> None:
    simulator.fault(name)
    thread_id = caller.thread("Olá")
    run = caller.ended_run(thread_id, caller.run(thread_id).json()["id"])
    assert run["status"] == ENDS[name]
    reason = {"reason": "max_completion_tokens"} if name == "run_incomplete" else None
    assert run["incomplete_details"] == reason


@pytest.mark.parametrize("with_text", [True, False])
def test_an_answer_can_be_cut_short_by_its_tokens(simulator: OpenAISimulator, caller: Caller, with_text: bool) -> None:
    simulator.fault("incomplete_max_tokens", text=with_text)
    simulator.fault("run_incomplete", text=with_text)
    names, response = ask_response(caller)
    assert (names[-1], response["incomplete_details"]) == ("response.incomplete", {"reason": "max_output_tokens"})
    assert text_of(response) == ("[acme] Mens" if with_text else "")
    assert (response["usage"]["output_tokens_details"]["reasoning_tokens"] > 0) is not with_text
    thread_id = caller.thread("Olá")
    caller.ended_run(thread_id, caller.run(thread_id).json()["id"])
    said = simulator.thread_messages(thread_id)[1:]
    assert [message["content"][0]["text"]["value"] for message in said] == (["[acme] Mens"] if with_text else [])


def test_an_unexpected_tool_call(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("function_call_output")
    simulator.fault("run_requires_action")
    names, response = ask_response(caller)
    assert "response.function_call_arguments.done" in names
    assert [(item["type"], item["name"]) for item in response["output"]] == [("function_call", "consultar_estoque")]
    thread_id = caller.thread("Olá")
    run = caller.ended_run(thread_id, caller.run(thread_id).json()["id"])
    call = run["required_action"]["submit_tool_outputs"]["tool_calls"][0]
    assert (run["status"], call["function"]["name"]) == ("requires_action", "consultar_estoque")
    assert json.loads(call["function"]["arguments"]) == {"produto": "bolo"}


def test_an_empty_answer_has_an_empty_message_or_none(simulator: OpenAISimulator, caller: Caller) -> None:
    for with_message in (True, False):
        simulator.clear_faults()
        simulator.fault("empty_answer", with_message=with_message)
        _, response = ask_response(caller)
        assert (response["status"], text_of(response), len(response["output"])) == ("completed", "", int(with_message))
        thread_id = caller.thread("Olá")
        assert caller.ended_run(thread_id, caller.run(thread_id).json()["id"])["status"] == "completed"
        contents = [message["content"] for message in simulator.thread_messages(thread_id)[1:]]
        assert contents == ([[{"type": "text", "text": {"value": "", "annotations": []}}]] if with_message else [])


def test_a_refusal_is_a_part_of_its_own(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("refusal")
    part = {"type": "refusal", "refusal": "Desculpe, não posso ajudar com isso."}
    names, response = ask_response(caller)
    assert "response.refusal.delta" in names
    assert response["output"][0]["content"] == [part]
    thread_id = caller.thread("Olá")
    caller.ended_run(thread_id, caller.run(thread_id).json()["id"])
    assert simulator.thread_messages(thread_id)[1]["content"] == [part]


def test_awkward_characters_travel_raw(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("unicode")
    text = "[acme] Mensagem 1: Olá linha\u2028parágrafo\u0085fim 👩🏽‍🚀 ação cafe\u0301"
    assert text_of(ask_response(caller)[1]) == text
    raw = caller.run(caller.thread("Olá"), stream=True).content
    assert "\u2028".encode() in raw
    assert "\u0085".encode() in raw
    assert text.encode() in raw


def test_citations_stand_in_the_text_and_in_annotations(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("citations")
    text = "[acme] Mensagem 1: Olá【13†source】 [tabela](sandbox:/mnt/data/tabela.csv)"
    names, response = ask_response(caller)
    assert [item["type"] for item in response["output"]] == ["file_search_call", "message"]
    assert "response.file_search_call.searching" in names
    part = response["output"][1]["content"][0]
    assert (part["text"], names.count("response.output_text.annotation.added")) == (text, 2)
    assert [note["type"] for note in part["annotations"]] == ["file_citation", "container_file_citation"]
    thread_id = caller.thread("Olá")
    caller.ended_run(thread_id, caller.run(thread_id).json()["id"])
    said = simulator.thread_messages(thread_id)[1]["content"][0]["text"]
    assert said["value"] == text
    assert [(note["type"], note["text"]) for note in said["annotations"]] == [
        ("file_citation", "【13†source】"),
        ("file_path", "sandbox:/mnt/data/tabela.csv"),
    ]
    for note in said["annotations"]:
        assert text[note["start_index"] : note["end_index"]] == note["text"]


def test_interim_chatter_comes_before_the_answer(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("commentary_phase")
    output = ask_response(caller)[1]["output"]
    assert [(item["type"], item.get("phase")) for item in output] == [
        ("reasoning", None),
        ("message", "commentary"),
        ("message", "final_answer"),
    ]
    assert output[2]["content"][0]["text"] == "[acme] Mensagem 1: Olá"


# --- around a good answer ---------------------------------------------------------------------------------------


def test_one_message_can_be_slow(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("slow", message="devagar", first_byte=0.2, total=0.4)
    started = time.monotonic()
    caller.answer("rápido")
    assert time.monotonic() - started < 0.2
    started = time.monotonic()
    stream = Begun(caller.answer("devagar", stream=True))
    assert time.monotonic() - started >= 0.2
    assert stream.rest()[-1][0] == "response.completed"
    assert time.monotonic() - started >= 0.4


def test_headers_can_say_that_nothing_is_left(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("ratelimit_exhausted", what="tokens", reset="1m2s", times=1)
    headers = caller.answer("Olá").headers
    assert (headers["x-ratelimit-remaining-tokens"], headers["x-ratelimit-reset-tokens"]) == ("0", "1m2s")
    assert caller.answer("Olá").headers["x-ratelimit-remaining-tokens"] != "0"


# --- rules ------------------------------------------------------------------------------------------------------


def test_a_rule_counts_down(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("server_error_500", times=2)
    assert [caller.answer("Olá").status_code for _ in range(3)] == [500, 500, 200]
    assert [call.faults for call in simulator.calls] == [("server_error_500",), ("server_error_500",), ()]
    assert [call.status for call in simulator.calls] == [500, 500, 200]


def test_a_rule_can_mean_a_message_wherever_it_stands(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("server_error_500", message="bolo")
    parts = [{"role": "user", "content": [{"type": "input_text", "text": "tem bolo?"}]}]
    additional = [{"role": "user", "content": "tem bolo?"}]
    met = [
        caller.answer("tem bolo?"),
        caller.post("/responses", model="gpt-6-luna", input=parts),
        caller.run(caller.thread("tem bolo?")),
        caller.run(caller.thread("Olá"), additional_messages=additional),
        caller.post("/threads/runs", assistant_id="asst_acme", thread={"messages": additional}),
    ]
    spared = [caller.answer("tem pão?"), caller.run(caller.thread("tem bolo?", "tem pão?"))]
    assert [answer.status_code for answer in met + spared] == [500] * 5 + [200] * 2


def test_a_rule_can_mean_a_key(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("unauthorized", key="sk-proj-beta-0002")
    assert Caller(simulator.url, "sk-proj-beta-0002").get("/models").status_code == 401
    assert caller.get("/models").status_code == 200


def test_a_rule_can_mean_a_route(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("overloaded_503", route="POST /conversations")
    simulator.fault("hang_midway", route="GET /conversations/*/items")
    assert caller.post("/conversations").status_code == 503
    assert caller.answer("Olá").status_code == 200
    simulator.clear_faults()
    conversation = caller.conversation()
    simulator.fault("cut_midway", route="GET /conversations/*/items")
    with pytest.raises(requests.JSONDecodeError):
        caller.get(f"/conversations/{conversation}/items").json()


def test_of_several_rules_the_first_happens_and_those_aside_with_it(simulator: OpenAISimulator, caller: Caller) -> None:
    simulator.fault("unicode", times=1)
    simulator.fault("server_error_500", times=1)
    simulator.fault("ratelimit_exhausted", times=1)
    assert caller.answer("Olá").headers["x-ratelimit-remaining-requests"] == "0"
    assert caller.answer("Olá").status_code == 500
    assert [call.faults for call in simulator.calls] == [("unicode", "ratelimit_exhausted"), ("server_error_500",)]


WRONG: dict[str, dict[str, Any]] = {
    "unknown name": {"name": "gremlins"},
    "unknown option": {"name": "rate_limit", "retry": 1},
    "an outcome has no other side": {"name": "refusal", "after_effect": True},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no "):
        rule_of(**wrong)


def test_a_client_that_leaves_at_once_leaves_nothing_locked(simulator: OpenAISimulator, caller: Caller) -> None:
    conversation = caller.conversation()
    body = json.dumps({"model": "gpt-6-luna", "input": "Olá", "conversation": conversation}).encode()
    request = (
        f"POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    simulator.configure(total=30)
    host, port = simulator.url.removeprefix("http://").removesuffix("/v1").split(":")
    for _ in range(20):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(request)
    wait_until(lambda: len(simulator.calls) == 21)
    wait_until(lambda: not simulator.conversation_locked(conversation))
    assert simulator.conversation_items(conversation) == []
