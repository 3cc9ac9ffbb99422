"""Threads and connections that faults leave behind."""

import time

from tests.faults.soak.crew import threads_and_sockets
from tests.faults.soak.scene import Scene

SETTLE_SECONDS = 20.0
# What a process has beside its threads for turns and calls: housekeeping, RQ, signals; listening and idle sockets.
OTHER_THREADS, OTHER_SOCKETS = 20, 20
# Clients of Redis that belong to none of the processes: those of whoever looks.
LOOKING_ON = 16
_LOOK = 0.1


class Leaks:
    """Compares the processes of a scene with what they need at most.

    Both are opened when they are first needed and then kept: a worker has WORKER_CONCURRENCY threads for turns, as many
    for calls, and for each of them a connection to Redis and one to OpenAI or Kommo.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        concurrency = int(scene.crew.environment.get("WORKER_CONCURRENCY", "100"))
        self._threads = 2 * concurrency + OTHER_THREADS
        self._sockets = 2 * self._threads + OTHER_SOCKETS

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
        members = [pid for crew in self._scene.crews for pid in crew.members()]
        sockets_of_all = 0
        for pid in members:
            threads, sockets = threads_and_sockets(pid)
            sockets_of_all += sockets
            if threads > self._threads or sockets > self._sockets:
                found.append(f"process {pid} has {threads} threads and {sockets} sockets")
        clients = int(self._scene.stack.redis.info("clients")["connected_clients"])
        if clients > sockets_of_all + LOOKING_ON:
            found.append(f"Redis has {clients} clients, but all processes together {sockets_of_all} sockets")
        return found
