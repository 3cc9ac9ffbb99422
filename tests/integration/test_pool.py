"""When a worker listens for the bell, and when it must not."""

import threading
from collections.abc import Iterator

import pytest
import redis

from app.jobqueue import turn_queue
from app.storage import keys
from app.storage.taking import RawTurn
from tests.integration.turn_store import Store
from tests.waiting import wait_until
from workers.pool import ThreadWorker
from workers.slots import Slots


class Crew:
    """A worker with some threads, whose turns last until they are let go."""

    def __init__(self, store: Store, threads: int) -> None:
        self.taken: list[RawTurn] = []
        self.let_go = threading.Event()
        self.worker = ThreadWorker(
            turn_queue(store.redis),
            name="crew",
            connection=store.redis,
            taking=store.taking,
            threads=Slots(threads, "turn"),
            run=self._work,
        )
        self._thread = threading.Thread(target=self.worker.dequeue_job_and_maintain_ttl, args=(None,))
        self._thread.start()

    def _work(self, taken: RawTurn) -> None:
        self.taken.append(taken)
        self.let_go.wait(30)

    def stop(self) -> None:
        self.let_go.set()
        self.worker.request_stop(None, None)
        self._thread.join(30)


@pytest.fixture
def store(redis_client: redis.Redis) -> Store:
    return Store(redis_client)


@pytest.fixture
def crew(store: Store) -> Iterator[Crew]:
    found = Crew(store, threads=1)
    yield found
    found.stop()


def test_a_worker_without_a_free_thread_leaves_the_bell_to_others(store: Store, crew: Crew) -> None:
    store.accept(line="contact-1")
    wait_until(lambda: len(crew.taken) == 1)
    # Where it listened, it would do so for a second from now on.
    store.redis.blpop(["nobody rings here"], timeout=0.3)
    store.accept(line="contact-2")
    assert store.redis.blpop([keys.bell()], timeout=5) is not None
    assert len(crew.taken) == 1


def test_a_worker_with_a_free_thread_is_woken_by_the_bell(store: Store, crew: Crew) -> None:
    wait_until(lambda: any(client["cmd"] == "blpop" for client in store.redis.client_list()))
    store.accept(line="contact-1")
    wait_until(lambda: len(crew.taken) == 1)
