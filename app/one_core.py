"""Keeps a process with many threads on one core at a time.

Only one of its threads computes, the one that has the interpreter. Where that passes from core to core, each passing
wakes up a core and leaves its caches behind: up to a third of all that a turn or a webhook costs. The kernel does not
know that a second core is of no use to them. Which core it is changes when others need it more: by what all of the
machine uses of each, so that processes that know nothing of each other stay apart, in containers too. Where the system
has no such thing, hides it, or lends one core only, nothing is done.
"""

import os
import random
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

# Seconds between two looks, at random: those who share a core must not leave it in the same moment.
SOONEST_LOOK, LATEST_LOOK = 1.0, 3.0
# What others must use less of another core to be worth the move, as a share of it.
WORTH_MOVING = 0.25


@dataclass(frozen=True, slots=True)
class Ticks:
    """What was used of each core so far, by all and by us, and the time, each in seconds."""

    used: Mapping[int, float]
    ours: float
    at: float


def better_core(before: Ticks, after: Ticks, present: int) -> int:
    """The core to be on from now on: another one only where others leave clearly more of it than of the present one."""
    seconds = after.at - before.at
    shares = {core: (used - before.used[core]) / seconds for core, used in after.used.items() if core in before.used}
    if present not in shares:
        return present
    shares[present] -= (after.ours - before.ours) / seconds
    best = min(shares, key=lambda core: shares[core])
    return best if shares[present] - shares[best] > WORTH_MOVING else present


class OneCore(threading.Thread):
    """Chooses a core for this process when it is started, and looks now and then whether another one is better."""

    def __init__(self, number: int | None = None) -> None:
        """number: of this process among those that do the same work; None leaves the choice to the kernel, at first."""
        super().__init__(name="one-core", daemon=True)
        self._cores = sorted(os.sched_getaffinity(0)) if sys.platform == "linux" else []
        self._number = number
        self._present = 0

    def start(self) -> None:
        """Move to a core, and begin to look; do nothing where there is no choice or nothing to go by."""
        try:
            if len(self._cores) < 2 or set(self._ticks().used) != set(self._cores):
                return
            self._move({_core_of_now() if self._number is None else self._cores[self._number % len(self._cores)]})
        except OSError as error:  # a container or a sandbox may hide the figures, or forbid to move
            log.info("no_core_of_its_own", reason=type(error).__name__)
            return
        super().start()

    def run(self) -> None:
        """Look until the process ends, or until the system does not let it any more."""
        try:
            self._look_and_move()
        except OSError as error:
            log.warning("no_core_of_its_own", reason=type(error).__name__)
            with suppress(OSError):
                self._move(set(self._cores))

    def _look_and_move(self) -> None:
        before, liked = self._ticks(), self._present
        while True:
            time.sleep(random.uniform(SOONEST_LOOK, LATEST_LOOK))  # noqa: S311 - no secret
            after = self._ticks()
            better = better_core(before, after, self._present)
            # At two looks in a row: what lasts a second is over when the move has been made.
            if better == liked != self._present:
                self._move({better})
            before, liked = after, better

    def _move(self, cores: set[int]) -> None:
        # Twice: a thread that was started meanwhile is where the one was that started it.
        for _ in range(2):
            for thread in os.listdir("/proc/self/task"):
                with suppress(ProcessLookupError):  # it has ended
                    os.sched_setaffinity(int(thread), cores)
        self._present = min(cores)

    def _ticks(self) -> Ticks:
        """What /proc/stat says of our cores (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal."""
        used = {}
        for line in Path("/proc/stat").read_text().splitlines():
            name, *figures = line.split()
            if name[3:].isdigit() and int(name[3:]) in self._cores:
                user, nice, system, _idle, _waiting, *rest = map(int, figures[:8])
                used[int(name[3:])] = (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")
        return Ticks(used, time.process_time(), time.monotonic())


def _core_of_now() -> int:
    # proc(5): what follows the name, which may hold anything, are the fields from the third on; the 39th is it.
    return int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[36])
