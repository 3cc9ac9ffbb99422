"""The pace of calls to Kommo on a real Redis and its clock: from an address, for an account, and who goes first."""

import threading
import time
from dataclasses import dataclass, field

import pytest
import redis

from app.domain.turn import NewTurn, Taken
from app.storage import keys
from app.storage.pacing import NEAR_SECONDS, KommoPace, RedisPace
from sandbox.kommo_limits import busiest_second
from tests.integration.turn_store import ANSWERED, LEAVE, NO_PACE, Store
from tests.waiting import wait_until

OURS, OTHERS, THIRDS = 31000001, 31000002, 31000003
# So fast that a test is short, so slow that a busy machine keeps up.
RATE = 10.0


def a_pace(rate: float = RATE, account_rate: float = 1000.0, egress: tuple[str, ...] = ("default",)) -> KommoPace:
    return KommoPace(egress, rate=rate, account_rate=account_rate)


@dataclass
class Callers:
    """Processes that let calls leave, and when they left: the second, the account, the turn, the address."""

    store: Store
    processes: int
    left: list[tuple[float, int, str, str]] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Callers":
        for number in range(self.processes):
            thread = threading.Thread(target=self._run, args=(f"worker-{number}",))
            thread.start()
            self._threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(10)

    def _run(self, name: str) -> None:
        taking = self.store.worker(name)
        while not self._ended.is_set():
            found = taking.departing(8, {})
            now = time.monotonic()
            self.left += [(now, raw.account_id, raw.hold.request_id, raw.egress or "") for raw in found.turns]
            self._ended.wait(0.05 if found.again_after is None else min(found.again_after, 0.05))


def ready(store: Store, number: int, account_id: int = OURS) -> list[str]:
    """Decided turns that wait to leave; in order of acceptance, but not in the order in which they were decided."""
    turns: list[NewTurn] = []
    for place in range(number):
        turns.append(store.accept(account_id, line=f"contact-{place}"))
        store.clock.seconds += 0.01
    held = []
    while batch := store.next():
        held += batch
    for taken in reversed(held):
        store.advance(taken, ANSWERED)
    store.turns.give_back([taken.hold for taken in reversed(held)])
    return [new.request_id for new in turns]


def collected(store: Store, number: int) -> list[Taken]:
    """So many turns that leave, one call of an account after another."""
    left: list[Taken] = []

    def all_left() -> bool:
        left.extend(store.departing())
        return len(left) >= number

    wait_until(all_left)
    return left


def a_store(client: redis.Redis, pace: KommoPace) -> Store:
    return Store(client, requests=1000, pace=pace)


# --- one after another ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", [keys.pace_of_egress("default"), keys.pace_of_account(OURS)], ids=["address", "account"]
)
@pytest.mark.parametrize(("written", "leaves_at_once"), [(60.0, True), (-1.0, False)], ids=["put back", "going on"])
def test_a_clock_that_was_put_back_holds_no_call_up(
    redis_client: redis.Redis, key: str, written: float, leaves_at_once: bool
) -> None:
    seconds, _ = redis_client.time()
    redis_client.set(key, f"{int((seconds + 61) * 1e6)} {int((seconds + written) * 1e6)}")
    departure = RedisPace(redis_client, a_pace()).departure(OURS)
    assert (departure is not None and departure.wait == 0.0) is leaves_at_once


@pytest.mark.parametrize("addresses", [1, 2])
def test_from_each_address_leave_so_many_a_second_whoever_lets_them(redis_client: redis.Redis, addresses: int) -> None:
    store = a_store(redis_client, a_pace(egress=("one", "two")[:addresses]))
    turns = ready(store, 15 * addresses) + ready(store, 10 * addresses, OTHERS)
    with Callers(store, 3) as callers:
        wait_until(lambda: len(callers.left) == len(turns))
    assert sorted(request_id for _, _, request_id, _ in callers.left) == sorted(turns)
    for name in ("one", "two")[:addresses]:
        moments = [moment for moment, _, _, egress in callers.left if egress == name]
        # In the moment in which it asked: a machine that is busy may tell two of them late, and together.
        assert busiest_second(moments) <= RATE + 1
        assert len(moments) >= 10
    moments = sorted(moment for moment, *_ in callers.left)
    # 25 calls at ten a second take two seconds and a half; nobody dawdles either.
    assert 2.3 <= moments[-1] - moments[0] <= 4.0


