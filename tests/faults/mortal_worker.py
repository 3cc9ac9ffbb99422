"""Workers that are killed or frozen at a given moment of their first turn, and the worker that lives after them.

A program of its own, because a kill is only real where a whole process dies. It imports the service once and forks, so
that each worker is ready in a tenth of the time. What runs in a fork is `bytegpt worker` itself; only around the
library calls that reach the wire is every moment counted at which a process may die:

- before a command to Redis leaves, and after its answer came (a pipeline is one command here);
- before an HTTP request is sent, after it was sent, and after the head of its answer came.

Those of the thread that works on the turn count, and those of the thread that took it from the moment it has it until
the other one does. Between the answer of one command and the sending of the next nothing happens that anybody else
could notice; a thin walk leaves the moments after the answers of Redis out.

A worker here has one turn and minds no other business: it lets no other calls leave, and wakes nobody.

The program is ordered about with lines of JSON on stdin, and answers each with one on stdout:

  {"order": "breed", "generations": [{"moments": [1, 2, …], "from": "queue"}, …], "fate": "killed", "thin": false}
      One worker for each moment, which is named by its number or by what it is called; a moment that never comes is
      survived. Each takes its turn from the queue, or, with "from": "calls", when its continue call may leave. Answered
      when all could take one. `fate` may be "frozen": SIGSTOP instead of SIGKILL.
  {"order": "release"}
      Let each worker of the first generation take one turn; when all have one, each of the second, and so on, and
      then start the successor, an ordinary worker. Answered when all have ended or are frozen.
  {"order": "thaw"}   SIGCONT for the frozen ones. Answered when all have ended.
  {"order": "stop"}   SIGTERM for the successor. Answered with its exit code.

It ends, and takes its workers with it, when stdin does.
"""

import gc
import json
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any
from urllib.parse import urlsplit

import hiredis
import redis
from redis.connection import AbstractConnection

import app.cli.services  # noqa: F401 - imported before the fork, for all forks
import workers.run  # noqa: F401 - the same
from app.cli.main import run
from app.clients.timed_connection import TimedAdapter, TimedConnection
from app.storage.scripts import script
from app.storage.taking import Departing, RedisTaking, Swept
from config.prices import read_prices
from workers.pool import ThreadWorker
from workers.runtime import Runtime
from workers.slots import Slots

# No worker here outlives this by much, whatever goes wrong with a test.
LIFETIME_SECONDS = 90
# Of a turn and of whoever looks after turns. Redis knows them from a service's second turn on.
SCRIPTS = (
    *("take", "advance", "begun", "pass_gate", "close_gate", "free_gate"),
    *("depart", "sweep", "wake", "renew", "give_back"),
)
# Those that hand a turn out, and where it stands in what they answer.
_HAND_OUT = {"take": 0, "depart": 1}

_SIGNALS = {"killed": signal.SIGKILL, "frozen": signal.SIGSTOP}
_STEP = re.compile(rb'"steps": \[\["(\w+)"')
_IDENTIFIER = re.compile(r"/(\d+|\w+_\w+)(?=/|$)")


class Moments:
    """The moments of this process's turn so far; at the fatal one it kills or stops itself."""

    def __init__(self, fatal: int | str, fate: str, thin: bool, told: int) -> None:
        """told: the pipe through which the parent is told things."""
        self.trail: list[str] = []
        self.survived = False
        self._fatal = fatal
        self._fate = fate
        self._thin = thin
        self._told = told
        self._turn = ""
        # The thread that took the turn, as long as no other one has it.
        self._taker: threading.Thread | None = None
        self._thread = threading.local()
        unconnected = redis.Redis()
        self._scripts = {script(unconnected, name).sha.encode(): name for name in SCRIPTS}

    def passed(self, when: str, what: str) -> None:
        """One more moment has come, if this thread works on the turn."""
        if self.survived or not self._counts():
            return
        self.trail.append(f"{when} {what}")
        if self._fatal in (len(self.trail), self.trail[-1]):
            self.end(self._fate)
            self.survived = True  # for one that is only frozen
            # To this very thread: a SIGSTOP that another one takes would let this one run on for a while.
            signal.pthread_kill(threading.get_ident(), _SIGNALS[self._fate])

    def tell(self, word: Any) -> None:
        """Say something to the parent."""
        os.write(self._told, json.dumps(word).encode() + b"\n")

    def end(self, how: str) -> None:
        """Tell the parent how this worker's turn ended."""
        self.tell({"moment": self._fatal, "turn": self._turn, "ended": how, "trail": self.trail})

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What happens inside is no step of a turn: a connection comes about."""
        already = getattr(self._thread, "aside", False)
        self._thread.aside = True
        try:
            yield
        finally:
            self._thread.aside = already

    def command(self, packed: Any) -> None:
        """A command, or a pipeline of them, is about to leave."""
        data = packed.encode() if isinstance(packed, str) else b"".join(map(bytes, packed))
        self._thread.command = self._name_of(data)
        self.passed("before", self._thread.command)

    def answer(self, value: Any) -> None:
        """Redis has answered; of a pipeline's answers only the first counts."""
        command, self._thread.command = getattr(self._thread, "command", None), None
        if command in _HAND_OUT and (turns := value[_HAND_OUT[command]]):
            self._taker = threading.current_thread()
            self._turn = turns[0][0].decode()
        if command is not None and not self._thin:
            self.passed("after", command)

    def handed_over(self) -> None:
        """Whoever took the turn gives it to the thread that works on it."""
        self._taker = None
        if not self.survived:
            self.tell("taken")

    @property
    def has_turn(self) -> bool:
        """Whether its turn was ever taken."""
        return bool(self._turn)

    def _counts(self) -> bool:
        if getattr(self._thread, "aside", False):
            return False
        thread = threading.current_thread()
        return thread is self._taker or thread.name.startswith(("turn_", "call_"))

    def _name_of(self, data: bytes) -> str:
        reader = hiredis.Reader()
        reader.feed(data)
        names = []
        while (command := reader.gets()) is not False:
            names.append(self._name_of_one(command))
        return "+".join(name for name in names if name not in ("MULTI", "EXEC"))

    def _name_of_one(self, command: list[bytes]) -> str:
        if command[0] != b"EVALSHA":
            return command[0].decode()
        step = _STEP.search(b" ".join(command))
        name = self._scripts.get(command[1], "a script")
        return f"{name} {step[1].decode()}" if step else name


