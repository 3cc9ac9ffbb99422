"""Asking Kommo for tokens, with whichever of an integration's secrets Kommo takes now (kommo.md 5.1, 5.3)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.accounts import Account
from app.domain.answers import Deadline
from app.domain.oauth_tokens import GrantRefused, IntegrationUnknown, OAuthIntegration, Tokens, TokensUnavailable
from app.domain.return_url import AddressInvalid, account_origin
from app.services.ports import Integrations, TokenEndpoint

# For one call to the token endpoint. Kommo may have given the tokens away when it is cut off, so it is long.
CALL_SECONDS = 20.0
# What Kommo answers to a secret that is not the integration's.
_WRONG_SECRET = 401


@dataclass(frozen=True, slots=True)
class Grants:
    """The token endpoint of every account.

    template: KOMMO_BASE_URL. public_client_id: the integration of accounts without one of their own.
    redirect_uri: the one that every integration of ours has configured at Kommo.
    Every method raises GrantRefused, TokensUnavailable, IntegrationUnknown and StoreUnavailable.
    """

    endpoint: TokenEndpoint
    integrations: Integrations
    template: str
    redirect_uri: str
    public_client_id: str | None = None
    clock: Callable[[], float] = time.time

    def for_code(self, origin: str, client_id: str, code: str) -> Tokens:
        """The tokens for the code of an installation; it works once."""
        return self._granted(
            client_id, lambda integration, deadline: self.endpoint.exchange_code(origin, integration, code, deadline)
        )

    def for_refresh_token(self, account: Account, refresh_token: str) -> Tokens:
        """New tokens for an account."""
        try:
            origin = str(account_origin(self.template, account.subdomain))
        except AddressInvalid:
            raise TokensUnavailable("no_address") from None
        return self._granted(
            account.client_id or self.public_client_id or "",
            lambda integration, deadline: self.endpoint.refresh(origin, integration, refresh_token, deadline),
        )

    def _granted(self, client_id: str, ask: Callable[[OAuthIntegration, Deadline], Tokens]) -> Tokens:
        """Ask with the newest secret, and with the one before it where Kommo does not know the new one yet."""
        refused: GrantRefused | None = None
        for secret in self.integrations.of(client_id):
            integration = OAuthIntegration(client_id, secret, self.redirect_uri)
            try:
                return ask(integration, Deadline(self.clock() + CALL_SECONDS, self.clock))
            except GrantRefused as error:
                refused = refused or error
                if error.status != _WRONG_SECRET:
                    raise
        raise refused or IntegrationUnknown(client_id)
