"""What the soak says of a process that keeps something of every turn."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.soak.holdings import Holdings, Partners
from tests.faults.soak.leaks import Room, excess

# Does something for every line that it is given, and says that it was done.
PROCESS = """
import socket, sys, threading
kept = []
for what in sys.stdin:
    what, port = what.split()
    if what == "socket":
        kept.append(socket.create_connection(("127.0.0.1", int(port))))
    elif what == "file":
        kept.append(open("/dev/null"))
    elif what == "thread":
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    print(flush=True)
"""
POOL = 3


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def partner() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def let_it(process: subprocess.Popen[str], what: str, port: int) -> None:
    """One turn."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{what} {port}\n")
    process.stdin.flush()
    process.stdout.readline()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a process holds stands in Linux' /proc")
@pytest.mark.parametrize(
    ("what", "partner_name", "room", "fits", "told"),
    [
        ("socket", "openai", Room(POOL, pool=POOL, hosts={"openai": 1}), 3, "4 sockets of openai instead of 3"),
        ("socket", "openai", Room(POOL, pool=2, hosts={"openai": 1}), 2, "3 sockets of openai instead of 2"),
        ("socket", "redis", Room(POOL, redis=2), 8, "9 sockets of redis instead of 8"),
        ("socket", "kommo", Room(POOL, pool=POOL, hosts={"openai": 1}), 0, "1 sockets of kommo instead of 0"),
        ("thread", "openai", Room(POOL), 0, "5 threads instead of 4"),
        ("file", "openai", Room(POOL), 0, "4 open files instead of 3"),
    ],
    ids=["each thread has one", "the pool is full", "connections to Redis", "no pool", "threads", "files"],
)
def test_what_is_kept_of_every_turn_is_found_when_it_is_more_than_the_pools_hold(
    process: subprocess.Popen[str],
    partner: socket.socket,
    what: str,
    partner_name: str,
    room: Room,
    fits: int,
    told: str,
) -> None:
    port = partner.getsockname()[1]
    partners = Partners(1, {port: partner_name})
    let_it(process, "nothing", port)

    def holdings() -> Holdings:
        found = partners.held_by(process.pid)
        assert found is not None
        return found

    baseline = holdings()
    for _ in range(POOL):
        let_it(process, "thread", port)
    for _ in range(fits):
        let_it(process, what, port)
    assert excess(holdings(), baseline, room) == []
    let_it(process, what, port)
    (found,) = excess(holdings(), baseline, room)
    assert found.startswith(told)


def test_accepted_connections_and_the_open_port_are_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), door.accept()[0]:
            held = Partners(port, {}).held_by(os.getpid())
    assert held is not None
    assert (held.sockets["clients"], held.sockets["listening"] >= 1) == (1, True)


def test_a_process_that_has_ended_holds_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        assert Partners(1, {}).held_by(process.pid) is None
