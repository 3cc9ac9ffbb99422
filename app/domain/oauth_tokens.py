"""The tokens that Kommo's OAuth gives an integration for one account (kommo.md 5.3)."""

from dataclasses import dataclass, field


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


class GrantRefused(Exception):
    """Kommo gives no tokens for this code or refresh token, and will not later. status: the HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Kommo refused the code or refresh token with status {status}")
        self.status = status


class TokensUnavailable(Exception):
    """Kommo could not be asked for tokens, or its answer was lost: nothing is known about the grant.

    It may have been used up by this very call. Kommo's documents let the old refresh token work until the new one is
    used, so the same call may be repeated (kommo.md 5.3).
    detail: our own word for what was seen, or the HTTP status.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(f"Kommo's token endpoint is not available: {detail}")
        self.detail = detail
