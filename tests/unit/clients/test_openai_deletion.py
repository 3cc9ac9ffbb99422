import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from app.clients.http import PartnerSession
from app.clients.openai_deletion import OpenAiDeletion
from app.domain.answers import Deadline
from app.domain.failures import AskError, Failure
from app.services import ports

URL = "https://api.openai.example/v1"
KEY = "sk-proj-secret-0123456789"


@pytest.fixture
def wire() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def deletion() -> Iterator[ports.OpenAiDeletion]:
    with PartnerSession(2) as session:
        yield OpenAiDeletion(session, URL, connect_timeout=5.0, read_timeout=5.0)


def soon() -> Deadline:
    return Deadline(time.time() + 20.0)


def refused(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


Call = Callable[[ports.OpenAiDeletion], bool]
CALLS: list[Any] = [
    pytest.param(
        lambda deletion: deletion.delete_conversation("conv_1", KEY, soon()),
        "/conversations/conv_1",
        "Conversation with id 'conv_1' not found.",
        id="conversation",
    ),
    pytest.param(
        lambda deletion: deletion.delete_item("conv_1", "msg_1", KEY, soon()),
        "/conversations/conv_1/items/msg_1",
        "Item with id 'msg_1' not found.",
        id="item",
    ),
    pytest.param(
        lambda deletion: deletion.delete_response("resp_1", KEY, soon()),
        "/responses/resp_1",
        "Response with id 'resp_1' not found.",
        id="response",
    ),
    pytest.param(
        lambda deletion: deletion.delete_thread("thread_1", KEY, soon()),
        "/threads/thread_1",
        "No thread found with id 'thread_1'.",
        id="thread",
    ),
]


@pytest.mark.parametrize(("call", "path", "missing"), CALLS)
def test_a_thing_is_deleted_by_its_id_and_may_be_missing(
    wire: responses.RequestsMock, deletion: ports.OpenAiDeletion, call: Call, path: str, missing: str
) -> None:
    wire.delete(f"{URL}{path}", json={"id": "x", "deleted": True})
    assert call(deletion) is True
    assert wire.calls[0].request.headers["Authorization"] == f"Bearer {KEY}"
    wire.replace(responses.DELETE, f"{URL}{path}", json=refused(missing), status=404)
    assert call(deletion) is False


@pytest.mark.parametrize(("call", "path", "_missing"), CALLS)
@pytest.mark.parametrize(
    ("status", "body", "failure", "retryable"),
    [
        (401, refused("Incorrect API key provided", "invalid_api_key"), Failure.OPENAI_AUTHENTICATION, False),
        (403, refused("Missing scopes"), Failure.OPENAI_AUTHENTICATION, False),
        (429, refused("Rate limit reached", "rate_limit_exceeded"), Failure.OPENAI_QUOTA, True),
        (400, refused("Another process", "conversation_locked"), Failure.OPENAI_UNEXPECTED, True),
        (500, refused("The server had an error"), Failure.OPENAI_UNEXPECTED, True),
        (200, {"id": "x", "deleted": False}, Failure.OPENAI_UNEXPECTED, False),
    ],
    ids=["401", "403", "429", "locked", "500", "not deleted"],
)
def test_a_refusal_is_raised(
    wire: responses.RequestsMock,
    deletion: ports.OpenAiDeletion,
    call: Call,
    path: str,
    _missing: str,
    status: int,
    body: dict[str, Any],
    failure: Failure,
    retryable: bool,
) -> None:
    wire.delete(f"{URL}{path}", json=body, status=status)
    with pytest.raises(AskError) as caught:
        call(deletion)
    assert (caught.value.failure, caught.value.retryable) == (failure, retryable)


def test_an_assistants_api_that_is_gone_says_nothing_about_its_threads(
    wire: responses.RequestsMock, deletion: ports.OpenAiDeletion
) -> None:
    gone = refused("Invalid URL (DELETE /v1/threads/thread_1)")
    wire.delete(f"{URL}/threads/thread_1", json=gone, status=404)
    wire.get(f"{URL}/assistants", json=gone, status=404)
    with pytest.raises(AskError) as caught:
        deletion.delete_thread("thread_1", KEY, soon())
    assert caught.value.api_gone


def test_items_come_page_by_page_the_oldest_first(wire: responses.RequestsMock, deletion: ports.OpenAiDeletion) -> None:
    path = f"{URL}/conversations/conv_1/items"
    wire.get(path, json={"object": "list", "data": [{"id": "msg_1"}, {"id": "rs_2"}]})
    assert deletion.items("conv_1", None, KEY, soon()) == ("msg_1", "rs_2")
    assert deletion.items("conv_1", "rs_2", KEY, soon()) == ("msg_1", "rs_2")
    asked = [str(call.request.url).partition("?")[2] for call in wire.calls]
    assert asked == ["order=asc&limit=100", "order=asc&limit=100&after=rs_2"]


def test_a_conversation_that_is_not_there_has_no_items(
    wire: responses.RequestsMock, deletion: ports.OpenAiDeletion
) -> None:
    wire.get(f"{URL}/conversations/a%2Fb/items", json=refused("Conversation with id 'a/b' not found."), status=404)
    assert deletion.items("a/b", None, KEY, soon()) is None
    wire.get(f"{URL}/conversations/conv_1/items", json=refused("Incorrect", "invalid_api_key"), status=401)
    with pytest.raises(AskError):
        deletion.items("conv_1", None, KEY, soon())
