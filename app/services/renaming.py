"""Accounts that were renamed: where they live now, asked of Kommo and never taken from a request (kommo.md 5.3, 9.2).

Tokens are sent to nobody but the addresses that KOMMO_BASE_URL allows, whoever names them.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import structlog

from app.domain.accounts import Account
from app.domain.answers import Deadline
from app.domain.kommo_hooks import origin_of_host
from app.domain.oauth_tokens import AccessRefused, KommoAccount, KommoUnavailable, api_domain
from app.domain.return_url import AddressInvalid, Origin, account_origin
from app.services.ports import AccountLookUp, Accounts
from app.services.record_changes import change_record

log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0

LookUp = Callable[[Deadline], KommoAccount]


@dataclass(frozen=True, slots=True)
class Renaming:
    """How accounts are found again. template: KOMMO_BASE_URL. clock: seconds since the epoch."""

    accounts: Accounts
    look_up: AccountLookUp
    template: str
    clock: Callable[[], float] = time.time

    def relearned(self, account: Account, deadline: Deadline, told: Origin | None = None) -> Account | None:
        """The account with the address that Kommo says it has now, stored; None where that is none or the same.

        Asked at the shared API host that its access token names; where the token names none, at `told`: an address
        that a token signed by Kommo has named.
        Raises KommoUnavailable and StoreUnavailable.
        """
        for ask in self._look_ups(account, told):
            try:
                found = ask(deadline)
            except AccessRefused:
                continue
            return self.noted(account, found)
        return None

    def relearned_soon(self, account: Account) -> Account | None:
        """The same, within the seconds that whoever waits for new tokens has for it."""
        return self.relearned(account, Deadline(self.clock() + LOOK_SECONDS, self.clock))

    def _look_ups(self, account: Account, told: Origin | None) -> Iterator[LookUp]:
        """What may be asked, first the one that Kommo documents."""
        access, refresh = account.secrets.access_token, account.secrets.refresh_token
        if access is None:
            return
        shared = self._shared_host(access)
        if shared is not None and refresh is not None:
            yield partial(self.look_up.account_of_refresh_token, shared, refresh)
        asked = shared or (None if told is None else str(told))
        if asked is not None:
            yield partial(self.look_up.account, asked, access)

    def _shared_host(self, access_token: str) -> str | None:
        named = api_domain(access_token)
        try:
            return None if named is None else str(origin_of_host(self.template, named))
        except AddressInvalid:
            log.warning("api_host_not_allowed")
            return None

    def noted(self, account: Account, found: KommoAccount) -> Account | None:
        """Store what Kommo says of where this account lives; the account as it is now, None where nothing is new.

        An address that KOMMO_BASE_URL does not allow is not stored. Raises KommoUnavailable and StoreUnavailable.
        """
        if found.account_id != account.account_id:
            raise KommoUnavailable("another_account")
        if found.subdomain == account.subdomain:
            return None
        try:
            account_origin(self.template, found.subdomain)
        except AddressInvalid:
            log.warning("account_address_not_allowed", account_id=account.account_id)
            return None
        now, changed = change_record(
            self.accounts, account.account_id, lambda stored: replace(stored, subdomain=found.subdomain)
        )
        if changed:
            log.info("account_renamed", account_id=account.account_id)
        return now
