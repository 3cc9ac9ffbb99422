"""What a process and everything it has started uses: CPU, memory. Read from /proc, so on Linux only."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
MIB = 1024 * 1024


class NotOnLinux(Exception):
    """The figures come from /proc, which only Linux has."""


def check_platform() -> None:
    """Raise NotOnLinux early rather than in the midst of a run."""
    if sys.platform != "linux":
        raise NotOnLinux("CPU and memory of processes are read from /proc: run this benchmark on Linux")


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. rss: of every process added up, so shared pages count once for each. pss: shared pages count once."""

    rss: int
    pss: int


@dataclass(frozen=True, slots=True)
class _Stat:
    """Of one process. ticks: of CPU, those of its ended children included."""

    parent: int
    ticks: int


def tree(root: int) -> list[int]:
    """A process and all its living descendants."""
    return _tree(root, dict(_stats()))


def cpu_seconds(*roots: int) -> list[float]:
    """CPU time, user and system, of each process with all its descendants, those that have ended included."""
    stats, second = dict(_stats()), os.sysconf("SC_CLK_TCK")
    return [sum(stats[pid].ticks for pid in _tree(root, stats)) / second for root in roots]


def memory(root: int) -> Memory:
    """Memory of a process and all its living descendants."""
    rss = pss = 0
    for pid in tree(root):
        try:
            lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue
        fields = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines[1:])}
        rss += fields["Rss"] * 1024
        pss += fields["Pss"] * 1024
    return Memory(rss, pss)


def peak_rss(pid: int) -> int:
    """The most memory that one process has held so far, in bytes."""
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"process {pid} has no memory")


@dataclass(frozen=True, slots=True)
class MachineTime:
    """Seconds of all cores so far: of every kind, and in which they did nothing."""

    total: float
    idle: float

    @classmethod
    def now(cls) -> "MachineTime":
        """Read it."""
        # proc(5): user nice system idle iowait irq softirq steal; guest times are part of user.
        second = os.sysconf("SC_CLK_TCK")
        times = [int(word) / second for word in (PROC / "stat").read_text().splitlines()[0].split()[1:9]]
        return cls(sum(times), times[3] + times[4])

    def others_share(self, earlier: "MachineTime", ours: float) -> float:
        """How much of the machine was used by processes that are not ours, or taken by its host, since a moment.

        ours: CPU seconds that we used.
        """
        total = self.total - earlier.total
        busy = total - (self.idle - earlier.idle)
        return max(0.0, (busy - ours) / total) if total else 0.0


def _stats() -> Iterator[tuple[int, _Stat]]:
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # Behind the name, which may hold anything: state, parent, …; the 12th to the 15th are the times.
        fields = text.rpartition(")")[2].split()
        yield int(entry.name), _Stat(int(fields[1]), sum(map(int, fields[11:15])))


def _tree(root: int, stats: dict[int, _Stat]) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    tree, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        if pid in stats:
            tree.append(pid)
            waiting += children.get(pid, [])
    return tree
