"""Lists of accounts for people: pages of it, what is searched for, and who is near a limit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.accounts import Account
from app.domain.quota import Counters, remaining

NEAR_LIMIT = 0.8
_ADDRESS = re.compile(r"(?:https?://)?(?P<name>[a-z0-9_-]+)(?:\.[a-z0-9.-]*)?(?::[0-9]+)?(?:[/?#].*)?")


@dataclass(frozen=True, slots=True)
class AccountsPage:
    """Accounts in the order of their addresses. after: the cursor of the next page, None for the last one."""

    accounts: Sequence[Account]
    after: str | None


@dataclass(frozen=True, slots=True)
class AccountMonth:
    """An account with what its present month has used."""

    account: Account
    period: str
    counters: Counters

    @property
    def limit(self) -> int:
        """Requests of the plan and of boosts together."""
        return self.counters.allowance + self.counters.boosts

    @property
    def taken(self) -> int:
        """Requests that were used or are under way."""
        return self.counters.used + self.counters.reserved

    @property
    def left(self) -> int:
        """Requests that can still be accepted."""
        return remaining(self.counters.allowance, self.counters.boosts, self.counters.used, self.counters.reserved)

    @property
    def share(self) -> float:
        """How much of the limit is taken, 0 to 1 and above; 1 where there is nothing to take."""
        return self.taken / self.limit if self.limit else 1.0

    @property
    def is_near_limit(self) -> bool:
        """Whether the account may soon be refused, or is."""
        return self.share >= NEAR_LIMIT


def searched_name(text: str) -> str | None:
    """How the subdomain begins that somebody looks for: of a name, a host or an address, in any case.

    None for what no address begins with.
    """
    found = _ADDRESS.fullmatch(text.strip().lower())
    return found["name"] if found else None


def searched_id(text: str) -> int | None:
    """The id of an account that somebody looks for; None for what is none."""
    told = text.strip()
    return int(told) if re.fullmatch(r"[0-9]{1,18}", told) else None
