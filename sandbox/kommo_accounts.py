"""An account of the simulated Kommo: integration, tokens, bots, clients, leads, notes."""

import hashlib
import hmac
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from sandbox.front.office import Office
from sandbox.kommo_bot import Continuation, Request
from sandbox.kommo_chat import Bot, Client, Person, Trigger, WhilePaused
from sandbox.kommo_design import AfterExit, BotKind, Design, WidgetBlock, designed
from sandbox.kommo_faults import FaultBoard
from sandbox.kommo_jwt import TokenStyle, styled_token
from sandbox.kommo_tokens import Integration, TokenBook
from sandbox.kommo_webhook import SentWebhook, WebhookSender, WebhookStyle, encoded

ADMIN_USER = 9001001
LEAD = "2"  # `entity_type` of a lead in the bot's token (kommo.md 2.3)
_LONG_LIVED_SECONDS = 5 * 365 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class Platform:
    """What all accounts of a simulator share.

    address_of: the address of a sub-domain, without a slash at the end.
    sent: called with every webhook on its way.
    """

    lock: threading.RLock
    sender: WebhookSender
    clock: Callable[[], float]
    api_domain: str
    address_of: Callable[[str], str]
    sent: Callable[[SentWebhook], None]
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a lead. time: seconds since the epoch."""

    note_id: int
    lead_id: int
    text: str
    time: float
    request_id: str | None


class Account:
    """One company's account. Usable from any thread.

    style: how the webhooks of its bots are sent; set another one for refusal tests.
    faults: what goes wrong on this account's host.
    office: what its people have in their browser.
    """

    def __init__(
        self, account_id: int, name: str, subdomain: str, integration: Integration, platform: Platform
    ) -> None:
        self.account_id = account_id
        self.name = name
        self.subdomain = subdomain
        self.integration = integration
        self.style = WebhookStyle()
        self.faults = FaultBoard()
        self.office = Office(ADMIN_USER)
        self.tokens = TokenBook(account_id, platform.api_domain, platform.clock)
        self.bots: list[Bot] = []
        self._platform = platform
        self._people: dict[int, Person] = {}
        self._leads: dict[int, Person] = {}
        self._notes: list[Note] = []
        self._pauses: dict[int, Client] = {}

    def __repr__(self) -> str:
        return f"<Account {self.account_id} {self.name!r} at {self.url}>"

    @property
    def url(self) -> str:
        """Scheme, host and port of the account's address."""
        return self._platform.address_of(self.subdomain)

    @property
    def host(self) -> str:
        """Host and port, as `referer` names them."""
        return urlsplit(self.url).netloc

    @property
    def notes(self) -> list[Note]:
        """All notes, oldest first."""
        with self._platform.lock:
            return list(self._notes)

    # --- bots and clients ---------------------------------------------------------------------------------------

    def add_bot(
        self,
        design: Design,
        *,
        kind: BotKind = "salesbot",
        trigger: Trigger = "every_message",
        while_paused: WhilePaused = "lost",
        after_success: AfterExit = "listen",
        after_fail: AfterExit = "stop",
    ) -> Bot:
        """Save a bot; clients made from now on talk to it.

        design: blocks of the designer, or a widget's own flow, which is put into the loop of kommo.md 1.9 A.
        after_success, after_fail: what follows these exits of a bare flow; blocks say it themselves.
        Raises ValueError for a bot that cannot run.
        """
        bot = Bot(self._new_id(300), designed(design, after_success, after_fail), kind, trigger, while_paused)
        self.bots.append(bot)
        return bot

    def client(
        self,
        name: str,
        origin: str = "whatsapp",
        *,
        phone: str | None = None,
        bot: Bot | None = None,
        placeholders: Mapping[str, str | None] | None = None,
    ) -> Client:
        """A new contact with a lead of its own, who writes to the newest bot where none is named.

        placeholders: further ones that Kommo can fill in for this client, for example `contact.cf.1`, or other values
        of the usual ones; None for one that it cannot resolve.
        """
        if bot is None and not self.bots:
            raise ValueError("the account has no bot: add_bot first")
        return self._new_client(name, origin, phone, bot or self.bots[-1], placeholders or {}, None)

    def send_webhook(self, url: str, data: Mapping[str, str], style: WebhookStyle | None = None) -> SentWebhook:
        """Send one `widget_request` of a contact of its own, without a conversation, and do not wait for its outcome.

        Placeholders in data are filled in as in a bot. The bot behind it waits to be continued once.
        style: None for the account's.
        """
        flow = [{"question": [{"handler": "widget_request", "params": {"url": url, "data": dict(data)}}]}]
        bot = Bot(self._new_id(300), designed([WidgetBlock(flow)]))
        client = self._new_client("Anonymous", data.get("origin", "whatsapp"), None, bot, {}, style)
        client.say(data.get("message", ""))
        return client.webhooks[0]

    # --- access -------------------------------------------------------------------------------------------------

    def record(self) -> dict[str, Any]:
        """The fields of contract 3 that come from Kommo, for `bytegpt account add`.

        With a private integration they hold a new long-lived token; ValueError where it has a redirect URI.
        """
        record: dict[str, Any] = {"account_id": self.account_id, "subdomain": self.subdomain}
        if not self.integration.public:
            record["client_id"] = self.integration.client_id
            record["client_secret"] = self.integration.secret
            record["access_token"] = self.long_lived_token()
        return record

    def long_lived_token(self, lifetime: float = _LONG_LIVED_SECONDS) -> str:
        """A new long-lived token; ValueError unless the integration is private and has no redirect URI."""
        return self.tokens.issue_long_lived(self.integration, ADMIN_USER, lifetime)

    def install_query(self, *, admin: bool = True, state: str | None = None) -> dict[str, str]:
        """The GET parameters with which Kommo calls the redirect URI after an installation (kommo.md 5.2).

        state: set when the user came through the OAuth window instead of the widget.
        """
        user_id = ADMIN_USER if admin else ADMIN_USER + 1
        code = self.tokens.issue_code(self.integration, user_id, admin)
        origin = {"from_widget": "1"} if state is None else {"state": state}
        return {"code": code, "referer": self.host, "client_id": self.integration.client_id, **origin}

    def revocation_query(self) -> dict[str, str]:
        """The signed GET parameters of the access-revoked hook (kommo.md 5.4); revokes nothing by itself."""
        client_id = self.integration.client_id
        message = f"{client_id}|{self.account_id}".encode()
        signature = hmac.new(self.integration.secret.encode(), message, hashlib.sha256).hexdigest()
        return {"client_uuid": client_id, "account_id": str(self.account_id), "signature": signature}

    def uninstall(self) -> dict[str, str]:
        """Take every access from the integration; the parameters of the hook that tells it so."""
        self.tokens.revoke(self.integration.client_id)
        return self.revocation_query()

    def change_private_secret(self) -> None:
        """Generate a new secret key of the private integration, which revokes all its tokens (kommo.md 5.1)."""
        if self.integration.public:
            raise ValueError("the secret of the public integration is the simulator's")
        self.integration.change_secret()
        self.tokens.revoke(self.integration.client_id)

    def front_end_token(self, receiver: str, *, admin: bool | None = True, style: TokenStyle | None = None) -> str:
        """A one-time token of the widget's front end for this URL, HS256 (kommo.md 6). admin None: claim left out."""
        claims = {
            "iss": self.url,
            "jti": f"{self._new_id():032x}",
            "account_id": self.account_id,
            "user_id": ADMIN_USER,
            "subdomain": self.subdomain,
            "client_uuid": self.integration.client_id,
        }
        if admin is not None:
            claims["is_admin"] = admin
        now = self._platform.clock()
        return styled_token(claims, receiver, self.integration.secret, "HS256", style or TokenStyle(), now)

    # --- what the routes ask ------------------------------------------------------------------------------------

    def person_of_lead(self, lead_id: int) -> Person | None:
        """Whose lead this is."""
        return self._leads.get(lead_id)

    def person(self, contact_id: int) -> Person | None:
        """The contact with this id."""
        return self._people.get(contact_id)

    def add_notes(self, lead_id: int, notes: Sequence[Mapping[str, Any]]) -> list[Note]:
        """Write notes whose form has been checked."""
        with self._platform.lock:
            written = [
                Note(self._new_id(700_000), lead_id, note["params"]["text"], time.time(), note.get("request_id"))
                for note in notes
            ]
            self._notes += written
            return written

    def continue_bot(self, kind: str, bot_id: int, continue_id: int, continuation: Continuation) -> bool:
        """Continue a waiting bot once; False for a pause that is unknown, over, or another bot's."""
        with self._platform.lock:
            client = self._pauses.get(continue_id)
            if client is None or (client.bot.kind, client.bot.bot_id) != (kind, bot_id):
                return False
            del self._pauses[continue_id]
            return client.resume(continue_id, continuation)

    # --- inside -------------------------------------------------------------------------------------------------

    def _new_id(self, base: int = 0) -> int:
        return base + next(self._platform.ids)

    def _new_client(
        self,
        name: str,
        origin: str,
        phone: str | None,
        bot: Bot,
        placeholders: Mapping[str, str | None],
        style: WebhookStyle | None,
    ) -> Client:
        person = self._new_person(name, phone)
        values = {
            "lead.id": str(person.lead_id),
            "contact.id": str(person.contact_id),
            "contact.name": name,
            "name": name,
            "origin": origin,
            "lead.source_id": str(self.account_id % 1000),
            **placeholders,
        }
        return Client(person, origin, values, bot, partial(self._call_widget, style), self._platform.lock)

    def _new_person(self, name: str, phone: str | None) -> Person:
        person = Person(self._new_id(11_000_000), self._new_id(9_000_000), name, phone)
        with self._platform.lock:
            self._people[person.contact_id] = self._leads[person.lead_id] = person
        return person

    def _call_widget(self, style: WebhookStyle | None, client: Client, request: Request) -> int:
        continue_id = self._new_id(500_000)
        self._pauses[continue_id] = client
        webhook = self._webhook(client, request, continue_id, style or self.style)
        client.note_webhook(webhook)
        self._platform.sent(webhook)
        self._platform.sender.send(webhook)
        return continue_id

    def _webhook(self, client: Client, request: Request, continue_id: int, style: WebhookStyle) -> SentWebhook:
        slash = "/" if style.trailing_slash else ""
        return_url = f"{self.url}/api/v4/{client.bot.kind}/{client.bot.bot_id}/continue/{continue_id}{slash}"
        claims = {
            "iss": self.url,
            "account_id": self.account_id,
            "subdomain": self.subdomain,
            "client_uuid": self.integration.client_id,
            "entity_type": LEAD,
            "entity_id": client.lead_id,
            "bot_type": client.bot.kind,
        }
        secret, now = self.integration.secret, self._platform.clock()
        token = styled_token(claims, request.url, secret, "HS512", style.token, now)
        body, content_type = encoded(token, request.data, return_url, style)
        return SentWebhook(
            self.account_id, client.contact_id, request.url, return_url, request.data, token, body, content_type
        )
