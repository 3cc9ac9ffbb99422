"""The HTTP side of the simulated Kommo: OAuth and API v4 of every account (kommo.md 3, 5, 8)."""

import asyncio
import itertools
import json
import socket
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sandbox.front.page_requests import PageRequests
from sandbox.front.pages import FRONT, Pages
from sandbox.kommo_accounts import Account
from sandbox.kommo_answers import (
    account_body,
    contact_body,
    hal,
    invalid,
    lead_body,
    note_body,
    oauth_refused,
    problem,
    refused,
    user_body,
)
from sandbox.kommo_bot import Continuation
from sandbox.kommo_calls import ApiCall
from sandbox.kommo_faults import Fault, FaultBoard, Route
from sandbox.kommo_limits import Admission, RateLimiter
from sandbox.kommo_tokens import ACCESS_LIFETIME, Access, Integration, TokenRefused
from sandbox.kommo_validation import continue_refusals, note_refusals
from sandbox.serving import RESET_ON_CLOSE

_MAX_BODY = 4 * 1024 * 1024
GARBAGE = bytes(range(256)) * 4
TRICKLE_SECONDS = 0.2

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CALL = web.RequestKey("sandbox.call", ApiCall)
_ACCOUNT = web.RequestKey("sandbox.account", Account)  # only on an account's host
_LEFT = web.RequestKey("sandbox.left", tuple[Account, int])  # only on a host that an account has left
_ROUTES_WITHOUT_ACCOUNT = (Route.SUBDOMAIN, Route.SHARED_ACCOUNT)


class _Refused(Exception):
    """A helper of a handler has its answer already."""

    def __init__(self, response: web.Response) -> None:
        self.response = response


@dataclass(frozen=True, slots=True)
class Exchange:
    """What the routes need of the simulator.

    account_at: the account that listens on this host and port, None when nobody does any more.
    known_refresh, known_access: the account in which this refresh or access token lives.
    left: an account that has given up this host and port, and what its old address answers.
    arrived, answered: called with every call before the work and after it.
    """

    limiter: RateLimiter
    faults: FaultBoard
    account_at: Callable[[str, int], Account | None]
    known_refresh: Callable[[str], Account | None]
    known_access: Callable[[str], Account | None]
    left: Callable[[str, int], tuple[Account, int] | None]
    arrived: Callable[[ApiCall], None]
    answered: Callable[[], None]


