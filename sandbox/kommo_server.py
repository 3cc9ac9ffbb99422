"""The simulated Kommo: accounts on hosts of their own, real sockets, everything recorded."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from aiohttp import web

from sandbox.kommo_accounts import Account, Note, Platform
from sandbox.kommo_calls import ApiCall
from sandbox.kommo_faults import FaultBoard, Route
from sandbox.kommo_hooks import SentHook, send_hook
from sandbox.kommo_limits import RateLimiter, RateRules, busiest_second
from sandbox.kommo_routes import Exchange, KommoRoutes
from sandbox.kommo_tokens import Integration
from sandbox.kommo_webhook import SentWebhook, WebhookSender
from sandbox.serving import HOST, Door, Server

T = TypeVar("T")

_FIRST_ACCOUNT = 31_000_001


@dataclass(frozen=True, slots=True)
class _Inside:
    """What lives on the event loop."""

    loop: asyncio.AbstractEventLoop
    runner: web.AppRunner
    sender: WebhookSender
    doors: list[Door] = field(default_factory=list)


class KommoSimulator:
    """Kommo with as many accounts as are added; a context manager. Usable from any thread.

    base_url is the value of KOMMO_BASE_URL that leads to its accounts. As a rule every account listens on a port of
    127.0.0.1 and the port's digits are its sub-domain; with loopback_addresses it is the last number of an address
    127.0.0.x and all share one port (macOS has only 127.0.0.1 unless told otherwise).

    faults: what goes wrong on every host.
    public_integration: the one that several accounts can install.
    """

    def __init__(
        self,
        *,
        rate: int | None = 7,
        retry_after: int = 1,
        block_after: int = 20,
        block_seconds: float = 60,
        webhook_timeout: float = 2,
        public_redirect_uri: str | None = None,
        loopback_addresses: bool = False,
        clock: Callable[[], float] = time.time,
        host: str = HOST,
    ) -> None:
        """rate, retry_after, block_after, block_seconds: see RateRules; rate None switches the limit off.

        webhook_timeout: seconds that Kommo waits for the 200. clock: for tokens, in seconds since the epoch.
        host: the address of this machine at which accounts have their ports.
        """
        self.faults = FaultBoard()
        self.public_integration = Integration(redirect_uri=public_redirect_uri, public=True)
        self.limiter = RateLimiter(RateRules(rate, retry_after, block_after, block_seconds))
        self._lock = threading.RLock()
        self._happened = threading.Condition(self._lock)
        self._webhook_timeout = webhook_timeout
        self._loopback_addresses = loopback_addresses
        self._opened_addresses = 0
        self._clock = clock
        self._host = host
        self._inside: _Inside
        self._platform: Platform
        self._accounts: list[Account] = []
        self._hosts: dict[tuple[str, int], Account] = {}
        self._left: dict[tuple[str, int], tuple[Account, int]] = {}
        self._calls: list[ApiCall] = []
        self._continues: dict[str, list[ApiCall]] = {}
        self._webhooks: list[SentWebhook] = []
        self._routes = KommoRoutes(
            Exchange(
                self.limiter,
                self.faults,
                lambda host, port: self._hosts.get((host, port)),
                self._account_of_refresh,
                self._account_of_access,
                lambda host, port: self._left.get((host, port)),
                self._arrived,
                self._answered,
            )
        )
        shared = self._routes.shared_application()
        shared.cleanup_ctx.append(self._resources)
        self._server = Server(shared, host=host)

    # --- life ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Open the shared host; accounts open theirs when they are added."""
        self._server.start()
        self._platform = Platform(
            lock=self._lock,
            sender=self._inside.sender,
            clock=self._clock,
            api_domain=f"{self._host}:{self._server.port}",
            address_of=self._address_of,
            sent=self._sent,
        )

    def stop(self) -> None:
        """Close every host and connection."""
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """The template of an account's address, with `{subdomain}` in it."""
        if self._loopback_addresses:
            return f"http://127.0.0.{{subdomain}}:{self._server.port}"
        return f"http://{self._host}:{{subdomain}}"

    # --- accounts -----------------------------------------------------------------------------------------------

    def add_account(self, name: str = "Acme", *, private: bool = True, redirect_uri: str | None = None) -> Account:
        """Open an account on a host of its own.

        private: with an integration of its own, otherwise with the public one.
        redirect_uri: of the private integration; long-lived tokens need it empty.
        """
        integration = Integration(redirect_uri=redirect_uri) if private else self.public_integration
        account_id = _FIRST_ACCOUNT + len(self._accounts)
        account = Account(account_id, name, "", integration, self._platform)
        self._open_host(account)
        self._accounts.append(account)
        return account

    def rename(self, account: Account, *, old_answers: int = 404) -> None:
        """Give the account another sub-domain; its old host answers with this status, 3xx leading to the new one."""
        with self._lock:
            self._left |= {place: (account, old_answers) for place, other in self._hosts.items() if other is account}
            self._hosts = {place: other for place, other in self._hosts.items() if other is not account}
        self._open_host(account)

    def shut(self) -> None:
        """Let every account's host refuse connections until `open`, and throw away those that stand."""
        for door in self._inside.doors:
            self._wait_for(door.shut())

    def open(self) -> None:
        """Let the hosts take connections again."""
        for door in self._inside.doors:
            self._wait_for(door.open())

    # --- the hooks of OAuth -------------------------------------------------------------------------------------

    def install(self, account: Account, *, admin: bool = True, state: str | None = None) -> SentHook:
        """Let an account install its integration, or a user come back from the OAuth window with a state.

        Kommo makes a code and calls the redirect URI with it. ValueError where the integration has none.
        """
        address = account.integration.redirect_uri
        if address is None:
            raise ValueError("the integration has no redirect URI: nobody is told of an installation")
        return send_hook(address, account.install_query(admin=admin, state=state))

    def uninstall(self, account: Account) -> SentHook | None:
        """Let an account uninstall its integration: its tokens are over, and whoever wants to hear it is told."""
        query, address = account.uninstall(), account.integration.revoked_uri
        return None if address is None else send_hook(address, query)

    def change_public_secret(self, *, delete_authorizations: bool) -> None:
        """Generate a new secret key of the public integration (kommo.md 5.1)."""
        self.public_integration.change_secret()
        for account in self._accounts if delete_authorizations else ():
            account.tokens.revoke(self.public_integration.client_id)

    # --- records ------------------------------------------------------------------------------------------------

    @property
    def accounts(self) -> list[Account]:
        """In the order in which they were added."""
        return list(self._accounts)

    @property
    def webhooks(self) -> list[SentWebhook]:
        """Every webhook sent, oldest first."""
        with self._lock:
            return list(self._webhooks)

    @property
    def calls(self) -> list[ApiCall]:
        """Every call that arrived, oldest first."""
        with self._lock:
            return list(self._calls)

    @property
    def continues(self) -> list[ApiCall]:
        """Every continue call that arrived, oldest first."""
        return [call for call in self.calls if call.route is Route.CONTINUE]

    @property
    def notes(self) -> list[Note]:
        """The notes of all accounts."""
        return [note for account in self._accounts for note in account.notes]

    def continues_of(self, return_url: str) -> list[ApiCall]:
        """Every continue call that arrived at this address, oldest first."""
        with self._lock:
            return list(self._continues.get(return_url.rstrip("/"), ()))

    def accepted_continues(self, return_url: str) -> list[ApiCall]:
        """The continue calls at this address that continued the bot; there can be one at most."""
        return [call for call in self.continues_of(return_url) if call.accepted]

    def busiest_second(self, account: Account | None = None, source: str | None = None) -> int:
        """The most calls that arrived within any second, refused ones included; of one account, of one address."""
        return busiest_second(
            call.moment
            for call in self.calls
            if (account is None or call.account_id == account.account_id) and source in (None, call.source)
        )

    def wait_for(self, wanted: Callable[[], T], timeout: float = 10) -> T:
        """Block until this is truthy, and return it; asked again after every call that was answered.

        Raises TimeoutError after so many seconds.
        """
        with self._happened:
            found = self._happened.wait_for(wanted, timeout)
            if not found:
                raise TimeoutError(f"it did not come about within {timeout} s")
            return found

    def resend(self, webhook: SentWebhook) -> SentWebhook:
        """Send a webhook again, byte for byte."""
        again = SentWebhook(
            webhook.account_id,
            webhook.contact_id,
            webhook.url,
            webhook.return_url,
            webhook.data,
            webhook.token,
            webhook.body,
            webhook.content_type,
            repeat_of=webhook,
        )
        self._sent(again)
        self._platform.sender.send(again)
        return again

    # --- inside -------------------------------------------------------------------------------------------------

    async def _resources(self, _app: web.Application) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        runner = web.AppRunner(
            self._routes.account_application(), access_log=None, handler_cancellation=True, shutdown_timeout=0.05
        )
        await runner.setup()
        # Each webhook has a connection of its own: a receiver may close a kept one just when it is used again.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            self._inside = _Inside(loop, runner, WebhookSender(loop, session, self._webhook_timeout))
            yield
            await close_hosts(runner, self._inside.doors)

    def _open_host(self, account: Account) -> None:
        host, port = self._next_place()
        door = Door(self._inside.runner, host, port)
        self._wait_for(door.open())
        self._inside.doors.append(door)
        with self._lock:
            self._hosts[host, door.port] = account
            account.subdomain = host.rpartition(".")[2] if self._loopback_addresses else str(door.port)

    def _wait_for(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._inside.loop).result()

    def _next_place(self) -> tuple[str, int]:
        if not self._loopback_addresses:
            return self._host, 0
        self._opened_addresses += 1
        return f"127.0.0.{1 + self._opened_addresses}", self._server.port

    def _address_of(self, subdomain: str) -> str:
        return self.base_url.replace("{subdomain}", subdomain)

    def _account_of_refresh(self, token: str) -> Account | None:
        return next((account for account in self._accounts if account.tokens.knows_refresh(token)), None)

    def _account_of_access(self, token: str) -> Account | None:
        return next((account for account in self._accounts if account.tokens.access_of(token)), None)

    def _sent(self, webhook: SentWebhook) -> None:
        with self._lock:
            self._webhooks.append(webhook)

    def _arrived(self, call: ApiCall) -> None:
        with self._lock:
            self._calls.append(call)
            if call.route is Route.CONTINUE:
                self._continues.setdefault(call.return_url, []).append(call)

    def _answered(self) -> None:
        with self._happened:
            self._happened.notify_all()


async def close_hosts(runner: web.AppRunner, doors: Iterable[Door]) -> None:
    """Close hosts together with the connections that they accepted in the very last moment.

    Whatever is still on its way when the listening socket is closed would stay open for ever, so nothing more is
    accepted first.
    """
    for door in doors:
        await door.deafen()
    await runner.cleanup()