def _wrap(owner: type, name: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    setattr(owner, name, around(getattr(owner, name)))


def _watch_redis(moments: Moments) -> None:
    def connect(plain: Callable[..., Any]) -> Callable[..., Any]:
        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            with moments.aside():
                return plain(self, *args, **kwargs)

        return watched

    def send(plain: Callable[..., Any]) -> Callable[..., Any]:
        def watched(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
            self.connect()  # before the command is, or what is said in connecting would take its place
            moments.command(command)
            return plain(self, command, *args, **kwargs)

        return watched

    def read(plain: Callable[..., Any]) -> Callable[..., Any]:
        def watched(self: Any, *args: Any, **kwargs: Any) -> Any:
            value = plain(self, *args, **kwargs)
            moments.answer(value)
            return value

        return watched

    _wrap(AbstractConnection, "connect_check_health", connect)
    _wrap(AbstractConnection, "send_packed_command", send)
    _wrap(AbstractConnection, "read_response", read)


def _watch_http(moments: Moments) -> None:
    request_of_thread = threading.local()

    def send(plain: Callable[..., Any]) -> Callable[..., Any]:
        def watched(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            what = f"{request.method} {_IDENTIFIER.sub('/…', urlsplit(request.url).path)}"
            request_of_thread.what = what
            moments.passed("before", what)
            answer = plain(self, request, *args, **kwargs)
            moments.passed("after", what)
            return answer

        return watched

    def wait(plain: Callable[..., Any]) -> Callable[..., Any]:
        def watched(self: Any) -> Any:
            moments.passed("during", request_of_thread.what)
            return plain(self)

        return watched

    _wrap(TimedAdapter, "send", send)
    _wrap(TimedConnection, "getresponse", wait)


class _OneTurn:
    """Lets the worker take its first turn, from there, when the gate opens, and none after it."""

    def __init__(self, moments: Moments, gate: int, source: str) -> None:
        self._moments = moments
        self._gate = gate
        self._source = source
        self._standing_there = threading.Lock()
        self._passed = False
        self._worker: ThreadWorker
        _wrap(ThreadWorker, "dequeue_job_and_maintain_ttl", self._from_the_queue)
        _wrap(RedisTaking, "departing", self._from_the_calls)
        _wrap(Slots, "run", self._handed_over)
        _wrap(Runtime, "work_on", self._worked_on)

    def _wait_at_gate(self) -> None:
        with self._standing_there:
            if not self._passed:
                self._moments.tell("ready")
                os.read(self._gate, 1)
                self._passed = True

    def _from_the_queue(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def gated(worker: ThreadWorker, *args: Any, **kwargs: Any) -> Any:
            self._worker = worker
            if self._source == "queue":
                self._wait_at_gate()
            else:
                while not worker.stopping:
                    worker.pause(1)
            return plain(worker, *args, **kwargs)

        return gated

    def _from_the_calls(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def once(taking: RedisTaking, _most: int, crowded: Any) -> Any:
            if self._source == "queue" or self._moments.has_turn:
                return Departing()
            self._wait_at_gate()
            return plain(taking, 1, crowded)

        return once

    def _handed_over(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*args: Any, **kwargs: Any) -> None:
            self._moments.handed_over()
            plain(*args, **kwargs)

        return watched

    def _worked_on(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def once(*args: Any) -> None:
            try:
                plain(*args)
            finally:
                self._worker.request_stop(None, None)

        return once


def _no_other_business(moments: Moments) -> None:
    """See that what lost workers left is put back until the own turn is there; leave all else to others."""

    def sweep(plain: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, _most: Swept() if moments.has_turn else plain(self, 0)

    _wrap(RedisTaking, "due", sweep)
    _wrap(RedisTaking, "wake", lambda _: lambda _self: None)
    _wrap(RedisTaking, "any_ready", lambda _: lambda _self: False)


class _Mortal:
    """One forked worker, as its parent knows it. frozen: it waits to be thawed."""

    def __init__(self, process: int, words: IO[str]) -> None:
        self.frozen = False
        self._process = process
        self._words = words
        self._life: dict[str, Any] | None = None

    def hear(self) -> None:
        """Wait for its next word: that it is ready, that it has a turn, or how it ended."""
        word = json.loads(self._words.readline())
        if isinstance(word, dict):
            self._life = word

    def life(self) -> dict[str, Any]:
        """What became of it, when it has ended or is frozen."""
        while self._life is None:
            self.hear()
        self.frozen = self._life["ended"] == "frozen"
        code = None if self.frozen else self._collected()
        return {**self._life, "exit": code}

    def thaw(self) -> None:
        """Let a frozen one go on."""
        self._life = None
        os.kill(self._process, signal.SIGCONT)

    def _collected(self) -> int:
        self._words.close()
        _, status = os.waitpid(self._process, 0)
        return os.waitstatus_to_exitcode(status)


class _Nursery:
    """The workers of this program."""

    def __init__(self) -> None:
        self._generations: list[tuple[list[_Mortal], int]] = []
        self._frozen: list[_Mortal] = []
        self._successor: int | None = None

    def breed(self, generations: list[dict[str, Any]], fate: str, thin: bool) -> dict[str, Any]:
        """Fork the mortals and wait until all could take a turn."""
        self._generations = [self._generation(each["moments"], each["from"], fate, thin) for each in generations]
        for mortals, _ in self._generations:
            for mortal in mortals:
                mortal.hear()
        return {"generations": len(self._generations)}

    def release(self) -> dict[str, Any]:
        """Open the gates one after the other, start the successor, and see how the mortals end."""
        for mortals, gate in self._generations:
            os.write(gate, b"." * len(mortals))
            for mortal in mortals:
                mortal.hear()
            os.close(gate)
        self._successor = _forked(lambda: run(["worker"]))
        all_mortals = [mortal for mortals, _ in self._generations for mortal in mortals]
        lives = [mortal.life() for mortal in all_mortals]
        self._frozen = [mortal for mortal in all_mortals if mortal.frozen]
        return {"lives": lives}

    def thaw(self) -> dict[str, Any]:
        """Let the frozen ones go on to their end."""
        for mortal in self._frozen:
            mortal.thaw()
        return {"lives": [mortal.life() for mortal in self._frozen]}

    def stop(self) -> dict[str, Any]:
        """Stop the successor as an operator does."""
        if self._successor is None:
            raise RuntimeError("there is no successor")
        os.kill(self._successor, signal.SIGTERM)
        _, status = os.waitpid(self._successor, 0)
        self._successor = None
        return {"exit": os.waitstatus_to_exitcode(status)}

    @staticmethod
    def _generation(fatal_moments: list[int | str], source: str, fate: str, thin: bool) -> tuple[list[_Mortal], int]:
        """One mortal for each moment, all behind one gate, and the end of the pipe by which it opens."""
        gate, opener = os.pipe()
        mortals = []
        for fatal in fatal_moments:
            reading, writing = os.pipe()
            process = _forked(partial(_mortal, Moments(fatal, fate, thin, writing), gate, source))
            os.close(writing)
            mortals.append(_Mortal(process, os.fdopen(reading)))
        os.close(gate)
        return mortals, opener


def _mortal(moments: Moments, gate: int, source: str) -> int:
    os.environ["WORKER_CONCURRENCY"] = "1"
    _watch_redis(moments)
    _watch_http(moments)
    _OneTurn(moments, gate, source)
    _no_other_business(moments)
    code = run(["worker"])
    moments.end("in peace")
    return code


def _forked(life: Callable[[], int]) -> int:
    process = os.fork()
    if process:
        return process
    code = 1
    try:
        signal.alarm(LIFETIME_SECONDS)
        code = life()
    except BaseException:  # noqa: BLE001 - nothing may run on as a second nursery
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Obey until stdin ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what workers print goes to the log
    # What every fork would read for itself.
    read_prices()
    for name in SCRIPTS:
        script(redis.Redis(), name)
    # Without this the collector of each fork writes to, and so copies, every page they could share.
    gc.freeze()
    nursery = _Nursery()
    try:
        for line in sys.stdin:
            order = json.loads(line)
            obey = getattr(nursery, order.pop("order"))
            print(json.dumps(obey(**order)), file=answers, flush=True)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
