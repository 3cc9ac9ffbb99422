"""The processes that serve, each on a core of its own."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from sandbox.stack import Stack
from tests.functional.shop import PATIENCE
from tests.waiting import wait_until

SETTING = "REDIS_URL"


def processes(stack: Stack) -> dict[int, str]:
    """The processes of this service, with what they run."""
    found = {}
    setting = f"{SETTING}={stack.environment[SETTING]}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if setting in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def cores_of(pid: int) -> set[frozenset[int]]:
    """Where the threads of a process may run."""
    found = set()
    for thread in os.listdir(f"/proc/{pid}/task"):
        with suppress(ProcessLookupError):
            found.add(frozenset(os.sched_getaffinity(int(thread))))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="cores are chosen on Linux only")
def test_web_and_workers_keep_each_to_one_core(service: Stack) -> None:
    lent = frozenset(os.sched_getaffinity(0))
    running = processes(service)
    workers = [pid for pid, line in running.items() if line.strip().endswith(" worker")]
    servers = [pid for pid, line in running.items() if "gunicorn" in line]

    def settled() -> bool:
        """Each that serves on one core; the master, which only looks after its processes, is left alone."""
        masters = [pid for pid in servers if cores_of(pid) == {lent}]
        serving = [*workers, *(pid for pid in servers if pid not in masters)]
        chosen = [cores for pid in serving for cores in cores_of(pid)]
        return [len(cores) for cores in chosen] == [1] * len(serving) and (len(masters) == 1 or len(lent) == 1)

    assert workers
    assert len(servers) > 1
    wait_until(settled, PATIENCE)  # one may be on its way to another core
