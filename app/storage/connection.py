"""Redis clients with every wait, retry and pool size said (stack.md 4: redis-py's own defaults wait up to a minute)."""

import socket
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.connection import Connection, ConnectionPool, UnixDomainSocketConnection, parse_url
from redis.exceptions import ResponseError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelManagedConnection

_SENTINEL_SCHEME = "redis+sentinel"
_SENTINEL_PORT = 26379
# A sentinel that hangs or is away is passed over for the next one.
_SENTINEL_WAITS = {"socket_timeout": 0.3, "socket_connect_timeout": 0.3, "retry": Retry(NoBackoff(), 0)}
# What a master says that has lost its replicas, and one that becomes a replica to those who wait on it.
_MAY_BE_REPLACED = ("NOREPLICAS", "UNBLOCKED")

if TYPE_CHECKING:
    _Base = Connection  # what the mixin below is mixed into
else:
    _Base = object


def connect(url: str, *, for_web: bool, max_connections: int) -> redis.Redis:
    """A client for commands that do not block. It opens its first connection when it is first used.

    for_web: fails within about a second when Redis is away or hangs, so that the webhook can still answer 503.
    Otherwise for workers: rides out a restart of some seconds before it raises.
    max_connections: at least the number of threads that use the client; more than that at once raises. Scripts have
        connections beside these (lines.py), at most one for each thread, and a few for what is asked together.
    Both send a command whose answer was lost once more: every write must be one that may run twice.
    Commands raise redis.ConnectionError or redis.TimeoutError.
    """
    if for_web:
        waits = {"socket_timeout": 0.5, "socket_connect_timeout": 0.3, "retry": Retry(NoBackoff(), 1)}
    else:
        waits = {
            "socket_timeout": 5.0,
            "socket_connect_timeout": 2.0,
            "retry": Retry(ExponentialWithJitterBackoff(base=0.1, cap=1.0), 6),
            "health_check_interval": 30,
        }
    return _client(url, waits, max_connections)


def connect_blocking(url: str, *, max_connections: int) -> redis.Redis:
    """A client for RQ's worker, whose dequeue blocks: no limit on how long an answer may take.

    RQ sets the limit that fits its dequeue and does its own reconnecting, so nothing is retried here.
    """
    waits = {"socket_timeout": None, "socket_connect_timeout": 2.0, "retry": Retry(NoBackoff(), 0)}
    return _client(url, waits, max_connections)


def _client(url: str, waits: Mapping[str, Any], max_connections: int) -> redis.Redis:
    options: dict[str, Any] = {
        **waits,
        "max_connections": max_connections,
        # Asked of every new connection otherwise, and only Redis Enterprise knows the command.
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        # Two round trips, and a look through the installed packages, for every new connection.
        "driver_info": None,
    }
    if urlsplit(url).scheme == _SENTINEL_SCHEME:
        return _sentinel_client(url, options)
    options |= parse_url(url)  # type: ignore[no-untyped-call]
    kind = options.get("connection_class", Connection)
    return redis.Redis.from_pool(ConnectionPool(**{**options, "connection_class": _KERNEL_TIMED.get(kind, kind)}))


def _sentinel_client(url: str, options: dict[str, Any]) -> redis.Redis:
    """redis+sentinel://user:password@host:port,host:port/service/db; the credentials are the data server's."""
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    addresses = [_address(host) for host in hosts.split(",")]
    sentinel = _Sentinels(addresses, sentinel_kwargs=_SENTINEL_WAITS)  # type: ignore[no-untyped-call]
    options |= {
        "username": unquote(username) or None,
        "password": unquote(password) or None,
        "connection_class": MasterConnection,
    }
    client: redis.Redis = sentinel.master_for(service, db=int(database or 0), **options)  # type: ignore[no-untyped-call]
    return client


class _KernelTimed(_Base):
    """Lets the kernel keep the time of every wait.

    Python's own limit makes two calls of each: one that waits, and one that reads or writes. Each lets another thread
    have the interpreter, and with hundreds of them to come back costs more than the call. What takes too long is a
    redis.ConnectionError then, also where a single read was to wait without end.
    """

    def _connect(self) -> socket.socket:
        """redis-py's hook for the socket; what follows on it is bounded by socket_timeout, None for never."""
        sock: socket.socket = super()._connect()  # type: ignore[no-untyped-call]
        if self.socket_timeout:
            seconds = int(self.socket_timeout)
            limit = struct.pack("ll", seconds, int((self.socket_timeout - seconds) * 1_000_000))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            sock.settimeout(None)
        return sock


class _TcpConnection(_KernelTimed, Connection):
    """Without TLS; one with TLS waits within the library for that."""


class _UnixConnection(_KernelTimed, UnixDomainSocketConnection):
    """On this machine."""


_KERNEL_TIMED = {Connection: _TcpConnection, UnixDomainSocketConnection: _UnixConnection}


class MasterConnection(_KernelTimed, SentinelManagedConnection):
    """A connection to the master that the sentinels name whenever it is made.

    Left to itself redis-py comes back to the server that it was cut off from when it retries a command, and retries the
    connecting within each of these tries. It leaves a master that has become a replica, but not one that has lost its
    replicas, which may have been replaced and learns of it up to ten seconds later.
    """

    def connect(self) -> None:
        """Connect, and try again as the client does. Raises redis.RedisError."""
        self.retry.call_with_retry(self.connect_check_health, lambda _: None)

    def connect_check_health(
        self,
        check_health: bool = True,
        retry_socket_connect: bool = False,  # noqa: ARG002 - redis-py's signature
    ) -> None:
        """Connect once. Raises redis.RedisError."""
        if not self.is_connected:
            self.host, self.port = self.connection_pool.get_master_address()
        super().connect_check_health(check_health, retry_socket_connect=False)

    def read_response(self, *args: Any, **options: Any) -> Any:
        """What the server answers. Raises redis.RedisError."""
        try:
            return super().read_response(*args, **options)
        except ResponseError as error:
            if str(error).startswith(_MAY_BE_REPLACED):
                self.disconnect()  # type: ignore[no-untyped-call]
                raise redis.ConnectionError("the master may have been replaced") from error
            raise


class _Sentinels(Sentinel):
    """Believes the sentinel that has heard of the latest change of master.

    redis-py believes the first that answers. For some seconds that one may name a master that has been replaced; where
    it runs again by then, it would accept turns that are lost as soon as it is made a replica.
    """

    def discover_master(self, service_name: str) -> tuple[str, int]:
        """Host and port of the master. Raises MasterNotFoundError, a ConnectionError."""
        known = [state for sentinel in self.sentinels if (state := _master_of(sentinel, service_name))]
        if not known:
            raise MasterNotFoundError(f"no sentinel knows {service_name}")
        newest = max(known, key=lambda state: int(state["config-epoch"]))
        if not self.check_master_state(newest, service_name):  # type: ignore[no-untyped-call]
            raise MasterNotFoundError(f"the master of {service_name} is down")
        return newest["ip"], newest["port"]


def _master_of(sentinel: redis.Redis, service_name: str) -> dict[str, Any] | None:
    try:
        found = cast("dict[str, dict[str, Any]]", sentinel.sentinel_masters())
    except (redis.ConnectionError, redis.TimeoutError):
        return None
    return found.get(service_name)


def _address(host: str) -> tuple[str, int]:
    parts = urlsplit(f"//{host}")
    return parts.hostname or "", parts.port or _SENTINEL_PORT
