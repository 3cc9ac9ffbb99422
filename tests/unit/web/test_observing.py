"""The id of a request: taken over or made, echoed, and in every line of the log that the request causes."""

import re
from typing import Any

import pytest
import structlog
from flask import Flask

from app.services.metering import Counting
from app.web.observing import HEADER, observe_requests
from tests.webhooks import Door

MADE = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def app() -> Flask:
    """An app that answers with the ids bound while it answers."""
    app = Flask("observed")
    observe_requests(app, Counting())

    @app.get("/")
    def show() -> dict[str, Any]:
        return structlog.contextvars.get_contextvars()

    @app.get("/broken")
    def fail() -> str:
        raise RuntimeError("broken")

    return app


@pytest.mark.parametrize("given", ["abc", "0af7651916cd43dd8448eb211c80319c", "req_1.2-3", "x" * 128])
def test_a_sendable_id_is_taken_over_and_echoed(app: Flask, given: str) -> None:
    answer = app.test_client().get("/", headers={HEADER: given})
    assert answer.headers[HEADER] == given
    assert answer.get_json() == {"http_request_id": given}


@pytest.mark.parametrize("given", ["", "x" * 129, "two words", "<script>", "olá", '"quoted"', "a\tb"])
def test_any_other_id_is_replaced(app: Flask, given: str) -> None:
    answer = app.test_client().get("/", headers={HEADER: given})
    assert MADE.fullmatch(answer.headers[HEADER])
    assert answer.get_json() == {"http_request_id": answer.headers[HEADER]}


def test_ids_differ_and_end_with_their_request(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/").headers[HEADER] != client.get("/").headers[HEADER]
    assert structlog.contextvars.get_contextvars() == {}


def test_a_request_that_breaks_has_its_id_too_and_leaves_none_behind(app: Flask) -> None:
    answer = app.test_client().get("/broken", headers={HEADER: "abc"})
    assert (answer.status_code, answer.headers[HEADER]) == (500, "abc")
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/healthz", 200), ("GET", "/nowhere", 404), ("PUT", "/healthz", 405), ("POST", "/kommo/salesbot", 401)],
)
def test_every_answer_of_the_service_carries_it(method: str, path: str, status: int) -> None:
    answer = Door().client().open(path, method=method, headers={HEADER: "from-the-proxy"})
    assert (answer.status_code, answer.headers[HEADER]) == (status, "from-the-proxy")
