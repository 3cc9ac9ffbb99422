"""The one rule of who may enter the console: whoever has logged in, everywhere below /console, RQ's part included.

It looks at the path, not at blueprints, so a route that is added later is guarded without anybody thinking of it.
"""

from collections.abc import Callable
from typing import cast

from flask import Flask, Request, Response, flash, g, redirect, request, session, url_for
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from app.domain.accounts import Locale
from app.domain.operator_sessions import OperatorSession
from app.services.operators import Operators
from app.web.console.addresses import here, in_console
from app.web.console.look import chosen_look
from app.web.console.texts import t
from app.web.errors import error_response

# What is open to whoever comes: the login itself, what its page is made of, and the choice of a language.
STATIC_ENDPOINT = "console.static"
OPEN_ENDPOINTS = frozenset({"console.login", "console.preferences", STATIC_ENDPOINT})

# A page that refreshes itself says so: it must not keep a session alive that nobody uses.
REFRESH_HEADER = "X-Console-Refresh"
LONGEST_FORM = 64 * 1024

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Robots-Tag": "noindex, nofollow",
}
HTTPS_ONLY = "max-age=31536000"

_SESSION_ID = "id"
_FETCHED = ("document", None)


class ConsoleSessions(SecureCookieSessionInterface):
    """Flask's signed cookie, for the console only: no other route reads, sets or varies by it."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """None outside the console; Flask puts an empty session in its place, which cannot be written to."""
        return super().open_session(app, request) if in_console(request.path) else None


def install_guard(
    app: Flask,
    operators: Operators,
    csrf: CSRFProtect,
    default_locale: Locale,
    told: Callable[[HTTPException], Response],
) -> None:
    """Put the rule before every request of the app, and its headers on every answer of the console.

    told: what an operator sees where there is no such address, or it does not take the method.
    """

    @app.before_request
    def guard() -> ResponseReturnValue | None:
        if not in_console(request.path):
            return None
        g.look = chosen_look(request, default_locale)
        g.operator = None
        if request.endpoint == STATIC_ENDPOINT:
            return None
        g.operator = _operator(operators)
        if g.operator is None and request.endpoint not in OPEN_ENDPOINTS:
            return _turned_away()
        request.max_content_length = LONGEST_FORM
        csrf.protect()
        if isinstance(request.routing_exception, NotFound | MethodNotAllowed):
            return told(request.routing_exception)
        return None

    @app.after_request
    def protect(response: Response) -> Response:
        if in_console(request.path):
            response.headers.extend(HEADERS)
            response.headers.setdefault("Cache-Control", "no-store")
            if app.config["SESSION_COOKIE_SECURE"]:
                response.headers["Strict-Transport-Security"] = HTTPS_ONLY
        return response


def operator() -> OperatorSession | None:
    """Who has logged in, None where nobody has (on the login's own page)."""
    return cast("OperatorSession | None", g.operator)


def session_id() -> str | None:
    """The id of the session that the browser's cookie names, whether or not it still holds."""
    return cast("str | None", session.get(_SESSION_ID))


def begin_session(new_id: str) -> None:
    """Let the browser have a new session; nothing of what it had before stays in its cookie."""
    session.clear()
    session[_SESSION_ID] = new_id


def end_session() -> None:
    """Take the session out of the browser's cookie."""
    session.clear()


def wants_page() -> bool:
    """Whether whoever asks is a person with a browser, who reads a page, and not a script."""
    if REFRESH_HEADER in request.headers or request.headers.get("Sec-Fetch-Dest") not in _FETCHED:
        return False
    accepted = request.accept_mimetypes
    return not accepted or accepted.best_match(("text/html", "application/json")) == "text/html"


def _operator(operators: Operators) -> OperatorSession | None:
    known_id = session_id()
    if known_id is None:
        return None
    found = operators.session(known_id, by_hand=REFRESH_HEADER not in request.headers)
    if found is None:
        end_session()
        flash(t("login.ended"), "warn")
    return found


def _turned_away() -> ResponseReturnValue:
    looks = request.method in ("GET", "HEAD")
    is_file = request.path.endswith(".json") or (request.endpoint or "").endswith(".static")
    if looks and wants_page() and not is_file:
        return redirect(url_for("console.login", next=here(request)))
    return error_response(401)
