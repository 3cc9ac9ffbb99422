"""What `bytegpt doctor` says of Redis, clocks, workers and work."""

from collections.abc import Iterable
from typing import Any

import pytest

from app.domain import checkup
from app.domain.checkup import Finding, State, failed, ok, warning, worst
from app.domain.service_state import WorkerLoad
from tests.builders import a_state

OK, WARNING, FAILED = State.OK, State.WARNING, State.FAILED


def told(findings: Iterable[Finding]) -> dict[str, Finding]:
    found = {one.what: one for one in findings}
    # Whatever is not well says what to do, and ends its sentences.
    for one in found.values():
        assert (one.state is OK) == (one.remedy == ""), one
        assert one.state is OK or one.found.endswith("."), one
    return found


@pytest.mark.parametrize(
    ("redis", "snapshots", "what", "state", "says"),
    [
        ({}, None, "redis version", OK, "redis 7.2.4"),
        ({"version": (6, 2, 7)}, None, "redis version", WARNING, "no repairs"),
        ({"version": (6, 0, 16)}, None, "redis version", FAILED, "too old"),
        ({"version": (10, 0, 0)}, None, "redis version", OK, ""),
        ({"mode": "cluster"}, None, "redis version", FAILED, "is a cluster"),
        ({"role": "slave"}, None, "redis version", FAILED, "is a replica"),
        ({}, None, "redis persistence", OK, "append-only file"),
        ({"append_only": False}, True, "redis persistence", WARNING, "since the last snapshot"),
        ({"append_only": False}, None, "redis persistence", WARNING, "no append-only file"),
        ({"append_only": False}, False, "redis persistence", FAILED, "nothing is kept on disk"),
        ({"writes_kept": False}, None, "redis persistence", FAILED, "last write to disk failed"),
        ({}, None, "redis eviction", OK, "noeviction"),
        ({"evicted": 3}, None, "redis eviction", FAILED, "3 keys were thrown away"),
        ({"eviction": "allkeys-lru"}, None, "redis eviction", FAILED, "allkeys-lru"),
        ({"eviction": "volatile-ttl", "memory_limit": None}, None, "redis eviction", WARNING, "no limit of memory"),
        ({}, None, "redis memory", OK, "100 MB used, 10% of its limit"),
        ({"memory_limit": None}, None, "redis memory", OK, "of the memory of its machine"),
        ({"memory_limit": None, "memory_of_machine": None}, None, "redis memory", OK, "100 MB"),
        ({"memory": 749_000_000}, None, "redis memory", OK, "75%"),
        ({"memory": 750_000_000}, None, "redis memory", WARNING, "503"),
        ({"memory": 900_000_000}, None, "redis memory", FAILED, "more memory"),
    ],
)
def test_redis(redis: dict[str, Any], snapshots: bool | None, what: str, state: State, says: str) -> None:
    found = told(checkup.of_redis(a_state(redis=redis).redis, snapshots))
    assert list(found) == ["redis version", "redis persistence", "redis eviction", "redis memory"]
    assert found[what].state is state
    assert says in f"{found[what].found} {found[what].remedy}"


@pytest.mark.parametrize(
    ("ahead", "state", "says"),
    [
        (0.0, OK, "together"),
        (-4.9, OK, "together"),
        (5.0, WARNING, "ours is 5.0 s behind"),
        (-24.0, WARNING, "ours is 24.0 s ahead"),
        (25.0, FAILED, "behind"),
        (-3600.0, FAILED, "ours is 3600.0 s ahead"),
    ],
)
def test_clocks(ahead: float, state: State, says: str) -> None:
    (found,) = told([checkup.of_clock("redis", ahead, "Use NTP.")]).values()
    assert (found.what, found.state) == ("clock against redis", state)
    assert says in found.found


@pytest.mark.parametrize(
    ("workers", "state", "says"),
    [
        ((), FAILED, "none lives"),
        ((WorkerLoad("a"),), OK, "1 alive"),
        ((WorkerLoad("a", 100, 7), WorkerLoad("b", 100, 0)), OK, "2 alive, 7 of 200 threads busy"),
        ((WorkerLoad("a", 100, 100), WorkerLoad("b", 50, 50)), WARNING, "all of their 150 threads busy"),
    ],
)
def test_workers(workers: tuple[WorkerLoad, ...], state: State, says: str) -> None:
    (found,) = told([checkup.of_workers(workers)]).values()
    assert found.state is state
    assert says in found.found


@pytest.mark.parametrize(
    ("work", "what", "state", "says"),
    [
        ({}, "queue", OK, "0 turns"),
        ({"queued": 9, "oldest": 4.9}, "queue", OK, "9 turns"),
        ({"queued": 9, "oldest": 5.0}, "queue", WARNING, "the next one since 5 s"),
        ({"queued": 9, "oldest": 50.0}, "queue", FAILED, "WORKER_PROCESSES"),
        ({"open": 4}, "open turns", OK, "4"),
        ({"open": 4, "unattended": 1}, "open turns", FAILED, "1 of 4"),
        ({"gates_closed": 2}, "openai keys", WARNING, "2 are told to wait"),
        ({}, "openai keys", OK, "none"),
        ({"notes": 5}, "notes on leads", OK, "5 waiting"),
        ({"notes": 5, "notes_late": 2}, "notes on leads", WARNING, "2 of 5 are late"),
    ],
)
def test_work(work: dict[str, Any], what: str, state: State, says: str) -> None:
    found = told(checkup.of_work(a_state(work=work).work, 50.0))
    assert list(found) == ["queue", "open turns", "openai keys", "notes on leads"]
    assert found[what].state is state
    assert says in f"{found[what].found} {found[what].remedy}"


@pytest.mark.parametrize(
    ("findings", "state"),
    [
        ([], OK),
        ([ok("a", "")], OK),
        ([ok("a", ""), warning("b", "", "")], WARNING),
        ([warning("a", "", ""), failed("b", "", ""), ok("c", "")], FAILED),
    ],
)
def test_the_worst_counts(findings: list[Finding], state: State) -> None:
    assert worst(findings) is state
