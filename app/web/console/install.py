"""The console as a part of the application: its cookies, its guard, its pages, and RQ's dashboard below it."""

from datetime import timedelta
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, request
from flask_wtf.csrf import CSRFProtect
from jinja2 import StrictUndefined

from app.domain.operator_sessions import LONGEST_SECONDS
from app.web.console.account import add_account
from app.web.console.account_actions import add_account_actions
from app.web.console.accounts import add_accounts
from app.web.console.addresses import PREFIX
from app.web.console.batch import add_batch
from app.web.console.boost_actions import add_boost_actions
from app.web.console.check_up import add_check_up
from app.web.console.failing import register_failures, told
from app.web.console.formats import FILTERS, ZONE_KEY
from app.web.console.guard import STATIC_ENDPOINT, ConsoleSessions, install_guard
from app.web.console.log import add_log
from app.web.console.login import add_login
from app.web.console.overview import add_overview
from app.web.console.pages import Witness, asset, asset_versions
from app.web.console.replays import add_replays
from app.web.console.rooms import Room
from app.web.console.rq import rq_blueprint
from app.web.console.texts import t, tn
from app.web.console.turn import add_turn
from app.web.console.turns import add_turns
from app.web.deps import WebDeps

# Of files whose address changes with them.
_ASSET_CACHE = "public, max-age=31536000, immutable"


def install_console(app: Flask, deps: WebDeps) -> None:
    """Add the console to the application."""
    flows = deps.console
    secure = urlsplit(deps.public_url).scheme == "https"
    room = Room(flows, deps.measuring.state, Witness(flows.audit_log, flows.proxies), secure)
    _prepare(app, room)
    csrf = CSRFProtect()
    csrf.init_app(app)
    install_guard(app, flows.operators, csrf, deps.default_locale, told)
    app.register_blueprint(_console_blueprint(room))
    app.register_blueprint(rq_blueprint(room))


def _prepare(app: Flask, room: Room) -> None:
    app.secret_key = room.flows.secret_key
    app.session_interface = ConsoleSessions()
    app.config.update(
        {
            "SESSION_COOKIE_NAME": "bytegpt_console",
            "SESSION_COOKIE_PATH": PREFIX,
            "SESSION_COOKIE_HTTPONLY": True,
            "SESSION_COOKIE_SAMESITE": "Strict",
            "SESSION_COOKIE_SECURE": room.secure,
            "PERMANENT_SESSION_LIFETIME": timedelta(seconds=LONGEST_SECONDS),
            # The guard calls it; Kommo's webhooks and the widget bring no token of ours.
            "WTF_CSRF_CHECK_DEFAULT": False,
            # A token holds as long as the session.
            "WTF_CSRF_TIME_LIMIT": None,
            # A proxy may hide the host that the browser knows; the token is bound to the session's cookie.
            "WTF_CSRF_SSL_STRICT": False,
            ZONE_KEY: room.flows.zone,
        }
    )
    app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    app.jinja_env.globals.update(t=t, tn=tn, asset=asset)
    app.jinja_env.filters.update(FILTERS)


def _console_blueprint(room: Room) -> Blueprint:
    console = Blueprint("console", __name__, url_prefix=PREFIX, template_folder="templates", static_folder="static")
    register_failures(console)

    @console.after_request
    def let_files_be_kept(response: Response) -> Response:
        if request.endpoint == STATIC_ENDPOINT and response.status_code in (200, 304):
            version = asset_versions().get((request.view_args or {}).get("filename", ""))
            current = version is not None and request.args.get("v") == version
            response.headers["Cache-Control"] = _ASSET_CACHE if current else "no-cache"
        return response

    for add in (
        add_login,
        add_overview,
        add_accounts,
        add_account,
        add_account_actions,
        add_boost_actions,
        add_check_up,
        add_turns,
        add_turn,
        add_replays,
        add_batch,
        add_log,
    ):
        add(console, room)
    return console
