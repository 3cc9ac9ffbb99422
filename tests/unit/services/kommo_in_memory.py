"""Kommo's accounts and tokens in memory, for the flows around installations. A script that runs out fails the test."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from app.domain.accounts import Account, AccountExists, Secrets
from app.domain.answers import Deadline
from app.domain.kommo_hooks import Hook
from app.domain.oauth_tokens import AccessRefused, KommoAccount, OAuthIntegration, Tokens
from app.domain.return_url import Origin
from tests.builders import an_account
from tests.unit.services.ports_in_memory import FakeAccounts

TEMPLATE = "https://{subdomain}.kommo.com"
ACME = Origin.parse("https://acme.kommo.com")
CLIENT_ID = "public-integration"
PRIVATE_ID = "private-integration"
GIVEN = Tokens("given-access", "given-refresh", 0.0)


def a_jwt(**claims: Any) -> str:
    """An access token as far as it can be read."""
    parts: tuple[dict[str, Any], ...] = ({"alg": "HS256"}, claims, {})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


API_TOKEN = a_jwt(api_domain="api-c.kommo.com")
INSTALLED = an_account(secrets=Secrets("sk-key", API_TOKEN, "refresh-1"))

Told = KommoAccount | Exception


@dataclass
class FakeLookUp:
    """An AccountLookUp. answers: by the address that is asked, then by what is asked with, what it says each time.

    administrator: what is said of every user.
    """

    answers: dict[tuple[str, str], list[Told]] = field(default_factory=dict)
    administrator: bool | Exception | None = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    users: list[int] = field(default_factory=list)

    def says(self, origin: str, token: str, *answers: Told) -> "FakeLookUp":
        """Let an address answer so, one call after the other; the last answer stays."""
        self.answers[origin, token] = list(answers)
        return self

    def account(self, origin: str, access_token: str, deadline: Deadline) -> KommoAccount:
        return self._told(origin, access_token)

    def account_of_refresh_token(self, origin: str, refresh_token: str, deadline: Deadline) -> KommoAccount:
        return self._told(origin, refresh_token)

    def is_administrator(self, origin: str, user_id: int, access_token: str, deadline: Deadline) -> bool | None:
        self.users.append(user_id)
        if isinstance(self.administrator, Exception):
            raise self.administrator
        return self.administrator

    def _told(self, origin: str, token: str) -> KommoAccount:
        self.asked.append((origin, token))
        script = self.answers.get((origin, token), [AccessRefused(401)])
        told = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(told, Exception):
            raise told
        return told


@dataclass
class FakeTokenEndpoint:
    """grants: what Kommo says to each call. calls: address, secret, and the code or refresh token."""

    grants: list[Tokens | Exception] = field(default_factory=list)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    redirect_uris: set[str] = field(default_factory=set)

    def exchange_code(self, origin: str, integration: OAuthIntegration, code: str, deadline: Deadline) -> Tokens:
        return self._granted(origin, integration, code)

    def refresh(self, origin: str, integration: OAuthIntegration, refresh_token: str, deadline: Deadline) -> Tokens:
        return self._granted(origin, integration, refresh_token)

    def _granted(self, origin: str, integration: OAuthIntegration, grant: str) -> Tokens:
        self.calls.append((origin, integration.client_secret, grant))
        self.redirect_uris.add(integration.redirect_uri)
        granted = self.grants.pop(0)
        if isinstance(granted, Exception):
            raise granted
        return granted


@dataclass
class FakeIntegrations:
    """Client secrets by integration, newest first."""

    known: dict[str, list[str]] = field(default_factory=lambda: {CLIENT_ID: ["secret"], PRIVATE_ID: ["private-secret"]})

    def of(self, client_id: str) -> list[str]:
        return self.known.get(client_id, [])


class Registry(FakeAccounts):
    """Accounts that can be added to. arrivals: accounts that somebody else adds just before ours."""

    def __init__(self, *accounts: Account, arrivals: Iterable[Account] = ()) -> None:
        super().__init__({account.account_id: account for account in accounts})
        self.arrivals = list(arrivals)

    def add(self, account: Account, client_secret: str | None = None) -> Account:
        if self.arrivals:
            rival = self.arrivals.pop(0)
            self.stored[rival.account_id] = rival
            raise AccountExists(account.account_id)
        return super().add(account, client_secret)

    def ids(self) -> list[int]:
        return sorted(self.stored)

    @property
    def one(self) -> Account:
        """The only account there is."""
        (account,) = self.stored.values()
        return account


@dataclass
class FakeUnfinished:
    """Hooks that are kept. room: how many more are taken. trouble: what adding raises, one entry a call."""

    kept: dict[str, Hook] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)
    room: int = 1000
    trouble: list[Exception] = field(default_factory=list)

    def add(self, hook: Hook, seconds: float) -> str | None:
        if self.trouble:
            raise self.trouble.pop(0)
        if self.room <= len(self.kept):
            return None
        name = f"hook-{len(self.due) + 1}"
        self.kept[name], self.due[name] = hook, seconds
        return name

    def take(self) -> tuple[str, Hook] | None:
        return next(iter(self.kept.items()), None)

    def postpone(self, name: str, seconds: float) -> None:
        self.due[name] = seconds

    def end(self, name: str) -> None:
        del self.kept[name]