class KommoRoutes:
    """The handlers; one instance serves all hosts of a simulator."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._request_numbers = itertools.count(1)

    def account_application(self) -> web.Application:
        """What every account's host serves."""
        app = web.Application(middlewares=[self._guard], client_max_size=_MAX_BODY)
        for slash in ("", "/"):
            path = r"/api/v4/{kind:salesbot|marketingbot}/{bot:\d+}/continue/{id:\d+}" + slash
            app.router.add_post(path, self._continue, name=Route.CONTINUE.name + slash.replace("/", "_SLASH"))
        app.router.add_post("/oauth2/access_token", self._token, name=Route.TOKEN.name)
        app.router.add_get("/oauth2/account/current/subdomain", self._subdomain, name=Route.SUBDOMAIN.name)
        app.router.add_get("/api/v4/account", self._account, name=Route.ACCOUNT.name)
        app.router.add_get(r"/api/v4/users/{id:\d+}", self._user, name=Route.USER.name)
        app.router.add_get(r"/api/v4/leads/{id:\d+}", self._lead, name=Route.LEAD.name)
        app.router.add_get(r"/api/v4/contacts/{id:\d+}", self._contact, name=Route.CONTACT.name)
        app.router.add_post(r"/api/v4/leads/{id:\d+}/notes", self._notes, name=Route.NOTE.name)
        for pages in (Pages(self._account_of_page), PageRequests(self._account_of_page)):
            pages.add_to(app)
        return app

    def shared_application(self) -> web.Application:
        """What the shared API host serves, which access tokens name as `api_domain` (kommo.md 5.3, 9.1)."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/oauth2/account/current/subdomain", self._subdomain, name=Route.SUBDOMAIN.name)
        app.router.add_get("/api/v4/account", self._shared_account, name=Route.SHARED_ACCOUNT.name)
        return app

    # --- before any handler -------------------------------------------------------------------------------------

    def _account_of_page(self, request: web.Request) -> Account:
        account = self._exchange.account_at(*request.get_extra_info("sockname"))
        if account is None:
            raise web.HTTPNotFound
        return account

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if (request.match_info.route.name or "").startswith(FRONT):
            return await handler(request)
        host, port = request.get_extra_info("sockname")
        account = self._exchange.account_at(host, port)
        call = await _noted(request, account, f"http://{host}:{port}")
        self._exchange.arrived(call)
        request[_CALL] = call
        left = self._exchange.left(host, port)
        if account is not None:
            request[_ACCOUNT] = account
        elif left is not None:
            request[_LEFT] = left
        try:
            response = await self._limited(request, call, account, handler)
            if response is None:
                return web.Response()  # to a connection that is closed already
            call.status = response.status
            response.headers["X-Request-Id"] = f"{next(self._request_numbers):032x}"
            return response
        finally:
            self._exchange.answered()

    async def _limited(
        self, request: web.Request, call: ApiCall, account: Account | None, handler: Handler
    ) -> web.StreamResponse | None:
        match self._exchange.limiter.admit(call.source, call.moment):
            case Admission.TOO_MANY:
                return refused(429, retry_after=self._exchange.limiter.rules.retry_after)
            case Admission.BLOCKED:
                return refused(403)
        fault = (account.faults.take(call.route) if account else None) or self._exchange.faults.take(call.route)
        if fault is None:
            return await _answer(request, handler)
        genuine = await _answer(request, handler) if fault.after_effect else None
        return await _suffered(request, fault, genuine)

    # --- handlers -----------------------------------------------------------------------------------------------

    async def _continue(self, request: web.Request) -> web.StreamResponse:
        account, access, call = request[_ACCOUNT], _access(request), request[_CALL]
        if not access.admin:
            return problem(403, "Only administrators of the account may continue bots.")
        refusals = continue_refusals(call.body)
        if refusals:
            return invalid(refusals)
        continuation = Continuation(call.body.get("data", {}), call.body.get("execute_handlers", ()))
        kind, bot_id, continue_id = (request.match_info[part] for part in ("kind", "bot", "id"))
        if not account.continue_bot(kind, int(bot_id), int(continue_id), continuation):
            return problem(404, "No bot waits for this call.")
        call.accepted = True
        return web.Response(status=202, text="Accepted")

    async def _token(self, request: web.Request) -> web.StreamResponse:
        account, call = request[_ACCOUNT], request[_CALL]
        asked = call.body if isinstance(call.body, dict) else {}
        integration = account.integration
        if asked.get("client_id") != integration.client_id:
            return oauth_refused("Check the `client_id` parameter")
        if asked.get("client_secret") != integration.secret:
            return problem(401, "Client authentication failed")
        if asked.get("redirect_uri") != integration.redirect_uri:
            return oauth_refused("Check the `redirect_uri` parameter")
        try:
            access, refresh = _granted(account, integration, asked)
        except TokenRefused as refusal:
            return oauth_refused(str(refusal))
        call.accepted = True
        return web.json_response(
            {
                "token_type": "Bearer",
                "expires_in": ACCESS_LIFETIME,
                "server_time": int(time.time()),
                "access_token": access,
                "refresh_token": refresh,
            }
        )

    async def _subdomain(self, request: web.Request) -> web.StreamResponse:
        account = self._exchange.known_refresh(request.headers.get("X-Refresh-Token", ""))
        if account is None:
            return problem(401, "The refresh token is not valid.")
        return web.json_response(
            {
                "id": account.account_id,
                "subdomain": account.subdomain,
                "domain": account.host,
                "top_level_domain": account.host.removeprefix(f"{account.subdomain}."),
            }
        )

    async def _account(self, request: web.Request) -> web.StreamResponse:
        account, access = request[_ACCOUNT], _access(request)
        return hal(account_body(account, access.user_id))

    async def _shared_account(self, request: web.Request) -> web.StreamResponse:
        token = request[_CALL].token or ""
        account = self._exchange.known_access(token)
        access = None if account is None else account.tokens.access_of(token)
        if account is None or access is None:
            return problem(401, "Access token is missing, expired or revoked.")
        return hal(account_body(account, access.user_id))

    async def _user(self, request: web.Request) -> web.StreamResponse:
        account, access = request[_ACCOUNT], _access(request)
        if not access.admin:
            return problem(403, "Users are shown to administrators only.")
        return hal(user_body(account, int(request.match_info["id"])))

    async def _lead(self, request: web.Request) -> web.StreamResponse:
        account, _ = request[_ACCOUNT], _access(request)
        person = account.person_of_lead(int(request.match_info["id"]))
        if person is None:
            return web.Response(status=204)
        return hal(lead_body(account, person, "contacts" in request.query.get("with", "").split(",")))

    async def _contact(self, request: web.Request) -> web.StreamResponse:
        account, _ = request[_ACCOUNT], _access(request)
        person = account.person(int(request.match_info["id"]))
        return web.Response(status=204) if person is None else hal(contact_body(account, person))

    async def _notes(self, request: web.Request) -> web.StreamResponse:
        account, _, call = request[_ACCOUNT], _access(request), request[_CALL]
        lead_id = int(request.match_info["id"])
        if account.person_of_lead(lead_id) is None:
            return problem(404, "There is no such lead.")
        refusals = note_refusals(call.body)
        if refusals:
            return invalid(refusals)
        notes = account.add_notes(lead_id, call.body)
        call.accepted = True
        return hal({"_embedded": {"notes": [note_body(account, note) for note in notes]}})


async def _noted(request: web.Request, account: Account | None, origin: str) -> ApiCall:
    name = request.match_info.route.name or Route.UNKNOWN.name
    raw = await request.read()
    return ApiCall(
        route=Route[name.removesuffix("_SLASH")],
        method=request.method,
        url=f"{origin}{request.path_qs}",
        account_id=account.account_id if account else None,
        source=request.remote or "",
        token=_bearer(request),
        body=_decoded(raw),
        moment=time.monotonic(),
    )


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    if _LEFT in request:
        return _answer_of_old_address(request, *request[_LEFT])
    if _ACCOUNT not in request and request[_CALL].route not in _ROUTES_WITHOUT_ACCOUNT:
        return problem(404, "There is no account at this address.")
    try:
        return await handler(request)
    except _Refused as refusal:
        return refusal.response
    except web.HTTPException as error:
        return problem(error.status, error.reason)


def _answer_of_old_address(request: web.Request, account: Account, status: int) -> web.StreamResponse:
    """What the address answers that an account had before it was renamed: nobody has written down what Kommo's do."""
    if 300 <= status < 400:
        return web.Response(status=status, headers={"Location": f"{account.url}{request.path_qs}"})
    return problem(status, "There is no account at this address.")


