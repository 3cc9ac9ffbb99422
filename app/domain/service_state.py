"""How the service stands at one moment, as it can be seen from Redis: for `/metrics`, `bytegpt doctor` and pages."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.accounts import Access
from app.domain.failures import Failure


@dataclass(frozen=True, slots=True)
class RedisState:
    """What a Redis (or Valkey) says of itself.

    version: the one of Redis whose commands it has. server: `redis` or `valkey`, with its own version.
    mode: `standalone`, `sentinel` or `cluster`. role: `master` or `slave`.
    ahead: seconds by which its clock is ahead of ours.
    memory_limit: bytes, None where it has none. memory_of_machine: bytes, None where it does not say.
    eviction: its maxmemory-policy. evicted: keys that it has thrown away since it started.
    append_only: it keeps an append-only file. writes_kept: what it last wrote to disk was written.
    """

    version: tuple[int, ...]
    server: str
    mode: str
    role: str
    ahead: float
    memory: int
    memory_limit: int | None
    memory_of_machine: int | None
    eviction: str
    evicted: int
    clients: int
    append_only: bool
    writes_kept: bool

    @property
    def memory_share(self) -> float | None:
        """How much of its memory is used, from 0 to 1; of the machine's where it has no limit of its own."""
        limit = self.memory_limit or self.memory_of_machine
        return self.memory / limit if limit else None


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """A living worker process. threads, busy: None where it has not said."""

    name: str
    threads: int | None = None
    busy: int | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What waits and what is under way.

    queued: turns that wait for a worker. oldest: seconds since the first of them was accepted, None where none waits.
    ready: turns whose continue call waits for its moment. open: turns that are not over.
    unattended: open turns that should have been looked after by now. gates_closed: OpenAI keys that are told to wait.
    notes, notes_late: notes on leads that wait, and those of them that should have been written by now.
    hooks: Kommo's hooks that are not worked off.
    """

    queued: int
    oldest: float | None
    ready: int
    open: int
    unattended: int
    gates_closed: int
    notes: int
    notes_late: int
    hooks: int


@dataclass(frozen=True, slots=True)
class WaitingKey:
    """An OpenAI key that is told to wait.

    account_id: an account that uses it, None where that is not known. reason: what a turn is told that cannot wait.
    until: milliseconds; None once it may be tried again, one turn at a time. turns: how many wait for it.
    """

    account_id: int | None
    reason: Failure
    until: int | None
    turns: int


@dataclass(frozen=True, slots=True)
class ServiceState:
    """All of it. access: how many accounts Kommo gives which access."""

    redis: RedisState
    work: Work
    workers: tuple[WorkerLoad, ...]
    access: Mapping[Access, int]
