"""Whether Kommo still takes the tokens of an account (kommo.md 5.4, 8.8): the one question behind every alarm."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.accounts import Account
from app.domain.answers import Deadline
from app.domain.oauth_tokens import AccessRefused, KommoUnavailable, may_have_moved
from app.domain.return_url import AddressInvalid, account_origin
from app.services.ports import AccountLookUp, Accounts, Tokens
from app.services.renaming import Renaming

LOOK_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Proving:
    """How access is proved. template: KOMMO_BASE_URL."""

    accounts: Accounts
    look_up: AccountLookUp
    tokens: Tokens
    renaming: Renaming
    template: str
    clock: Callable[[], float] = time.time

    def refusal(self, account: Account) -> int | None:
        """Ask Kommo for the account itself, with new tokens and at its new address where the stored ones fail.

        Returns the status with which Kommo refuses all of them, None where it takes one: 401 where it is the tokens
        that are refused, another one where there is no such account any more.
        Raises KommoUnavailable where Kommo says neither yes nor no, and StoreUnavailable.
        """
        look = _Look(self, account)
        while True:
            status = look.status()
            if status is None:
                return None
            if not may_have_moved(status):
                # Unpaid, blocked, no rights: that says nothing about the token.
                raise KommoUnavailable(str(status))
            if not look.with_something_else(status):
                return status


class _Look:
    """One account that is looked at, with at most one other token and one other address."""

    def __init__(self, proving: Proving, account: Account) -> None:
        self._proving = proving
        self._account = account
        self._token_tried = self._address_tried = False

    def status(self) -> int | None:
        """How Kommo refuses its token at its address; None where it does not."""
        proving, account = self._proving, self._account
        try:
            origin = str(account_origin(proving.template, account.subdomain))
            found = proving.look_up.account(origin, account.secrets.access_token or "", self._deadline())
        except AddressInvalid:
            raise KommoUnavailable("no_address") from None
        except AccessRefused as refused:
            return refused.status
        proving.renaming.noted(account, found)
        return None

    def with_something_else(self, status: int) -> bool:
        """Whether there is another token or another address to try."""
        if status == 401 and not self._token_tried:
            self._token_tried = True
            token = self._proving.tokens.renewed(self._account, self._account.secrets.access_token or "")
            if token is not None and self._goes_on_with(self._proving.accounts.get(self._account.account_id)):
                return True
        if self._address_tried:
            return False
        self._address_tried = True
        return self._goes_on_with(self._proving.renaming.relearned(self._account, self._deadline()))

    def _goes_on_with(self, account: Account | None) -> bool:
        if account is None:
            return False
        self._account = account
        return True

    def _deadline(self) -> Deadline:
        return Deadline(self._proving.clock() + LOOK_SECONDS, self._proving.clock)
