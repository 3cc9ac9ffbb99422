"""Places in which turns wait (lua/fair.lua): in order within an account, in rounds between accounts."""

import json
from collections import Counter
from importlib.resources import files
from typing import Any, cast

import pytest
import redis
from hypothesis import example, given, settings
from hypothesis import strategies as st

PLACE = "bytegpt:a-place"
DRIVER = """
local step, account, turn_id, accepted_at = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local place = KEYS[1]
if step == 'wait' then
  wait_at(place, account, turn_id, accepted_at)
  return {}
end
if step == 'leave' then
  go_from(place, account, turn_id, false)
  return {}
end
local passed_over = {}
for _, one in ipairs(cjson.decode(ARGV[2])) do
  passed_over[one] = true
end
local first = first_account(place, function(one) return not passed_over[one] end)
if not first then
  return {}
end
local served = first_turn(place, first)
go_from(place, first, served, true)
return {first, served}
"""


class Place:
    """A place on a real Redis."""

    def __init__(self, client: redis.Redis) -> None:
        client.flushall()
        self.redis = client
        fair = (files("app.storage") / "lua" / "fair.lua").read_text()
        self._run = client.register_script(f"{fair}\n{DRIVER}")

    def wait(self, account: str, turn: str, accepted_at: int) -> None:
        """A turn comes to wait."""
        self._run(keys=[PLACE], args=["wait", account, turn, accepted_at])

    def leave(self, account: str, turn: str) -> None:
        """A turn goes without having been served."""
        self._run(keys=[PLACE], args=["leave", account, turn])

    def serve(self, passed_over: frozenset[str] = frozenset()) -> tuple[str, str] | None:
        """The account and the turn that were served, None where nobody waits but those that are passed over."""
        found = cast("list[bytes]", self._run(keys=[PLACE], args=["serve", json.dumps(sorted(passed_over))]))
        return (found[0].decode(), found[1].decode()) if found else None

    def keys(self) -> set[str]:
        """All that stands in Redis."""
        return {key.decode() for key in cast("list[bytes]", self.redis.keys("*"))}


@pytest.fixture
def place(redis_client: redis.Redis) -> Place:
    return Place(redis_client)


class Model:
    """Who waits, and how often others were served meanwhile, as a child would count it."""

    def __init__(self) -> None:
        self.waiting: dict[str, dict[str, int]] = {}
        self._overtaken: Counter[tuple[str, str]] = Counter()

    def wait(self, account: str, turn: str, accepted_at: int) -> None:
        self.waiting.setdefault(account, {})[turn] = accepted_at

    def leave(self, account: str, turn: str) -> None:
        del self.waiting[account][turn]
        if not self.waiting[account]:
            self._begin_anew(account)

    def served(self, account: str, turn: str, passed_over: frozenset[str]) -> None:
        """Check a service, and remember it."""
        turns = self.waiting[account]
        assert turn == min(turns, key=lambda one: (turns[one], one))
        for other in self.waiting.keys() - {account}:
            if other in passed_over:
                self._forget(other)
            else:
                self._overtaken[account, other] += 1
                # At the end of this round, and at the begin of the next one.
                assert self._overtaken[account, other] <= 2, f"{account} before {other}"
        self._forget(account)
        self.leave(account, turn)

    def _begin_anew(self, account: str) -> None:
        del self.waiting[account]
        self._forget(account)

    def _forget(self, account: str) -> None:
        for pair in [pair for pair in self._overtaken if pair[1] == account]:
            del self._overtaken[pair]


ACCOUNTS = ["1", "2", "3", "4"]
STEPS = st.lists(
    st.one_of(
        # Not always by acceptance: a turn that was woken, or put back, comes late.
        st.tuples(st.just("wait"), st.sampled_from(ACCOUNTS), st.integers(0, 30)),
        st.tuples(st.just("serve"), st.sets(st.sampled_from(ACCOUNTS), max_size=2).map(frozenset), st.just(0)),
        st.tuples(st.just("serve"), st.just(frozenset()), st.just(0)),
        st.tuples(st.just("leave"), st.sampled_from(ACCOUNTS), st.integers(0, 30)),
    ),
    max_size=80,
)
WAITS_AND_IS_PASSED_OVER: list[Any] = [
    *[("wait", account, at) for at in range(8) for account in ("1", "2")],
    *[("serve", frozenset({"1"}), 0)] * 5,
    *[("serve", frozenset(), 0)] * 6,
]
COMES_AND_GOES: list[Any] = [
    ("wait", "1", 5),
    ("wait", "2", 0),
    *[("wait", "2", 1), ("serve", frozenset(), 0), ("leave", "2", 0), ("wait", "2", 1)] * 4,
]


