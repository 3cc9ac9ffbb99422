"""What is noted of every request: an id, for its lines in the log and for whoever sent it, and that it came."""

import os
import re

import structlog
from flask import Flask, Response, g, request

from app.services.ports import Meter

HEADER = "X-Request-Id"
WSGI_HEADER = "HTTP_X_REQUEST_ID"
_SENDABLE = re.compile(r"[A-Za-z0-9._-]{1,128}")
# A path that nobody has a route for.
_NO_ROUTE = "none"


def observe_requests(app: Flask, meter: Meter) -> None:
    """Give every request of the app an id, echo it, and count the request.

    The id is the one that a proxy or sender has given, where it is one. It stands in every line of the log that the
    request causes, as `http_request_id`.
    """

    @app.before_request
    def begin() -> None:
        g.http_request_id = taken_over(request.headers.get(HEADER, ""))
        g.bound = structlog.contextvars.bind_contextvars(http_request_id=g.http_request_id)

    @app.after_request
    def end(response: Response) -> Response:
        if "http_request_id" in g:
            response.headers[HEADER] = g.http_request_id
        meter.request(request.url_rule.rule if request.url_rule else _NO_ROUTE, response.status_code)
        return response

    @app.teardown_request
    def forget(_error: BaseException | None) -> None:
        if "bound" in g:
            structlog.contextvars.reset_contextvars(**g.pop("bound"))


def taken_over(given: str) -> str:
    """The id of a request that came with this one: the same where it can be sent back, else a new one."""
    return given if _SENDABLE.fullmatch(given) else os.urandom(16).hex()
