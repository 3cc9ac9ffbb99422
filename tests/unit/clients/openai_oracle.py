"""OpenAI's own types of the requests we send, as a judge of our bodies; extra keys and other types are refused."""

from typing import Any

from openai.types.beta.thread_create_params import ThreadCreateParams
from openai.types.beta.threads.run_create_params import RunCreateParamsStreaming
from openai.types.conversations.conversation_create_params import ConversationCreateParams
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import ConfigDict, TypeAdapter


class Oracle:
    """Judges bodies by one of the `openai` package's types."""

    def __init__(self, kind: Any) -> None:
        # In a list, since a bare TypedDict takes no configuration from outside. Built by whoever judges first: that
        # takes a second, and every process of a run imports this.
        config = ConfigDict(extra="forbid", strict=True, defer_build=True)
        self._adapter: TypeAdapter[list[Any]] = TypeAdapter(list[kind], config=config)

    def check(self, body: Any) -> None:
        """Raise pydantic.ValidationError unless OpenAI's client could have sent this."""
        _drain(self._adapter.validate_python([body]))


def _drain(value: Any) -> None:
    """Walk through everything: what is typed as an iterable is judged only when it is read."""
    if isinstance(value, dict):
        for inner in value.values():
            _drain(inner)
    elif not isinstance(value, str | int | float | None):
        for inner in value:
            _drain(inner)


RESPONSE = Oracle(ResponseCreateParamsStreaming)
RUN = Oracle(RunCreateParamsStreaming)
THREAD = Oracle(ThreadCreateParams)
CONVERSATION = Oracle(ConversationCreateParams)