def test_within_an_account_in_order_of_acceptance_between_accounts_in_turn(redis_client: redis.Redis) -> None:
    store = a_store(redis_client, a_pace(rate=20.0))
    ours, theirs = ready(store, 20), ready(store, 5, OTHERS)
    with Callers(store, 3) as callers:
        wait_until(lambda: len(callers.left) == 25)
    left = [(account, request_id) for _, account, request_id, _ in sorted(callers.left)]
    assert [request_id for account, request_id in left if account == OURS] == ours
    assert [request_id for account, request_id in left if account == OTHERS] == theirs
    first_ten = [account for account, _ in left[:10]]
    assert abs(first_ten.count(OURS) - first_ten.count(OTHERS)) <= 2


def test_calls_of_one_account_leave_no_faster_than_its_own_pace_and_others_use_the_rest(
    redis_client: redis.Redis,
) -> None:
    store = a_store(redis_client, a_pace(rate=20.0, account_rate=5.0))
    ready(store, 8)
    ready(store, 8, OTHERS)
    with Callers(store, 2) as callers:
        wait_until(lambda: len(callers.left) == 16)
    for account in (OURS, OTHERS):
        assert busiest_second(moment for moment, of, _, _ in callers.left if of == account) <= 6
    moments = sorted(moment for moment, *_ in callers.left)
    assert 1.3 <= moments[-1] - moments[0] <= 2.8


def test_a_worker_with_one_thread_takes_one_call_and_learns_when_to_ask_again(redis_client: redis.Redis) -> None:
    store = a_store(redis_client, a_pace(rate=2.0))
    ready(store, 3)
    first = store.taking.departing(1, {})
    assert (len(first.turns), first.again_after) == (1, 0.0)
    second = store.taking.departing(1, {})
    assert second.turns == ()
    assert second.again_after == pytest.approx(0.5, abs=0.2)


def test_where_nothing_waits_there_is_nothing_to_ask_for(redis_client: redis.Redis) -> None:
    store = a_store(redis_client, a_pace())
    found = store.taking.departing(8, {})
    assert (found.turns, found.again_after) == ((), None)
    ready(store, 1)
    found = store.taking.departing(8, {})
    assert (len(found.turns), found.again_after) == (1, None)


def test_a_moment_is_reserved_only_for_a_call_that_leaves_in_it(redis_client: redis.Redis) -> None:
    store = a_store(redis_client, a_pace(rate=0.1))
    (gone, other) = ready(store, 2)
    redis_client.zrem(keys.open_turns(), gone)
    (raw,) = store.taking.departing(8, {}).turns
    assert raw.hold.request_id == other


@pytest.mark.parametrize("allowed", [0, 1])
def test_an_account_that_has_its_share_of_the_callers_leaves_others_their_threads(
    redis_client: redis.Redis, allowed: int
) -> None:
    store = a_store(redis_client, NO_PACE)
    ready(store, 4)
    ready(store, 1, OTHERS)
    found: list[int] = []
    deadline = time.monotonic() + 0.2
    crowded = {OURS: allowed}
    while time.monotonic() < deadline:
        for raw in store.taking.departing(8, crowded).turns:
            found.append(raw.account_id)
            if raw.account_id == OURS:
                crowded[OURS] -= 1
    assert sorted(found) == [*[OURS] * allowed, OTHERS]


def test_who_asks_for_an_account_that_has_its_share_is_told_to_ask_again_soon(redis_client: redis.Redis) -> None:
    store = a_store(redis_client, NO_PACE)
    ready(store, 1)
    found = store.taking.departing(8, {OURS: 0})
    assert found.turns == ()
    assert found.again_after == pytest.approx(0.1, abs=0.01)


# --- at once where there is room ------------------------------------------------------------------------------------


def test_a_decided_turn_leaves_at_once_where_nobody_waits_and_the_moment_is_near(redis_client: redis.Redis) -> None:
    store = a_store(redis_client, a_pace(rate=1 / NEAR_SECONDS))
    departures = []
    for number in range(2):
        store.accept(line=f"contact-{number}")
        (taken,) = store.next()
        store.advance(taken, ANSWERED)
        departures.append(store.changed(taken, LEAVE).departure)
    assert all(departure and 0.0 <= departure.wait <= NEAR_SECONDS for departure in departures)


