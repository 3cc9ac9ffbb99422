"""What the pages of the simulated Kommo ask their server: tokens, installing, saving settings and bots, chats."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from sandbox.front.archive import UploadRefused
from sandbox.front.drawings import blocks_of, trigger_of
from sandbox.front.office import Widget
from sandbox.front.pages import FRONT, AccountOf, signed_in
from sandbox.kommo_accounts import Account
from sandbox.kommo_chat import Client
from sandbox.kommo_hooks import send_hook
from sandbox.kommo_jwt import TokenStyle

Handler = Callable[[web.Request, Account], Awaitable[web.Response]]


class PageRequests:
    """Handlers of the requests that the pages' own scripts send."""

    def __init__(self, account_of: AccountOf) -> None:
        self._account_of = account_of

    def add_to(self, app: web.Application) -> None:
        """Serve them."""
        get, post = app.router.add_get, app.router.add_post
        token = "/ajax/v2/integrations/{client_id}/disposable_token"
        get(token, self._for(_token, admins_only=False), name=f"{FRONT}.token")
        post("/ajax/widgets", self._for(_upload), name=f"{FRONT}.upload")
        for name, handler in (("install", _install), ("save", _save), ("uninstall", _uninstall)):
            post(f"/ajax/widgets/{{code}}/{name}", self._for(handler), name=f"{FRONT}.{name}")
        post("/ajax/bots", self._for(_save_bot), name=f"{FRONT}.save_bot")
        post("/ajax/chats", self._for(_open_chat, admins_only=False), name=f"{FRONT}.open_chat")
        chat = r"/ajax/chats/{contact:\d+}"
        get(chat, self._for(_read_chat, admins_only=False), name=f"{FRONT}.read_chat")
        post(chat, self._for(_say, admins_only=False), name=f"{FRONT}.say")

    def _for(self, handler: Handler, *, admins_only: bool = True) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            account = self._account_of(request)
            if admins_only and not signed_in(request, account).admin:
                return _refused(403, "Only administrators may do this.")
            return await handler(request, account)

        return guarded


def _refused(status: int, *reasons: str) -> web.Response:
    return web.json_response({"reasons": reasons}, status=status)


async def _token(request: web.Request, account: Account) -> web.Response:
    """A one-time token of whoever looks, for the server that the widget is about to call (kommo.md 6)."""
    if request.match_info["client_id"] != account.integration.client_id:
        return _refused(404, "There is no such integration.")
    user = signed_in(request, account)
    style = TokenStyle(claims={"user_id": user.user_id})
    return web.json_response({"token": account.front_end_token(request.query["url"], admin=user.admin, style=style)})


async def _upload(request: web.Request, account: Account) -> web.Response:
    try:
        widget = account.office.upload(await request.read())
    except UploadRefused as refusal:
        return _refused(400, *refusal.reasons)
    return web.json_response({"code": widget.code, "version": widget.archive.version})


def _widget(request: web.Request, account: Account) -> Widget:
    widget = account.office.widget
    if widget is None or widget.code != request.match_info["code"]:
        raise web.HTTPNotFound
    return widget


async def _install(request: web.Request, account: Account) -> web.Response:
    widget = _widget(request, account)
    widget.settings = await request.json()
    widget.status = "installed"
    if account.integration.redirect_uri is not None:
        await _call(account, account.integration.redirect_uri, account.install_query())
    return web.json_response({"status": widget.status})


async def _save(request: web.Request, account: Account) -> web.Response:
    widget = _widget(request, account)
    widget.settings = await request.json()
    return web.json_response({"status": widget.status})


async def _uninstall(request: web.Request, account: Account) -> web.Response:
    widget = _widget(request, account)
    widget.status = "install"
    query = account.uninstall()
    if account.integration.revoked_uri is not None:
        await _call(account, account.integration.revoked_uri, query)
    return web.json_response({"status": widget.status})


async def _call(account: Account, address: str, query: dict[str, str]) -> None:
    # On a thread: the receiver exchanges the code with this very event loop before it answers.
    account.office.hooks.append(await asyncio.to_thread(send_hook, address, query))


async def _save_bot(request: web.Request, account: Account) -> web.Response:
    drawing = await request.json()
    try:
        bot = account.add_bot(blocks_of(drawing), trigger=trigger_of(drawing))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Whatever a widget's script returned that the interpreter cannot even look at.
        return _refused(400, str(error) if isinstance(error, ValueError) else f"the bot cannot be read: {error!r}")
    return web.json_response({"id": bot.bot_id})


async def _open_chat(request: web.Request, account: Account) -> web.Response:
    asked = await request.json()
    if not account.bots:
        return _refused(409, "Save a bot first.")
    client = account.client(asked["name"], asked["origin"])
    account.office.clients[client.contact_id] = client
    return web.json_response(_chat(client))


async def _read_chat(request: web.Request, account: Account) -> web.Response:
    return web.json_response(_chat(_client(request, account)))


async def _say(request: web.Request, account: Account) -> web.Response:
    client = _client(request, account)
    client.say((await request.json())["text"])
    return web.json_response(_chat(client))


def _client(request: web.Request, account: Account) -> Client:
    client = account.office.clients.get(int(request.match_info["contact"]))
    if client is None:
        raise web.HTTPNotFound
    return client


def _chat(client: Client) -> dict[str, Any]:
    return {
        "contact_id": client.contact_id,
        "name": client.name,
        "origin": client.origin,
        "state": client.state,
        "lines": [{"who": line.who, "text": line.text, "time": line.time} for line in client.transcript],
    }
