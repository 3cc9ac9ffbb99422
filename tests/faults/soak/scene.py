"""The service under load, on which faults are let loose."""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

from app.domain.turn import Timing
from sandbox.kommo_server import KommoSimulator
from sandbox.kommo_webhook import WebhookStyle
from sandbox.openai_server import OpenAISimulator
from sandbox.stack import Company, Stack
from tests.faults.soak.books import Books
from tests.faults.soak.crew import Crew
from tests.faults.soak.load import Load
from tests.faults.soak.marks import Mark

TURN_SECONDS, PATIENCE_SECONDS = 20, 40
LEASE_SECONDS = Timing(TURN_SECONDS, PATIENCE_SECONDS).lease
SETTINGS = {
    "TURN_DEADLINE": str(TURN_SECONDS),
    "DELIVERY_PATIENCE": str(PATIENCE_SECONDS),
    "OPENAI_CONNECT_TIMEOUT": "1",
    "OPENAI_READ_TIMEOUT": "6",
    "WORKER_CONCURRENCY": "20",
    "WEB_PROCESSES": "2",
    "KOMMO_RATE": "500",
    "KOMMO_ACCOUNT_RATE": "500",
}
# How long OpenAI takes for an answer: long enough for turns to be caught at it.
ANSWER_SECONDS = 0.8
REQUESTS = 10_000_000
WORKERS = 5
COMPANIES: dict[str, dict[str, Any]] = {
    "Padaria": {},
    "Oficina": {"assistant_id": "asst_oficina", "profile": None},
    "Escola": {"assistant_id": "pmpt_escola", "profile": None},
}


class Clock(Protocol):
    """The clock of the service's machine."""

    def jump(self, seconds: float) -> None:
        """Jump ahead, or back where it is less than nothing."""


class Machine(Protocol):
    """A machine with a network of its own."""

    def cut_off(self) -> None:
        """Let every packet from and to it be lost."""

    def join(self) -> None:
        """Let packets pass again."""


@dataclass(slots=True)
class Scene:
    """One service, its companies, and whoever writes to them.

    haste: by which everything that lasts is shorter than in a long run.
    """

    stack: Stack
    crews: Sequence[Crew]
    companies: Sequence[Company]
    books: Books
    rate: float
    style: WebhookStyle | None = None
    doors: Sequence[str] = ()
    marks: list[Mark] = field(default_factory=list)
    load: Load | None = None
    haste: float = 1.0
    clock: Clock | None = None
    machines: Sequence[Machine] = ()
    numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def crew(self) -> Crew:
        """The processes of the first machine."""
        return self.crews[0]

    def mark(self) -> None:
        """Say that a fault begins now."""
        if self.load is None:
            raise RuntimeError("nobody writes")
        self.marks.append(Mark(time.time(), self.load.in_flight()))

    def linger(self, dice: Random, longest: float, shortest: float = 0.0) -> None:
        """Let something last for a while."""
        time.sleep((shortest + dice.random() * (longest - shortest)) / self.haste)

    def jump(self, seconds: float) -> None:
        """Let the clock of the service jump."""
        if self.clock is None:
            raise RuntimeError("the clock of this scene is that of the machine")
        self.clock.jump(seconds)

    @contextmanager
    def under_load(self, dice: Random) -> Iterator[Load]:
        """Let clients write for as long as the block runs."""
        self.marks = []
        doors = self.doors or [self.stack.door]
        load = Load(self.stack.kommo, self.companies, doors, self.rate, dice, self.numbers, self.style)
        self.load = load
        load.start()
        try:
            yield load
        finally:
            load.stop()
            self.load = None


@contextmanager
def plain_scene(directory: Path, rate: float) -> Iterator[Scene]:
    """Everything on one machine, with a Redis of its own."""
    with Stack(directory, settings=SETTINGS, kommo=kommo(), openai=openai()) as stack, service(stack, rate) as scene:
        yield scene


@contextmanager
def service(
    stack: Stack, rate: float, settings: Mapping[str, str] | None = None, workers: int = WORKERS
) -> Iterator[Scene]:
    """Web and workers on one machine. settings: over the stack's environment."""
    companies = companies_of(stack)
    crew = Crew(stack, workers, settings)
    try:
        crew.start()
        yield Scene(stack, [crew], companies, Books(stack, companies, TURN_SECONDS), rate)
    finally:
        crew.stop()


def kommo() -> KommoSimulator:
    """A Kommo with no limit of its own."""
    return KommoSimulator(rate=None)


def openai() -> OpenAISimulator:
    """An OpenAI that does not remember every request of half an hour."""
    return OpenAISimulator(calls_kept=1000)


def companies_of(stack: Stack) -> list[Company]:
    """A company for each way in which OpenAI is asked."""
    stack.openai.configure(first_byte=ANSWER_SECONDS / 4, total=ANSWER_SECONDS)
    stack.add_plan("soak", REQUESTS)
    return [stack.add_company(name, plan="soak", **fields) for name, fields in COMPANIES.items()]
