"""A company takes its access back (kommo.md 5.4): told by a signed hook, and believed when Kommo's API agrees."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.domain.accounts import Account
from app.domain.kommo_hooks import HookOutcome, RevokedHook
from app.domain.oauth_tokens import KommoUnavailable
from app.services.ports import Accounts
from app.services.proving import Proving
from app.services.record_changes import change_record

# The hook may be faster than what it tells of, so an account that is still open is looked at twice.
SECOND_LOOK_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Revoking:
    """How accounts are revoked. public_client_id: the integration of accounts without one of their own."""

    accounts: Accounts
    proving: Proving
    public_client_id: str | None = None
    sleep: Callable[[float], None] = time.sleep

    def revoked(self, hook: RevokedHook) -> HookOutcome:
        """Mark the account, whose hook has been verified, as not installed; its data stay.

        The same URL may be called again for ever, also after the account was installed anew: nothing is done unless
        Kommo refuses the account's tokens now. Raises KommoUnavailable and StoreUnavailable.
        """
        account = self.accounts.get(hook.account_id)
        if account is None:
            return HookOutcome.ACCOUNT_UNKNOWN
        if account.access == "revoked":
            return HookOutcome.REVOKED_BEFORE
        if hook.client_id != (account.client_id or self.public_client_id):
            return HookOutcome.OTHER_INTEGRATION
        if self._is_granted(account):
            self.sleep(SECOND_LOOK_SECONDS)
            account = self.accounts.get(hook.account_id) or account
            if self._is_granted(account):
                return HookOutcome.ACCESS_STILL_GRANTED
        return self._marked(hook.account_id)

    def _is_granted(self, account: Account) -> bool:
        """Whether Kommo takes its tokens. Only a 401 says that it does not (kommo.md 5.4)."""
        if account.secrets.access_token is None:
            return False
        status = self.proving.refusal(account)
        if status not in (None, 401):
            raise KommoUnavailable(str(status))
        return status is None

    def _marked(self, account_id: int) -> HookOutcome:
        now, changed = change_record(self.accounts, account_id, lambda found: replace(found, access="revoked"))
        if now is None:
            return HookOutcome.ACCOUNT_UNKNOWN
        return HookOutcome.REVOKED if changed else HookOutcome.REVOKED_BEFORE
