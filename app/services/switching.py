"""What happens to an account when OpenAI's Assistants API is gone: its imported profile wakes (contract 3.1)."""

from dataclasses import dataclass, replace

import structlog

from app.domain.accounts import Account, ChangedMeanwhile
from app.domain.assistants import Profile
from app.services.ports import Accounts

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ProfileSwitching:
    """Implements the port ProfileSwitch."""

    accounts: Accounts

    def wake_profile(self, account: Account) -> Profile | None:
        """Activate the imported profile in the account's record; None when it has none. Raises StoreUnavailable.

        Many turns may find out at the same moment; the record changes once.
        """
        while True:
            found = self.accounts.get(account.account_id)
            if found is None or found.profile is None:
                return None
            if found.profile.active:
                return found.profile
            woken = replace(found.profile, active=True)
            try:
                self.accounts.replace(replace(found, profile=woken), found.version)
            except ChangedMeanwhile:
                continue
            log.warning("assistants_api_gone", account_id=account.account_id, now="answers from the imported profile")
            return woken
