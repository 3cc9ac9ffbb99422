"""Webhooks as Kommo sends them, signed with the standard library alone, and an application to send them to.

Every builder takes overrides; ABSENT takes a field out.
"""

import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, cast
from unittest.mock import patch
from urllib.parse import urlencode

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app.domain.acceptance import Acceptance, AccountChanged
from app.domain.accounts import Account, Locale
from app.domain.kommo_hooks import HookOutcome, InstallHook, RevokedHook
from app.domain.return_url import Origin
from app.domain.service_state import ServiceState
from app.domain.webhook import Webhook
from app.services.metering import Counting
from app.web.deps import ConsoleFlows, Directory, KommoFlows, Measuring, WebDeps, WidgetFlows
from app.web.factory import create_app
from tests.builders import a_state
from tests.consoles import console_without_redis

ABSENT: Any = object()

PUBLIC_URL = "https://bot.example.com"
KOMMO_BASE_URL = "https://{subdomain}.kommo.com"
ISSUER = "https://acme.kommo.com"
ACCOUNT_ID = 31000001
CLIENT_ID = "0b0123f4-1111-2222-3333-444444444444"
CLIENT_SECRET = "s" * 64
OTHER_CLIENT_ID = "0b0123f4-9999-9999-9999-999999999999"
OTHER_CLIENT_SECRET = "o" * 64
MESSAGE = "Quanto custa o frete para Recife?"
RETURN_URL = f"{ISSUER}/api/v4/salesbot/321/continue/123"

Json = dict[str, Any]


def some_claims(**overrides: Any) -> Json:
    """The claims of kommo.md 2.3, with a lifetime of 30 minutes around now."""
    now = time.time()
    claims = {
        "iss": ISSUER,
        "aud": PUBLIC_URL,
        "iat": now,
        "nbf": now,
        "exp": now + 1800,
        "account_id": ACCOUNT_ID,
        "subdomain": "acme",
        "client_uuid": CLIENT_ID,
        "entity_type": "2",
        "entity_id": "777",
        "bot_type": "salesbot",
    }
    return _present({**claims, **overrides})


def a_token(
    claims: Json | None = None,
    *,
    secret: str | bytes = CLIENT_SECRET,
    algorithm: Any = "HS512",
    digest: str = "sha512",
    headers: Mapping[str, Any] | None = None,
) -> str:
    """A signed token. algorithm is what its header says, digest what it is really signed with."""
    header = _present({"typ": "JWT", "alg": algorithm, **(headers or {})})
    signed = f"{segment(header)}.{segment(some_claims() if claims is None else claims)}"
    key = secret.encode() if isinstance(secret, str) else secret
    signature = hmac.new(key, signed.encode(), getattr(hashlib, digest)).digest()
    return f"{signed}.{segment(signature)}"


def segment(part: Any) -> str:
    """One part of a token: bytes as they are, all else as JSON, which may hold NaN as Python writes it."""
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def some_form(**overrides: Any) -> dict[str, str]:
    """The fields of a form. `data__message` overrides `data[message]`."""
    fields = {
        "token": overrides.pop("token") if "token" in overrides else a_token(),
        "data[message]": MESSAGE,
        "data[contact_id]": "5551",
        "return_url": RETURN_URL,
    }
    return _present({**fields, **{_php_key(name): value for name, value in overrides.items()}})


def _php_key(name: str) -> str:
    return f"data[{name.removeprefix('data__')}]" if name.startswith("data__") else name


def some_json(data: Any = None, **overrides: Any) -> Json:
    """The body as Kommo's documents draw it."""
    body = {"token": a_token(), "data": {"message": MESSAGE} if data is None else data, "return_url": RETURN_URL}
    return _present({**body, **overrides})


def _present(fields: Mapping[str, Any]) -> Json:
    return {name: value for name, value in fields.items() if value is not ABSENT}


class _Route(Rule):
    """A route whose builder of addresses is compiled once for all applications of a run, being the same in each.

    Compiling is most of what an application costs, and a test has one of its own.
    """

    _compiled: ClassVar[dict[tuple[str, str, bool], Callable[..., tuple[str, str]]]] = {}

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        key = (self.rule, repr(self.defaults), append_unknown)
        if key not in self._compiled:
            self._compiled[key] = super()._compile_builder(append_unknown)
        return self._compiled[key]


