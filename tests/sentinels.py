"""Servers that follow each other, and sentinels that say which of them is the master."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import redis

from app.childprocess import ChildProcess
from app.storage.embedded import EmbeddedRedis, server_binary
from tests.waiting import wait_until

NAME = "bots"


@contextmanager
def a_sentinel(directory: Path, master: EmbeddedRedis, epoch: int = 0) -> Iterator[int]:
    """A sentinel that knows this master since its change of that number; its port."""
    at = urlsplit(master.url)
    with EmbeddedRedis(directory / "port", tcp=True) as other:
        port = urlsplit(other.url).port or 0
    config = directory / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {directory}\nsentinel monitor {NAME} 127.0.0.1 {at.port} 1\n"
        f"sentinel auth-pass {NAME} {at.password}\nsentinel config-epoch {NAME} {epoch}\n"
    )
    sentinel = ChildProcess([server_binary(), str(config), "--sentinel"], output=subprocess.DEVNULL)
    try:
        with redis.Redis(port=port, decode_responses=True) as client:
            wait_until(lambda: NAME in client.sentinel_masters())
        yield port
    finally:
        sentinel.kill_group()
        sentinel.wait(5)


class Member(EmbeddedRedis):
    """A server whose password the others know, and a client of it."""

    def __init__(self, directory: Path, password: str) -> None:
        # Replicas are sent everything at once, instead of waiting for others that may want the same.
        at_once = ["--repl-diskless-sync-delay", "0"]
        super().__init__(directory, tcp=True, arguments=["--masterauth", password, *at_once])
        self._password = password
        self.client: redis.Redis

    def __enter__(self) -> Self:
        super().__enter__()
        self.client = redis.Redis.from_url(self.url)
        return self

    def __exit__(self, *exception: object) -> None:
        self.thaw()
        self.client.close()
        super().__exit__(*exception)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def follow(self, master: "Member") -> None:
        """Become a replica, in step."""
        self.client.replicaof("127.0.0.1", master.port)
        wait_until(lambda: self.client.info("replication")["master_link_status"] == "up")
        wait_until(lambda: self.client.info("replication")["master_sync_in_progress"] == 0)

    def freeze(self) -> None:
        """Hang, with every connection open."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on with what came meanwhile."""
        os.kill(self.pid, signal.SIGCONT)


class Family:
    """A master with two replicas and a sentinel that changes its mind when it is told to; a context manager."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._members = [Member(directory / name, "secret") for name in ("one", "two", "three")]
        self._context = ExitStack()
        self._port = 0

    def __enter__(self) -> Self:
        self.master, *self.replicas = [self._context.enter_context(member) for member in self._members]
        for replica in self.replicas:
            replica.follow(self.master)
        self._port = self._context.enter_context(a_sentinel(self._directory, self.master))
        return self

    def __exit__(self, *_: object) -> None:
        self._context.close()

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        return f"redis+sentinel://:secret@127.0.0.1:{self._port}/{NAME}/0"

    def replace_master(self) -> Member:
        """Put the first replica in the place of the master, which is not told; the new master."""
        new, other = self.replicas
        new.client.replicaof("NO", "ONE")
        other.follow(new)
        with redis.Redis(port=self._port, decode_responses=True) as sentinel:
            sentinel.sentinel_remove(NAME)
            sentinel.sentinel_monitor(NAME, "127.0.0.1", new.port, 1)
            sentinel.sentinel_set(NAME, "auth-pass", "secret")
        return new
