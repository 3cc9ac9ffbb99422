"""A machine whose clock jumps: web, workers and Redis see the time that the test tells them (held_clock.c)."""

import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from sandbox.kommo_server import KommoSimulator
from sandbox.stack import Stack
from tests.faults.soak.books import Allowed
from tests.faults.soak.kind import Kind
from tests.faults.soak.scene import SETTINGS, Scene, openai, service

MINUTE = 60.0
SOURCE = Path(__file__).with_name("held_clock.c")
_NANOSECONDS = 1_000_000_000


class HeldClock:
    """The clock of processes with this environment; ours goes on as it was. ahead: in seconds."""

    def __init__(self, directory: Path) -> None:
        self.ahead = 0.0
        self._file = directory / "ahead"
        self._set(0.0)
        library = directory / "held_clock.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)], check=True)
        self.environment = {"LD_PRELOAD": str(library), "HELD_CLOCK": str(self._file)}

    def jump(self, seconds: float) -> None:
        """Jump ahead, or back where it is less than nothing."""
        self._set(self.ahead + seconds)

    def now(self) -> float:
        """Seconds since the epoch, as those processes see it."""
        return time.time() + self.ahead

    def _set(self, ahead: float) -> None:
        self.ahead = ahead
        # Written in place: it is mapped into the memory of those who look.
        with open(os.open(self._file, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(struct.pack("q", int(ahead * _NANOSECONDS)))


def why_no_clock() -> str | None:
    """Why no clock can be held here."""
    if sys.platform != "linux" or shutil.which("cc") is None:
        return "needs Linux and a C compiler"
    return None


@contextmanager
def clock_scene(directory: Path, rate: float) -> Iterator[Scene]:
    """One machine with a clock that jumps. Kommo's goes with it: its tokens would be too old or too new otherwise."""
    clock = HeldClock(directory)
    stack = Stack(directory, settings=SETTINGS, kommo=KommoSimulator(rate=None, clock=clock.now), openai=openai())
    with ExitStack() as context:
        with _in_environment(clock.environment):
            context.enter_context(stack)
        scene = context.enter_context(service(stack, rate, clock.environment))
        scene.clock = clock
        yield scene


def jump_ahead(scene: Scene, dice: Random) -> None:
    scene.mark()
    scene.jump(MINUTE)


def jump_back(scene: Scene, dice: Random) -> None:
    scene.mark()
    scene.jump(-MINUTE)


@contextmanager
def _in_environment(more: dict[str, str]) -> Iterator[None]:
    os.environ.update(more)
    try:
        yield
    finally:
        for name in more:
            del os.environ[name]


CLOCK = (
    # Who sees a minute pass in no time finds that OpenAI has taken too long.
    Kind(
        "clock-ahead", "clock a minute ahead", jump_ahead, 8, 4, 3.0, Allowed(failures=True), clock_scene, why_no_clock
    ),
    Kind("clock-back", "clock a minute back", jump_back, 8, 4, 3.0, stage=clock_scene, missing=why_no_clock),
)
