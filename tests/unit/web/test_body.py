"""How much of a body is read, under servers that end the stream themselves and under those that do not."""

import io
from typing import Any

import pytest
from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.test import EnvironBuilder

from app.web.body import limited_body, usual_form

LIMIT = 100


def a_request(body: bytes, announced: int | None, *, terminated: bool) -> Request:
    """terminated: as under gunicorn, where reading stops at the end of the body."""
    environ: dict[str, Any] = EnvironBuilder(method="POST", input_stream=io.BytesIO(body)).get_environ()
    environ.pop("CONTENT_LENGTH", None)
    if announced is not None:
        environ["CONTENT_LENGTH"] = str(announced)
    if terminated:
        environ["wsgi.input_terminated"] = True
    return Request(environ)


@pytest.mark.parametrize("terminated", [True, False])
@pytest.mark.parametrize("length", [0, 1, LIMIT])
def test_a_body_up_to_the_limit_is_read_whole(length: int, terminated: bool) -> None:
    body = bytes(range(length))
    assert limited_body(a_request(body, length, terminated=terminated), LIMIT) == body


@pytest.mark.parametrize("terminated", [True, False])
@pytest.mark.parametrize("length", [LIMIT + 1, 100_000, 1_000_000])
def test_a_longer_body_is_too_large_and_read_to_its_end(length: int, terminated: bool) -> None:
    request = a_request(b"a" * length, length, terminated=terminated)
    with pytest.raises(RequestEntityTooLarge):
        limited_body(request, LIMIT)
    assert request.environ["wsgi.input"].read() == b""


@pytest.mark.parametrize("length", [LIMIT + 1, 1_000_000])
def test_a_longer_body_without_a_length_is_too_large(length: int) -> None:
    with pytest.raises(RequestEntityTooLarge):
        limited_body(a_request(b"a" * length, None, terminated=True), LIMIT)


def test_a_body_without_a_length_is_read_whole() -> None:
    assert limited_body(a_request(b"a" * LIMIT, None, terminated=True), LIMIT) == b"a" * LIMIT


def test_an_endless_body_is_not_read_to_its_end() -> None:
    request = a_request(b"a" * 10_000_000, None, terminated=True)
    with pytest.raises(RequestEntityTooLarge):
        limited_body(request, LIMIT)
    assert request.environ["wsgi.input"].read(1) == b"a"


@pytest.mark.parametrize("terminated", [True, False])
def test_a_body_shorter_than_announced_is_no_body(terminated: bool) -> None:
    with pytest.raises(ClientDisconnected):
        limited_body(a_request(b"a" * 50, 60, terminated=terminated), LIMIT)


FORM = "application/x-www-form-urlencoded"


def a_form(body: bytes, **overrides: str | None) -> dict[str, Any]:
    """An environ with these variables, without those that are None."""
    variables = {"CONTENT_TYPE": FORM, "CONTENT_LENGTH": str(len(body)), **overrides}
    return {"wsgi.input": io.BytesIO(body), **{name: value for name, value in variables.items() if value is not None}}


@pytest.mark.parametrize("length", [0, 1, LIMIT])
def test_the_usual_form_is_read_whole(length: int) -> None:
    body = bytes(range(length))
    assert usual_form(a_form(body), LIMIT) == body


@pytest.mark.parametrize(
    "overrides",
    [
        {"CONTENT_LENGTH": str(LIMIT + 1)},
        {"CONTENT_LENGTH": None},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "-1"},
        {"CONTENT_LENGTH": "+3"},
        {"CONTENT_LENGTH": "\N{ARABIC-INDIC DIGIT THREE}"},
        {"CONTENT_LENGTH": "9" * 10},
        {"HTTP_TRANSFER_ENCODING": "chunked"},
        {"CONTENT_TYPE": "application/json"},
        {"CONTENT_TYPE": f"{FORM}; charset=utf-8"},
        {"CONTENT_TYPE": None},
    ],
    ids=str,
)
def test_of_anything_else_nothing_is_read(overrides: dict[str, str | None]) -> None:
    environ = a_form(b"a=1", **overrides)
    assert usual_form(environ, LIMIT) is None
    assert environ["wsgi.input"].tell() == 0


def test_a_usual_form_that_is_cut_off_is_no_body() -> None:
    with pytest.raises(ClientDisconnected):
        usual_form(a_form(b"a=1", CONTENT_LENGTH="4"), LIMIT)