async def _suffered(
    request: web.Request, fault: Fault, genuine: web.StreamResponse | None
) -> web.StreamResponse | None:
    if fault.kind == "hang":
        await asyncio.Event().wait()
    if fault.seconds is not None:
        await asyncio.sleep(fault.seconds)
    if fault.kind == "reset":
        _reset(request)
        return None
    if fault.kind == "garbage":
        _answer_garbage(request)
        return None
    if fault.kind == "trickle":
        return await _trickle(request)
    if fault.status == 0:
        return genuine
    if fault.location is not None:
        return web.Response(status=fault.status, headers={"Location": fault.location})
    return refused(fault.status, fault.retry_after)


def _answer_garbage(request: web.Request) -> None:
    """Something that is no HTTP, and the end of the connection."""
    transport = request.transport
    if transport is not None:
        transport.write(GARBAGE)
        transport.close()


async def _trickle(request: web.Request) -> web.StreamResponse:
    """The head of a 200, and then a byte of its body from time to time, for ever."""
    answer = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000000"})
    await answer.prepare(request)
    while True:
        await answer.write(b" ")
        await asyncio.sleep(TRICKLE_SECONDS)


def _reset(request: web.Request) -> None:
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        transport.abort()


# --- parts of the handlers ------------------------------------------------------------------------------------------


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw.decode(errors="replace")


def _bearer(request: web.Request) -> str | None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if kind == "Bearer" and token else None


def _access(request: web.Request) -> Access:
    access = request[_ACCOUNT].tokens.access_of(request[_CALL].token or "")
    if access is None:
        raise _Refused(problem(401, "Access token is missing, expired or revoked."))
    return access


def _granted(account: Account, integration: Integration, asked: dict[str, Any]) -> tuple[str, str]:
    match asked.get("grant_type"):
        case "authorization_code":
            return account.tokens.exchange_code(str(asked.get("code")), integration.client_id)
        case "refresh_token":
            return account.tokens.refresh(str(asked.get("refresh_token")), integration.client_id)
    raise TokenRefused("Check the `grant_type` parameter")
