"""Threads, files and connections that faults leave behind.

What a process holds once it has started and nobody has written yet is its baseline. Beyond that it may hold what its
pools are set to, and nothing else: they open a thread or a connection when they need one more, and keep it. So there
are never more connections than the threads that live can have needed at once.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.faults.soak.holdings import Holdings, Partners
from tests.faults.soak.scene import Scene
from workers.runtime import FEWEST_CALLERS

# A process of web that was told to end may take its time, and is then killed (config/gunicorn.py).
SETTLE_SECONDS = 60.0
# For so long nothing may change before it is a baseline, and so long it may take.
STILL_SECONDS, START_SECONDS = 1.0, 30.0
# Of one of web's processes (config/gunicorn.py, which reads settings as it is loaded).
WEB_THREADS = 8
# Of a thread: one for scripts and one for commands (app/storage/scripts.py); beside them one to each sentinel.
REDIS_CONNECTIONS = 2
# Clients of Redis that belong to no process of the service: those two of this one, and two of each sentinel.
LOOKING_ON, OF_A_SENTINEL = REDIS_CONNECTIONS, 2
_LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Room:
    """What the pools of a process may hold.

    threads: they begin with the first work. redis: connections of each thread, with those to sentinels.
    pool: connections that are kept for each host of a partner. hosts: how many these are, by partner.
    """

    threads: int = 0
    redis: int = 0
    pool: int = 0
    hosts: Mapping[str, int] = field(default_factory=dict)


def room_of_workers(concurrency: int, companies: int, sentinels: int) -> Room:
    """concurrency: WORKER_CONCURRENCY. companies: each is an address of Kommo."""
    threads = concurrency + max(FEWEST_CALLERS, concurrency)
    return Room(threads, REDIS_CONNECTIONS + sentinels, concurrency, {"openai": 1, "kommo": companies})


def room_of_web(sentinels: int) -> Room:
    """Of one of its processes; the partners that it may call are not called here."""
    return Room(WEB_THREADS, REDIS_CONNECTIONS + sentinels)


def excess(found: Holdings, baseline: Holdings, room: Room) -> list[str]:
    """What a process holds beyond its baseline and its pools, in words."""
    told = []
    if found.threads > (most := baseline.threads + room.threads):
        told.append(f"{found.threads} threads instead of {most} at the most")
    if found.files > baseline.files:
        told.append(f"{found.files} open files instead of {baseline.files}")
    for partner, number in found.sockets.items():
        if number > (most := _most_sockets(partner, found, baseline, room)):
            told.append(f"{number} sockets of {partner} instead of {most} at the most")
    return told


def _most_sockets(partner: str, found: Holdings, baseline: Holdings, room: Room) -> int:
    if partner == "redis":
        return found.threads * room.redis
    at_work = found.threads - baseline.threads
    return baseline.sockets.get(partner, 0) + room.hosts.get(partner, 0) * min(room.pool, at_work)


class Leaks:
    """Compares the processes of a scene with what they held before anything happened. Constructed before that."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        environment = scene.crew.environment
        ports = {int(company.account.subdomain): "kommo" for company in scene.companies}
        ports[urlsplit(environment["OPENAI_BASE_URL"]).port or 0] = "openai"
        self._partners = Partners(int(environment["PORT"]), ports)
        redis = urlsplit(environment["REDIS_URL"])
        sentinels = len(redis.netloc.split(",")) if redis.scheme == "redis+sentinel" else 0
        workers = room_of_workers(int(environment["WORKER_CONCURRENCY"]), len(scene.companies), sentinels)
        self._rooms = {"gunicorn": Room(), "web": room_of_web(sentinels), "worker": workers}
        self._looking_on = LOOKING_ON + OF_A_SENTINEL * sentinels
        self._baselines = self._still()

    def found(self) -> list[str]:
        """What is too much, in words; looked at again for a while, because sockets take a moment to close."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            found = self._too_much()
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(_LOOK)

    def _too_much(self) -> list[str]:
        found = [told for crew in self._scene.crews for told in crew.died_alone()]
        connections = 0
        for role, held in self._held().items():
            for pid, one in held:
                connections += one.sockets.get("redis", 0)
                found += [f"{role} {pid} has {told}" for told in excess(one, self._baselines[role], self._rooms[role])]
        clients = int(self._scene.stack.redis.info("clients")["connected_clients"])
        if clients > connections + self._looking_on:
            found.append(f"Redis has {clients} clients, but all processes together {connections} connections")
        return found

    def _held(self) -> dict[str, list[tuple[int, Holdings]]]:
        found: dict[str, list[tuple[int, Holdings]]] = {role: [] for role in self._rooms}
        for crew in self._scene.crews:
            for role, pids in crew.members().items():
                looked = [(pid, self._partners.held_by(pid)) for pid in pids]
                found[role] += [(pid, held) for pid, held in looked if held is not None]
        return found

    def _still(self) -> dict[str, Holdings]:
        """What the processes of each role hold at the most when all of them have started. Raises TimeoutError."""
        deadline = time.monotonic() + START_SECONDS
        before, since = self._held(), time.monotonic()
        while time.monotonic() - since < STILL_SECONDS or not all(before.values()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the processes do not come to rest: {before}")
            time.sleep(_LOOK)
            now = self._held()
            if now != before:
                before, since = now, time.monotonic()
        return {role: _largest([held for _, held in processes]) for role, processes in before.items()}


def _largest(held: Sequence[Holdings]) -> Holdings:
    partners = {partner for one in held for partner in one.sockets}
    sockets = {partner: max(one.sockets.get(partner, 0) for one in held) for partner in partners}
    return Holdings(max(one.threads for one in held), max(one.files for one in held), sockets)
