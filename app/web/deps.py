"""What the web process is built from. Its entry point fills this; nothing in app/web reads a setting."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

from app.domain.acceptance import Acceptance
from app.domain.account_list import AccountsPage
from app.domain.accounts import Account, Locale
from app.domain.boosts import Boost
from app.domain.checkup import Finding
from app.domain.kommo_hooks import HookOutcome, InstallHook, RevokedHook
from app.domain.plans import Plan
from app.domain.prices import PriceBook
from app.domain.quota import LedgerPage
from app.domain.return_url import Origin
from app.domain.service_minutes import LastHour
from app.domain.service_state import ServiceState, WaitingKey
from app.domain.turn_search import TurnPage, Wanted
from app.domain.webhook import Webhook
from app.jobpanel.panel import JobPanel
from app.services.account_months import AccountMonths
from app.services.administration import Administration
from app.services.company_settings import CompanySettings
from app.services.operators import Operators
from app.services.ports import AuditLog, Batches, Meter, TurnArchive, TurnSearch
from app.services.replaying import Replaying
from app.web.console.callers import Network


class Directory(Protocol):
    """Who may send webhooks. Raises StoreUnavailable."""

    def account(self, account_id: int) -> Account | None:
        """The account, None where it is not installed."""

    def secrets_of(self, client_id: str) -> Sequence[str]:
        """Client secrets of an integration, newest first, each of them valid; empty for an unknown one."""


@dataclass(frozen=True, slots=True)
class WidgetFlows:
    """What the widget's API does. Every callable raises StoreUnavailable where the store cannot be asked.

    usage: the figures of an account's month, None for the present one; raises AccountUnknown.
    first_use: whether an account's one-time token is used for the first time; it has been used from then on. Takes
        what tells it from others and until when it is valid, in seconds since the epoch.
    seconds_to_wait: counts one more call of its kind and minute; 0 while there were at most so many.
    """

    settings: CompanySettings
    usage: Callable[[int, str | None], dict[str, Any]]
    first_use: Callable[[int, str, float], bool]
    seconds_to_wait: Callable[[int, Literal["save", "check"], int], int]


@dataclass(frozen=True, slots=True)
class KommoFlows:
    """What is done about Kommo's hooks and moves. Every callable raises StoreUnavailable.

    received: does what a hook asks for; takes as long as Kommo takes to answer.
    secrets_of: as they are now, of an integration; empty for one that is not known.
    use_state: uses a state of an OAuth window up for so many seconds; False where it was used before.
    relearned: asks Kommo whether an account lives at the address that a token signed by Kommo names, and stores it
        where it does. Takes a second at the most.
    secret_key: the setting SECRET_KEY.
    """

    received: Callable[[InstallHook | RevokedHook], HookOutcome]
    secrets_of: Callable[[str], Sequence[str]]
    use_state: Callable[[str, int], bool]
    relearned: Callable[[Account, Origin], bool]
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Measuring:
    """What is counted of this process, and shown of the whole service. The callables raise StoreUnavailable.

    totals: what all processes have counted, by the fields of domain/metrics.py. state: how the service stands now.
    """

    meter: Meter
    totals: Callable[[], dict[str, int]]
    state: Callable[[], ServiceState]


class Boosts(Protocol):
    """The boosts of accounts. Raises StoreUnavailable."""

    def all(self, account: Account) -> list[Boost]:
        """Every boost ever added, the oldest first."""

    def add(self, account: Account, key: str, requests: int, expires: date | None) -> bool:
        """Add a boost; False where there is one with this key. Raises ValueError and AccountUnknown."""

    def void(self, account: Account, key: str) -> None:
        """Take back what is left of a boost. Raises BoostUnknown where that is nothing."""


@dataclass(frozen=True, slots=True)
class OverviewFlows:
    """What the console's first page shows beside the service's state. Every callable raises StoreUnavailable.

    waiting_keys: so many OpenAI keys at most that are told to wait. turn_deadline: the setting TURN_DEADLINE.
    """

    last_hour: Callable[[], LastHour]
    waiting_keys: Callable[[int], Sequence[WaitingKey]]
    months: AccountMonths
    turn_deadline: float


@dataclass(frozen=True, slots=True)
class AccountFlows:
    """What the console shows and changes of accounts. Every callable raises StoreUnavailable.

    page: accounts whose names begin so, behind a cursor, so many at most. without_access: accounts that Kommo gives no
    access, so many at most. usage: of an account's month
    (UsageReporting.summary). ledger: of an account's month, behind a cursor, so many entries at most; raises ValueError
    for what is no cursor. turns: those that are wanted, as `ledger`. check_up: one finding after the other, for up to
    half a minute; raises AccountUnknown.
    """

    administration: Administration
    page: Callable[[str, str | None, int], AccountsPage]
    without_access: Callable[[int], Sequence[Account]]
    months: AccountMonths
    plans: Callable[[], Sequence[Plan]]
    boosts: Boosts
    usage: Callable[[Account, str], dict[str, Any]]
    ledger: Callable[[int, str, str | None, int], LedgerPage]
    turns: Callable[[Wanted, str | None, int], TurnPage]
    check_up: Callable[[int], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class TurnFlows:
    """What the console shows of turns, and how it lets them be run again. Every callable raises StoreUnavailable.

    account: the account, None where it is not installed. batches: worked off by a BatchWorker of each web process.
    """

    search: TurnSearch
    archive: TurnArchive
    account: Callable[[int], Account | None]
    replaying: Replaying
    batches: Batches
    prices: PriceBook


@dataclass(frozen=True, slots=True)
class ConsoleFlows:
    """What the operators' console shows and does. Every callable raises StoreUnavailable.

    jobs: the queue as RQ knows it; raises what redis-py raises.
    zone: in which times are shown. proxies: those whose word counts on where a request comes from.
    secret_key: the setting SECRET_KEY.
    """

    operators: Operators
    audit_log: AuditLog
    jobs: JobPanel
    overview: OverviewFlows
    accounts: AccountFlows
    turns: TurnFlows
    zone: ZoneInfo
    proxies: Sequence[Network]
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebDeps:
    """Values and flows for the views. Every callable raises StoreUnavailable where the store cannot be asked.

    kommo_base_url, public_url, default_locale: the settings of these names (contract 2).
    public_client_id: the integration of accounts that have none of their own, None where the service has none.
    directories: asked one after the other while a webhook is refused; the last one knows what is true now.
    accept: charge or refuse and queue, atomically; raises AccountUnknown where the account was removed meanwhile, and
        AccountChanged where it is not the present record that was looked at.
    readiness: why the service cannot do its work now, in words for an operator; empty when it can.
    """

    kommo_base_url: str
    public_url: str
    default_locale: Locale
    public_client_id: str | None
    directories: Sequence[Directory]
    accept: Callable[[Account, Webhook], Acceptance]
    readiness: Callable[[], Sequence[str]]
    widget: WidgetFlows
    kommo: KommoFlows
    console: ConsoleFlows
    measuring: Measuring
