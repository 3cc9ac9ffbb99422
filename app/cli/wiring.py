"""What commands work with, built from the settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from redis import Redis

from app.cli.local import complete_settings
from app.cli.problems import told
from app.clients.http import PartnerSession
from app.clients.openai_setup import OpenAiSetup
from app.domain.turn import Timing
from app.services.administration import Administration, Defaults
from app.services.reporting import Reporting
from app.services.setup_look import SetupLook
from app.services.usage_reporting import UsageReporting
from app.storage.accounts import RedisAccounts
from app.storage.connection import connect
from app.storage.integrations import IntegrationSecrets
from app.storage.ledger import RedisLedger, RedisPlanChange
from app.storage.plans import RedisPlans
from app.storage.sealing import Sealer
from app.storage.turns import RedisTurns
from app.storage.usage import RedisUsage
from config.settings import Settings

# A command is one thread, and a transaction of it holds a connection while another command is sent.
_CONNECTIONS = 4


@dataclass(frozen=True, slots=True)
class Store:
    """An open Redis and the stores that commands share."""

    settings: Settings
    redis: Redis
    sealer: Sealer
    accounts: RedisAccounts
    plans: RedisPlans
    integrations: IntegrationSecrets


@contextmanager
def open_store() -> Iterator[Store]:
    """The store of this installation, for one command; problems inside are told as click's errors.

    Raises ConfigError. Without REDIS_URL a Redis of our own may run for as long as the context is open
    (app/cli/local.py).
    """
    with told(), complete_settings() as settings:
        redis = connect(settings.redis_url or "", for_web=False, max_connections=_CONNECTIONS)
        sealer = Sealer(settings.encryption_keys)
        with redis:
            yield Store(
                settings=settings,
                redis=redis,
                sealer=sealer,
                accounts=RedisAccounts(redis, sealer),
                plans=RedisPlans(redis),
                integrations=IntegrationSecrets(redis, sealer, _public_integration(settings)),
            )


@contextmanager
def open_administration() -> Iterator[Administration]:
    """The flows that change accounts, over the store of open_store."""
    with open_store() as store, PartnerSession(pool_size=1) as session:
        settings = store.settings
        setup = OpenAiSetup(
            session, settings.openai_base_url, settings.openai_connect_timeout, settings.openai_read_timeout
        )
        yield Administration(
            store.accounts,
            store.integrations,
            store.plans,
            RedisPlanChange(store.redis, lambda account_id: _zone_of(store.accounts, account_id)),
            SetupLook(setup),
            Defaults(settings.default_timezone, settings.default_locale),
            settings.openai_api,
        )


@contextmanager
def open_reporting() -> Iterator[Reporting]:
    """The figures and stories, over the store of open_store."""
    with open_store() as store:
        yield reporting_of(store)


def reporting_of(store: Store) -> Reporting:
    """The figures and stories of a store that is open."""
    timing = Timing(store.settings.turn_deadline, store.settings.delivery_patience)
    return Reporting(
        store.accounts,
        RedisLedger(store.redis),
        RedisTurns(store.redis, store.sealer, timing),
        UsageReporting(RedisUsage(store.redis), (store.settings.secret_key or "").encode()),
    )


def _zone_of(accounts: RedisAccounts, account_id: int) -> ZoneInfo | None:
    account = accounts.get(account_id)
    return account.zone if account else None


def _public_integration(settings: Settings) -> tuple[str, tuple[str, ...]] | None:
    if settings.kommo_client_id is None:
        return None
    return settings.kommo_client_id, settings.kommo_client_secrets
