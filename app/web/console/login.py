"""The login's page, the logout, and the choice of language and colours."""

from http import HTTPStatus

import structlog
from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.services.operators import LoginLocked, Visitor, WrongPassword
from app.web.console.addresses import target_of_login
from app.web.console.guard import begin_session, end_session, operator, session_id
from app.web.console.known_browsers import KnownBrowsers
from app.web.console.look import changed_look, keep_look, look
from app.web.console.pages import back, page, remark
from app.web.console.passwords import TooManyChecks
from app.web.console.rooms import Room
from app.web.console.texts import t, tn

# Seconds after which a browser may try again when passwords of others are being looked at.
_BUSY_SECONDS = 5

_log = structlog.get_logger(__name__)


def add_login(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""
    flows, secure = room.flows, room.secure
    browsers = KnownBrowsers(flows.secret_key, flows.operators.credentials, secure=secure)

    @console.route("/login", methods=["GET", "POST"])
    def login() -> BaseResponse:
        target = target_of_login(request.values.get("next"))
        if request.method != "POST":
            if operator():
                return redirect(target)
            return _from_elsewhere(target) if _comes_from_elsewhere() else _form(target)
        username, password = request.form.get("username", ""), request.form.get("password", "")
        visitor = Visitor(room.witness.address(), browsers.mark_of(request))
        try:
            new_id = flows.operators.log_in(username, password, visitor)
        except WrongPassword:
            return _refused(visitor, "wrong", target, username, t("login.wrong"), HTTPStatus.UNAUTHORIZED)
        except LoginLocked as locked:
            said = tn("login.locked", -(-locked.seconds // 60))
            response = _refused(visitor, "locked", target, username, said, HTTPStatus.TOO_MANY_REQUESTS)
            response.headers["Retry-After"] = str(locked.seconds)
            return response
        except TooManyChecks:
            response = _refused(visitor, "busy", target, username, t("login.busy"), HTTPStatus.SERVICE_UNAVAILABLE)
            response.headers["Retry-After"] = str(_BUSY_SECONDS)
            return response
        _log.info("console_login", outcome="done", address=visitor.address)
        begin_session(new_id)
        answer = redirect(target, HTTPStatus.SEE_OTHER)
        browsers.remember(answer)
        return answer

    @console.post("/logout")
    def log_out() -> BaseResponse:
        if known_id := session_id():
            flows.operators.log_out(known_id, room.witness.address())
        end_session()
        remark(t("login.logged_out"))
        return redirect(url_for("console.login"), HTTPStatus.SEE_OTHER)

    @console.post("/preferences")
    def preferences() -> BaseResponse:
        g.look = changed_look(look(), request.form.get("language"), request.form.get("theme"))
        answer = back(url_for("console.overview"))
        keep_look(answer, g.look, secure=secure)
        return answer


def _comes_from_elsewhere() -> bool:
    return request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")


def _from_elsewhere(target: str) -> Response:
    """Whoever follows a link in a message or on another site comes without the session's cookie (SameSite=Strict).

    This page leads to the login at once, now from a page of our own, so with the cookie where there is one.
    """
    return page("console/arriving.html", address=url_for("console.login", next=target))


def _form(target: str, username: str = "", problem: str = "", status: int = 200) -> Response:
    return page("console/login.html", status, target=target, username=username, problem=problem)


def _refused(visitor: Visitor, outcome: str, target: str, username: str, said: str, status: int) -> Response:
    _log.warning("console_login", outcome=outcome, address=visitor.address)
    return _form(target, username, said, status)
