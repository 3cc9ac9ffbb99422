"""The body of a webhook as PHP writes it, read back by werkzeug, which is what Flask reads forms with."""

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from sandbox.kommo_webhook import FORM, WebhookStyle, encoded, php_form

DATA = {"message": "Quanto é? 1+1=2 & {{x}} 😀", "lead_id": "7", "instructions": ""}
URL = "https://acme.kommo.com/api/v4/salesbot/1/continue/2"


def body(style: WebhookStyle | None = None) -> tuple[bytes, str]:
    return encoded("a.b.c", DATA, URL, style or WebhookStyle())


def form_of(raw: bytes) -> dict[str, str]:
    builder = EnvironBuilder(method="POST", data=raw, content_type=FORM)
    return Request(builder.get_environ()).form.to_dict()


def test_a_genuine_body_is_a_form_with_php_keys() -> None:
    raw, content_type = body()
    assert content_type == FORM
    assert raw.startswith(b"token=a.b.c&data%5Bmessage%5D=Quanto+%C3%A9%3F")
    assert form_of(raw) == {
        "token": "a.b.c",
        **{f"data[{key}]": value for key, value in DATA.items()},
        "return_url": URL,
    }


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_any_text_survives_the_form(fields: dict[str, str]) -> None:
    pairs = parse_qsl(php_form(fields), keep_blank_values=True, encoding="utf-8")
    assert dict(pairs) == fields


@pytest.mark.parametrize(
    ("fields", "form"),
    [
        ({"a": {"b": {"c": "1"}}}, "a%5Bb%5D%5Bc%5D=1"),
        ({"a": ["x", "y"]}, "a%5B0%5D=x&a%5B1%5D=y"),
        ({"a": {}}, ""),
        ({"a": 5}, "a=5"),
    ],
    ids=["nested", "list", "empty", "number"],
)
def test_nested_fields_are_flattened_as_php_does(fields: dict[str, Any], form: str) -> None:
    assert php_form(fields) == form


def test_json_is_sent_on_demand() -> None:
    raw, content_type = body(WebhookStyle(as_json=True))
    assert content_type == "application/json"
    assert json.loads(raw) == {"token": "a.b.c", "data": DATA, "return_url": URL}


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        pytest.param(WebhookStyle(fields={"token": "x"}), {"token": "x"}, id="another token"),
        pytest.param(WebhookStyle(fields={"more": "x"}), {"more": "x"}, id="a further field"),
        pytest.param(
            WebhookStyle(fields={"return_url": "https://evil.example"}),
            {"return_url": "https://evil.example"},
            id="url",
        ),
        pytest.param(
            WebhookStyle(without_fields=frozenset({"return_url"})), {"return_url": None}, id="without a field"
        ),
    ],
)
def test_fields_can_be_forged(style: WebhookStyle, expected: dict[str, str | None]) -> None:
    forged = {**form_of(body()[0]), **expected}
    assert form_of(body(style)[0]) == {name: value for name, value in forged.items() if value is not None}


def test_body_and_content_type_can_be_anything() -> None:
    assert body(WebhookStyle(body=b"\xff", content_type="text/plain")) == (b"\xff", "text/plain")
