"""Integrations of an account and the tokens that give access to it (kommo.md 5)."""

import secrets
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.kommo_jwt import signed

CODE_LIFETIME = 20 * 60
ACCESS_LIFETIME = 24 * 60 * 60
REFRESH_LIFETIME = 90 * 24 * 60 * 60
_SCOPES = ["crm", "notifications"]


@dataclass(slots=True)
class Integration:
    """What signs webhooks and asks for tokens. secret is the current one; previous_secret the one before it.

    revoked_uri: where Kommo says that an account has taken its access back, None where nothing was entered.
    """

    client_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    redirect_uri: str | None = None
    revoked_uri: str | None = None
    public: bool = False
    previous_secret: str | None = field(default=None, repr=False)

    def change_secret(self) -> None:
        """Generate a new secret key: webhooks are signed with it from now on (kommo.md 5.1)."""
        self.previous_secret = self.secret
        self.secret = secrets.token_urlsafe(48)


@dataclass(frozen=True, slots=True)
class Access:
    """Whose call it is. admin: whether an administrator gave the token."""

    client_id: str
    user_id: int
    admin: bool
    expires_at: float
    long_lived: bool = False


class TokenRefused(Exception):
    """The token endpoint refuses; the text is the `hint` of its answer."""


@dataclass(eq=False, slots=True)
class _Refresh:
    access: Access
    parent: "_Refresh | None"
    alive: bool = True
    children: "list[_Refresh]" = field(default_factory=list)


class TokenBook:
    """All tokens of one account. Usable from any thread.

    overlap: whether a refresh token goes on working until its successor has been used; the documentation says both
    (kommo.md 5.3).
    """

    def __init__(self, account_id: int, api_domain: str, clock: Callable[[], float]) -> None:
        self.overlap = True
        self._account_id = account_id
        self._api_domain = api_domain
        self._clock = clock
        self._key = secrets.token_hex(32)
        self._lock = threading.RLock()
        self._access: dict[str, Access] = {}
        self._refresh: dict[str, _Refresh] = {}
        self._codes: dict[str, Access] = {}
        self._spent_codes: set[str] = set()

    def issue_long_lived(self, integration: Integration, user_id: int, lifetime: float) -> str:
        """A long-lived token of a private integration without a redirect URI (kommo.md 5.5)."""
        if integration.public or integration.redirect_uri is not None:
            raise ValueError("long-lived tokens need a private integration with an empty redirect URI (kommo.md 5.5)")
        return self._new_access(Access(integration.client_id, user_id, True, self._clock() + lifetime, long_lived=True))

    def issue_code(self, integration: Integration, user_id: int, admin: bool) -> str:
        """An authorization code, good for 20 minutes and one exchange."""
        code = "def502" + secrets.token_hex(48)
        with self._lock:
            self._codes[code] = Access(integration.client_id, user_id, admin, self._clock() + CODE_LIFETIME)
        return code

    def exchange_code(self, code: str, client_id: str) -> tuple[str, str]:
        """Access and refresh token for a code. Raises TokenRefused."""
        with self._lock:
            if code in self._spent_codes:
                raise TokenRefused("Authorization code has been revoked")
            granted = self._codes.get(code)
            if granted is None or granted.client_id != client_id:
                raise TokenRefused("Cannot decrypt the authorization code")
            if granted.expires_at <= self._clock():
                raise TokenRefused("Authorization code has expired")
            self._spent_codes.add(code)
            return self._new_pair(granted, None)

    def refresh(self, token: str, client_id: str) -> tuple[str, str]:
        """New access and refresh token for a refresh token. Raises TokenRefused."""
        with self._lock:
            used = self._living_refresh(token)
            if used is None or used.access.client_id != client_id:
                raise TokenRefused("Token has been revoked")
            if used.parent is not None:
                used.parent.alive = False
                for sibling in used.parent.children:
                    sibling.alive = sibling is used
            used.alive = self.overlap
            return self._new_pair(used.access, used)

    def access_of(self, token: str) -> Access | None:
        """Whose access token this is, None when it is unknown, expired or revoked."""
        with self._lock:
            access = self._access.get(token)
            return access if access is not None and access.expires_at > self._clock() else None

    def knows_refresh(self, token: str) -> bool:
        """Whether this refresh token would still be taken."""
        with self._lock:
            return self._living_refresh(token) is not None

    def revoke(self, client_id: str) -> None:
        """Every token and code of this integration is over (uninstalled, or a private one's secret changed)."""
        with self._lock:
            self._access = {token: a for token, a in self._access.items() if a.client_id != client_id}
            self._refresh = {token: r for token, r in self._refresh.items() if r.access.client_id != client_id}
            self._codes = {code: a for code, a in self._codes.items() if a.client_id != client_id}

    def expire_access(self) -> None:
        """Every access token that came from OAuth is over; refresh tokens and long-lived tokens are not."""
        with self._lock:
            self._access = {token: access for token, access in self._access.items() if access.long_lived}

    def _living_refresh(self, token: str) -> _Refresh | None:
        found = self._refresh.get(token)
        return found if found is not None and found.alive and found.access.expires_at > self._clock() else None

    def _new_pair(self, granted: Access, parent: _Refresh | None) -> tuple[str, str]:
        now = self._clock()
        lasting = Access(granted.client_id, granted.user_id, granted.admin, now + REFRESH_LIFETIME)
        refresh = _Refresh(lasting, parent)
        if parent is not None:
            parent.children.append(refresh)
        token = "def502" + secrets.token_hex(48)
        self._refresh[token] = refresh
        access = Access(granted.client_id, granted.user_id, granted.admin, now + ACCESS_LIFETIME)
        return self._new_access(access), token

    def _new_access(self, access: Access) -> str:
        # A JWT, as Kommo's are: `api_domain` is read by those who look for a renamed account (kommo.md 5.3).
        now = int(self._clock())
        claims = {
            "aud": access.client_id,
            "jti": secrets.token_hex(32),
            "iat": now,
            "nbf": now,
            "exp": int(access.expires_at),
            "sub": str(access.user_id),
            "account_id": self._account_id,
            "api_domain": self._api_domain,
            "scopes": _SCOPES,
        }
        token = signed(claims, self._key, "HS256")
        with self._lock:
            self._access[token] = access
        return token
