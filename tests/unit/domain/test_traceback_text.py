"""What may be shown of a traceback."""

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.traceback_text import without_texts

CLIENT_TEXT = "Quero falar com a Ana sobre o pedido sk-1234567890"


class OrderRefused(Exception):
    """An error of a module."""


def printed(message: str, *, cause: Exception | None = None, meanwhile: bool = False) -> str:
    try:
        order(message, cause, meanwhile=meanwhile)
    except OrderRefused as error:
        return "".join(traceback.format_exception(error))
    raise AssertionError


def order(message: str, cause: Exception | None, *, meanwhile: bool) -> None:
    if not meanwhile:
        raise OrderRefused(message) from cause
    try:
        raise KeyError(message)  # noqa: TRY301 - for a chain
    except KeyError:
        raise OrderRefused(message)  # noqa: B904 - what a careless job does


def test_frames_and_kinds_stay_and_texts_go() -> None:
    shown = without_texts(printed(CLIENT_TEXT))
    lines = shown.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].startswith('  File "')
    assert [line.rpartition(" ")[2] for line in lines[1:]] == [
        "printed",
        "order",
        f"{OrderRefused.__module__}.OrderRefused",
    ]
    assert "Quero" not in shown


def test_every_link_of_a_chain_stays() -> None:
    shown = without_texts(printed(CLIENT_TEXT, meanwhile=True))
    assert [line for line in shown.splitlines() if not line.startswith("  File")] == [
        "Traceback (most recent call last):",
        "KeyError",
        "During handling of the above exception, another exception occurred:",
        "Traceback (most recent call last):",
        f"{OrderRefused.__module__}.OrderRefused",
    ]
    caused = without_texts(printed(CLIENT_TEXT, cause=ValueError(CLIENT_TEXT)))
    assert "ValueError\nThe above exception was the direct cause of the following exception:\n" in caused
    assert "Quero" not in caused


@pytest.mark.parametrize(
    "text",
    [
        f"{CLIENT_TEXT}",
        f"first line\n{CLIENT_TEXT}",
        f"\n\n  {CLIENT_TEXT}\n    {CLIENT_TEXT}",
        f'x\nTraceback (most recent call last):\n  File "{CLIENT_TEXT}", line 1, in x\n    {CLIENT_TEXT}',
        f"x\nTraceback (most recent call last):\n{CLIENT_TEXT}: y",
    ],
    ids=["plain", "of two lines", "indented", "that looks like a frame", "that looks like an error"],
)
def test_a_text_that_imitates_a_traceback_is_not_shown_either(text: str) -> None:
    shown = without_texts(printed(text))
    assert not [word for word in CLIENT_TEXT.split() if word in shown.replace("Traceback", "").split()]


@given(st.text())
def test_a_sentence_never_comes_through(text: str) -> None:
    sentence = f"uma frase {text} com segredo"
    assert "segredo" not in without_texts(printed(sentence))
    assert "segredo" not in without_texts(sentence)


def test_what_rq_says_of_a_lost_worker_stays() -> None:
    said = "Moved to FailedJobRegistry, due to AbandonedJobError, at 2026-11-22 05:43:10.123456"
    assert without_texts(said) == said


@pytest.mark.parametrize("text", ["", "\n", "???", "   "])
def test_nothing_is_shown_of_what_is_none(text: str) -> None:
    assert without_texts(text) == ""
