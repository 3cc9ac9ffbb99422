"""Several callers on one thread, whose questions are asked in one trip while the thread does other things.

Each runs until it needs an answer, then the next one does; then their questions are sent at once. Whoever watches
sockets hears when answers have come, and the callers go on. Each is a greenlet, so what it runs is written as for a
thread of its own. It must wait for nothing else: whoever would make it wait calls no_waiting_together() before.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol, cast

from greenlet import getcurrent, greenlet


class WouldWait(Exception):
    """What this needs is not at hand, and nobody may wait for it here. It is to be done on a thread of its own."""


class Asked(Protocol):
    """Questions that were sent at once. An exception in place of an answer is raised where it was asked.

    until: when to wait no longer, on the monotonic clock.
    """

    until: float

    def fileno(self) -> int | None:
        """The file descriptor that becomes readable with the answers; None where they are there, whatever they are."""

    def answers(self) -> Sequence[Any] | None:
        """All of them, in the order of the questions; None while some are missing. Raises nothing."""

    def give_up(self) -> Sequence[Any]:
        """What is to stand in place of the answers, for which nobody waits any more. Raises nothing."""


class Ask(Hashable, Protocol):
    """Sends several questions at once."""

    def __call__(self, questions: Sequence[Any], /) -> Asked:
        """What is to come of it. Raises nothing."""


class Trip:
    """Callers that wait for the answers to what was asked at once."""

    def __init__(self, asked: Asked, callers: Sequence["_Caller"]) -> None:
        self.asked = asked
        self._callers = callers

    def end(self, answers: Sequence[Any]) -> None:
        """Let the callers go on with their answers."""
        for caller, answer in zip(self._callers, answers, strict=True):
            caller.switch(answer)


class Together:
    """The callers of one thread."""

    def __init__(self) -> None:
        self._asking: dict[Ask, list[tuple[_Caller, Any]]] = {}

    @property
    def questions(self) -> int:
        """How many were asked and not sent yet."""
        return sum(map(len, self._asking.values()))

    def start(self, run: Callable[[], None]) -> None:
        """Run this until it ends or asks. What it raises comes out of whatever lets it go on."""
        _Caller(run, self).switch()

    def set_out(self) -> list[Trip]:
        """Send them, each kind in one go."""
        asking, self._asking = self._asking, {}
        return [
            Trip(ask([question for _, question in asked]), [caller for caller, _ in asked])
            for ask, asked in asking.items()
        ]

    def turn_back(self, error: Exception) -> None:
        """Let those whose questions were not sent go on with this error."""
        asking, self._asking = self._asking, {}
        for asked in asking.values():
            for caller, _ in asked:
                caller.switch(error)

    def note(self, caller: "_Caller", ask: Ask, question: Any) -> None:
        """Have a question of a caller sent along with others."""
        self._asking.setdefault(ask, []).append((caller, question))


class _Caller(greenlet):
    def __init__(self, run: Callable[[], None], together: Together) -> None:
        super().__init__(run)
        self.together = together


def is_served_together() -> bool:
    """Whether whoever calls this is one of several callers on the thread."""
    return isinstance(getcurrent(), _Caller)


def no_waiting_together() -> None:
    """To be called before waiting. Raises WouldWait where other callers on the thread would have to wait as well."""
    if is_served_together():
        raise WouldWait


def answer_for(ask: Ask, question: Any) -> Any:
    """The answer to a question that is sent along with those of others. Raises what stands in its place."""
    caller = cast("_Caller", getcurrent())
    caller.together.note(caller, ask, question)
    answer = cast("greenlet", caller.parent).switch()
    if isinstance(answer, BaseException):
        raise answer
    return answer
