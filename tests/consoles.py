"""What the operators' console is given, over a Redis, as the entry point of the web process builds it."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from ipaddress import ip_network
from typing import cast
from zoneinfo import ZoneInfo

from redis import Redis
from werkzeug.security import generate_password_hash

from app.domain.checkup import Finding, ok
from app.jobpanel.panel import JobPanel
from app.services.administration import Administration, Defaults
from app.services.operators import Operators
from app.services.ports import SetupCheck
from app.storage.accounts import RedisAccounts
from app.storage.audit_log import RedisAuditLog
from app.storage.connection import connect
from app.storage.integrations import IntegrationSecrets
from app.storage.ledger import RedisPlanChange
from app.storage.operator_sessions import RedisLoginAttempts, RedisOperatorSessions
from app.storage.plans import RedisPlans
from app.storage.sealing import Sealer
from app.web.console.callers import Network
from app.web.console.passwords import PasswordCheck, credentials_digest
from app.web.console_stores import account_flows, overview_flows, turn_flows
from app.web.deps import ConsoleFlows
from config.prices import read_prices
from tests.builders import ENCRYPTION_KEY, TIMING

USERNAME = "ana"
PASSWORD = "uma senha com acentuação"
SECRET_KEY = "signs sessions"
LOCAL_PROXIES = (ip_network("127.0.0.1"), ip_network("::1"))


@cache
def password_hash(password: str = PASSWORD) -> str:
    """A hash as `bytegpt admin hash-password` makes it, but for its cost: it is checked hundreds of times here."""
    return generate_password_hash(password, method="pbkdf2:sha256:1")


def console_flows(
    redis: Redis,
    *,
    secret_key: str = SECRET_KEY,
    username: str = USERNAME,
    of_password: str = PASSWORD,
    proxies: Sequence[Network] = LOCAL_PROXIES,
    is_password: Callable[[str], bool] | None = None,
    check_up: Callable[[int], Iterator[Finding]] | None = None,
) -> ConsoleFlows:
    """What the console is given. is_password: in place of a look at the hash. check_up: in place of the doctor's."""
    hashed = password_hash(of_password)
    log = RedisAuditLog(redis)
    operators = Operators(
        username,
        credentials_digest(secret_key, username, hashed),
        is_password or PasswordCheck(hashed),
        RedisOperatorSessions(redis),
        RedisLoginAttempts(redis),
        log,
    )
    accounts = RedisAccounts(redis, Sealer([ENCRYPTION_KEY]))
    return ConsoleFlows(
        operators,
        log,
        JobPanel(redis),
        overview_flows(redis, accounts, TIMING.turn),
        account_flows(redis, accounts, _administration(redis, accounts), check_up or _no_check_up),
        turn_flows(redis, Sealer([ENCRYPTION_KEY]), accounts, TIMING, read_prices()),
        ZoneInfo("America/Sao_Paulo"),
        proxies,
        secret_key,
    )


def _administration(redis: Redis, accounts: RedisAccounts) -> Administration:
    def zone_of(account_id: int) -> ZoneInfo | None:
        account = accounts.get(account_id)
        return account.zone if account else None

    return Administration(
        accounts,
        IntegrationSecrets(redis, Sealer([ENCRYPTION_KEY])),
        RedisPlans(redis),
        RedisPlanChange(redis, zone_of),
        # No page saves what OpenAI is asked about.
        cast("SetupCheck", None),
        Defaults(),
    )


def _no_check_up(account_id: int) -> Iterator[Finding]:
    yield ok("account", str(account_id))


@cache
def console_without_redis() -> ConsoleFlows:
    """A console whose Redis is away; the same one for all, as it can remember nothing."""
    return console_flows(connect("redis://127.0.0.1:1", for_web=True, max_connections=1))
