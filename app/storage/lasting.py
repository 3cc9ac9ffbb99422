"""Answers of a master that count only once a replica has what they rest on (docs/operations/faults.md)."""

from typing import Any, Protocol

from redis.exceptions import RedisError, ResponseError
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
    server.send(command, *confirmation(server.patience))
    first, written, replicas = [answer_or_refusal(server) for _ in range(3)]
    if isinstance(first, ResponseError):
        raise first
    doubt = doubt_after(written, replicas)
    if doubt is not None:
        raise doubt
    return first


def confirmation(patience: float) -> tuple[tuple[EncodableT, ...], tuple[EncodableT, ...]]:
    """What is asked after a command whose answer is to last. patience: with one answer, in seconds."""
    seconds = min(REPLICA_SECONDS, SHARE_OF_PATIENCE * patience)
    return ("SET", keys.replicated(), ""), ("WAIT", 1, int(seconds * 1000))


def doubt_after(written: Any, replicas: Any) -> RedisError | None:
    """Why nobody can rely on what was answered before the confirmation's two answers; None where everybody can."""
    for refusal in (written, replicas):
        if isinstance(refusal, ResponseError):
            return refusal
    return None if replicas >= 1 else RedisTimeoutError("no replica has it")


def answer_or_refusal(server: Asked) -> Any:
    """The next answer, or the ResponseError that stands for one. Raises what else a redis.RedisError may be."""
    try:
        return server.read()
    except ResponseError as error:
        return error
