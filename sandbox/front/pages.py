"""The pages of an account of the simulated Kommo, as far as a widget sees them (kommo.md 6, 7)."""

import json
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.front.environment import environment_of
from sandbox.front.people import LANGUAGES, THEMES, User
from sandbox.kommo_accounts import Account

# Names of routes that browsers call; they are no calls of the API, so nothing counts or records them.
FRONT = "front"
AccountOf = Callable[[web.Request], Account]

_STATIC = Path(__file__).parent / "static"
_TEMPLATE = (_STATIC / "page.html").read_text()
# Widgets may neither evaluate texts nor put scripts into the page (kommo.md 7.7, rules of moderation).
_POLICY = "script-src 'self'; object-src 'none'; base-uri 'none'"
# Kommo's files are cached until the version in their address changes.
_CACHED = {"Cache-Control": "public, max-age=3600"}
_PAGES = {
    "settings": "/settings/widgets",
    "advanced": "/advanced",
    "designer": "/salesbot/designer",
    "chat": "/chat",
}


class Pages:
    """Handlers of the pages and of their files."""

    def __init__(self, account_of: AccountOf) -> None:
        self._account_of = account_of

    def add_to(self, app: web.Application) -> None:
        """Serve them."""
        for page, path in _PAGES.items():
            app.router.add_get(path, self._page(page), name=f"{FRONT}.{page}")
        app.router.add_get("/", self._start, name=f"{FRONT}.start")
        app.router.add_get("/login", self._login, name=f"{FRONT}.login")
        app.router.add_get("/upl/{code}/widget/{name:.+}", self._widget_file, name=f"{FRONT}.widget_file")
        app.router.add_static("/static/", _STATIC, name=f"{FRONT}.static")

    def _page(self, page: str) -> Callable[[web.Request], Any]:
        async def handler(request: web.Request) -> web.Response:
            account = self._account_of(request)
            user = signed_in(request, account)
            text = _filled(page, user, environment_of(account, user))
            return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": _POLICY})

        return handler

    async def _start(self, _request: web.Request) -> web.Response:
        raise web.HTTPFound(_PAGES["settings"])

    async def _login(self, request: web.Request) -> web.Response:
        """Say who one is, and change one's profile: `?user=…&language=…&theme=…&to=/…`."""
        account, query = self._account_of(request), request.query
        user = account.office.user(query.get("user"))
        user.language = next((known for known in LANGUAGES if known == query.get("language")), user.language)
        user.theme = next((known for known in THEMES if known == query.get("theme")), user.theme)
        found = web.HTTPFound(query.get("to", _PAGES["settings"]))
        found.set_cookie(_cookie(account), str(user.user_id), httponly=True, samesite="Lax")
        raise found

    async def _widget_file(self, request: web.Request) -> web.Response:
        widget = self._account_of(request).office.widget
        name = request.match_info["name"]
        if widget is None or request.match_info["code"] != widget.code or name not in widget.archive.files:
            raise web.HTTPNotFound
        content = widget.archive.files[name]
        return web.Response(body=content, content_type=_content_type(name), headers=_CACHED)


def signed_in(request: web.Request, account: Account) -> User:
    """Who looks at the page."""
    return account.office.user(request.cookies.get(_cookie(account)))


def _cookie(account: Account) -> str:
    # Cookies do not tell ports apart, and accounts differ by their port.
    return f"user_{account.subdomain}"


def _filled(page: str, user: User, environment: Mapping[str, Any]) -> str:
    values = {
        "language": user.language,
        "theme": user.theme,
        "page": page,
        "environment": json.dumps(environment).replace("<", "\\u003c"),
    }
    text = _TEMPLATE
    for name, value in values.items():
        text = text.replace(f"%{name}%", value if name == "environment" else escape(value))
    return text


def _content_type(name: str) -> str:
    kinds = {"js": "text/javascript", "css": "text/css", "json": "application/json", "png": "image/png"}
    return kinds.get(name.rpartition(".")[2], "application/octet-stream")
