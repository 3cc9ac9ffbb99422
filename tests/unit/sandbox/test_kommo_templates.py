"""Placeholders are filled in as Kommo does it, injection included."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kommo_templates import fill, returned_value

VALUES = {
    "lead.id": "77",
    "contact.name": "Ana",
    "message_text": "meu id é {{lead.id}}",
    "empty": "",
    "itself": "{{itself}}",
    "both": "{{both}}{{both}}",
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        pytest.param("Olá {{contact.name}}!", "Olá Ana!", id="known"),
        pytest.param("{{ lead.id }}", "77", id="with spaces"),
        pytest.param("{{contact.phone}}", "{{contact.phone}}", id="unresolved stays literal"),
        pytest.param("a{{empty}}b", "ab", id="known but empty"),
        pytest.param("{{message_text}}", "meu id é 77", id="what comes in with a value is filled in too"),
        pytest.param("{lead.id} {{}} {{{", "{lead.id} {{}} {{{", id="not a placeholder"),
        pytest.param("{{itself}}", "{{itself}}", id="names itself"),
    ],
)
def test_a_text_is_filled_in(text: str, filled: str) -> None:
    assert fill(text, VALUES.get) == filled


def test_a_text_that_doubles_itself_stays_finite() -> None:
    assert len(fill("{{both}}", VALUES.get)) < 1000


@given(st.text())
def test_a_text_without_braces_is_left_alone(text: str) -> None:
    plain = text.replace("{", "").replace("}", "")
    assert fill(plain, lambda _name: "never asked for") == plain


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("sim", "sim"),
        ("", None),
        (None, None),
        (True, "1"),
        (False, None),
        (0, "0"),
        (2.5, "2.5"),
        ({"a": 1}, None),
        ([1], None),
    ],
    ids=repr,
)
def test_a_returned_value_is_shown_or_its_placeholder_is(value: Any, shown: str | None) -> None:
    assert returned_value({"key": value}, "key") == shown


def test_a_missing_key_leaves_the_placeholder() -> None:
    assert returned_value({}, "reply") is None
