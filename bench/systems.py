"""The systems that are compared, and how each is started."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from app.childprocess import ChildProcess
from bench.processes import ROOT, Feeder, end
from bench.stage import Stage

# Where the peers live: `make bench` sets it up from bench/constraints.txt.
PEER_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
COMPANIES = 8
# More than the turns that are ever unfinished, so that nobody waits for an earlier turn of the same client.
CLIENTS_PER_SLOT = 2


@dataclass(frozen=True, slots=True)
class Running:
    """A system at work. pid: the root of its process tree. log: where it says what is wrong."""

    pid: int
    log: Path
    feeder: Feeder
    stop: Callable[[], None]


@dataclass(frozen=True, slots=True)
class System:
    """One row of the table.

    slots: turns that it can have in flight. loads: the numbers in flight at which its latency is measured.
    warm_up: turns before anything is measured.
    """

    key: str
    name: str
    slots: int
    loads: tuple[int, ...]
    warm_up: int
    start: Callable[[Stage, int], Running]


def ours(stage: Stage, slots: int) -> Running:
    """`bytegpt worker`, one process."""
    feeder = stage.acceptances(stage.companies(COMPANIES), CLIENTS_PER_SLOT * slots)
    stage.stack.environment["WORKER_CONCURRENCY"] = str(slots)
    (worker,) = stage.stack.start("worker")

    def stop() -> None:
        feeder.stop()
        end(worker)

    return Running(worker.pid, stage.stack.log_files[-1], feeder, stop)


def _peer(module: str, *argv: str) -> Callable[[Stage, int], Running]:
    """A framework: workers that take from Redis, and a process that enqueues. `{slots}` is replaced in argv."""

    def start(stage: Stage, slots: int) -> Running:
        environment = _environment(stage)
        log = stage.log(module)
        with log.open("wb") as output:
            command = [str(PEER_PYTHON), *(word.format(slots=slots) for word in argv)]
            workers = ChildProcess(command, environment=environment, output=output)
        send = [str(PEER_PYTHON), "-m", "bench.peers.send", module]
        feeder = Feeder(send, environment, stage.log(f"{module}-feeder"))

        def stop() -> None:
            feeder.stop()
            end(workers)

        return Running(workers.pid, log, feeder, stop)

    return start


def _floor(module: str) -> Callable[[Stage, int], Running]:
    """A process that feeds itself from a queue in its own memory."""

    def start(stage: Stage, slots: int) -> Running:
        argv = [str(PEER_PYTHON), "-m", f"bench.peers.{module}", str(slots)]
        log = stage.log(module)
        feeder = Feeder(argv, _environment(stage), log)
        return Running(feeder.pid, log, feeder, feeder.stop)

    return start


def _environment(stage: Stage) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "PYTHONPATH": str(ROOT),
        "REDIS_URL": stage.stack.server.url,
        "OPENAI_BASE_URL": f"{stage.openai.url}/v1",
        "KOMMO_BASE_URL": stage.kommo.url,
        "BENCH_RECORDING": str(stage.recording),
    }


def _celery(pool: str) -> Callable[[Stage, int], Running]:
    quiet = ("--loglevel", "WARNING", "--without-gossip", "--without-mingle")
    arguments = ("--pool", pool, "--concurrency", "{slots}", *quiet)
    return _peer("celery_app", "-m", "celery", "--app", "bench.peers.celery_app", "worker", *arguments)


_dramatiq = _peer(
    "dramatiq_app", "-m", "dramatiq", "bench.peers.dramatiq_app", "--processes", "1", "--threads", "{slots}"
)


def systems(slots: int, processes: int, loads: tuple[int, ...]) -> list[System]:
    """All rows, the floor first.

    slots: of the systems that hold many turns in one process. processes: of RQ's pools, a turn each.
    """
    fit = tuple(load for load in loads if load <= processes)
    return [
        System("floor_threads", "floor: bare threads", slots, loads, slots, _floor("floor_threads")),
        System("floor_asyncio", "floor: asyncio, aiohttp", slots, loads, slots, _floor("floor_asyncio")),
        # Every client has a conversation afterwards.
        System("ours", "ByteGPT worker", slots, loads, CLIENTS_PER_SLOT * slots, ours),
        System("rq_fork", "RQ worker pool, forking", processes, fit, 2 * processes, _rq("fork")),
        System("rq_simple", "RQ worker pool, SimpleWorker", processes, fit, 2 * processes, _rq("simple")),
        System("celery_gevent", "Celery, gevent", slots, loads, slots, _celery("gevent")),
        System("celery_threads", "Celery, threads", slots, loads, slots, _celery("threads")),
        System("dramatiq", "Dramatiq, threads", slots, loads, slots, _dramatiq),
    ]


def _rq(kind: str) -> Callable[[Stage, int], Running]:
    return _peer("rq_pool", "-m", "bench.peers.rq_pool", kind, "{slots}")


def check_peers() -> None:
    """Raise a click error where the peers are not set up."""
    if not PEER_PYTHON.exists():
        raise click.ClickException(f"{PEER_PYTHON.relative_to(ROOT)} is missing: `make bench` sets it up")
