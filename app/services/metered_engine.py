"""An OpenAI API whose calls are counted, and timed for the turn that makes them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.domain.answers import Answer, Deadline, Question
from app.domain.assistants import Api
from app.domain.failures import AskError
from app.domain.service_metrics import ANSWERED, GIVEN_UP
from app.services.ports import Engine, Meter


@dataclass(frozen=True, slots=True)
class MeteredEngine:
    """Fills the port Engine over another one.

    took: told the seconds of each call, so that a turn knows how much of its time was OpenAI's.
    """

    engine: Engine
    api: Api
    meter: Meter
    took: Callable[[float], None]
    clock: Callable[[], float] = time.monotonic

    def open_conversation(self, api_key: str, deadline: Deadline) -> str:
        """Create an empty conversation."""
        with self._timed("open_conversation"):
            return self.engine.open_conversation(api_key, deadline)

    def ask(
        self,
        question: Question,
        conversation_id: str,
        api_key: str,
        deadline: Deadline,
        answer_id_known: Callable[[str], None],
    ) -> Answer:
        """Send the question once and wait for its answer."""
        with self._timed("ask"):
            return self.engine.ask(question, conversation_id, api_key, deadline, answer_id_known)

    def find(
        self,
        question: Question,
        conversation_id: str,
        answer_id: str | None,
        after_item: str | None,
        api_key: str,
        deadline: Deadline,
        answer_id_known: Callable[[str], None],
    ) -> Answer | None:
        """Look for what an earlier attempt left."""
        with self._timed("find"):
            return self.engine.find(
                question, conversation_id, answer_id, after_item, api_key, deadline, answer_id_known
            )

    @contextmanager
    def _timed(self, call: str) -> Iterator[None]:
        began = self.clock()
        # What the callback of a call raises is about our own turn: somebody else has it, or Redis is away.
        outcome = GIVEN_UP
        try:
            yield
            outcome = ANSWERED
        except AskError as error:
            outcome = error.failure
            raise
        finally:
            seconds = self.clock() - began
            self.took(seconds)
            self.meter.asked(self.api, call, outcome, seconds)
