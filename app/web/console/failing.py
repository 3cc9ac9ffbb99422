"""What an operator sees, or a script gets, where something cannot be shown."""

from flask import Blueprint, Response
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from app.domain.acceptance import StoreUnavailable
from app.web.console.guard import wants_page
from app.web.console.pages import page
from app.web.errors import RETRY_AFTER, error_response

# Errors with a text of their own; every other one is told as the first of its hundred.
_TOLD = (400, 403, 404, 405, 409, 413, 429, 500, 503)


def register_failures(blueprint: Blueprint) -> None:
    """Answer errors of the blueprint's routes with a page, and in JSON to scripts."""

    @blueprint.errorhandler(StoreUnavailable)
    def store_unavailable(_error: StoreUnavailable) -> Response:
        response = _failed(503)
        response.headers["Retry-After"] = RETRY_AFTER
        return response

    @blueprint.errorhandler(CSRFError)
    def stale_form(_error: CSRFError) -> Response:
        return _failed(400, "csrf", "stale_form")

    @blueprint.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        return told(error)


def told(error: HTTPException) -> Response:
    """The answer to an error, with what else its status has to say: Allow of a 405, Retry-After of a 429."""
    response = _failed(error.code or 500)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _failed(status: int, code: str | None = None, text: str | None = None) -> Response:
    if not wants_page():
        return error_response(status, code)
    told = status if status in _TOLD else (500 if status >= 500 else 400)
    return page("console/failure.html", status, key=f"failure.{text or told}", code=status)
