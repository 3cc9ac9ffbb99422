"""Redis with two replicas, watched by three sentinels, which put one in the place of a master that is gone."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from random import Random

import redis

from app.childprocess import ChildProcess
from app.storage.embedded import EmbeddedRedis, server_binary
from sandbox.stack import Stack, free_port
from tests.faults.soak.kind import Kind
from tests.faults.soak.scene import SETTINGS, Scene, kommo, openai, service
from tests.faults.soak.store import LATE

SENTINELS, QUORUM, REPLICAS = 3, 2, 2
NAME = "bytegpt"
# Less, and a machine that is short of time changes masters that have nothing wrong with them.
SILENT_MS, FAILOVER_MS = 3000, 6000
PATIENCE = 60.0
_LOOK = 0.05


# What docs/operations tells to set: a master that has lost its replicas, because it was replaced, takes no writes.
GUARD = ["--min-replicas-to-write", "1", "--min-replicas-max-lag", "2"]


class Member(EmbeddedRedis):
    """One of the servers; all have one password, because each may be the master."""

    def __init__(self, data_dir: Path, password: str) -> None:
        super().__init__(data_dir, tcp=True, arguments=["--masterauth", password, *GUARD])
        self._password = password

    @property
    def port(self) -> int:
        """Where it listens, once it has been started."""
        return self._port


class WatchedRedis(EmbeddedRedis):
    """Three servers and their sentinels, as one Redis whose URL names the sentinels."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._password = secrets.token_urlsafe(16)
        self._members = [Member(directory / name, self._password) for name in ("one", "two", "three")]
        self._ports = [free_port() for _ in range(SENTINELS)]
        self._sentinels: list[ChildProcess] = []

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self._ports)
        return f"redis+sentinel://:{self._password}@{hosts}/{NAME}/0"

    def start(self) -> None:
        """Start all, and wait until the sentinels know each other and the replica."""
        for member in self._members:
            member.start()
        master, *replicas = self._members
        for replica in replicas:
            self._follow(replica, master)
        self._sentinels = [self._sentinel(port) for port in self._ports]
        self.wait_until_whole()

    def stop(self, seconds: float = 10.0) -> None:
        """Stop all."""
        for sentinel in self._sentinels:
            sentinel.kill_group()
            sentinel.wait(seconds)
        for member in self._members:
            member.stop()

    def master(self) -> Member:
        """The server that the sentinels name."""
        for port in self._ports:
            with suppress(redis.RedisError), _client(port) as sentinel:
                _, found = sentinel.sentinel_get_master_addr_by_name(NAME)
                return next(member for member in self._members if member.port == int(found))
        raise RuntimeError("no sentinel answers")

    def wait_until_replaced(self, old: Member) -> None:
        """Return when the sentinels name another master."""
        _wait(lambda: self.master() is not old and self._is_master(self.master()), "another master")

    def wait_until_whole(self) -> None:
        """Return when all replicas are in step with the master, and the sentinels know of it."""
        _wait(self._is_whole, "replicas in step")

    def _is_whole(self) -> bool:
        master = self.master()
        try:
            with self._server_client(master) as client:
                told = client.info("replication")
            online = [told.get(f"slave{number}", {}).get("state") for number in range(REPLICAS)]
            in_step = told["role"] == "master" and online == ["online"] * REPLICAS
            return in_step and all(self._watches(port) for port in self._ports)
        except redis.RedisError:
            return False

    def _watches(self, port: int) -> bool:
        with _client(port) as sentinel:
            state = sentinel.sentinel_master(NAME)
            replicas = sentinel.sentinel_slaves(NAME)
        healthy = [one for one in replicas if not one["is_sdown"] and one["master-link-status"] == "ok"]
        return int(state["num-other-sentinels"]) == SENTINELS - 1 and len(healthy) == REPLICAS

    def _is_master(self, member: Member) -> bool:
        with suppress(redis.RedisError), self._server_client(member) as client:
            return bool(client.info("replication")["role"] == "master")
        return False

    def _follow(self, replica: Member, master: Member) -> None:
        with self._server_client(replica) as client:
            client.replicaof("127.0.0.1", master.port)

    def _server_client(self, member: Member) -> redis.Redis:
        return redis.Redis(port=member.port, password=self._password, socket_timeout=1.0)

    def _sentinel(self, port: int) -> ChildProcess:
        directory = self.data_dir / f"sentinel-{port}"
        directory.mkdir()
        lines = [
            f"port {port}", "bind 127.0.0.1", f"dir {directory}", f'logfile "{directory}/log"',
            f"sentinel monitor {NAME} 127.0.0.1 {self._members[0].port} {QUORUM}",
            f"sentinel auth-pass {NAME} {self._password}",
            f"sentinel down-after-milliseconds {NAME} {SILENT_MS}",
            f"sentinel failover-timeout {NAME} {FAILOVER_MS}",
        ]  # fmt: skip
        config = directory / "sentinel.conf"
        config.write_text("\n".join(lines) + "\n")
        return ChildProcess([server_binary(), str(config), "--sentinel"], output=subprocess.DEVNULL)


def _client(port: int) -> redis.Redis:
    return redis.Redis(port=port, decode_responses=True, socket_timeout=1.0)


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the sentinels did not come to {what}")
        time.sleep(_LOOK)


@contextmanager
def sentinel_scene(directory: Path, rate: float) -> Iterator[Scene]:
    """A service whose Redis is watched by sentinels."""
    with ExitStack() as context:
        server = WatchedRedis(directory / "redis")
        stack = context.enter_context(
            Stack(directory, kommo=kommo(), openai=openai(), server=server, settings=SETTINGS)
        )
        yield context.enter_context(service(stack, rate))


def _watched(scene: Scene) -> WatchedRedis:
    server = scene.stack.server
    if not isinstance(server, WatchedRedis):
        raise TypeError("this scene has no sentinels")
    return server


def kill_master(scene: Scene, dice: Random) -> None:
    """It comes back as a replica of the one that took its place."""
    watched = _watched(scene)
    old = watched.master()
    scene.mark()
    old.kill()
    watched.wait_until_replaced(old)
    old.start()
    watched.wait_until_whole()


def freeze_master(scene: Scene, dice: Random) -> None:
    """It wakes up as a master that has been replaced."""
    watched = _watched(scene)
    old = watched.master()
    scene.mark()
    os.kill(old.pid, signal.SIGSTOP)
    watched.wait_until_replaced(old)
    os.kill(old.pid, signal.SIGCONT)
    watched.wait_until_whole()


SENTINEL = (
    Kind("sentinel-kill", "SIGKILL of the master under Sentinel", kill_master, 6, 2, 1.0, LATE, sentinel_scene),
    # Not in the ordinary run: it wakes up just when the replicas part, of which not all can be promised (faults.md).
    Kind("sentinel-freeze", "SIGSTOP of the master under Sentinel", freeze_master, 0, 2, 1.0, LATE, sentinel_scene),
)
