"""An OpenAI API whose calls are counted and timed."""

from collections.abc import Callable

import pytest

from app.domain.answers import Answer, Deadline, Question
from app.domain.assistants import Api, Assistant
from app.domain.failures import AskError, Failure
from app.domain.turn import TurnLost
from app.services.metered_engine import MeteredEngine
from app.services.metering import Counting

QUESTION = Question("r-1", "Oi", "", "hash", Assistant("asst_1", Api.RESPONSES))
DEADLINE = Deadline(2.0**40)
CALL_TIME = 1.5


class Engine:
    """Takes a second and a half for everything; then reacts."""

    def __init__(self, reaction: Exception | None = None) -> None:
        self.reaction = reaction
        self.now = 0.0
        self.calls: list[tuple[object, ...]] = []

    def open_conversation(self, *arguments: object) -> str:
        self._called(arguments)
        return "conv_1"

    def ask(self, *arguments: object) -> Answer:
        self._called(arguments)
        return Answer("Olá", "resp_1")

    def find(self, *arguments: object) -> Answer | None:
        self._called(arguments)
        return None

    def _called(self, arguments: tuple[object, ...]) -> None:
        self.calls.append(arguments)
        self.now += CALL_TIME
        if self.reaction is not None:
            raise self.reaction


def known(_answer_id: str) -> None:
    """What is called with the id of an answer."""


CALLS: dict[str, tuple[Callable[[MeteredEngine], object], object]] = {
    "open_conversation": (lambda engine: engine.open_conversation("sk-1", DEADLINE), "conv_1"),
    "ask": (lambda engine: engine.ask(QUESTION, "conv_1", "sk-1", DEADLINE, known), Answer("Olá", "resp_1")),
    "find": (lambda engine: engine.find(QUESTION, "conv_1", "resp_1", None, "sk-1", DEADLINE, known), None),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("reaction", "outcome"),
    [
        (None, "ok"),
        (AskError(Failure.OPENAI_QUOTA), "openai_quota"),
        (AskError(Failure.ASSISTANT_NOT_FOUND), "assistant_not_found"),
        (TurnLost("r-1"), "given_up"),
        (RuntimeError("a fault of ours"), "given_up"),
    ],
    ids=["answered", "quota", "not found", "lost", "broken"],
)
def test_a_call_is_passed_on_counted_and_timed(name: str, reaction: Exception | None, outcome: str) -> None:
    engine, counting, took = Engine(reaction), Counting(), list[float]()
    metered = MeteredEngine(engine, Api.ASSISTANTS, counting, took.append, clock=lambda: engine.now)
    call, returned = CALLS[name]
    if reaction is None:
        assert call(metered) == returned
    else:
        with pytest.raises(type(reaction)):
            call(metered)
    assert len(engine.calls) == 1
    assert took == [CALL_TIME]
    assert counting.taken() == {
        f"bytegpt_openai_call_duration_seconds|assistants|{name}|{outcome}|2": 1,
        f"bytegpt_openai_call_duration_seconds|assistants|{name}|{outcome}|sum": 1_500_000,
    }


def test_the_arguments_arrive_as_they_were_given() -> None:
    engine = Engine()
    metered = MeteredEngine(engine, Api.RESPONSES, Counting(), lambda _seconds: None)
    for call, _ in CALLS.values():
        call(metered)
    assert engine.calls == [
        ("sk-1", DEADLINE),
        (QUESTION, "conv_1", "sk-1", DEADLINE, known),
        (QUESTION, "conv_1", "resp_1", None, "sk-1", DEADLINE, known),
    ]