@settings(max_examples=300)
@example(WAITS_AND_IS_PASSED_OVER)
@example(COMES_AND_GOES)
@given(STEPS)
def test_within_an_account_by_acceptance_between_accounts_in_rounds_and_nothing_is_left(steps: list[Any]) -> None:
    place, model = Place(_CLIENT), Model()
    for number, (step, what, at) in enumerate(steps):
        if step == "wait":
            place.wait(what, f"turn-{number}", 1_763_775_600_000 + at)
            model.wait(what, f"turn-{number}", at)
        elif step == "leave" and what in model.waiting:
            turn = sorted(model.waiting[what])[at % len(model.waiting[what])]
            place.leave(what, turn)
            model.leave(what, turn)
        elif step == "serve":
            found = place.serve(what)
            assert (found is None) == (model.waiting.keys() <= what)
            if found:
                model.served(*found, what)
        beside = {f"{PLACE}:round", f"{PLACE}:served"}
        assert place.keys() - beside == {PLACE, *(f"{PLACE}:{one}" for one in model.waiting)} - (
            set() if model.waiting else {PLACE}
        )
    while model.waiting:
        found = place.serve()
        assert found is not None
        model.served(*found, frozenset())
    assert place.serve() is None
    assert place.keys() == set()


_CLIENT: redis.Redis


@pytest.fixture(autouse=True)
def _client(redis_client: redis.Redis) -> None:
    """hypothesis runs one test many times with one fixture; each example flushes what the one before left."""
    global _CLIENT  # noqa: PLW0603
    _CLIENT = redis_client


def test_two_floods_are_served_in_turn_whoever_came_first(place: Place) -> None:
    for number in range(20):
        place.wait("1", f"a{number:02}", number)
    for number in range(20):
        place.wait("2", f"b{number:02}", 100 + number)
    served = [place.serve() for _ in range(40)]
    assert served == [one for number in range(20) for one in (("1", f"a{number:02}"), ("2", f"b{number:02}"))]


def test_one_turn_of_a_quiet_company_stands_before_the_flood_of_another(place: Place) -> None:
    for number in range(1000):
        place.wait("1", f"a{number:04}", number)
    for _ in range(500):
        place.serve()
    place.wait("2", "b", 5000)
    assert [place.serve(), place.serve()].count(("2", "b")) == 1


def test_a_company_that_comes_back_all_the_time_is_served_no_more_than_one_that_waits(place: Place) -> None:
    for number in range(50):
        place.wait("2", f"b{number:02}", 1000 + number)
    place.wait("1", "again-0", 0)
    served: Counter[str] = Counter()
    for number in range(1, 60):
        account, _ = place.serve() or ("", "")
        served[account] += 1
        if account == "1":
            place.wait("1", f"again-{number}", 0)
    assert abs(served["1"] - served["2"]) <= 1


@pytest.mark.parametrize("held_up", [3, 200])
def test_a_company_that_was_held_up_makes_up_for_nothing_at_the_cost_of_others(place: Place, held_up: int) -> None:
    for number in range(500):
        place.wait("1", f"a{number:03}", number)
        place.wait("2", f"b{number:03}", number)
    for _ in range(held_up):
        place.serve(frozenset({"1"}))
    served = Counter(account for account, _ in (place.serve() or ("", "") for _ in range(100)))
    assert abs(served["1"] - served["2"]) <= 2


def test_the_first_wanted_account_is_found_behind_many_that_are_not(place: Place) -> None:
    for number in range(100):
        place.wait(f"account-{number:03}", f"turn-{number:03}", number)
    others = frozenset(f"account-{number:03}" for number in range(100) if number != 70)
    assert place.serve(others) == ("account-070", "turn-070")
    assert place.serve(others) is None


def test_a_turn_that_waits_twice_waits_once(place: Place) -> None:
    place.wait("1", "turn", 5)
    place.wait("1", "turn", 5)
    assert place.serve() == ("1", "turn")
    assert place.serve() is None


def test_a_turn_that_does_not_wait_leaves_nothing_behind(place: Place) -> None:
    place.leave("1", "turn")
    assert place.keys() == set()
