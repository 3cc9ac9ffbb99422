"""What the operators' console is given, over a Redis, as the entry point of the web process builds it."""

from collections.abc import Callable, Sequence
from functools import cache
from ipaddress import ip_network
from zoneinfo import ZoneInfo

from redis import Redis
from werkzeug.security import generate_password_hash

from app.jobpanel.panel import JobPanel
from app.services.operators import Operators
from app.storage.audit_log import RedisAuditLog
from app.storage.connection import connect
from app.storage.operator_sessions import RedisLoginAttempts, RedisOperatorSessions
from app.web.console.callers import Network
from app.web.console.passwords import PasswordCheck, credentials_digest
from app.web.deps import ConsoleFlows

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
) -> ConsoleFlows:
    """What the console is given. is_password: in place of a look at the hash."""
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
    return ConsoleFlows(operators, log, JobPanel(redis), ZoneInfo("America/Sao_Paulo"), proxies, secret_key)


def console_without_redis() -> ConsoleFlows:
    """A console whose Redis is away."""
    return console_flows(connect("redis://127.0.0.1:1", for_web=True, max_connections=1))
