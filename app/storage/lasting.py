"""Answers of a master that count only once a replica has what they rest on (docs/operations/faults.md)."""

from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.typing import EncodableT

from app.storage import keys

# How long a replica may take to say that it has something; a healthy one does within a millisecond. In any case less
# than the patience with an answer of Redis, which at the door is short (connection.py): who waits on repeats the step.
REPLICA_SECONDS = 1.0
SHARE_OF_PATIENCE = 0.6


def answer(connection: Any, command: tuple[EncodableT, ...]) -> Any:
    """What the server answers to one command. Raises redis.RedisError."""
    # redis-py's own way to pack looks at every argument in Python first.
    connection.send_packed_command([pack_command(command)])  # type: ignore[arg-type] # hiredis calls it a tuple of one
    return connection.read_response()


def lasting_answer(connection: Any, command: Sequence[EncodableT]) -> Any:
    """The same, when a replica has everything that stood there by then. Raises redis.RedisError.

    A master that hung and was replaced meanwhile wakes up and carries out what had been sent to it. Its replicas have
    left it, so nobody is told what it throws away a moment later. WAIT asks for this connection's own writes only, and
    an answer may rest on those of others: a duplicate on the first acceptance, a repeated command on its first run.
    Hence a write between the two, because replication has one order.
    """
    seconds = min(REPLICA_SECONDS, SHARE_OF_PATIENCE * connection.socket_timeout)
    commands = (command, ("SET", keys.replicated(), ""), ("WAIT", 1, int(seconds * 1000)))
    connection.send_packed_command(connection.pack_commands(commands))
    answers = [_read(connection) for _ in commands]
    for each in answers:
        if isinstance(each, ResponseError):
            raise each
    first, _, replicas = answers
    if replicas < 1:
        raise RedisTimeoutError("no replica has it")
    return first


def _read(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error
