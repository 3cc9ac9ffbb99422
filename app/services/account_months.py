"""What accounts have used of their present months, many at a time, for people who look after the service."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.account_list import AccountMonth
from app.domain.accounts import Account
from app.services.ports import Ledger


class SomeAccounts(Protocol):
    """Account records, many at once. Raises StoreUnavailable."""

    def some(self, wanted: Sequence[int]) -> Sequence[Account]:
        """Those of these accounts that are installed, in the same order."""


class NearLimit(Protocol):
    """Accounts that were near their limit when it last mattered. Raises StoreUnavailable."""

    def ids(self, most: int) -> Sequence[int]:
        """So many at most, those that had used the most first."""

    def forget(self, account_ids: Sequence[int]) -> None:
        """These are not near any more."""


@dataclass(frozen=True, slots=True)
class AccountMonths:
    """Reads, and tidies the list of those that are near. Every method raises StoreUnavailable."""

    accounts: SomeAccounts
    ledger: Ledger
    near: NearLimit

    def of(self, accounts: Iterable[Account]) -> list[AccountMonth]:
        """The present month of each, in the same order. One round trip for each of them."""
        return [self.month(account) for account in accounts]

    def month(self, account: Account, period: str | None = None) -> AccountMonth:
        """A month, `YYYY-MM`, of one account; None for the present one."""
        wanted = period or self.ledger.period_now(account.zone)
        return AccountMonth(account, wanted, self.ledger.counters(account, wanted))

    def near_limit(self, most: int) -> list[AccountMonth]:
        """The accounts that are near their limit or over it, those that have used the most of it first.

        Looks at so many at most. Those that have begun another month or got more requests since are forgotten on the
        way, so that after a new month's beginning a few looks bring the rest.
        """
        ids = self.near.ids(most)
        months = self.of(self.accounts.some(ids))
        found = [month for month in months if month.is_near_limit]
        still_near = {month.account.account_id for month in found}
        self.near.forget([account_id for account_id in ids if account_id not in still_near])
        return sorted(found, key=lambda month: (-month.share, month.account.account_id))
