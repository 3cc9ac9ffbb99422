"""Which core a process keeps to."""

import os
import subprocess
import sys
from typing import NoReturn

import pytest

from app import one_core
from app.one_core import OneCore, Ticks, better_core

# A process that has a thread already, and starts one more afterwards.
THREADS = """
import os, threading
from app.one_core import OneCore
os.sched_setaffinity(0, {cores})
ended = threading.Event()
threading.Thread(target=ended.wait).start()
OneCore({number}).start()
threading.Thread(target=ended.wait).start()
print(*(sorted(os.sched_getaffinity(int(task))) for task in os.listdir("/proc/self/task")), sep=";")
ended.set()
"""


def ticks(used: dict[int, float], ours: float = 0.0, at: float = 0.0) -> Ticks:
    return Ticks(used, ours, at)


@pytest.mark.parametrize(
    ("used", "ours", "chosen"),
    [
        pytest.param({0: 1.0, 1: 1.0}, 1.0, 0, id="both are full, ours with us"),
        pytest.param({0: 2.0, 1: 0.0}, 2.0, 0, id="nobody else is there"),
        pytest.param({0: 2.0, 1: 0.2}, 1.0, 1, id="others use half of ours"),
        pytest.param({0: 2.0, 1: 0.9}, 1.2, 0, id="others use hardly more of ours"),
        pytest.param({0: 2.0, 1: 1.0, 2: 0.1, 3: 0.5}, 0.0, 2, id="the best of several"),
        pytest.param({1: 0.0}, 0.0, 0, id="ours is not told any more"),
        pytest.param({}, 0.0, 0, id="nothing is told"),
    ],
)
def test_a_process_moves_where_others_leave_clearly_more_to_it(
    used: dict[int, float], ours: float, chosen: int
) -> None:
    before = ticks(dict.fromkeys(used, 5.0), 7.0, 100.0)
    after = ticks({core: 5.0 + share for core, share in used.items()}, 7.0 + ours, 102.0)
    assert better_core(before, after, 0) == chosen


class Ended(Exception):
    """The looks of a test are over."""


def moves(monkeypatch: pytest.MonkeyPatch, looks: list[int]) -> list[int]:
    """Where a process on core 0 goes that finds these cores better, one at each look."""
    kept, moved = OneCore(), []
    found = iter(looks)

    def look(*_: object) -> int:
        for core in found:
            return core
        raise Ended

    def move(cores: set[int]) -> None:
        (kept._present,) = cores
        moved.append(kept._present)

    monkeypatch.setattr(one_core, "better_core", look)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(kept, "_ticks", lambda: None)
    monkeypatch.setattr(kept, "_move", move)
    with pytest.raises(Ended):
        kept.run()
    return moved


@pytest.mark.parametrize(
    ("looks", "moved"),
    [([1], []), ([1, 1], [1]), ([1, 0, 1], []), ([1, 2, 2], [2]), ([1, 1, 1], [1]), ([1, 1, 0, 0], [1, 0])],
)
def test_a_process_moves_at_the_second_look_that_says_so(
    monkeypatch: pytest.MonkeyPatch, looks: list[int], moved: list[int]
) -> None:
    assert moves(monkeypatch, looks) == moved


@pytest.fixture
def cores() -> list[int]:
    if sys.platform != "linux":
        pytest.skip("cores are chosen on Linux only")
    return sorted(os.sched_getaffinity(0))


def affinities(number: int | None, cores: list[int]) -> list[str]:
    script = THREADS.format(number=number, cores=set(cores))
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return told.stdout.strip().split(";")


def test_what_is_used_of_a_core_only_grows(cores: list[int]) -> None:
    kept = OneCore()
    before, after = kept._ticks(), kept._ticks()
    assert set(before.used) == set(cores)
    assert all(after.used[core] >= before.used[core] for core in cores)
    assert after.at > before.at


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_every_thread_keeps_to_the_core_of_the_processes_number(cores: list[int], number: int) -> None:
    assert set(affinities(number, cores)) == {str([cores[number % len(cores)]])}


def test_a_process_without_a_number_stays_on_one_core_too(cores: list[int]) -> None:
    (kept,) = set(affinities(None, cores))
    assert kept in {str([core]) for core in cores}


def test_a_process_with_one_core_is_left_alone(cores: list[int]) -> None:
    assert set(affinities(1, cores[:1])) == {str(cores[:1])}


@pytest.mark.parametrize("hidden", ["all of it", "some cores", "the permission"])
def test_where_the_system_does_not_play_along_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, cores: list[int], hidden: str
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise PermissionError

    kept = OneCore(0)
    monkeypatch.setattr(kept, "_cores", [*cores, 10_000])
    used = dict.fromkeys(cores if hidden == "some cores" else kept._cores, 0.0)
    monkeypatch.setattr(kept, "_ticks", refuse if hidden == "all of it" else lambda: ticks(used))
    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    kept.start()
    assert not kept.is_alive()
    assert sorted(os.sched_getaffinity(0)) == cores


def test_a_process_that_may_not_look_any_more_goes_everywhere_again(
    monkeypatch: pytest.MonkeyPatch, cores: list[int]
) -> None:
    looks = iter([ticks({0: 0.0})])
    moved: list[set[int]] = []

    def look() -> Ticks:
        for found in looks:
            return found
        raise FileNotFoundError

    kept = OneCore()
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(kept, "_ticks", look)
    monkeypatch.setattr(kept, "_move", moved.append)
    kept.run()
    assert moved == [set(cores)]
