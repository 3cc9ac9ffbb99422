"""Deleting at OpenAI, over a fake of it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from app.domain.answers import Deadline
from app.domain.failures import AskError, Failure
from app.domain.forgetting import Deletion, Fate, Kind, Remote
from app.services.remote_deletion import TRIES, RemoteDeletion
from tests.unit.services.ports_in_memory import Clock

KEY = "sk-key"
CONVERSATION, RESPONSE, THREAD = (
    Remote(Kind.CONVERSATION, "conv_1"),
    Remote(Kind.RESPONSE, "resp_1"),
    Remote(Kind.THREAD, "thread_1"),
)


@dataclass
class FakeOpenAi:
    """conversations: their items. others: what else there is. troubles: raised once each, by what is called."""

    conversations: dict[str, list[str]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    troubles: dict[str, list[AskError]] = field(default_factory=dict)
    page_size: int = 2
    calls: list[str] = field(default_factory=list)

    def items(
        self, conversation_id: str, after: str | None, api_key: str, deadline: Deadline
    ) -> tuple[str, ...] | None:
        self._called(f"items {conversation_id} {after or ''}".strip())
        items = self.conversations.get(conversation_id)
        if items is None:
            return None
        begin = items.index(after) + 1 if after in items else 0
        return tuple(items[begin : begin + self.page_size])

    def delete_item(self, conversation_id: str, item_id: str, api_key: str, deadline: Deadline) -> bool:
        self._called(item_id)
        there = item_id in self.conversations[conversation_id]
        if there:
            self.conversations[conversation_id].remove(item_id)
        return there

    def delete_conversation(self, conversation_id: str, api_key: str, deadline: Deadline) -> bool:
        self._called(conversation_id)
        return self.conversations.pop(conversation_id, None) is not None

    def delete_response(self, response_id: str, api_key: str, deadline: Deadline) -> bool:
        return self._other(response_id)

    def delete_thread(self, thread_id: str, api_key: str, deadline: Deadline) -> bool:
        return self._other(thread_id)

    def _other(self, what: str) -> bool:
        self._called(what)
        there = what in self.others
        self.others.discard(what)
        return there

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if self.troubles.get(what):
            raise self.troubles[what].pop(0)


def deleting(openai: FakeOpenAi, clock: Clock, key: str | None = KEY) -> Callable[[Remote], list[tuple[str, str, str]]]:
    work = RemoteDeletion(openai, key, clock)

    def told(remote: Remote) -> list[tuple[str, str, str]]:
        return [(one.remote.id, one.fate, one.reason) for one in work.delete(remote)]

    return told


def trouble(failure: Failure, **details: object) -> AskError:
    return AskError(failure, **details)  # type: ignore[arg-type]


def test_a_conversation_goes_item_by_item_and_then_itself(clock: Clock) -> None:
    openai = FakeOpenAi({"conv_1": ["msg_1", "msg_2", "msg_3"]})
    assert deleting(openai, clock)(CONVERSATION) == [
        ("msg_1", "deleted", ""),
        ("msg_2", "deleted", ""),
        ("msg_3", "deleted", ""),
        ("conv_1", "deleted", ""),
    ]
    assert openai.conversations == {}


def test_what_is_not_there_is_told_so(clock: Clock) -> None:
    tell = deleting(FakeOpenAi(), clock)
    assert tell(CONVERSATION) == [("conv_1", "not_found", "")]
    assert tell(RESPONSE) == [("resp_1", "not_found", "")]
    assert tell(THREAD) == [("thread_1", "not_found", "")]


def test_responses_and_threads_go_at_once(clock: Clock) -> None:
    tell = deleting(FakeOpenAi(others={"resp_1", "thread_1"}), clock)
    assert tell(RESPONSE) == [("resp_1", "deleted", "")]
    assert tell(THREAD) == [("thread_1", "deleted", "")]


def test_where_an_item_is_refused_the_others_go_and_the_conversation_stays(clock: Clock) -> None:
    refusal = trouble(Failure.OPENAI_UNEXPECTED, status=400, code="http_400")
    openai = FakeOpenAi(
        {"conv_1": ["msg_1", "msg_2", "msg_3", "msg_4", "msg_5"]}, troubles={"msg_2": [refusal], "msg_4": [refusal]}
    )
    assert deleting(openai, clock)(CONVERSATION) == [
        ("msg_1", "deleted", ""),
        ("msg_2", "refused", "http_400"),
        ("msg_3", "deleted", ""),
        ("msg_4", "refused", "http_400"),
        ("msg_5", "deleted", ""),
        ("conv_1", "refused", "http_400"),
    ]
    assert openai.conversations == {"conv_1": ["msg_2", "msg_4"]}


def test_what_may_pass_is_tried_again_and_openai_s_wait_is_obeyed(clock: Clock) -> None:
    busy = [
        trouble(Failure.OPENAI_QUOTA, retryable=True, retry_after=7.0, status=429, code="rate_limit_exceeded"),
        trouble(Failure.OPENAI_UNEXPECTED, retryable=True, status=500, code="server_error"),
    ]
    openai = FakeOpenAi(others={"resp_1"}, troubles={"resp_1": busy})
    assert deleting(openai, clock)(RESPONSE) == [("resp_1", "deleted", "")]
    assert len(clock.sleeps) == 2
    assert clock.sleeps[0] >= 7.0


@pytest.mark.parametrize(
    ("error", "reason", "stops"),
    [
        (trouble(Failure.OPENAI_AUTHENTICATION, status=401, code="invalid_api_key"), "invalid_api_key", True),
        (trouble(Failure.OPENAI_AUTHENTICATION, status=403, code="http_403"), "http_403", False),
        (trouble(Failure.OPENAI_TIMEOUT), "openai_timeout", True),
        (trouble(Failure.OPENAI_UNEXPECTED, status=400, code="http_400"), "http_400", False),
        (trouble(Failure.OPENAI_UNEXPECTED, status=404, api_gone=True, code="http_404"), "api_closed", False),
    ],
    ids=["the key is refused", "the key may not do this", "no answer", "this one is refused", "the API is gone"],
)
def test_what_concerns_everything_is_not_asked_for_again(
    clock: Clock, error: AskError, reason: str, stops: bool
) -> None:
    openai = FakeOpenAi({"conv_1": ["msg_1"]}, others={"resp_1"}, troubles={"resp_1": [error]})
    tell = deleting(openai, clock)
    assert tell(RESPONSE) == [("resp_1", "refused", reason)]
    called = len(openai.calls)
    if stops:
        assert tell(CONVERSATION) == [("conv_1", "refused", reason)]
        assert len(openai.calls) == called
    else:
        assert tell(CONVERSATION)[-1] == ("conv_1", "deleted", "")


def test_a_key_that_dies_midway_leaves_the_rest_named(clock: Clock) -> None:
    error = trouble(Failure.OPENAI_AUTHENTICATION, status=401, code="invalid_api_key")
    openai = FakeOpenAi({"conv_1": ["msg_1", "msg_2", "msg_3"]}, troubles={"msg_2": [error]})
    assert deleting(openai, clock)(CONVERSATION) == [
        ("msg_1", "deleted", ""),
        ("msg_2", "refused", "invalid_api_key"),
        ("conv_1", "refused", "invalid_api_key"),
    ]


def test_patience_ends(clock: Clock) -> None:
    error = trouble(Failure.OPENAI_CONNECTION, retryable=True, code="refused")
    openai = FakeOpenAi(others={"resp_1"}, troubles={"resp_1": [error] * (TRIES + 1)})
    assert deleting(openai, clock)(RESPONSE) == [("resp_1", "refused", "refused")]
    assert len(openai.calls) == TRIES


@pytest.mark.parametrize("key", [None, ""])
def test_without_a_key_nothing_is_sent(clock: Clock, key: str | None) -> None:
    openai = FakeOpenAi(others={"resp_1"})
    assert deleting(openai, clock, key)(RESPONSE) == [("resp_1", "refused", "no_key_saved")]
    assert openai.calls == []


def test_no_key_shows_in_a_repr() -> None:
    assert KEY not in repr(RemoteDeletion(FakeOpenAi(), KEY))


@pytest.mark.parametrize("fate", Fate)
def test_what_is_gone_or_was_never_there_is_done(fate: Fate) -> None:
    assert Deletion(RESPONSE, fate).done == (fate in (Fate.DELETED, Fate.NOT_FOUND))
