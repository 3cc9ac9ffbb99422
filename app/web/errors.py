"""Every error of the JSON routes in one shape: `{"error": {"code": ...}}` and never a detail that helps a stranger."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Flask, Response, g
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException

from app.domain.acceptance import StoreUnavailable

# Seconds after which a sender may try again when Redis is away (contract 4).
RETRY_AFTER = "1"

CODES: dict[int, str] = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}

_ENCODER = json.JSONEncoder(separators=(",", ":"))


@dataclass(slots=True, eq=False)
class Refusal(Exception):
    """A view does not do what was asked.

    status: the HTTP status. reason: a word for the log, never shown. code: what is shown, None for the status' own.
    fields: what is wrong with which field, for a 400; it never repeats a value.
    retry_after: seconds after which it may be asked again, None where that would not help.
    """

    status: int
    reason: str
    code: str | None = None
    fields: Mapping[str, Sequence[str]] = field(default_factory=dict)
    retry_after: int | None = None

    def __str__(self) -> str:
        return f"{self.status} {self.reason}"


def json_response(body: Mapping[str, Any], status: int = 200) -> Response:
    """A small JSON answer. Quicker than jsonify, which asks the app how to write."""
    return Response(json_text(body), status, content_type="application/json")


def json_text(body: Mapping[str, Any]) -> str:
    """JSON without white space."""
    return _ENCODER.encode(body)


def error_response(status: int, code: str | None = None, fields: Mapping[str, Sequence[str]] | None = None) -> Response:
    """The JSON answer of an error. `fields` stands in every 400, and only there."""
    error: dict[str, Any] = {"code": code or CODES.get(status, "error")}
    if status == 400:
        error["fields"] = fields or {}
    return json_response({"error": error}, status)


def register_errors(app: Flask) -> None:
    """Answer every error of the app in JSON. A blueprint with pages registers handlers of its own over these."""

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Response:
        g.refused_for = refusal.reason  # for the line that the route writes to the log
        response = error_response(refusal.status, refusal.code, refusal.fields)
        if refusal.retry_after is not None:
            response.headers["Retry-After"] = str(refusal.retry_after)
        return response

    @app.errorhandler(StoreUnavailable)
    def store_unavailable(_error: StoreUnavailable) -> Response:
        response = error_response(503)
        response.headers["Retry-After"] = RETRY_AFTER
        return response

    @app.errorhandler(ParseException)
    def no_http(_error: ParseException) -> Response:
        return error_response(400)  # gunicorn takes a body in chunks apart while a view reads it

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        response = error_response(error.code or 500)
        # What else the status has to say stays: Allow of a 405, Retry-After of a 429.
        for name, value in error.get_headers():
            if name.lower() not in ("content-type", "content-length"):
                response.headers[name] = value
        return response
