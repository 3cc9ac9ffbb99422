"""The tokens with which Kommo is called: used as they are, refreshed when Kommo refuses one (kommo.md 5.3)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from app.domain.accounts import Account, Secrets
from app.domain.oauth_tokens import (
    GrantRefused,
    IntegrationUnknown,
    KommoUnavailable,
    Tokens,
    TokensUnavailable,
    is_dead,
    may_have_moved,
)
from app.services.ports import Accounts, Locks
from app.services.record_changes import change_record

log = structlog.get_logger(__name__)

# Longer than a refresh takes, and short enough to wait for where its process was killed. Two at once would do no harm:
# both are given pairs for the same refresh token, and the one that is stored works.
LOCK_SECONDS = 40.0
LOOK_EVERY_SECONDS = 0.2
# An answer that was lost within so many seconds is asked for again at once; after a longer silence the caller decides.
QUICKLY_SECONDS = 5.0


def _stays(_account: Account) -> Account | None:
    """Where an account has moved as long as nobody can be asked: nowhere."""
    return None


@dataclass(frozen=True, slots=True)
class TokenKeeper:
    """Implements the port Tokens.

    refresh: asks Kommo for new tokens with a refresh token; raises GrantRefused, TokensUnavailable, IntegrationUnknown.
    relearned: the account at the address that it has now, None where that is no other one; raises KommoUnavailable.
    clock: monotonic. now: seconds since the epoch.
    """

    accounts: Accounts
    locks: Locks
    refresh: Callable[[Account, str], Tokens]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    relearned: Callable[[Account], Account | None] = _stays
    now: Callable[[], float] = time.time

    def current(self, account: Account) -> str | None:
        """The access token as it stands, None when the account has none."""
        return account.secrets.access_token

    def renewed(self, account: Account, refused: str) -> str | None:
        """Another token after Kommo refused this one; None when there is none to be had.

        One refresh per account at a time: whoever comes second waits for the first one's token. Both new tokens are
        stored in one step before either is used, beside the refresh token that was used for them: it works until they
        are. Where Kommo takes neither, the account's record says so.
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
            return self._stored(account, *self._granted(account, account.secrets.refresh_token))
        except GrantRefused as error:
            log.warning("token_refresh_refused", account_id=account_id, http_status=error.status)
            if is_dead(error.status):
                self._lost(account)
        except IntegrationUnknown:
            log.error("integration_without_secret", account_id=account_id)  # noqa: TRY400 - where is known
        return None

    def _granted(self, account: Account, refresh_token: str) -> tuple[str, Tokens]:
        """New tokens, and the refresh token that they were given for.

        Where the newest one is refused the account may have moved, or the pair it belongs to was never Kommo's last.
        """
        try:
            return refresh_token, self._asked(account, refresh_token)
        except GrantRefused as refused:
            moved = self._moved(account) if may_have_moved(refused.status) else None
            if moved is not None:
                return refresh_token, self._asked(moved, refresh_token)
            previous = account.secrets.previous_refresh_token
            if previous is None:
                raise
            return previous, self._asked(account, previous)

    def _asked(self, account: Account, refresh_token: str) -> Tokens:
        """Ask Kommo, and once more where its answer was lost on the way: the same refresh token still works."""
        began = self.clock()
        try:
            return self.refresh(account, refresh_token)
        except TokensUnavailable as lost:
            if not lost.maybe_granted or self.clock() - began > QUICKLY_SECONDS:
                raise
            return self.refresh(account, refresh_token)

    def _moved(self, account: Account) -> Account | None:
        try:
            return self.relearned(account)
        except KommoUnavailable as error:
            raise TokensUnavailable(error.detail) from error

    def _stored(self, account: Account, used: str, tokens: Tokens) -> str | None:
        """Store both tokens, unless an installation has brought others meanwhile; the access token to go on with."""
        old = (account.secrets.refresh_token, account.secrets.previous_refresh_token)

        def with_tokens(found: Account) -> Account | None:
            if (found.secrets.refresh_token, found.secrets.previous_refresh_token) != old:
                return None
            secrets = Secrets(found.secrets.openai_api_key, tokens.access, tokens.refresh, used)
            access = "granted" if found.access == "lost" else found.access
            return replace(found, secrets=secrets, access=access, tokens_given_at=int(self.now()))

        now, _ = change_record(self.accounts, account.account_id, with_tokens)
        return None if now is None else now.secrets.access_token

    def _lost(self, account: Account) -> None:
        """Say in the record that Kommo takes none of its tokens, unless an installation has brought others."""

        def without_access(found: Account) -> Account | None:
            if found.access != "granted" or found.secrets != account.secrets:
                return None
            return replace(found, access="lost")

        _, changed = change_record(self.accounts, account.account_id, without_access)
        if changed:
            log.error("access_lost", account_id=account.account_id)