def test_a_decided_turn_does_not_overtake_those_that_wait(redis_client: redis.Redis) -> None:
    store = a_store(redis_client, NO_PACE)
    waiting = ready(store, 1, OTHERS)
    new = store.accept()
    (taken,) = store.next()
    store.advance(taken, ANSWERED)
    assert store.changed(taken, LEAVE).departure is None
    assert store.steps(new)[-1] == "waiting_to_leave"
    left = collected(store, 2)
    assert sorted(one.turn.request_id for one in left) == sorted([*waiting, new.request_id])


def test_of_several_addresses_the_one_that_is_free_first_is_taken(redis_client: redis.Redis) -> None:
    store = a_store(redis_client, a_pace(rate=0.1, egress=("one", "two")))
    ready(store, 3)
    assert sorted(one.egress or "" for one in collected(store, 2)) == ["one", "two"]
    assert store.departing() == []


# --- notes ----------------------------------------------------------------------------------------------------------


def test_a_note_leaves_only_when_no_continue_call_waits(redis_client: redis.Redis) -> None:
    store = a_store(redis_client, a_pace(rate=50.0))
    pace = RedisPace(redis_client, store.pace)
    ready(store, 3)
    # There is room in the rate, and it is not for notes.
    assert pace.departure(THIRDS) is None
    while store.taking.any_ready():
        assert pace.departure(THIRDS) is None
        store.departing()
    wait_until(lambda: pace.departure(THIRDS) is not None)


def test_notes_are_paced_like_everything_else(redis_client: redis.Redis) -> None:
    pace = RedisPace(redis_client, a_pace(rate=20.0))
    moments: list[float] = []

    def write() -> None:
        if departure := pace.departure(OURS):
            moments.append(time.monotonic() + departure.wait)

    def look() -> bool:
        write()
        return len(moments) >= 30

    threads = [threading.Thread(target=lambda: wait_until(look)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert busiest_second(moments) <= 22


def test_the_backlog_of_one_account_takes_no_moment_of_the_others(redis_client: redis.Redis) -> None:
    pace = RedisPace(redis_client, a_pace(rate=1000.0, account_rate=0.1))
    assert pace.departure(OURS) is not None
    for _ in range(50):
        assert pace.departure(OURS) is None
    wait_until(lambda: pace.departure(OTHERS) is not None)


def test_addresses_have_a_pace_of_their_own(redis_client: redis.Redis) -> None:
    slow = {name: RedisPace(redis_client, a_pace(rate=0.1, egress=(name,))) for name in ("one", "two")}
    assert slow["one"].departure(OURS) is not None
    assert slow["one"].departure(OTHERS) is None
    found = slow["two"].departure(THIRDS)
    assert found is not None
    assert found.egress == "two"


# --- Kommo said: too many -------------------------------------------------------------------------------------------


def test_after_kommos_429_no_call_leaves_for_that_account_and_others_go_on(redis_client: redis.Redis) -> None:
    store = a_store(redis_client, a_pace(rate=100.0))
    ready(store, 3)
    ready(store, 3, OTHERS)
    held_at = time.monotonic()
    RedisPace(redis_client, store.pace).hold(OURS, 1.5)
    with Callers(store, 2) as callers:
        wait_until(lambda: len(callers.left) == 6)
    ours = [moment - held_at for moment, account, _, _ in callers.left if account == OURS]
    others = [moment - held_at for moment, account, _, _ in callers.left if account == OTHERS]
    assert min(ours) >= 1.5
    assert max(others) < 1.5


def test_a_shorter_hold_ends_no_longer_one(redis_client: redis.Redis) -> None:
    pace = RedisPace(redis_client, a_pace(rate=1000.0))
    pace.hold(OURS, 60.0)
    pace.hold(OURS, 0.0)
    assert pace.departure(OURS) is None
    assert 50 < redis_client.ttl(keys.pace_of_account(OURS)) <= 62


def test_what_is_reserved_is_forgotten_when_it_is_past(redis_client: redis.Redis) -> None:
    RedisPace(redis_client, a_pace(rate=5.0)).departure(OURS)
    for key in (keys.pace_of_egress("default"), keys.pace_of_account(OURS)):
        assert 0 < redis_client.pttl(key) <= 1300
