"""The Lua scripts of this folder, each with the parts it stands on."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any
from weakref import WeakKeyDictionary, proxy

from redis import Redis
from redis.exceptions import NoScriptError, ResponseError
from redis.typing import EncodableT

from app.storage.connection import MasterConnection
from app.storage.lasting import answer, lasting_answer

_MONEY = ("ledger", "boosts", "month")
_QUEUE = ("fair", "queue", "jobs", "holding")
_PARTS = {
    "accept": ("fair", "queue", *_MONEY, "contact", "usage", "listing"),
    "replay": ("fair", "queue", *_MONEY, "contact", "listing"),
    "take": _QUEUE,
    "claim": _QUEUE,
    "depart": (*_QUEUE, "pacing"),
    "advance": (*_QUEUE, "pacing", "gates", *_MONEY, "usage", "listing"),
    "begun": ("fair", "queue", "gates"),
    "sweep": (*_QUEUE, "gates"),
    "wake": (*_QUEUE, "gates"),
    "renew": ("fair", "queue"),
    "give_back": _QUEUE,
    "pass_gate": ("fair", "queue", "gates"),
    "close_gate": ("fair", "queue", "gates"),
    "free_gate": ("fair", "queue", "gates"),
    "leave": ("fair", "pacing"),
    "hold_account": ("pacing",),
    "recount": _MONEY,
    "boost_add": _MONEY,
    "boost_void": _MONEY,
    "take_note": (),
    "forget_begin": (),
    "forget_turns": ("listing",),
    "forget_counters": ("listing",),
    "remove_begin": (),
    "remove_turns": ("listing",),
    "remove_keys": (),
    "erase_texts": (),
}


class _Connections:
    """Connections of one client that were used and will be used again, at most one for each thread at a time.

    They are made as the client's pool makes them, so that they find and enter the server as its own do, and stand
    beside it: redis-py's own way (`execute_command`, the pool) costs several times the CPU of all the rest of a round
    trip, and a turn is made of round trips. One that the server closed meanwhile is found out by using it; the retry
    then connects it anew. Safe to use from many threads.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = proxy(pool)  # whoever asks keeps it alive
        self._process = os.getpid()
        self._idle: deque[Any] = deque()

    def ask(self, conversation: Callable[[Any], Any]) -> Any:
        """What a conversation with the server brings; it is held again where the client retries."""
        connection = self._taken()
        try:
            answer = connection.retry.call_with_retry(
                lambda: self._held(connection, conversation), lambda _: connection.disconnect()
            )
        except ResponseError:
            self._idle.append(connection)
            raise
        except BaseException:
            # An answer may still be on its way, and whoever comes next would take it for theirs.
            connection.disconnect()
            raise
        self._idle.append(connection)
        return answer

    def _held(self, connection: Any, conversation: Callable[[Any], Any]) -> Any:
        # Left to itself a connection would be retried within each of our tries.
        if not connection.is_connected:
            connection.connect_check_health(retry_socket_connect=False)
        return conversation(connection)

    def _taken(self) -> Any:
        if self._process != os.getpid():
            # A fork: the sockets belong to the parent. In this order, for other threads may look at the same time.
            self._idle = deque()
            self._process = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return self._pool.connection_class(**self._pool.connection_kwargs)


_CONNECTIONS: WeakKeyDictionary[Any, _Connections] = WeakKeyDictionary()


def _connections(redis: "Redis") -> _Connections:
    pool = redis.connection_pool
    return _CONNECTIONS.setdefault(pool, _Connections(pool))


class StoredScript:
    """A Lua script that the server keeps, run by its hash. For many threads; retries as the client does."""

    def __init__(self, redis: "Redis", source: str) -> None:
        self._redis = redis
        self._connections = _connections(redis)
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    def __call__(self, keys: Sequence[str] = (), args: Sequence[EncodableT] = (), *, lasting: bool = False) -> Any:
        """Run it and return what it answers. Raises redis.RedisError.

        lasting: what follows from the answer cannot be taken back, so under Sentinel it counts only once a replica has
        what it rests on (lasting.py). Else it is run again, at whichever server is the master then.
        """
        command = ("EVALSHA", self.sha, len(keys), *keys, *args)
        return self._connections.ask(lambda connection: self._run(connection, command, lasting))

    def _run(self, connection: Any, command: tuple[EncodableT, ...], lasting: bool) -> Any:
        ask = lasting_answer if lasting and isinstance(connection, MasterConnection) else answer
        try:
            return ask(connection, command)
        except NoScriptError:
            answer(connection, ("SCRIPT", "LOAD", self.source))
            return ask(connection, command)


class Bell:
    """A list of strokes: whoever waits takes one."""

    def __init__(self, redis: "Redis", key: str) -> None:
        self._redis = redis
        self._connections = _connections(redis)
        self._key = key

    def wait(self, seconds: float) -> None:
        """Return with a stroke, or after so many seconds, less than the client's patience. Raises redis.RedisError."""
        self._connections.ask(lambda connection: self._listen(connection, seconds))

    def _listen(self, connection: Any, seconds: float) -> None:
        connection.send_command("BLPOP", self._key, seconds)
        connection.read_response()


def script(redis: "Redis", name: str) -> StoredScript:
    """A script of this folder with the parts it stands on; loaded again where the server has forgotten it."""
    return StoredScript(redis, _source(name))


@cache
def _source(name: str) -> str:
    folder = files("app.storage") / "lua"
    return "\n".join((folder / f"{part}.lua").read_text() for part in (*_PARTS[name], name))