@dataclass
class Door:
    """The application over ports that hold what a test puts in. Anything raised by `trouble` is raised by that port."""

    accounts: dict[int, Account] = field(default_factory=lambda: {ACCOUNT_ID: Account(ACCOUNT_ID, "acme")})
    secrets: dict[str, list[str]] = field(
        default_factory=lambda: {CLIENT_ID: [CLIENT_SECRET], OTHER_CLIENT_ID: [OTHER_CLIENT_SECRET]}
    )
    kommo_base_url: str = KOMMO_BASE_URL
    public_url: str = PUBLIC_URL
    default_locale: Locale = "pt"
    public_client_id: str | None = CLIENT_ID
    not_ready: list[str] = field(default_factory=list)
    trouble: dict[str, Exception] = field(default_factory=dict)
    accepted: list[tuple[Account, Webhook]] = field(default_factory=list)
    remembered: list[Directory] = field(default_factory=list)
    changes: int = 0
    hooks: list[InstallHook | RevokedHook] = field(default_factory=list)
    outcomes: list[HookOutcome | Exception] = field(default_factory=list)
    states_used: set[str] = field(default_factory=set)
    renames: dict[int, str] = field(default_factory=dict)
    asked_for_renames: list[Origin] = field(default_factory=list)
    widget: WidgetFlows = field(default_factory=lambda: cast("WidgetFlows", None))
    console: ConsoleFlows = field(default_factory=console_without_redis)
    counting: Counting = field(default_factory=Counting)
    counted: Counter[str] = field(default_factory=Counter)
    state: ServiceState = field(default_factory=a_state)

    def app(self) -> Flask:
        """The Flask application."""
        with patch.object(Flask, "url_rule_class", _Route):
            return create_app(self._deps())

    def client(self) -> FlaskClient:
        """A client of the application."""
        return self.app().test_client()

    def send(self, fields: Mapping[str, str] | None = None, **request: Any) -> TestResponse:
        """Send a form, a good one by default."""
        body = urlencode(some_form() if fields is None else fields)
        given = {"data": body, "content_type": "application/x-www-form-urlencoded", **request}
        return self.client().post("/kommo/salesbot", **given)

    def send_json(self, body: Any = None) -> TestResponse:
        """Send JSON, a good body by default."""
        return self.client().post("/kommo/salesbot", json=some_json() if body is None else body)

    @property
    def webhook(self) -> Webhook:
        """The one webhook that was accepted."""
        ((_, webhook),) = self.accepted
        return webhook

    def _deps(self) -> WebDeps:
        return WebDeps(
            kommo_base_url=self.kommo_base_url,
            public_url=self.public_url,
            default_locale=self.default_locale,
            public_client_id=self.public_client_id,
            directories=[*self.remembered, self],
            accept=self._accept,
            readiness=self._readiness,
            widget=self.widget,
            kommo=KommoFlows(
                received=self._received,
                secrets_of=self.secrets_of,
                use_state=self._use_state,
                relearned=self._relearned,
                secret_key="signs states",
            ),
            console=self.console,
            measuring=Measuring(self.counting, self._totals, self._state),
        )

    def _fail(self, port: str) -> None:
        if port in self.trouble:
            raise self.trouble[port]

    def secrets_of(self, client_id: str) -> list[str]:
        """Implements the port Directory."""
        self._fail("integration_secrets")
        return self.secrets.get(client_id, [])

    def account(self, account_id: int) -> Account | None:
        """Implements the port Directory."""
        self._fail("account")
        return self.accounts.get(account_id)

    def _accept(self, account: Account, webhook: Webhook) -> Acceptance:
        self._fail("accept")
        if self.changes:
            self.changes -= 1
            raise AccountChanged(account.account_id)
        earlier = [str(known.return_url) for _, known in self.accepted]
        if str(webhook.return_url) in earlier:
            return Acceptance("duplicate", f"request-{earlier.index(str(webhook.return_url)) + 1}")
        self.accepted.append((account, webhook))
        return Acceptance("accepted", f"request-{len(self.accepted)}")

    def _received(self, hook: InstallHook | RevokedHook) -> HookOutcome:
        """`outcomes`: what comes of each hook; then `installed`."""
        self.hooks.append(hook)
        outcome = self.outcomes.pop(0) if self.outcomes else HookOutcome.INSTALLED
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _use_state(self, nonce: str, seconds: int) -> bool:
        self._fail("use_state")
        known = nonce in self.states_used
        self.states_used.add(nonce)
        return not known

    def _relearned(self, account: Account, told: Origin) -> bool:
        """`renames`: accounts that Kommo knows by another subdomain."""
        self.asked_for_renames.append(told)
        self._fail("relearned")
        found = self.accounts[account.account_id]
        if account.account_id not in self.renames:
            return False
        renamed = replace(found, subdomain=self.renames.pop(account.account_id), version=found.version + 1)
        self.accounts[account.account_id] = renamed
        return True

    def _totals(self) -> dict[str, int]:
        self._fail("totals")
        self.counted.update(self.counting.taken())
        return self.counted

    def _state(self) -> ServiceState:
        self._fail("state")
        return self.state

    def _readiness(self) -> list[str]:
        self._fail("readiness")
        return self.not_ready
