"""The simulated model: what it says, and in which pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.openai_answers import Asked, answer, text_of
from sandbox.openai_events import pieces_of


def asked(message: str, *earlier: str) -> Asked:
    return Asked("acme", "gpt-6-luna", "", earlier, message)


ANSWERS = {
    "echo": (asked("Olá"), "[acme] Mensagem 1: Olá"),
    "third message": (asked("Olá", "a", "b"), "[acme] Mensagem 3: Olá"),
    "name told": (asked("Qual é o meu nome?", "Meu nome é Ana."), "[acme] Mensagem 2: seu nome é Ana."),
    "name told twice": (
        asked("What is my name", "my name is Ana", "meu nome é José Silva"),
        "[acme] Mensagem 3: seu nome é José.",
    ),
    "no name told": (asked("qual é o meu nome"), "[acme] Mensagem 1: você ainda não me disse o seu nome."),
}


@pytest.mark.parametrize(("question", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_the_answer_depends_on_the_conversation_and_nothing_else(question: Asked, expected: str) -> None:
    assert answer(question) == expected


def test_text_is_read_from_every_kind_of_content() -> None:
    assert text_of("a") == "a"
    assert (
        text_of([{"type": "input_text", "text": "a"}, {"type": "input_image"}, {"type": "text", "text": "b"}]) == "ab"
    )
    assert text_of([{"type": "text", "text": {"value": "a", "annotations": []}}, {"type": "refusal"}]) == "a"


@given(st.text(), st.integers(1, 20))
def test_pieces_are_few_not_empty_and_make_up_the_text(text: str, count: int) -> None:
    pieces = pieces_of(text, count)
    assert "".join(pieces) == text
    assert len(pieces) <= count
    assert all(pieces)
