"""Where walks take place: a service, and the worker processes that end in it."""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from app.storage.scripts import script
from sandbox.kommo_server import KommoSimulator
from sandbox.stack import Stack
from tests.faults.mortal_worker import SCRIPTS
from tests.faults.nursery import Nursery
from tests.faults.walk import Scenario, Walk, Walked

# A rate at which every call may leave at once.
SETTINGS = {"DELIVERY_PATIENCE": "20", "KOMMO_RATE": "100000", "KOMMO_ACCOUNT_RATE": "100000"}


def patient_kommo() -> KommoSimulator:
    """Kommo, where the door may take its time while so many workers start."""
    return KommoSimulator(rate=None, webhook_timeout=10)


class Ground:
    """A service that walks go through one after the other, each with a company of its own; a context manager."""

    def __init__(self, directory: Path, turn_seconds: int) -> None:
        """turn_seconds: of the walks' scenarios."""
        settings = {**SETTINGS, "TURN_DEADLINE": str(turn_seconds)}
        self._stack = Stack(directory, settings=settings, kommo=patient_kommo())
        self._log = directory / "workers.log"
        self._nursery: Nursery
        self._walking = ThreadPoolExecutor(1)
        self._context = ExitStack()

    def later(self, scenario: Scenario) -> Future[Walked]:
        """Walk through one kind of turn when the walks before it are done."""
        return self._walking.submit(lambda: Walk(self._stack, self._nursery, scenario).run())

    def __enter__(self) -> Self:
        with ExitStack() as context:
            context.enter_context(self._stack)
            self._nursery = context.enter_context(Nursery(self._stack.environment, self._log))
            context.callback(self._walking.shutdown, cancel_futures=True)
            self._stack.start("web")
            for name in SCRIPTS:
                self._stack.redis.script_load(script(self._stack.redis, name).source)
            self._context = context.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._context.close()
