"""Keeps child processes running, and stops them in order when asked (`bytegpt up`, several workers)."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import FrameType

import structlog

from app.childprocess import ChildProcess

log = structlog.get_logger(__name__)

SETTINGS_ARE_WRONG = 2

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# One Ctrl-C may arrive twice, from the terminal and from a parent such as make or timeout that passes it on.
_SAME_REQUEST_SECONDS = 1.0
_FIRST_RESTART_SECONDS = 0.5
_LONGEST_RESTART_SECONDS = 30.0
# A child that has lived this long has recovered: its next fault is a first one.
_RECOVERED_SECONDS = 60.0
_READY_POLL_SECONDS = 0.1
# A signal that comes just before a wait begins does not cut it short: Python runs handlers between its instructions.
_LONGEST_WAIT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Program:
    """What one child runs. stop_seconds: how long it may take to end after SIGTERM before it is killed."""

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    stop_seconds: float


class Supervisor:
    """Runs the programs of its stages until SIGTERM, SIGINT or SIGHUP.

    The stages are stopped in their order, one after the other; they are started the other way round. run() is called
    once, in the main thread, by a process that ends afterwards: from then on it ignores those signals.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[Program]],
        *,
        is_ready: Callable[[], bool] = lambda: True,
        when_ready: Callable[[], None] = lambda: None,
    ) -> None:
        """is_ready is asked about ten times a second until it is true once, then when_ready is called."""
        self._stages = [[_Child(program) for program in stage] for stage in stages]
        self._is_ready = is_ready
        self._when_ready = when_ready
        self._ready = False
        self._events: SimpleQueue[_Child | signal.Signals] = SimpleQueue()
        self._stop_asked_at: float | None = None
        self._exit_code: int | None = None

    def run(self) -> int:
        """Start everything, restart what dies, stop everything when asked. Returns the exit code.

        0: stopped in order. 1: a child died before the service was ready, was killed because it did not stop in its
        time, or a second Ctrl-C came. 2: a child found its settings wrong.
        """
        with self._listening_to_signals():
            try:
                self._start_all()
                while self._exit_code is None:
                    self._look_whether_ready()
                    self._restart_what_is_due()
                    self._take_events(self._seconds_until_next_look())
                self._stop_in_order()
            finally:
                self._kill_all()
        return self._exit_code

    @contextmanager
    def _listening_to_signals(self) -> Iterator[None]:
        def note(number: int, _frame: FrameType | None) -> None:
            self._events.put(signal.Signals(number))

        for number in _STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves SIGHUP
                signal.signal(number, note)
        try:
            yield
        finally:
            for number in _STOP_SIGNALS:
                signal.signal(number, signal.SIG_IGN)

    def _children(self) -> list["_Child"]:
        return [child for stage in self._stages for child in stage]

    def _start_all(self) -> None:
        for stage in reversed(self._stages):
            for child in stage:
                child.start(self._events)

    def _seconds_until_next_look(self) -> float:
        due = [child.restart_at for child in self._children() if child.restart_at is not None]
        wait = min(due) - time.monotonic() if due else _LONGEST_WAIT_SECONDS
        return max(0.0, wait if self._ready else min(wait, _READY_POLL_SECONDS))

    def _take_events(self, seconds: float) -> None:
        try:
            event = self._events.get(timeout=min(seconds, _LONGEST_WAIT_SECONDS))
        except Empty:
            return
        if isinstance(event, signal.Signals):
            self._note_stop_signal(event)
        elif self._exit_code is None:
            self._note_death(event)

    def _note_stop_signal(self, number: signal.Signals) -> None:
        now = time.monotonic()
        if self._stop_asked_at is None:
            self._stop_asked_at = now
            if self._exit_code is None:
                self._exit_code = 0
            log.info("stopping", signal=number.name)
        elif number is signal.SIGINT and now - self._stop_asked_at > _SAME_REQUEST_SECONDS:
            log.warning("stopping_hard", signal=number.name)
            self._exit_code = 1
            self._kill_all()

    def _note_death(self, child: "_Child") -> None:
        code = child.clear_away()
        log.error("child_died", child=child.program.name, exit=_exit_in_words(code), ready=self._ready)
        if code == SETTINGS_ARE_WRONG:
            self._exit_code = SETTINGS_ARE_WRONG
        elif not self._ready:
            self._exit_code = 1
        else:
            child.plan_restart()

    def _look_whether_ready(self) -> None:
        if not self._ready and self._is_ready():
            self._ready = True
            self._when_ready()

    def _restart_what_is_due(self) -> None:
        for child in self._children():
            if child.restart_at is not None and child.restart_at <= time.monotonic():
                log.info("child_restarted", child=child.program.name)
                child.start(self._events)

    def _stop_in_order(self) -> None:
        for stage in self._stages:
            running = [child for child in stage if child.running]
            for child in running:
                child.ask_to_stop()
            asked_at = time.monotonic()
            for child in running:
                self._await_end(child, asked_at + child.program.stop_seconds)

    def _await_end(self, child: "_Child", deadline: float) -> None:
        while child.running:
            left = deadline - time.monotonic()
            if left <= 0:
                log.error("child_killed", child=child.program.name, after_seconds=child.program.stop_seconds)
                self._exit_code = 1
                child.clear_away()
                return
            self._take_events(left)

    def _kill_all(self) -> None:
        for child in self._children():
            if child.running:
                child.clear_away()


class _Child:
    """The process of one program, through its restarts."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.restart_at: float | None = None
        self._process: ChildProcess | None = None
        self._started_at = 0.0
        self._faults = 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def start(self, events: "SimpleQueue[_Child | signal.Signals]") -> None:
        self.restart_at = None
        self._started_at = time.monotonic()
        self._process = ChildProcess(
            self.program.argv,
            environment=self.program.environment,
            on_exit=lambda _code: events.put(self),
        )

    def ask_to_stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)

    def clear_away(self) -> int:
        """Kill what is left of it and of its own children, which would hold the port. Returns how it ended."""
        if self._process is None:
            return 0
        self._process.kill_group()
        self._process.wait(5.0)
        return self._process.returncode or 0

    def plan_restart(self) -> None:
        now = time.monotonic()
        if now - self._started_at > _RECOVERED_SECONDS:
            self._faults = 0
        self.restart_at = now + min(_LONGEST_RESTART_SECONDS, _FIRST_RESTART_SECONDS * 2**self._faults)
        self._faults += 1


def _exit_in_words(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"
