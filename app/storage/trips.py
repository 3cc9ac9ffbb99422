"""Scripts of several callers, sent to the server at once (app/together.py)."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.exceptions import NoScriptError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.storage.lasting import answer_or_refusal, confirmation, doubt_after
from app.storage.lines import Connections, Line, Run
from app.together import WouldWait

# Seconds for which callers wait, less than others do: they have a slower way, and must be in time on that one, too.
PATIENCE = 0.3


@dataclass(frozen=True, slots=True)
class Question(Run):
    """A script that runs along with others. lasting: as StoredScript has it."""

    lasting: bool


@dataclass(frozen=True, slots=True)
class AskAll:
    """Sends questions on one of these connections. It is tried once: whoever asks has a slower way for the rest."""

    connections: Connections

    def __call__(self, questions: Sequence[Question]) -> "Sent":
        """What is to come of it. Raises nothing."""
        return Sent(self.connections, questions)


_MISSING = object()


class Sent:
    """Questions that were sent at once (app/together.py, Asked)."""

    def __init__(self, connections: Connections, questions: Sequence[Question]) -> None:
        self.until = time.monotonic() + PATIENCE
        self._connections = connections
        self._answers: list[Any] = [_MISSING] * len(questions)
        # What is to become of each answer that is still to be read.
        self._awaited: deque[Callable[[Line, Any], None]] = deque(
            partial(self._note, place, question) for place, question in enumerate(questions)
        )
        self._in_doubt = False
        self._line: Line | None = None
        try:
            self._line = connections.taken_standing()
            if self._line is None:
                raise WouldWait  # noqa: TRY301 - to connect may take long
            self._in_doubt = self._line.replaceable and any(question.lasting for question in questions)
            self._line.send(*(question.command for question in questions))
        except Exception as error:  # noqa: BLE001 - raised where the questions were asked
            self._fail(error)

    def fileno(self) -> int | None:
        """The file descriptor that becomes readable with the answers; None where they are there, whatever they are."""
        return None if self._line is None else self._line.fileno()

    def answers(self) -> Sequence[Any] | None:
        """All of them; None while some are missing."""
        try:
            while (line := self._line) is not None:
                self._awaited.popleft()(line, answer_or_refusal(line))
                if not self._awaited:
                    self._finish(line)
                if self._awaited and not line.has_more():
                    return None
        except Exception as error:  # noqa: BLE001 - raised where the questions were asked
            self._fail(error)
        return self._answers

    def give_up(self) -> Sequence[Any]:
        """What is to stand in place of the answers, for which nobody waits any more."""
        if self._line is not None:
            self._fail(RedisTimeoutError("no answer in time"))
        return self._answers

    def _note(self, place: int, question: Question, line: Line, answer: Any) -> None:
        if isinstance(answer, NoScriptError):
            line.send(question.whole)
            self._awaited.append(partial(self._note, place, question))
            return
        question.script.known = True
        self._answers[place] = answer

    def _finish(self, line: Line) -> None:
        if self._in_doubt:
            line.send(*confirmation(PATIENCE))
            written: list[Any] = []
            self._awaited.extend((lambda _, answer: written.append(answer), partial(self._confirm, written)))
            return
        self._line = None
        self._connections.back(line)

    def _confirm(self, written: Sequence[Any], _line: Line, replicas: Any) -> None:
        doubt = doubt_after(written[0], replicas)
        if doubt is not None:
            raise doubt
        self._in_doubt = False

    def _fail(self, error: Exception) -> None:
        """Nobody knows what became of a question without an answer, and part of one may be on its way."""
        self._answers = [error if self._in_doubt or answer is _MISSING else answer for answer in self._answers]
        if self._line is not None:
            self._line.drop()
            self._connections.back(self._line)
            self._line = None
