"""Errors in JSON, whoever raises them."""

from typing import NoReturn

import pytest
from flask import Flask
from gunicorn.http.errors import InvalidChunkSize
from werkzeug.exceptions import HTTPException, TooManyRequests, UnprocessableEntity

from app.domain.acceptance import StoreUnavailable
from app.web.errors import CODES, Refusal, register_errors


def an_app(error: Exception) -> Flask:
    app = Flask("errors", static_folder=None)
    register_errors(app)

    @app.get("/fail")
    def fail() -> NoReturn:
        raise error

    @app.get("/folder/")
    def folder() -> str:
        return ""

    return app


@pytest.mark.parametrize(
    ("error", "status", "body"),
    [
        pytest.param(Refusal(403, "why"), 403, {"error": {"code": "forbidden"}}, id="a refusal"),
        pytest.param(
            Refusal(404, "why", "account_gone"), 404, {"error": {"code": "account_gone"}}, id="a code of its own"
        ),
        pytest.param(
            Refusal(400, "why", fields={"a": ["wrong"]}),
            400,
            {"error": {"code": "invalid_request", "fields": {"a": ["wrong"]}}},
            id="fields",
        ),
        pytest.param(
            Refusal(400, "why"), 400, {"error": {"code": "invalid_request", "fields": {}}}, id="a 400 has fields always"
        ),
        pytest.param(StoreUnavailable("detail"), 503, {"error": {"code": "unavailable"}}, id="no Redis"),
        pytest.param(ValueError("detail"), 500, {"error": {"code": "internal_error"}}, id="a fault"),
        pytest.param(UnprocessableEntity("detail"), 422, {"error": {"code": "error"}}, id="a status without a word"),
    ],
)
def test_an_error_is_one_json_shape(error: Exception, status: int, body: object) -> None:
    answer = an_app(error).test_client().get("/fail")
    assert (answer.status_code, answer.content_type, answer.get_json()) == (status, "application/json", body)


def test_a_body_whose_chunks_are_no_chunks_is_the_senders_fault() -> None:
    """gunicorn raises it while a view reads the body."""
    answer = an_app(InvalidChunkSize(b"zz")).test_client().get("/fail")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (400, "invalid_request")


def test_what_a_status_says_in_headers_is_kept() -> None:
    answer = an_app(TooManyRequests(retry_after=7)).test_client().get("/fail")
    assert answer.headers["Retry-After"] == "7"


def test_a_redirect_is_no_error() -> None:
    assert an_app(ValueError()).test_client().get("/folder").status_code == 308


@pytest.mark.parametrize("status", sorted(CODES))
def test_every_status_of_the_contract_has_a_word(status: int) -> None:
    error = HTTPException("detail")
    error.code = status
    assert an_app(error).test_client().get("/fail").get_json()["error"]["code"] == CODES[status]
