"""Rounds of pytest, each a process with a seed of its own, some side by side, until the time is over."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.tally import Tally

ROOT = Path(__file__).parents[3]
# Seconds between two looks at how far they are.
LOOK_EVERY = 0.5
# Seconds that a round may go on after the end: its last test, and taking everything down.
GRACE = 180.0
TAKING_DOWN = 60.0
# Exit codes of pytest: all passed, something failed, nothing was chosen.
PASSED, INTERRUPTED, NOTHING = 0, 2, 5


@dataclass
class Round:
    """One process of pytest. It writes what it has tried into `told`, and what it prints into `log`.

    is_first: tries all there is, and goes on to its end, however slow the machine is.
    """

    process: "subprocess.Popen[bytes]"
    told: Path
    log: Path
    is_first: bool


class Rounds:
    """seconds: after which no test is begun, but for the first round, which is tried to its end."""

    def __init__(self, directory: Path, seconds: float, only: str, seed: int, processes: int) -> None:
        self.failed_logs: list[Path] = []
        self.begun = 0
        self._directory = directory
        self._until = time.time() + seconds
        self._only = only
        self._seed = seed
        self._processes = processes
        self._running: list[Round] = []
        self._over = Tally()
        self._nothing_more = False

    @property
    def tally(self) -> Tally:
        """What all rounds have tried until now."""
        running = [Tally.read(one.told.read_text()) for one in self._running if one.told.exists()]
        return Tally().add([self._over, *running])

    def run(self, tell: Callable[[Tally, int], None]) -> None:
        """Go on until the time is over. tell: is told how far it is, again and again."""
        while self._may_begin() or self._running:
            while self._may_begin() and len(self._running) < self._processes:
                self._begin()
            time.sleep(LOOK_EVERY)
            for one in [one for one in self._running if one.process.poll() is not None]:
                self._end(one)
            if time.time() > self._until + GRACE:
                self._stop([one for one in self._running if not one.is_first])
            tell(self.tally, self.begun)

    def end(self) -> None:
        """Stop what still runs."""
        self._stop(list(self._running))

    def _stop(self, rounds: list[Round]) -> None:
        """Stop these, as failures: nothing may take so long."""
        for one in rounds:
            one.process.send_signal(signal.SIGINT)  # so that it takes down what it has started
            try:
                one.process.wait(TAKING_DOWN)
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()
            self._end(one)

    def _may_begin(self) -> bool:
        return self.begun == 0 or (time.time() < self._until and not self._nothing_more)

    def _begin(self) -> None:
        number = self.begun = self.begun + 1
        log = self._directory / f"round-{number}.log"
        told = self._directory / f"round-{number}.json"
        command = [
            *(sys.executable, "-m", "pytest", "tests/hostile", "-q", "--tb=short", "--hypothesis-profile=fuzz"),
            *(f"--hypothesis-seed={self._seed + number}", f"--tally={told}"),
            # Tables of fixed inputs are tried once.
            *(() if number == 1 else ("--generated", f"--until={self._until}")),
            *(("-k", self._only) if self._only else ()),
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        self._running.append(Round(process, told, log, number == 1))

    def _end(self, one: Round) -> None:
        self._running.remove(one)
        if one.told.exists():
            self._over.add([Tally.read(one.told.read_text())])
        self._nothing_more |= one.process.returncode == NOTHING
        if one.process.returncode not in (PASSED, NOTHING) and not _was_only_stopped(one):
            self.failed_logs.append(one.log)


def _was_only_stopped(one: Round) -> bool:
    """Whether a round ended because the time was over, which pytest tells as an interruption."""
    return b"the time is over" in one.log.read_bytes() and one.process.returncode == INTERRUPTED and not _failures(one)


def _failures(one: Round) -> list[str]:
    return Tally.read(one.told.read_text()).failures
