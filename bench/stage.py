"""What every compared system stands on: one Redis, and lean copies of the partners in processes of their own."""

import itertools
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.processes import Feeder, Partner
from bench.recording import PROFILE, record
from bench.wire import Recording
from sandbox.stack import Company, Stack

# In so many pieces the text of an answer is streamed, unless the question is what pieces cost: the simulated OpenAI's
# own habit.
PIECES = 8
# Kommo's rates are not what is measured.
NO_RATE = "100000"
PLAN, PLAN_REQUESTS = "bench", 10_000_000
POLL = 0.05


class Stage:
    """Everything but the systems themselves; a context manager. directory: for data, recordings and logs."""

    def __init__(self, directory: Path, pieces: int = PIECES) -> None:
        self.directory = directory
        self.stack: Stack
        self.openai: Partner
        self.kommo: Partner
        self.recording = directory / "recording.json"
        self._pieces = pieces
        self._next_number = 1
        self._logs = itertools.count(1)
        self._context = ExitStack()

    def __enter__(self) -> Self:
        _allow_many_files()
        recording: Recording = record(self.directory / "recorded", self._pieces)
        recording.save(self.recording)
        with ExitStack() as context:
            self.openai, self.kommo = (Partner(name, self.recording, self.directory) for name in ("openai", "kommo"))
            context.callback(self.openai.stop)
            context.callback(self.kommo.stop)
            settings = {
                "OPENAI_BASE_URL": f"{self.openai.url}/v1",
                "KOMMO_BASE_URL": self.kommo.url,
                "KOMMO_RATE": NO_RATE,
                "KOMMO_ACCOUNT_RATE": NO_RATE,
                "LOG_LEVEL": "WARNING",
            }
            self.stack = context.enter_context(Stack(self.directory / "stack", settings=settings))
            self._context = context.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()

    def companies(self, count: int) -> list[Company]:
        """Companies that can be answered, with plans that last."""
        self.stack.add_plan(PLAN, PLAN_REQUESTS)
        return [self.stack.add_company(f"Bench {number}", plan=PLAN, profile=PROFILE) for number in range(count)]

    def acceptances(self, companies: Sequence[Company], clients: int) -> Feeder:
        """A process that accepts turns of these companies."""
        accounts = ",".join(str(company.account.account_id) for company in companies)
        argv = [sys.executable, "-m", "bench.acceptances", accounts, str(clients)]
        return Feeder(argv, self.stack.environment, self.log("acceptances"))

    def begin(self, count: int) -> int:
        """Note so many turns with numbers that none has had; the first of them."""
        first, self._next_number = self._next_number, self._next_number + count
        self.openai.begin(first)
        self.kommo.begin(first)
        return first

    def wait_until_done(self, count: int, seconds: float) -> bool:
        """Wait until Kommo has heard of so many of the turns that are noted; whether it has in that time."""
        deadline = time.monotonic() + seconds
        while self.kommo.state()["done"] < count:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL)
        return True

    def log(self, name: str) -> Path:
        """Where a process may write."""
        return self.directory / f"{next(self._logs)}-{name}.log"


def _allow_many_files() -> None:
    """Raise the limit of open files, for us and what we start: every turn in flight holds a connection or two."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
