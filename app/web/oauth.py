"""Kommo's own hooks, and the window in which an administrator lets us in (contract 8, kommo.md 5.2, 5.4).

Kommo waits 3 seconds for the answer to a hook, never looks at it and never sends it again. What the hook asks for is
begun on a thread of its own, which goes on after the answer: cut off in the middle, an exchange would have used the
code up and lost the tokens.
"""

import time
from collections.abc import Callable
from urllib.parse import urlencode

import structlog
from flask import Blueprint, Response, redirect, request
from werkzeug.exceptions import MethodNotAllowed
from werkzeug.wrappers import Response as BaseResponse

from app.domain.acceptance import StoreUnavailable
from app.domain.kommo_hooks import HookOutcome, InstallHook, RevokedHook, is_genuine_revocation
from app.domain.return_url import AddressInvalid, account_origin
from app.web.background import Background, TooMuchWork
from app.web.deps import WebDeps
from app.web.errors import Refusal, json_response
from app.web.oauth_page import page
from app.web.oauth_query import InstallQuery, QueryRefused, read_client_id, read_install, read_revoked
from app.web.oauth_state import StateRefused, States
from app.web.oauth_texts import Ending

# Of the 3 seconds that Kommo waits.
ANSWER_SECONDS = 2.0
# Installations are rare. More than these at once is somebody who plays, and must not take the threads of webhooks.
THREADS = 2
MOST_AT_ONCE = 64
WATCHERS = 3
# Seconds after which a hook that could not be taken may be sent again.
SOON = 1

_ENDINGS = {
    HookOutcome.INSTALLED: Ending.INSTALLED,
    HookOutcome.POSTPONED: Ending.GOING_ON,
    HookOutcome.NOT_ADMINISTRATOR: Ending.NOT_ADMINISTRATOR,
    HookOutcome.GIVEN_UP: Ending.UNAVAILABLE,
}

_log = structlog.get_logger(__name__)


def oauth_blueprint(deps: WebDeps, clock: Callable[[], float] = time.time) -> Blueprint:
    """The routes. clock: seconds since the epoch."""
    oauth = Blueprint("oauth", __name__)
    background: Background[HookOutcome] = Background(THREADS, MOST_AT_ONCE, WATCHERS)
    states = States(deps.kommo.secret_key, deps.kommo.use_state, clock)

    @oauth.before_request
    def only_get() -> None:
        if request.method != "GET":  # flask answers HEAD like GET, and whoever only looks must not use a code up
            raise MethodNotAllowed(["GET"])

    @oauth.get("/kommo/oauth/start", provide_automatic_options=False)
    def start() -> BaseResponse:
        return _window(deps, states)

    @oauth.get("/kommo/oauth/callback", provide_automatic_options=False)
    def installed() -> Response:
        return _installed(deps, states, background, clock())

    @oauth.get("/kommo/oauth/revoked", provide_automatic_options=False)
    def revoked() -> Response:
        return _revoked(deps, background, clock())

    return oauth


def _window(deps: WebDeps, states: States) -> BaseResponse:
    """Send an administrator to Kommo's window, with a state that brings them back once."""
    try:
        client_id = read_client_id(request.args, deps.public_client_id)
        known = bool(deps.kommo.secrets_of(client_id))
        www = account_origin(deps.kommo_base_url, "www")
    except QueryRefused:
        return page(Ending.NOT_OURS, deps.default_locale, 400)
    except AddressInvalid:
        return page(Ending.NO_WINDOW, deps.default_locale)
    except StoreUnavailable:
        return page(Ending.UNAVAILABLE, deps.default_locale)
    if not known:
        return page(Ending.NOT_OURS, deps.default_locale)
    query = {"client_id": client_id, "state": states.new(client_id), "mode": "popup"}
    response = redirect(f"{www}/oauth?{urlencode(query)}", 302)
    response.headers |= {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return response


def _installed(deps: WebDeps, states: States, background: Background[HookOutcome], now: float) -> Response:
    if request.args.get("error") is not None:
        return _refused(deps, Ending.DECLINED, "declined")
    try:
        query = read_install(request.args, deps.kommo_base_url, deps.public_client_id)
        if not deps.kommo.secrets_of(query.client_id):
            return _refused(deps, Ending.NOT_OURS, "integration_unknown")
        if query.state is not None:
            states.take(query.state, query.client_id)
        outcome = _begun(deps, background, query, now)
    except QueryRefused as refused:
        return _refused(deps, Ending.NOT_OURS, refused.reason, refused.status)
    except StateRefused as refused:
        return _refused(deps, Ending.STATE_REFUSED, refused.reason)
    except TooMuchWork:
        return _refused(deps, Ending.UNAVAILABLE, "too_many")
    except StoreUnavailable:
        return _refused(deps, Ending.UNAVAILABLE, "store_unavailable")
    return page(Ending.GOING_ON if outcome is None else _ENDINGS.get(outcome, Ending.CODE_REFUSED), deps.default_locale)


def _begun(deps: WebDeps, background: Background[HookOutcome], query: InstallQuery, now: float) -> HookOutcome | None:
    hook = InstallHook(query.code, query.origin, query.client_id, now)
    return background.done_within(ANSWER_SECONDS, query.code, lambda: deps.kommo.received(hook))


def _refused(deps: WebDeps, ending: Ending, reason: str, status: int | None = None) -> Response:
    """The page of a call that was turned away, and its one line in the log."""
    _log.info("kommo_hook", hook="installed", outcome="refused", reason=reason)
    return page(ending, deps.default_locale, status)


def _revoked(deps: WebDeps, background: Background[HookOutcome], now: float) -> Response:
    try:
        query = read_revoked(request.args)
    except QueryRefused as refused:
        raise _turned_away(refused.status, refused.reason) from None
    hook = RevokedHook(query.account_id, query.client_id, now)
    try:
        secrets = deps.kommo.secrets_of(query.client_id)
        if not secrets:
            raise _turned_away(403, "integration_unknown")
        if not is_genuine_revocation(query.signature, query.client_id, query.account_id, secrets):
            raise _turned_away(403, "signature")
        name = f"revoked {query.account_id}"
        outcome = background.done_within(ANSWER_SECONDS, name, lambda: deps.kommo.received(hook))
    except TooMuchWork:
        raise _turned_away(503, "too_many") from None
    except StoreUnavailable:
        raise _turned_away(503, "store_unavailable") from None
    done = outcome not in (None, HookOutcome.POSTPONED)
    return json_response({"status": "done" if done else "going_on"}, 200 if done else 202)


def _turned_away(status: int, reason: str) -> Refusal:
    _log.info("kommo_hook", hook="revoked", outcome="refused", reason=reason)
    return Refusal(status, reason, retry_after=SOON if status == 503 else None)
