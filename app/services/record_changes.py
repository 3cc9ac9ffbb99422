"""Changing an account's record while others may change it too."""

from collections.abc import Callable

from app.domain.accounts import Account, AccountUnknown, ChangedMeanwhile
from app.services.ports import Accounts

# How often a change is made anew because somebody else changed the account at the same moment.
ATTEMPTS = 20


def change_record(
    accounts: Accounts, account_id: int, change: Callable[[Account], Account | None]
) -> tuple[Account | None, bool]:
    """Make a change of what is stored; made anew where the account was changed meanwhile.

    change: what an account becomes, None where it is to stay as it is.
    Returns the account as it is now, None where it is not installed, and whether it was changed.
    Raises ChangedMeanwhile where others change it all the time, and StoreUnavailable.
    """
    for _ in range(ATTEMPTS):
        found = accounts.get(account_id)
        wanted = None if found is None else change(found)
        if found is None or wanted is None or wanted == found:
            return found, False
        try:
            return accounts.replace(wanted, found.version), True
        except (ChangedMeanwhile, AccountUnknown):
            continue
    raise ChangedMeanwhile(account_id)
