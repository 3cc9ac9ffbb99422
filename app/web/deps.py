"""What the web process is built from. Its entry point fills this; nothing in app/web reads a setting."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.domain.acceptance import Acceptance
from app.domain.accounts import Account
from app.domain.webhook import Webhook


class Directory(Protocol):
    """Who may send webhooks. Raises StoreUnavailable."""

    def account(self, account_id: int) -> Account | None:
        """The account, None where it is not installed."""

    def secrets_of(self, client_id: str) -> Sequence[str]:
        """Client secrets of an integration, newest first, each of them valid; empty for an unknown one."""


@dataclass(frozen=True, slots=True)
class WebDeps:
    """Values and flows for the views. Every callable raises StoreUnavailable where the store cannot be asked.

    kommo_base_url, public_url: the settings of these names (contract 2).
    public_client_id: the integration of accounts that have none of their own, None where the service has none.
    directories: asked one after the other while a webhook is refused; the last one knows what is true now.
    accept: charge or refuse and queue, atomically; raises AccountUnknown where the account was removed meanwhile, and
        AccountChanged where it is not the present record that was looked at.
    readiness: why the service cannot do its work now, in words for an operator; empty when it can.
    """

    kommo_base_url: str
    public_url: str
    public_client_id: str | None
    directories: Sequence[Directory]
    accept: Callable[[Account, Webhook], Acceptance]
    readiness: Callable[[], Sequence[str]]
