"""The Lua scripts of this folder, each with the parts it stands on."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from weakref import WeakKeyDictionary, proxy

from hiredis import pack_command
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.typing import EncodableT

from app.storage.connection import MasterConnection
from app.storage.lasting import lasting_answer

# So many answers may be owed on one connection before they are read.
MOST_OWED = 16
# Seconds in which whoever comes by for answers must be able to read the next one; much less than a lease.
ANSWERS_WITHIN = 1.0

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


@dataclass(frozen=True, slots=True)
class _Told:
    """A script that the server was told to run, and nobody waits for it.

    heard: gets the answer when it is read, or the refusal.
    """

    script: "StoredScript"
    arguments: tuple[EncodableT, ...]
    heard: Callable[[Any], None]

    @property
    def command(self) -> tuple[EncodableT, ...]:
        """As it is sent first."""
        return ("EVALSHA", self.script.sha, *self.arguments)

    @property
    def whole(self) -> tuple[EncodableT, ...]:
        """As it is sent again, to a server that may know no script."""
        return ("EVAL", self.script.source, *self.arguments)


class _Line:
    """One connection to the server, and what was told on it whose answers nobody has read yet.

    What was told when the connection broke is told again on the next one: every script may run twice. Not safe to use
    from several threads at a time.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._owed: deque[_Told] = deque()
        self._again: deque[_Told] = deque()

    @property
    def patience(self) -> float:
        """Seconds that an answer may take."""
        patience: float = self._connection.socket_timeout
        return patience

    @property
    def replaceable(self) -> bool:
        """Whether another server may take this one's place, which has less."""
        return isinstance(self._connection, MasterConnection)

    @property
    def owes(self) -> int:
        """How many answers nobody has read yet."""
        return len(self._owed) + len(self._again)

    def ask(self, conversation: "Callable[[_Line], Any]") -> Any:
        """What a conversation with the server brings; it is held again where the client retries."""
        return self._connection.retry.call_with_retry(lambda: self._held(conversation), lambda _: self.drop())

    def tell(self, told: _Told) -> None:
        """Send it now; the answer is read when somebody comes by. Raises redis.RedisError."""
        if self.owes >= MOST_OWED:
            self.collect()
        self.ask(lambda line: line.send(told.command))
        self._owed.append(told)

    def collect(self) -> None:
        """Read what is owed. Raises redis.RedisError."""
        while self.owes:
            self.ask(_Line._read_all_owed)

    def answers_soon(self) -> bool:
        """Whether the answers come before a lease would run out; a connection that is broken answers nothing."""
        if not self._owed or not self._connection.is_connected:
            return True
        try:
            return bool(self._connection.can_read(timeout=ANSWERS_WITHIN))
        except RedisConnectionError:
            return False

    def send(self, *commands: tuple[EncodableT, ...]) -> None:
        """Send commands, in this order and at once. Raises redis.RedisError."""
        # redis-py's own way to pack looks at every argument in Python first; hiredis calls a tuple of any length one of
        # one. Whether the connection is alive is found out by using it.
        packed = b"".join(pack_command(command) for command in commands)  # type: ignore[arg-type]
        self._connection.send_packed_command([packed], check_health=False)

    def read(self) -> Any:
        """The answer to the first command that was sent, not told, and not read yet. Raises redis.RedisError."""
        self._read_all_owed()
        return self._connection.read_response()

    def drop(self) -> None:
        """Break the connection off: an answer may still be on its way, and would be taken for another's."""
        self._connection.disconnect()
        self._again.extend(self._owed)
        self._owed.clear()

    def _held(self, conversation: "Callable[[_Line], Any]") -> Any:
        # Left to itself a connection would be retried within each of our tries.
        if not self._connection.is_connected:
            self.drop()
            self._connection.connect_check_health(retry_socket_connect=False)
        if self._again:
            self.send(*(told.whole for told in self._again))
            self._owed.extend(self._again)
            self._again.clear()
        return conversation(self)

    def _read_all_owed(self) -> None:
        while self._owed:
            try:
                answer = self._connection.read_response()
            except NoScriptError:
                self._again.append(self._owed.popleft())
            except ResponseError as refusal:
                self._owed.popleft().heard(refusal)
            else:
                self._owed.popleft().heard(answer)


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
        self._idle: deque[_Line] = deque()

    def ask(self, conversation: Callable[[_Line], Any]) -> Any:
        """What a conversation with the server brings; it is held again where the client retries."""
        line = self._taken()
        try:
            return line.ask(conversation)
        except ResponseError:
            raise
        except BaseException:
            line.drop()
            raise
        finally:
            self._idle.append(line)

    def tell(self, told: _Told) -> None:
        """Let the server run a script, and wait for nothing."""
        line = self._taken()
        try:
            line.tell(told)
        finally:
            self._idle.append(line)

    def collect(self) -> None:
        """Read the answers to what was told. Raises redis.RedisError.

        Where one line is dead, others are: a firewall has forgotten them, or the server has gone without a word. To
        wait for each would take longer than a lease, so all are broken off, and what was told is told again.
        """
        alive = True
        for line in [line for line in list(self._idle) if line.owes]:
            try:
                self._idle.remove(line)
            except ValueError:
                continue  # somebody uses it, and reads them on the way
            try:
                alive = alive and line.answers_soon()
                if not alive:
                    line.drop()
                line.collect()
            finally:
                self._idle.appendleft(line)

    def _taken(self) -> _Line:
        if self._process != os.getpid():
            # A fork: the sockets belong to the parent. In this order, for other threads may look at the same time.
            self._idle = deque()
            self._process = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return _Line(self._pool.connection_class(**self._pool.connection_kwargs))


