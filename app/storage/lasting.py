"""Answers of a master that count only once a replica has what they rest on (docs/operations/faults.md)."""

from typing import Any, Protocol

from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.typing import EncodableT

from app.storage import keys

# How long a replica may take to say that it has something; a healthy one does within a millisecond. In any case less
# than the patience with an answer of Redis, which at the door is short (connection.py): who waits on repeats the step.
REPLICA_SECONDS = 1.0
SHARE_OF_PATIENCE = 0.6


class Asked(Protocol):
    """A server that was connected to. Both raise redis.RedisError."""

    @property
    def patience(self) -> float:
        """Seconds that an answer may take."""

    def send(self, *commands: tuple[EncodableT, ...]) -> None:
        """Send commands, in this order and at once."""

    def read(self) -> Any:
        """The answer to the first of them that was not read yet."""


def lasting_answer(server: Asked, command: tuple[EncodableT, ...]) -> Any:
    """What a server answers, when a replica has everything that stood there by then. Raises redis.RedisError.

    A master that hung and was replaced meanwhile wakes up and carries out what had been sent to it. Its replicas have
    left it, so nobody is told what it throws away a moment later. WAIT asks for this connection's own writes only, and
    an answer may rest on those of others: a duplicate on the first acceptance, a repeated command on its first run.
    Hence a write between the two, because replication has one order.
    """
    seconds = min(REPLICA_SECONDS, SHARE_OF_PATIENCE * server.patience)
    commands = (command, ("SET", keys.replicated(), ""), ("WAIT", 1, int(seconds * 1000)))
    server.send(*commands)
    answers = [_read(server) for _ in commands]
    for each in answers:
        if isinstance(each, ResponseError):
            raise each
    first, _, replicas = answers
    if replicas < 1:
        raise RedisTimeoutError("no replica has it")
    return first


def _read(server: Asked) -> Any:
    try:
        return server.read()
    except ResponseError as error:
        return error
