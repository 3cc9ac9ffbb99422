import time
from collections.abc import Iterator
from typing import Any

import pytest
import responses

from app.clients.http import PartnerSession
from app.clients.openai_setup import OpenAiSetup
from app.domain.answers import Deadline
from app.domain.assistants import Api, Profile
from app.domain.failures import AskError, Failure
from app.services import ports

URL = "https://api.openai.example/v1"
KEY = "sk-proj-secret-0123456789"


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def setup() -> Iterator[ports.OpenAiSetup]:
    with PartnerSession(2) as session:
        yield OpenAiSetup(session, URL, connect_timeout=5.0, read_timeout=5.0)


def soon() -> Deadline:
    return Deadline(time.time() + 20.0)


def an_assistant(**fields: Any) -> dict[str, Any]:
    return {
        "id": "asst_1",
        "object": "assistant",
        "model": "gpt-4o-mini",
        "instructions": "Seja gentil.",
        "tools": [{"type": "file_search"}, {"type": "code_interpreter"}],
        "tool_resources": {"file_search": {"vector_store_ids": ["vs_1"]}},
        "temperature": 0.2,
        **fields,
    }


def refused(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def test_a_good_key_is_accepted(wire: responses.RequestsMock, setup: ports.OpenAiSetup) -> None:
    wire.get(f"{URL}/models", json={"object": "list", "data": []})
    setup.check_key(KEY, soon())
    assert wire.calls[0].request.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        pytest.param(401, refused("No.", "invalid_api_key"), Failure.OPENAI_AUTHENTICATION, id="wrong"),
        pytest.param(
            403, refused("No.", "unsupported_country_region_territory"), Failure.OPENAI_AUTHENTICATION, id="region"
        ),
        pytest.param(429, refused("No.", "insufficient_quota"), Failure.OPENAI_QUOTA, id="no credit"),
        pytest.param(500, {}, Failure.OPENAI_UNEXPECTED, id="down"),
        pytest.param(200, {"hello": "world"}, Failure.OPENAI_UNEXPECTED, id="another service"),
    ],
)
def test_a_key_that_does_not_help_is_told_apart(
    wire: responses.RequestsMock, setup: ports.OpenAiSetup, status: int, body: Any, failure: Failure
) -> None:
    wire.get(f"{URL}/models", status=status, json=body)
    with pytest.raises(AskError) as raised:
        setup.check_key(KEY, soon())
    assert raised.value.failure is failure


def test_an_assistant_becomes_a_sleeping_profile(wire: responses.RequestsMock, setup: ports.OpenAiSetup) -> None:
    wire.get(f"{URL}/assistants/asst_1", json=an_assistant())
    assert setup.import_profile("asst_1", KEY, soon()) == Profile(
        "gpt-4o-mini", "Seja gentil.", ("vs_1",), 0.2, source="imported", active=False
    )
    assert wire.calls[0].request.headers["OpenAI-Beta"] == "assistants=v2"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"instructions": None}, {"instructions": ""}, id="no instructions"),
        pytest.param({"temperature": None}, {"temperature": None}, id="no temperature"),
        pytest.param({"temperature": 1.0}, {"temperature": None}, id="the usual temperature"),
        pytest.param({"temperature": 0}, {"temperature": 0.0}, id="a temperature of zero"),
        pytest.param({"tools": []}, {"vector_store_ids": ()}, id="stores without the tool"),
        pytest.param({"tools": None}, {"vector_store_ids": ()}, id="no tools"),
        pytest.param({"tool_resources": None}, {"vector_store_ids": ()}, id="no stores"),
        pytest.param({"tool_resources": {"code_interpreter": {}}}, {"vector_store_ids": ()}, id="other resources"),
        pytest.param(
            {"tool_resources": {"file_search": {"vector_store_ids": ["a", 1, "b"]}}},
            {"vector_store_ids": ("a", "b")},
            id="odd stores",
        ),
    ],
)
def test_what_an_assistant_leaves_open_stays_open(
    wire: responses.RequestsMock, setup: ports.OpenAiSetup, fields: dict[str, Any], expected: dict[str, Any]
) -> None:
    wire.get(f"{URL}/assistants/asst_1", json=an_assistant(**fields))
    profile = setup.import_profile("asst_1", KEY, soon())
    assert {name: getattr(profile, name) for name in expected} == expected


@pytest.mark.parametrize("model", [None, "", 5])
def test_an_assistant_without_a_model_is_unexpected(
    wire: responses.RequestsMock, setup: ports.OpenAiSetup, model: Any
) -> None:
    wire.get(f"{URL}/assistants/asst_1", json=an_assistant(model=model))
    with pytest.raises(AskError) as raised:
        setup.import_profile("asst_1", KEY, soon())
    assert raised.value.failure is Failure.OPENAI_UNEXPECTED


def test_an_unknown_assistant_is_not_a_missing_api(wire: responses.RequestsMock, setup: ports.OpenAiSetup) -> None:
    wire.get(f"{URL}/assistants/asst_2", status=404, json=refused("No assistant found with id 'asst_2'."))
    with pytest.raises(AskError) as raised:
        setup.import_profile("asst_2", KEY, soon())
    assert (raised.value.failure, raised.value.api_gone) == (Failure.ASSISTANT_NOT_FOUND, False)


def test_a_missing_api_is_not_an_unknown_assistant(wire: responses.RequestsMock, setup: ports.OpenAiSetup) -> None:
    for path in ("assistants/asst_1", "assistants"):
        wire.get(f"{URL}/{path}", status=404, json=refused(f"Invalid URL (GET /v1/{path})"))
    with pytest.raises(AskError) as raised:
        setup.import_profile("asst_1", KEY, soon())
    assert (raised.value.failure, raised.value.api_gone) == (Failure.OPENAI_UNEXPECTED, True)


def test_an_id_that_is_a_path_leads_nowhere_else(wire: responses.RequestsMock, setup: ports.OpenAiSetup) -> None:
    wire.get(f"{URL}/assistants/..%2Fmodels%3Fx", status=404, json=refused("No assistant found with id 'x'."))
    with pytest.raises(AskError) as raised:
        setup.import_profile("../models?x", KEY, soon())
    assert raised.value.failure is Failure.ASSISTANT_NOT_FOUND


@pytest.mark.parametrize(
    ("api", "path", "beta"),
    [(Api.RESPONSES, "conversations/conv_1", None), (Api.ASSISTANTS, "threads/conv_1", "assistants=v2")],
)
def test_a_conversation_is_deleted_where_it_stands(
    wire: responses.RequestsMock, setup: ports.OpenAiSetup, api: Api, path: str, beta: str | None
) -> None:
    wire.delete(f"{URL}/{path}", json={"id": "conv_1", "deleted": True})
    setup.discard_conversation(api, "conv_1", KEY, soon())
    assert wire.calls[0].request.headers.get("OpenAI-Beta") == beta


def test_a_conversation_that_cannot_be_deleted_is_told(wire: responses.RequestsMock, setup: ports.OpenAiSetup) -> None:
    wire.delete(f"{URL}/conversations/conv_1", status=500, json={})
    with pytest.raises(AskError) as raised:
        setup.discard_conversation(Api.RESPONSES, "conv_1", KEY, soon())
    assert raised.value.failure is Failure.OPENAI_UNEXPECTED
