"""The widget's own API: settings, their test, and the usage of the month (contract 8)."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import structlog
from flask import Blueprint, Response, g, request

from app.domain.accounts import LOCALES
from app.domain.company_settings import SettingsStale
from app.domain.return_url import expected_audiences
from app.schemas.company_view import check_document, settings_document
from app.web.deps import WebDeps
from app.web.errors import CODES, Refusal, error_response, json_response
from app.web.widget_body import refusals, sent_form
from app.web.widget_caller import Caller, identified, require_admin
from app.web.widget_cors import METHODS, let_read, page_of_an_account, preflight
from app.web.widget_errors import register_widget_errors, told

# Calls that ask OpenAI hold a thread for up to half a minute, and the door needs threads of the same process.
MOST_AT_ONCE = 2
AT_ONCE_RETRY_AFTER = 3
# A minute, for each account.
MOST_SAVES = 30
MOST_CHECKS = 20

_PREFIX = "/widget/"
_PERIOD = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])")
_log = structlog.get_logger()


def widget_blueprint(deps: WebDeps) -> Blueprint:
    """The widget's blueprint. Raises AddressInvalid where PUBLIC_URL is no address."""
    widget = Blueprint("widget", __name__)
    views = _Views(deps)
    for method, path, view in (
        ("GET", "/widget/settings", views.show_settings),
        ("PUT", "/widget/settings", views.save_settings),
        ("POST", "/widget/check", views.check_settings),
        ("GET", "/widget/usage", views.show_usage),
        *(("OPTIONS", path, views.preflight) for path in METHODS),
    ):
        widget.add_url_rule(path, view.__name__, view, methods=[method], provide_automatic_options=False)
    widget.before_request(views.begin)
    widget.after_request(_tell)
    widget.after_app_request(views.let_pages_read)
    register_widget_errors(widget)
    return widget


def _tell(response: Response) -> Response:
    """Write the request's one line in the log: ids and words of ours, nothing that was sent, no token."""
    if response.status_code != 204:
        outcome = "done" if response.status_code == 200 else CODES.get(response.status_code, "error")
        ms = round((time.perf_counter() - g.began) * 1000, 1)
        write = _log.error if response.status_code >= 500 else _log.info
        write("widget", route=f"{request.method} {request.path}", outcome=outcome, **g.seen, ms=ms)
    return response


class _Views:
    """The routes, and what happens around each of them."""

    def __init__(self, deps: WebDeps) -> None:
        self._deps = deps
        self._flows = deps.widget
        self._audiences = expected_audiences(deps.public_url)
        self._places = threading.BoundedSemaphore(MOST_AT_ONCE)

    # --- around ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Prepare what the request is told by; until its account is known it speaks the service's language."""
        g.began = time.perf_counter()
        g.seen = {"account_id": None, "user_id": None, "reason": None}
        asked = request.args.get("lang")
        g.locale = asked if asked in LOCALES else self._deps.default_locale

    def let_pages_read(self, response: Response) -> Response:
        """Let the account's page read errors too, those outside the routes included: else its user is not told."""
        if request.path.startswith(_PREFIX):
            response.headers["Vary"] = "Origin"
            response.headers["Cache-Control"] = "no-store"
            origin = request.headers.get("Origin")
            if origin and g.get("readable", True) and page_of_an_account(origin, self._deps.kommo_base_url):
                let_read(response, origin)
        return response

    def preflight(self) -> Response:
        """What a browser asks before it sends the real request; there is no token yet."""
        if not page_of_an_account(request.headers.get("Origin"), self._deps.kommo_base_url):
            raise Refusal(403, "origin")
        return preflight(request.path)

    # --- routes ---------------------------------------------------------------------------------------------------

    def show_settings(self) -> Response:
        """The settings, to any user of the account."""
        return json_response(self._settings(self._caller()))

    def save_settings(self) -> Response:
        """Change what is sent of the settings."""
        caller = self._caller()
        require_admin(caller)
        form = sent_form(may_be_missing=False)
        self._let_in(caller, "save", MOST_SAVES)
        try:
            with self._a_place(), refusals():
                account, found = self._flows.settings.save(caller.account.account_id, form)
        except SettingsStale as stale:
            g.seen["reason"] = "stale"
            now = self._settings(Caller(stale.account, caller.claims))
            return told(error_response(409, "settings_changed"), {"settings": now})
        if "lang" not in request.args:
            g.locale = account.locale
        setup = check_document(found, form.left_behind, g.locale)
        return json_response({**self._settings(Caller(account, caller.claims)), "setup": setup})

    def check_settings(self) -> Response:
        """Test the settings, with what is sent in the place of what is saved."""
        caller = self._caller()
        form = sent_form(may_be_missing=True)
        if not form.is_empty:
            # Whoever may not change settings may not spend the company's credit with other ones either.
            require_admin(caller)
        self._let_in(caller, "check", MOST_CHECKS)
        with self._a_place(), refusals():
            checked = self._flows.settings.test(caller.account, form)
        if "lang" not in request.args:
            g.locale = form.change.get("locale", caller.account.locale)
        g.seen["reason"] = checked.reason
        return json_response(check_document(checked, form.left_behind, g.locale))

    def show_usage(self) -> Response:
        """The figures of a month, to any user of the account."""
        caller = self._caller()
        period = request.args.get("period")
        if period is not None and not _PERIOD.fullmatch(period):
            raise Refusal(400, "period", fields={"period": ["A month is written YYYY-MM."]})
        with refusals():
            return json_response(self._flows.usage(caller.account.account_id, period))

    # --- their parts ----------------------------------------------------------------------------------------------

    def _caller(self) -> Caller:
        return identified(self._deps, self._audiences)

    def _settings(self, caller: Caller) -> dict[str, Any]:
        state = self._flows.settings.state(caller.account)
        return settings_document(caller.account, state, can_change=caller.claims.is_admin)

    def _let_in(self, caller: Caller, what: Literal["save", "check"], most: int) -> None:
        """Let a token do one thing only, and an account so many in a minute. Raises Refusal."""
        account_id, claims = caller.account.account_id, caller.claims
        if not self._flows.first_use(account_id, claims.one_time_id, claims.expires):
            raise Refusal(401, "token_used", "token_used")
        seconds = self._flows.seconds_to_wait(account_id, what, most)
        if seconds:
            raise Refusal(429, f"too_many_{what}s", retry_after=seconds)

    @contextmanager
    def _a_place(self) -> Iterator[None]:
        """One of the few places from which OpenAI is asked. Raises Refusal where all are taken."""
        if not self._places.acquire(blocking=False):
            raise Refusal(503, "too_many_at_once", retry_after=AT_ONCE_RETRY_AFTER)
        try:
            yield
        finally:
            self._places.release()
