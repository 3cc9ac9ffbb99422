"""An installation through OAuth: from a code that anybody may have sent to an account that Kommo vouches for."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.domain.account_addresses import subdomain_at
from app.domain.accounts import Account, AccountExists, Secrets
from app.domain.answers import Deadline
from app.domain.kommo_hooks import Granted, InstallHook
from app.domain.oauth_tokens import AccessRefused, KommoAccount, KommoUnavailable
from app.domain.return_url import AddressInvalid, account_origin
from app.services.administration import Defaults
from app.services.grants import Grants
from app.services.ports import AccountLookUp, Accounts
from app.services.record_changes import change_record

LOOK_SECONDS = 20.0


class NotAdministrator(Exception):
    """Whoever gave the new tokens may not continue bots, and the account has tokens of somebody who may."""


class NotAnAccount(Exception):
    """Kommo gave tokens, and shows no account for them. status: the HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Kommo shows no account for new tokens: status {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Installing:
    """How accounts are installed. template: KOMMO_BASE_URL. defaults: what a new account gets."""

    accounts: Accounts
    grants: Grants
    look_up: AccountLookUp
    template: str
    defaults: Defaults
    public_client_id: str | None = None
    clock: Callable[[], float] = time.time

    def exchanged(self, hook: InstallHook) -> Granted:
        """The tokens for the hook's code. Nothing is stored.

        Raises GrantRefused, TokensUnavailable, IntegrationUnknown and StoreUnavailable.
        """
        tokens = self.grants.for_code(str(hook.origin), hook.client_id, hook.code)
        return Granted(tokens, hook.origin, hook.client_id, self.clock())

    def installed(self, granted: Granted) -> Account:
        """Learn whose the tokens are and store them: in a new account, or in the one that is there.

        One that is there keeps its settings, its plan and its boosts, and is installed again where it was revoked.
        Raises NotAdministrator, NotAnAccount, KommoUnavailable and StoreUnavailable.
        """
        try:
            found = self.look_up.account(str(granted.origin), granted.tokens.access, self._deadline())
        except AccessRefused as refused:
            if refused.status == 403:  # this machine is blocked for a while (kommo.md 8.8)
                raise KommoUnavailable("403") from None
            raise NotAnAccount(refused.status) from None
        self._check_user(granted, found)
        return self._stored(granted, replace(found, subdomain=self._subdomain(granted, found)))

    def _subdomain(self, granted: Granted, found: KommoAccount) -> str:
        """The name that leads to the account: its own, or where KOMMO_BASE_URL has no place for it the one that did."""
        try:
            account_origin(self.template, found.subdomain)
        except AddressInvalid:
            return subdomain_at(self.template, granted.origin) or found.subdomain
        return found.subdomain

    def _check_user(self, granted: Granted, found: KommoAccount) -> None:
        """See that tokens which work are not replaced by tokens that continue no bot.

        Only administrators can install, but every user can authorize what is installed (kommo.md 5.2).
        """
        account = self.accounts.get(found.account_id)
        if account is None or account.access != "granted" or account.secrets.access_token is None:
            return
        if found.user_id is None:
            return
        origin, access_token = str(granted.origin), granted.tokens.access
        if self.look_up.is_administrator(origin, found.user_id, access_token, self._deadline()) is False:
            raise NotAdministrator

    def _stored(self, granted: Granted, found: KommoAccount) -> Account:
        tokens = granted.tokens

        def again(account: Account) -> Account:
            return replace(
                account,
                subdomain=found.subdomain,
                client_id=self._own(granted.client_id),
                secrets=Secrets(account.secrets.openai_api_key, tokens.access, tokens.refresh),
                access="granted",
                tokens_given_at=int(granted.given_at),
            )

        while True:
            account, _ = change_record(self.accounts, found.account_id, again)
            if account is not None:
                return account
            blank = Account(
                found.account_id, found.subdomain, timezone=self.defaults.timezone, locale=self.defaults.locale
            )
            try:
                return self.accounts.add(again(blank))
            except AccountExists:
                continue

    def _own(self, client_id: str) -> str | None:
        """The integration as accounts name it: None for the public one."""
        return None if client_id == self.public_client_id else client_id

    def _deadline(self) -> Deadline:
        return Deadline(self.clock() + LOOK_SECONDS, self.clock)
