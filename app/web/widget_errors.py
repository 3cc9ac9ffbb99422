"""The errors of the widget's API: the shape of all JSON errors, with a sentence for the person who reads it."""

import json
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g
from werkzeug.exceptions import HTTPException

from app.domain.acceptance import StoreUnavailable
from app.domain.widget_texts import message
from app.web.errors import RETRY_AFTER, Refusal, error_response


def told(response: Response, beside: Mapping[str, Any] | None = None) -> Response:
    """The JSON error with its message in the language of the request, and more beside it."""
    body = response.get_json()
    body["error"]["message"] = message(body["error"]["code"], g.locale)
    response.set_data(json.dumps({**body, **(beside or {})}, separators=(",", ":")))
    return response


def register_widget_errors(widget: Blueprint) -> None:
    """Answer every error of the blueprint in this way."""

    @widget.errorhandler(Refusal)
    def refused(refusal: Refusal) -> Response:
        g.seen["reason"] = refusal.reason
        response = error_response(refusal.status, refusal.code, refusal.fields)
        if refusal.retry_after is not None:
            response.headers["Retry-After"] = str(refusal.retry_after)
        return told(response)

    @widget.errorhandler(StoreUnavailable)
    def store_unavailable(_error: StoreUnavailable) -> Response:
        g.seen["reason"] = "store_unavailable"
        response = error_response(503)
        response.headers["Retry-After"] = RETRY_AFTER
        return told(response)

    @widget.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        return told(error_response(error.code or 500))
