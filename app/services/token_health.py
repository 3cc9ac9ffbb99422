"""A regular look at every account's tokens, so that none dies unnoticed (kommo.md 5.3, 11).

A refresh token that is not used for three months is over, and a company that hardly anybody writes to would hear of
it from its first client who gets no answer.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import structlog

from app.domain.accounts import Access, Account
from app.domain.oauth_tokens import KommoUnavailable
from app.services.paced import NO_ROOM
from app.services.ports import Accounts, TokenChecks, Tokens
from app.services.proving import Proving
from app.services.record_changes import change_record

log = structlog.get_logger(__name__)

_HOUR = 3600.0
_DAY = 24 * _HOUR
# Far below the three months after which Kommo takes a refresh token no more.
OLDEST_REFRESH_TOKEN = 28 * _DAY
# A token that was given or proved within a day needs no proof.
PROVED_FOR = _DAY
AGAIN_AFTER_TROUBLE = _HOUR
AGAIN_WITHOUT_ROOM = 60.0
# How many accounts one round looks at. At one round a minute that is 40,000 accounts a day for each worker process.
MOST_IN_A_ROUND = 30


@dataclass(frozen=True, slots=True)
class TokenHealth:
    """How tokens are looked after. ids: of all accounts. clock: seconds since the epoch."""

    checks: TokenChecks
    accounts: Accounts
    ids: Callable[[], Iterable[int]]
    proving: Proving
    tokens: Tokens
    clock: Callable[[], float] = time.time

    def enlist(self) -> None:
        """Give accounts that are new a time for their first look, spread over a day. Raises StoreUnavailable."""
        self.checks.enlist(self.ids(), PROVED_FOR)

    def look_round(self) -> None:
        """Look at the accounts whose time has come, as far as Kommo's pace has room. Raises StoreUnavailable."""
        for _ in range(MOST_IN_A_ROUND):
            account_id = self.checks.take()
            if account_id is None or not self._looked_at(account_id):
                return

    def _looked_at(self, account_id: int) -> bool:
        """Look at one account; False where nothing more can be asked of Kommo for now."""
        account = self.accounts.get(account_id)
        if account is None:
            self.checks.drop(account_id)
        elif account.access == "revoked" or account.secrets.access_token is None:
            self.checks.put_off(account_id, PROVED_FOR)
        elif account.access == "granted" and self._age(account) < PROVED_FOR:
            self.checks.put_off(account_id, PROVED_FOR - self._age(account))
        else:
            return self._proved(account)
        return True

    def _proved(self, account: Account) -> bool:
        """Ask Kommo about its tokens; False where nothing more can be asked for now."""
        try:
            granted = self.proving.refusal(self._with_young_tokens(account)) is None
        except KommoUnavailable as error:
            log.info("token_not_checked", account_id=account.account_id, reason=error.detail)
            no_room = error.detail == NO_ROOM
            self.checks.put_off(account.account_id, AGAIN_WITHOUT_ROOM if no_room else AGAIN_AFTER_TROUBLE)
            return not no_room
        self._marked(account.account_id, "granted" if granted else "lost")
        self.checks.put_off(account.account_id, PROVED_FOR)
        return True

    def _with_young_tokens(self, account: Account) -> Account:
        """The account after its refresh token has been used, where that is an old one."""
        secrets = account.secrets
        if secrets.refresh_token is None or self._age(account) < OLDEST_REFRESH_TOKEN:
            return account
        self.tokens.renewed(account, secrets.access_token or "")
        return self.accounts.get(account.account_id) or account

    def _age(self, account: Account) -> float:
        """Seconds since Kommo gave the tokens; very old where it is not known."""
        return self.clock() - (account.tokens_given_at or 0)

    def _marked(self, account_id: int, access: Access) -> None:
        """Say in the record what was found, where that is new."""

        def told(found: Account) -> Account | None:
            return None if found.access == "revoked" else replace(found, access=access)

        _, changed = change_record(self.accounts, account_id, told)
        if changed and access == "lost":
            log.error("access_lost", account_id=account_id)
        elif changed:
            log.info("access_found_again", account_id=account_id)
