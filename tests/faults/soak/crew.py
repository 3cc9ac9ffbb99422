"""The processes of one machine: web and workers, hired, killed and replaced while they work."""

import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from app.childprocess import ChildProcess
from sandbox.stack import Stack

READY_SECONDS = 60.0
STOP_SECONDS = 60.0
_LOOK = 0.02


@dataclass(eq=False, slots=True)
class Hand:
    """One worker process. ready: whether it takes turns."""

    process: ChildProcess
    log: Path
    ready: bool = False

    def look(self) -> bool:
        """Whether it takes turns; known from its log."""
        self.ready = self.ready or b"worker_started" in self.log.read_bytes()[:20_000]
        return self.ready


class Crew:
    """Web and workers of one machine. Whoever is killed is replaced by `hire` or `open_door`.

    settings: over the stack's environment. inside: a command line that runs what follows it somewhere else.
    """

    def __init__(
        self, stack: Stack, workers: int, settings: Mapping[str, str] | None = None, inside: Sequence[str] = ()
    ) -> None:
        self.environment = {**stack.environment, **(settings or {})}
        self.door: ChildProcess
        self.hands: list[Hand] = []
        self._stack = stack
        self._size = workers
        self._inside = tuple(inside)
        self._address = (self.environment.get("BIND", "127.0.0.1"), int(self.environment["PORT"]))

    def start(self) -> None:
        """Start web and workers; return when all of them work."""
        self.open_door()
        while len(self.hands) < self._size:
            self.hire()
        self.wait_until_ready()

    def stop(self) -> None:
        """Kill what is left."""
        processes = [self.door, *(hand.process for hand in self.hands)]
        for process in processes:
            process.kill_group()
        for process in processes:
            process.wait(STOP_SECONDS)

    def open_door(self) -> None:
        """Start web in the place of the one that has ended."""
        self.door, _ = self._started("web")

    def hire(self) -> Hand:
        """One more worker."""
        hand = Hand(*self._started("worker"))
        self.hands.append(hand)
        return hand

    def wait_until_ready(self, seconds: float = READY_SECONDS) -> None:
        """Return when the door is open and every worker takes turns. Raises RuntimeError."""
        deadline = time.monotonic() + seconds
        while not (self.door_is_open() and all(hand.look() for hand in self.hands)):
            if time.monotonic() > deadline or self.died_alone():
                raise RuntimeError(f"web or a worker did not start; logs: {self._stack.directory}")
            time.sleep(_LOOK)

    def a_hand(self, dice: Random, others: int = 3) -> Hand:
        """A worker that takes turns; waits until so many others do so too. Raises TimeoutError."""
        deadline = time.monotonic() + READY_SECONDS
        while len(ready := [hand for hand in self.hands if hand.look()]) <= others:
            if time.monotonic() > deadline:
                raise TimeoutError(f"too few workers became ready; logs: {self._stack.directory}")
            time.sleep(_LOOK)
        return dice.choice(ready)

    def door_is_open(self) -> bool:
        """Whether web answers anything."""
        with _probe() as probe:
            return probe.connect_ex(self._address) == 0

    def door_children(self) -> list[int]:
        """The processes of gunicorn that take requests."""
        return children_of(self.door.pid)

    def replace(self, hand: Hand) -> None:
        """Hire another one for a worker that ends."""
        self.hands.remove(hand)
        self.hire()

    def members(self) -> dict[str, list[int]]:
        """Every process of the crew, by what it does."""
        workers = [hand.process.pid for hand in self.hands if hand.process.returncode is None]
        return {"gunicorn": [self.door.pid], "web": self.door_children(), "worker": workers}

    def died_alone(self) -> list[str]:
        """Who has ended although nobody killed them, and how."""
        found = [f"worker {hand.process.pid} ended with {hand.process.returncode}" for hand in self.hands
                 if hand.process.returncode is not None]  # fmt: skip
        if self.door.returncode is not None:
            found.append(f"web ended with {self.door.returncode}")
        return found

    def repair(self) -> None:
        """Replace who has ended."""
        for hand in [hand for hand in self.hands if hand.process.returncode is not None]:
            self.replace(hand)
        if self.door.returncode is not None:
            self.open_door()
        self.wait_until_ready()

    def _started(self, command: str) -> tuple[ChildProcess, Path]:
        log = self._stack.directory / f"{command}-{time.monotonic_ns()}.log"
        with log.open("wb") as output:
            argv = [*self._inside, *self._stack.argv(command)]
            return ChildProcess(argv, environment=self.environment, output=output), log


def _probe() -> socket.socket:
    probe = socket.socket()
    probe.settimeout(1.0)
    return probe


def children_of(pid: int) -> list[int]:
    """Ids of the processes that this one has started and that still run; none where it has ended."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def signal_to(pid: int, number: signal.Signals) -> None:
    """Send a signal; nothing happens where the process has ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
