"""What is asked of OpenAI and what comes back, in our own words, whatever the API."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.assistants import Api, Assistant


@dataclass(frozen=True, slots=True)
class Question:
    """One client message on its way to OpenAI.

    request_id: our id of the turn; it marks what we create at OpenAI, so that a lost attempt can be found again.
    step_instructions: extra instructions of this step of the flow, "" when there are none.
    safety_identifier: a stable hash of the client, at most 64 characters (openai.md 3.1).
    """

    request_id: str
    text: str
    step_instructions: str
    safety_identifier: str
    assistant: Assistant


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation (a thread) at OpenAI. last_item: the newest item we know of, None where the API has no items."""

    api: Api
    conversation_id: str
    last_item: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer as OpenAI counted them: cached and written are parts of input, reasoning is part of output.

    written: tokens put into the cache, which gpt-5.6 and later charge for (openai.md 7); none of them is cached.
    """

    input: int
    cached: int
    output: int
    reasoning: int
    written: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the assistant said.

    text is never empty; citation marks and Markdown are still in it.
    answer_id: the response or run it was taken from.
    item_id: the conversation item that holds it (Responses), so that later questions are known to come after it.
    model: as OpenAI named it, None when it named none.
    usage: None when OpenAI sent none.
    """

    text: str
    answer_id: str
    item_id: str | None = None
    model: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment by which something must have ended, in seconds since the epoch of the service's clock."""

    at: float
    clock: Callable[[], float] = time.time

    def left(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.at - self.clock())

    def passed(self) -> bool:
        """Whether no time is left."""
        return self.left() <= 0.0

    def earlier(self, seconds: float) -> "Deadline":
        """The deadline that leaves so many seconds of reserve before this one."""
        return Deadline(self.at - seconds, self.clock)
