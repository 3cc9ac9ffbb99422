"""The tokens that Kommo's OAuth gives an integration for one account (kommo.md 5.3)."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

# The year 9999: what names a later one tells no time.
_LATEST = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens. Using the refresh token of this pair makes the one before it worthless.

    expires_at: when the access token stops working, in seconds since the epoch of the service's clock.
    """

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class OAuthIntegration:
    """An integration as Kommo knows it. redirect_uri: exactly the one configured at Kommo."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class KommoAccount:
    """The account that a token belongs to, as Kommo knows it. user_id: who gave the token, None where it is unsaid."""

    account_id: int
    subdomain: str
    user_id: int | None = None


class GrantRefused(Exception):
    """Kommo gives no tokens for this code or refresh token, and will not later. status: the HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Kommo refused the code or refresh token with status {status}")
        self.status = status


class IntegrationUnknown(Exception):
    """No secret of this integration is known here, so nobody can be asked for its tokens."""


class AccessRefused(Exception):
    """Kommo answers a call with this token at this address, and does not do what was asked. status: the HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Kommo refused the call with status {status}")
        self.status = status


class KommoUnavailable(Exception):
    """Kommo could not be asked, or its answer was lost or cannot be read: ask again later.

    detail: our own word for what was seen, or the HTTP status.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(f"Kommo is not available: {detail}")
        self.detail = detail


class TokensUnavailable(KommoUnavailable):
    """The same of the token endpoint: nothing is known about the grant.

    It may have been used up by this very call. Kommo's documents let the old refresh token work until the new one is
    used, so the same call may be repeated (kommo.md 5.3).
    maybe_granted: the call was sent and its answer was lost on the way.
    """

    def __init__(self, detail: str, *, maybe_granted: bool = False) -> None:
        super().__init__(detail)
        self.maybe_granted = maybe_granted


def is_dead(status: int) -> bool:
    """Whether this status of a refused grant or call speaks against the token or the address, for good.

    402 (unpaid), 403 (this machine is blocked, or rights are missing) and the like say nothing about them.
    """
    return status in (400, 401, 404)


def may_have_moved(status: int) -> bool:
    """Whether the account may be at another address now: what hosts of renamed accounts answer (kommo.md 5.3, 8.8)."""
    return status in (401, 404) or 300 <= status < 400


def api_domain(access_token: str) -> str | None:
    """The shared API host that an access token names, None where it names none (kommo.md 9.1).

    The token is not verified: nobody but Kommo can. Where the host may be called is the caller's to decide.
    """
    named = _claims(access_token).get("api_domain")
    return named if isinstance(named, str) else None


def expires_at(access_token: str) -> float | None:
    """When an access token stops working, as it says itself: seconds since the epoch, None where it says nothing."""
    named = _claims(access_token).get("exp")
    if not isinstance(named, int | float) or isinstance(named, bool) or not 0 <= named <= _LATEST:
        return None
    return float(named)


def _claims(access_token: str) -> dict[str, Any]:
    parts = access_token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}
