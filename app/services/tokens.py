"""The tokens with which Kommo is called: used as they are, refreshed when Kommo refuses one (kommo.md 5.3)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from app.domain.accounts import Account, ChangedMeanwhile, Secrets
from app.domain.oauth_tokens import GrantRefused, Tokens, TokensUnavailable
from app.services.ports import Accounts, Locks

log = structlog.get_logger(__name__)

LOCK_SECONDS = 30.0
LOOK_EVERY_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class TokenKeeper:
    """Implements the port Tokens.

    refresh: asks Kommo for new tokens with a refresh token; raises GrantRefused and TokensUnavailable.
    """

    accounts: Accounts
    locks: Locks
    refresh: Callable[[Account, str], Tokens]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def current(self, account: Account) -> str | None:
        """The access token as it stands, None when the account has none."""
        return account.secrets.access_token

    def renewed(self, account: Account, refused: str) -> str | None:
        """Another token after Kommo refused this one; None when there is none to be had.

        One refresh per account at a time: whoever comes second waits for the first one's token. Both new tokens are
        stored in one step before either is used: the old refresh token works until then.
        Raises TokensUnavailable when Kommo cannot be asked now, and StoreUnavailable.
        """
        deadline = self.clock() + LOCK_SECONDS
        while True:
            found = self.accounts.get(account.account_id)
            if found is None or found.secrets.access_token != refused:
                return found.secrets.access_token if found else None
            if found.secrets.refresh_token is None:
                return None
            with self.locks.tried(f"token_refresh:{account.account_id}", LOCK_SECONDS) as ours:
                if ours:
                    return self._refreshed(account.account_id, refused)
            if self.clock() > deadline:
                raise TokensUnavailable("another refresh does not end")
            self.sleep(LOOK_EVERY_SECONDS)

    def _refreshed(self, account_id: int, refused: str) -> str | None:
        account = self.accounts.get(account_id)
        if account is None or account.secrets.refresh_token is None:
            return None
        if account.secrets.access_token != refused:
            return account.secrets.access_token
        try:
            tokens = self.refresh(account, account.secrets.refresh_token)
        except GrantRefused as error:
            log.warning("token_refresh_refused", account_id=account_id, http_status=error.status)
            return None
        self._store(account, tokens)
        return tokens.access

    def _store(self, account: Account, tokens: Tokens) -> None:
        while True:
            secrets = Secrets(account.secrets.openai_api_key, tokens.access, tokens.refresh)
            try:
                self.accounts.replace(replace(account, secrets=secrets), account.version)
            except ChangedMeanwhile:
                found = self.accounts.get(account.account_id)
                if found is None:
                    return
                account = found
            else:
                return
