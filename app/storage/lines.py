"""Connections on which scripts are run: asked and waited for, told and not waited for, or asked several at once."""

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary, proxy

from hiredis import pack_command
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.typing import EncodableT

from app.storage.connection import MasterConnection

if TYPE_CHECKING:
    from redis import Redis

# So many answers may be owed on one connection before they are read.
MOST_OWED = 16
# Seconds in which whoever comes by for answers must be able to read the next one; much less than a lease.
ANSWERS_WITHIN = 1.0


class KeptScript(Protocol):
    """A script that the server keeps. known: whether it has run there."""

    source: str
    sha: str
    known: bool


@dataclass(frozen=True, slots=True)
class Run:
    """A script with its arguments: how many keys, the keys, and the rest."""

    script: KeptScript
    arguments: tuple[EncodableT, ...]

    @property
    def command(self) -> tuple[EncodableT, ...]:
        """As it is sent first."""
        return ("EVALSHA", self.script.sha, *self.arguments)

    @property
    def whole(self) -> tuple[EncodableT, ...]:
        """As it is sent again, to a server that may know no script."""
        return ("EVAL", self.script.source, *self.arguments)


@dataclass(frozen=True, slots=True)
class Told(Run):
    """The server was told to run it, and nobody waits for it.

    heard: gets the answer when it is read, or the refusal.
    """

    heard: Callable[[Any], None]


class Line:
    """One connection to the server, and what was told on it whose answers nobody has read yet.

    What was told when the connection broke is told again on the next one: every script may run twice. Not safe to use
    from several threads at a time.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._owed: deque[Told] = deque()
        self._again: deque[Told] = deque()

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

    def ask(self, conversation: "Callable[[Line], Any]") -> Any:
        """What a conversation with the server brings; it is held again where the client retries."""
        return self._connection.retry.call_with_retry(lambda: self._held(conversation), lambda _: self.drop())

    def tell(self, told: Told) -> None:
        """Send it now; the answer is read when somebody comes by. Raises redis.RedisError."""
        if self.owes >= MOST_OWED:
            self.collect()
        self.ask(lambda line: line.send(told.command))
        self._owed.append(told)

    def collect(self) -> None:
        """Read what is owed. Raises redis.RedisError."""
        while self.owes:
            self.ask(Line._read_all_owed)

    def answers_soon(self) -> bool:
        """Whether the answers come before a lease would run out; a connection that is broken answers nothing."""
        if not self._owed or not self._connection.is_connected:
            return True
        try:
            return bool(self._connection.can_read(timeout=ANSWERS_WITHIN))
        except RedisConnectionError:
            return False

    def stands(self) -> bool:
        """Whether there is a connection, and nothing to be read on it. One that the server has closed is broken off."""
        if self.owes or not self._connection.is_connected:
            return False
        try:
            stands = not self.has_more()
        except RedisConnectionError:
            stands = False
        if not stands:
            self.drop()
        return stands

    def fileno(self) -> int:
        """The file descriptor that becomes readable with an answer, while there is a connection."""
        number: int = self._connection._sock.fileno()  # noqa: SLF001 - redis-py has no other way to it
        return number

    def has_more(self) -> bool:
        """Whether there is something to read now. Raises redis.RedisError where the server has hung up."""
        return bool(self._connection.can_read(timeout=0))

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

    def _held(self, conversation: "Callable[[Line], Any]") -> Any:
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


class Connections:
    """Connections of one client that were used and will be used again, at most one for each caller at a time.

    They are made as the client's pool makes them, so that they find and enter the server as its own do, and stand
    beside it: redis-py's own way (`execute_command`, the pool) costs several times the CPU of all the rest of a round
    trip, and a turn is made of round trips. One that the server closed meanwhile is found out by using it; the retry
    then connects it anew. Safe to use from many threads.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = proxy(pool)  # whoever asks keeps it alive
        self._process = os.getpid()
        self._idle: deque[Line] = deque()

    def ask(self, conversation: Callable[[Line], Any]) -> Any:
        """What a conversation with the server brings; it is held again where the client retries."""
        line = self.taken()
        try:
            return line.ask(conversation)
        except ResponseError:
            raise
        except BaseException:
            line.drop()
            raise
        finally:
            self._idle.append(line)

    def tell(self, told: Told) -> None:
        """Let the server run a script, and wait for nothing."""
        line = self.taken()
        try:
            line.tell(told)
        finally:
            self._idle.append(line)

    def back(self, line: Line) -> None:
        """Let others have a line that was taken."""
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

    def taken(self) -> Line:
        """A line for one caller, who gives it back()."""
        self._leave_to_parent()
        try:
            return self._idle.pop()
        except IndexError:
            return Line(self._pool.connection_class(**self._pool.connection_kwargs))

    def taken_standing(self) -> Line | None:
        """A line that can be used without waiting for a connection, for one caller, who gives it back()."""
        self._leave_to_parent()
        for _ in range(len(self._idle)):
            try:
                line = self._idle.pop()
            except IndexError:
                return None
            if line.stands():
                return line
            self._idle.appendleft(line)
        return None

    def _leave_to_parent(self) -> None:
        if self._process != os.getpid():
            # A fork: the sockets belong to the parent. In this order, for other threads may look at the same time.
            self._idle = deque()
            self._process = os.getpid()


_CONNECTIONS: WeakKeyDictionary[Any, Connections] = WeakKeyDictionary()


def connections_of(redis: "Redis") -> Connections:
    """Those of this client."""
    pool = redis.connection_pool
    return _CONNECTIONS.setdefault(pool, Connections(pool))
