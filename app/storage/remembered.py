"""What the door looks up for every webhook, remembered for a moment, so that an acceptance is one round trip.

A remembered account is safe: the acceptance compares its version (lua/accept.lua). A remembered secret can let a
genuine token of an integration in for a moment after that secret was taken away, and never keeps a new one out: what
is refused by memory is looked at afresh.
"""

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from app.domain.accounts import Account
from app.storage.accounts import RedisAccounts
from app.storage.integrations import IntegrationSecrets
from app.together import no_waiting_together

SECONDS = 5.0
MOST = 10_000

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Memory(Generic[Key, Value]):
    """Answers that are not empty, for some seconds. Threads may look a thing up twice; both are right."""

    def __init__(self, look_up: Callable[[Key], Value], clock: Callable[[], float]) -> None:
        self._look_up = look_up
        self._clock = clock
        self._known: dict[Key, tuple[float, Value]] = {}

    def __call__(self, key: Key) -> Value:
        now = self._clock()
        until, value = self._known.get(key, (0.0, None))
        if value is not None and now < until:
            return value
        no_waiting_together()
        return self.fresh(key)

    def fresh(self, key: Key) -> Value:
        found = self._look_up(key)
        if len(self._known) >= MOST:
            self._known.clear()
        if found:
            self._known[key] = (self._clock() + SECONDS, found)
        else:
            self._known.pop(key, None)
        return found


class CurrentDirectory:
    """Accounts and secrets as they are now. Raises StoreUnavailable."""

    def __init__(self, accounts: RedisAccounts, secrets: IntegrationSecrets, clock: Callable[[], float]) -> None:
        self.memory_of_accounts = _Memory[int, Account | None](lambda known: _installed(accounts.get(known)), clock)
        self.memory_of_secrets = _Memory[str, Sequence[str]](secrets.of, clock)

    def account(self, account_id: int) -> Account | None:
        """The account, None where it is not installed."""
        return self.memory_of_accounts.fresh(account_id)

    def secrets_of(self, client_id: str) -> Sequence[str]:
        """Client secrets of an integration, newest first; empty for an unknown one."""
        return self.memory_of_secrets.fresh(client_id)


def _installed(account: Account | None) -> Account | None:
    """The account, unless the company has taken its access back or it is being removed: then it is not installed."""
    return None if account is None or account.access == "revoked" or account.removing else account


class RememberedDirectory:
    """The same, at most some seconds old; what is not remembered is looked up.

    Raises StoreUnavailable, and WouldWait where nobody may wait for a look.
    """

    def __init__(self, current: CurrentDirectory) -> None:
        self._current = current

    def account(self, account_id: int) -> Account | None:
        """The account, None where it is not installed."""
        return self._current.memory_of_accounts(account_id)

    def secrets_of(self, client_id: str) -> Sequence[str]:
        """Client secrets of an integration, newest first; empty for an unknown one."""
        return self._current.memory_of_secrets(client_id)


def directories(
    accounts: RedisAccounts, secrets: IntegrationSecrets, clock: Callable[[], float] = time.monotonic
) -> tuple[RememberedDirectory, CurrentDirectory]:
    """What the door asks first, and what it asks when that was not enough."""
    current = CurrentDirectory(accounts, secrets, clock)
    return RememberedDirectory(current), current


class AccountsByVersion:
    """Account records, read anew only when their version has changed. Used by many threads. Raises StoreUnavailable."""

    def __init__(self, accounts: RedisAccounts) -> None:
        self._accounts = accounts
        self._known: dict[int, Account] = {}

    def at(self, account_id: int, version: int) -> Account | None:
        """The account in this version or a later one, None where it is not installed any more."""
        known = self._known.get(account_id)
        if known is not None and known.version == version:
            return known
        found = self._accounts.get(account_id)
        if len(self._known) >= MOST:
            self._known.clear()
        if found is None:
            self._known.pop(account_id, None)
        else:
            self._known[account_id] = found
        return found