_CONNECTIONS: WeakKeyDictionary[Any, _Connections] = WeakKeyDictionary()


def _connections(redis: "Redis") -> _Connections:
    pool = redis.connection_pool
    return _CONNECTIONS.setdefault(pool, _Connections(pool))


def collect_answers(redis: "Redis") -> None:
    """Read the answers to what was told on this client's connections (StoredScript.tell). Raises redis.RedisError."""
    _connections(redis).collect()


class StoredScript:
    """A Lua script that the server keeps, run by its hash. For many threads; retries as the client does."""

    def __init__(self, redis: "Redis", source: str) -> None:
        self._redis = redis
        self._connections = _connections(redis)
        self.source = source
        self.sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
        self._known = False

    def __call__(self, keys: Sequence[str] = (), args: Sequence[EncodableT] = (), *, lasting: bool = False) -> Any:
        """Run it and return what it answers. Raises redis.RedisError.

        lasting: what follows from the answer cannot be taken back, so under Sentinel it counts only once a replica has
        what it rests on (lasting.py). Else it is run again, at whichever server is the master then.
        """
        command = ("EVALSHA", self.sha, len(keys), *keys, *args)
        return self._connections.ask(lambda line: self._run(line, command, lasting))

    def tell(self, keys: Sequence[str], args: Sequence[EncodableT], heard: Callable[[Any], None]) -> None:
        """Have it run, and wait for nothing: half of what a round trip costs is to come back from it.

        It may be run a moment after what is asked next, for that may go by another connection. heard: gets the answer,
        or a ResponseError, when this one is used again or collect_answers() comes by. Raises redis.RedisError where it
        cannot be sent.
        """
        if self._known:
            self._connections.tell(_Told(self, (len(keys), *keys, *args), heard))
            return
        # The server may have to be given it first.
        try:
            heard(self(keys, args))
        except ResponseError as refusal:
            heard(refusal)

    def _run(self, line: _Line, command: tuple[EncodableT, ...], lasting: bool) -> Any:
        ask = lasting_answer if lasting and line.replaceable else _answer
        try:
            return ask(line, command)
        except NoScriptError:
            _answer(line, ("SCRIPT", "LOAD", self.source))
            return ask(line, command)
        finally:
            self._known = True


def _answer(line: _Line, command: tuple[EncodableT, ...]) -> Any:
    line.send(command)
    return line.read()


class Bell:
    """A list of strokes: whoever waits takes one."""

    def __init__(self, redis: "Redis", key: str) -> None:
        self._redis = redis
        self._connections = _connections(redis)
        self._key = key

    def wait(self, seconds: float) -> None:
        """Return with a stroke, or after so many seconds, less than the client's patience. Raises redis.RedisError."""
        self._connections.ask(lambda line: _answer(line, ("BLPOP", self._key, seconds)))


def script(redis: "Redis", name: str) -> StoredScript:
    """A script of this folder with the parts it stands on; loaded again where the server has forgotten it."""
    return StoredScript(redis, _source(name))


@cache
def _source(name: str) -> str:
    folder = files("app.storage") / "lua"
    return "\n".join((folder / f"{part}.lua").read_text() for part in (*_PARTS[name], name))
