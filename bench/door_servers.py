"""The servers behind the benchmark of the door: real gunicorns under our configuration, and the CPU they use."""

import os
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.childprocess import ChildProcess
from sandbox.stack import Stack

START_SECONDS = 30.0


@contextmanager
def gunicorn(stack: Stack, application: str, port: int) -> Iterator[int]:
    """An application that has /healthz, answering under our gunicorn's configuration. Yields the master's process id.

    Raises TimeoutError.
    """
    with (stack.directory / f"{port}.log").open("wb") as log:
        child = ChildProcess(
            [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn", application],
            environment={**stack.environment, "PORT": str(port)},
            output=log,
        )
        try:
            _wait_until_answered(f"http://127.0.0.1:{port}/healthz")
            yield child.pid
        finally:
            child.kill_group()
            child.wait(10)


def _wait_until_answered(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise TimeoutError(f"{url} does not answer")


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def cpu_ms(pid: int) -> float:
    """What a process and its children have used so far."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # proc(5); what follows the name, which may hold anything: state, parent, ... 12th and 13th utime and stime.
        fields = text.rpartition(")")[2].split()
        if pid in (int(stat.parent.name), int(fields[1])):
            ticks += int(fields[11]) + int(fields[12])
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")
