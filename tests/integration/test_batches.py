"""Many turns run again on a real Redis: none is lost where a process ends in the middle, none is run twice."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis
from structlog.testing import capture_logs

from app.domain.batches import Batch
from app.domain.failures import Failure
from app.domain.turn import Turn
from app.services.batches import BatchWorker
from app.services.replaying import Replaying
from app.storage import keys
from app.storage.batches import KEPT_MS, LOCK, RedisBatches
from app.storage.replays import RedisReplays
from tests.builders import TIMING
from tests.integration.turn_store import ANSWERED, DELIVERED, FAILED, Store
from tests.waiting import wait_until

ACCOUNT = 31000001
# What a client may have written, in the message of an exception.
SECRET = "Quanto custa o bolo?"


class Office:
    """A company with failed turns, and web processes that run them again; a worker answers when it is told to."""

    def __init__(self, client: redis.Redis, requests: int = 1000) -> None:
        self.redis = client
        self.store = Store(client, requests=requests)
        self.batches = RedisBatches(client, self.store.clock)

    def failed(self, count: int) -> list[str]:
        turns = [self.store.accept(line=None) for _ in range(count)]
        for turn in turns:
            self.store.finish(turn, FAILED)
        self.store.clock.seconds += 60
        return [turn.request_id for turn in turns]

    def wish(self, turns: list[str]) -> Batch:
        return self.batches.add(ACCOUNT, 1, 2, turns, "ana", untold=True)

    def process(self) -> BatchWorker:
        """Another web process."""
        replays = RedisReplays(self.redis, TIMING)
        flow = Replaying(self.store.turns, self.store.accounts, replays, TIMING, self.store.clock)
        return BatchWorker(self.batches, flow, seconds=0.01)

    def answer(self, most: int = 100) -> int:
        """Let a worker bring what is queued to its end; how many those were."""
        taken = self.store.next(most)
        for one in taken:
            self.store.advance(one, ANSWERED)
            self.store.advance(one, DELIVERED)
        return len(taken)

    def now(self, batch: Batch) -> Batch:
        found = self.batches.get(batch.account_id, batch.batch_id)
        assert found is not None
        return found

    def replays(self, turns: list[str]) -> list[int]:
        found = [self.store.turns.read(turn) for turn in turns]
        return [turn.replays for turn in found if turn]


@pytest.fixture
def office(redis_client: redis.Redis) -> Office:
    return Office(redis_client)


@pytest.fixture
def started() -> Iterator[Callable[[BatchWorker], BatchWorker]]:
    """Starts processes, and stops them in the end."""
    processes = []

    def start(process: BatchWorker) -> BatchWorker:
        processes.append(process)
        process.start()
        return process

    yield start
    for process in processes:
        process.stop()
        process.join(10)
        assert not process.is_alive()


Start = Callable[[BatchWorker], BatchWorker]


def test_a_result_that_is_sent_twice_counts_once(office: Office) -> None:
    batch = office.wish(["turn"])
    for _ in range(2):
        office.batches.record(batch, "turn", "delivered")
    assert office.now(batch).counts == {"delivered": 1}
    assert office.batches.results(batch, 10) == [("turn", "delivered")]


def test_all_are_run_and_what_became_of_each_is_known(office: Office, started: Start) -> None:
    turns = office.failed(30)
    batch = office.wish(turns)
    assert (batch.total, batch.done, batch.ended_at) == (30, 0, None)
    started(office.process())
    wait_until(lambda: (office.answer(), office.now(batch).ended_at)[1])
    assert office.now(batch).counts == {"delivered": 30}
    assert sorted(turn for turn, _ in office.batches.results(batch, 99)) == sorted(turns)
    assert office.replays(turns) == [1] * 30
    told = office.store.turns.steps(turns[0])
    assert [step["by"] for step in told if step["step"] == "replayed"] == ["console:ana"]
    assert office.redis.zcard(keys.open_batches()) == 0
    assert not office.redis.exists(keys.lock(LOCK))


def test_another_process_goes_on_where_one_was_stopped(office: Office, started: Start) -> None:
    turns = office.failed(25)
    batch = office.wish(turns)
    first = started(office.process())
    wait_until(lambda: sum(office.replays(turns)) == 20)
    first.stop()
    first.join(10)
    assert office.now(batch).ended_at is None
    started(office.process())
    wait_until(lambda: (office.answer(), office.now(batch).ended_at)[1])
    assert office.now(batch).counts == {"delivered": 25}
    assert office.now(batch).takings == 2
    assert office.replays(turns) == [1] * 25


def test_another_process_goes_on_where_one_was_killed(office: Office, started: Start) -> None:
    turns = office.failed(3)
    batch = office.wish(turns)
    # Killed after it had begun the first one and told nobody.
    assert office.batches.take("killed", 60.0) is not None
    office.process()._replaying.replay(turns[0], "console:ana")
    office.process().round()
    assert office.now(batch).counts == {}
    office.redis.delete(keys.lock(LOCK))  # its time is over
    started(office.process())
    wait_until(lambda: (office.answer(), office.now(batch).ended_at)[1])
    assert office.now(batch).counts == {"delivered": 3}
    assert office.replays(turns) == [1, 1, 1]


def test_of_several_processes_one_works(office: Office, started: Start) -> None:
    turns = office.failed(10)
    batch = office.wish(turns)
    for _ in range(3):
        started(office.process())
    wait_until(lambda: (office.answer(), office.now(batch).ended_at)[1])
    assert office.now(batch).counts == {"delivered": 10}
    assert office.now(batch).takings == 1


def test_who_has_lost_the_lock_ends_and_leaves_it_to_the_other(office: Office) -> None:
    turns = office.failed(1)
    batch = office.wish(turns)
    process = threading.Thread(target=office.process().round)
    process.start()
    wait_until(lambda: office.replays(turns) == [1])
    office.redis.set(keys.lock(LOCK), "another one")
    process.join(10)
    assert not process.is_alive()
    assert office.redis.get(keys.lock(LOCK)) == b"another one"
    assert office.now(batch).ended_at is None


def test_one_that_is_stopped_begins_nothing_more_and_is_over(office: Office, started: Start) -> None:
    turns = office.failed(30)
    batch = office.wish(turns)
    process = started(office.process())
    wait_until(lambda: sum(office.replays(turns)) == 20)
    office.batches.ask_to_stop(batch)
    wait_until(lambda: process._stopping)
    assert office.now(batch).ended_at is None
    wait_until(lambda: (office.answer(), office.now(batch).ended_at)[1])
    assert office.now(batch).stopping
    assert office.now(batch).counts == {"delivered": 20}
    assert sum(office.replays(turns)) == 20


def test_who_takes_over_one_that_is_stopped_begins_nothing(office: Office, started: Start) -> None:
    turns = office.failed(3)
    batch = office.wish(turns)
    office.batches.take("killed", 60.0)
    office.process()._replaying.replay(turns[0], "console:ana")
    office.batches.ask_to_stop(batch)
    office.redis.delete(keys.lock(LOCK))  # its time is over
    started(office.process())
    wait_until(lambda: (office.answer(), office.now(batch).ended_at)[1])
    assert office.now(batch).counts == {"delivered": 1}
    assert office.replays(turns) == [1, 0, 0]


def test_a_plan_that_is_used_up_ends_it_and_says_so(redis_client: redis.Redis, started: Start) -> None:
    office = Office(redis_client, requests=2)
    turns = [turn for _ in range(4) for turn in office.failed(1)]
    batch = office.wish(turns)
    started(office.process())
    wait_until(lambda: (office.answer(), office.now(batch).ended_at)[1])
    assert office.now(batch).counts == {"delivered": 2, "not_run:plan_quota": 2}


def test_what_cannot_be_run_is_told_with_the_reason(office: Office, started: Start) -> None:
    (failed,) = office.failed(1)
    answered = office.store.accept(line=None)
    office.store.finish(answered)
    batch = office.wish([failed, answered.request_id, "0" * 28])
    started(office.process())
    wait_until(lambda: (office.answer(), office.now(batch).ended_at)[1])
    assert dict(office.batches.results(batch, 9)) == {
        failed: "delivered",
        answered.request_id: "not_run:delivered",
        "0" * 28: "not_run:texts_gone",
    }


def test_a_fault_of_ours_ends_the_batch_and_not_the_process(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = office.failed(2)
    batch = office.wish(turns)
    process = office.process()

    def broken(request_id: str) -> Turn:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(office.store.turns, "read", broken)
    with capture_logs() as said:
        process.round()
    assert office.now(batch).ended_at is not None
    assert office.now(batch).done == 0
    (line,) = said
    assert (line["event"], line["kind"]) == ("batch_failed", "RuntimeError")
    assert "in broken" in line["frames"][-1]
    assert SECRET not in str(said)


def test_one_after_the_other(office: Office, started: Start) -> None:
    first, second = office.wish(office.failed(1)), office.wish(office.failed(1))
    assert [batch.batch_id for batch in office.batches.newest(5)] == [second.batch_id, first.batch_id]
    started(office.process())
    wait_until(lambda: (office.answer(), office.now(second).ended_at)[1])
    assert (office.now(first).ended_at or 0) <= (office.now(second).ended_at or 0)


def test_it_is_kept_for_seven_days(office: Office) -> None:
    batch = office.wish(office.failed(1))
    office.batches.record(replace(batch, begun_at=batch.begun_at), office.batches.left(batch)[0], Failure.BUSY)
    for key in (keys.batch, keys.batch_turns):
        assert 0 < office.redis.pttl(key(ACCOUNT, batch.batch_id)) <= KEPT_MS
    office.redis.delete(keys.batch(ACCOUNT, batch.batch_id))
    assert office.batches.get(ACCOUNT, batch.batch_id) is None
    assert office.batches.newest(5) == []
    # Nobody has worked on it in time.
    assert office.batches.take("me", 9.0) is None
    assert office.redis.zcard(keys.open_batches()) == 0
    assert not office.redis.exists(keys.lock(LOCK))
    office.store.clock.seconds += 8 * 24 * 3600
    other = office.wish(["a"])
    assert office.redis.zrange(keys.batches(), 0, -1) == [f"{ACCOUNT}:{other.batch_id}".encode()]


def test_a_redis_that_is_away_does_not_end_the_thread(office: Office, started: Start) -> None:
    class Away(RedisBatches):
        asked = threading.Event()

        def take(self, token: str, seconds: float) -> Batch | None:
            self.asked.set()
            return RedisBatches(redis.Redis(port=1)).take(token, seconds)

    office.batches = Away(office.redis)
    process = started(office.process())
    assert Away.asked.wait(10)
    assert process.is_alive()


def test_a_fault_of_ours_does_not_end_the_thread(office: Office, started: Start) -> None:
    class Broken(RedisBatches):
        faults = 2

        def take(self, token: str, seconds: float) -> Batch | None:
            if self.faults:
                self.faults -= 1
                raise RuntimeError("a fault")
            return super().take(token, seconds)

    office.batches = Broken(office.redis, office.store.clock)
    batch = office.wish(office.failed(1))
    started(office.process())
    wait_until(lambda: (office.answer(), office.now(batch).ended_at)[1])
    assert office.now(batch).counts == {"delivered": 1}


@pytest.mark.parametrize(
    "write",
    [
        lambda batches, batch: batches.record(batch, "turn", "delivered"),
        lambda batches, batch: batches.end(batch),
        lambda batches, batch: batches.ask_to_stop(batch),
        lambda batches, _: batches.take("me", 9.0),
    ],
    ids=["record", "end", "ask_to_stop", "take"],
)
def test_one_that_is_gone_does_not_come_back(office: Office, write: Callable[[RedisBatches, Batch], object]) -> None:
    """Its account was removed while somebody worked on it, or its time was over."""
    batch = office.wish(office.failed(1))
    gone = [key(ACCOUNT, batch.batch_id) for key in (keys.batch, keys.batch_turns, keys.batch_results)]
    office.redis.delete(*gone)
    write(office.batches, batch)
    assert office.redis.exists(*gone) == 0
