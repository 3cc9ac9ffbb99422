"""The processes around a system that is measured: lean partners, feeders, and how all of them end."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.childprocess import ChildProcess
from bench.lean_server import BACKLOG
from bench.measuring import tree

ROOT = Path(__file__).parents[1]
PATIENCE = 20.0


class Partner:
    """One lean server (bench/replaying.py)."""

    def __init__(self, name: str, recording: Path, directory: Path) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with listener, (directory / f"{name}.log").open("wb") as log:
            descriptor = listener.fileno()
            self._process = ChildProcess(
                [sys.executable, "-m", "bench.replaying", name, str(descriptor), str(recording)],
                environment={"PYTHONPATH": str(ROOT)},
                output=log,
                inherit=[descriptor],
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def state(self) -> dict[str, Any]:
        """What it does now."""
        return self._ask("state")

    def begin(self, first: int) -> None:
        """Note turns from this number on, and nothing of earlier ones."""
        self._ask(f"begin/{first}")

    def noted(self) -> dict[str, Any]:
        """What it has noted; the numbers of turns are texts."""
        return self._ask("noted")

    def set_pace(self, total: float) -> None:
        """Take so many seconds for each answer from now on."""
        self._ask(f"pace/{total}")

    def stop(self) -> None:
        """End it."""
        end(self._process)

    def _ask(self, what: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self.url}/bench/{what}", timeout=PATIENCE) as answer:
            found: dict[str, Any] = json.load(answer)
            return found


class Feeder:
    """A process that hands turns over when it is told to (bench/feeding.py)."""

    def __init__(self, argv: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        # It ends when its stdin does, and that ends with us.
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                argv,
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                start_new_session=True,
            )
        self._log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def order(self, **order: Any) -> None:
        """Tell it what to hand over; `sent` waits until it has."""
        if self._process.stdin is None:
            raise ValueError("it has no stdin")
        print(json.dumps(order), file=self._process.stdin, flush=True)

    def sent(self) -> list[float]:
        """The moments at which the turns of the last order were handed over."""
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise ConnectionError(f"a feeder has ended: {last_line(self._log)}")
        moments: list[float] = json.loads(line)
        return moments

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def end(process: ChildProcess) -> None:
    """Kill a process with all that it has started, also what has left its process group as RQ's work horses do."""
    started = tree(process.pid)
    process.kill_group()
    for pid in started:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(PATIENCE)


def last_line(log: Path) -> str:
    """What a process said last."""
    return next(reversed(log.read_text(errors="replace").strip().splitlines()), "it said nothing")
