"""How many of a worker's threads one account may have."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.shares import SHARE, crowded

MOST = 8
FLOOD = 1


def taken_by_a_flood(size: int, most: int = MOST) -> int:
    """The threads of an idle process of this size that one account alone comes to have."""
    held = 0
    while (free := min(size - held, most)) and (more := crowded({FLOOD: held}, size - held, free).get(FLOOD, free)):
        held += min(more, free)
    return held


@pytest.mark.parametrize(
    ("size", "taken"),
    [(1, 1), (2, 2), (8, 8), (9, 8), (10, 9), (18, 16), (20, 18), (90, 80), (100, 89), (500, 445)],
)
def test_a_flood_alone_takes_eight_ninths_and_all_of_a_small_process(size: int, taken: int) -> None:
    assert taken_by_a_flood(size) == taken


@given(st.integers(1, 600), st.integers(1, MOST))
def test_from_nine_threads_on_one_account_alone_never_has_all(size: int, most: int) -> None:
    taken = taken_by_a_flood(size, most)
    assert (taken < size) is (size >= SHARE + 1)


@pytest.mark.parametrize("accounts", [2, 3, 5, 10])
def test_floods_that_meet_have_alike_and_leave_something(accounts: int) -> None:
    size = 100
    held = dict.fromkeys(range(accounts), 0)
    progress = True
    while progress:
        progress = False
        for account in held:
            free = size - sum(held.values())
            if free and crowded(held, free, 1).get(account, 1):
                held[account] += 1
                progress = True
    assert max(held.values()) - min(held.values()) <= 1
    assert size - sum(held.values()) >= 1


HELD = st.dictionaries(st.integers(1, 20), st.integers(1, 60), max_size=12)


@given(HELD, st.integers(1, 60), st.integers(1, MOST))
def test_an_account_is_named_only_where_it_may_have_fewer_than_are_given_away(
    held: dict[int, int], free: int, most: int
) -> None:
    found = crowded(held, free, most)
    assert found.keys() <= held.keys()
    assert all(0 <= more < most for more in found.values())


@given(HELD, st.integers(1, 60), st.integers(1, MOST))
def test_each_thread_is_given_while_the_account_has_less_than_its_share_of_what_is_free(
    held: dict[int, int], free: int, most: int
) -> None:
    most = min(most, free)
    found = crowded(held, free, most)
    for account, threads in held.items():
        more = 0
        while more < most and threads + more < SHARE * (free - more):
            more += 1
        assert found.get(account, most) == more


@given(st.lists(st.integers(1, 4), max_size=60), st.integers(1, 20), st.integers(1, MOST))
def test_whatever_waits_is_worked_on_in_the_end_and_no_thread_is_ever_given_twice(
    waiting: list[int], size: int, most: int
) -> None:
    running: list[int] = []
    while waiting:
        free = size - len(running)
        given_away = min(free, most)
        allowed = crowded(Counter(running), free, given_away) if given_away else {}
        before = len(running)
        for account in list(waiting):
            if len(running) - before < given_away and allowed.get(account, given_away) > 0:
                allowed[account] = allowed.get(account, given_away) - 1
                waiting.remove(account)
                running.append(account)
        assert len(running) <= size
        # Who must wait does so while something is worked on.
        assert running
        if len(running) == before:
            running.pop(0)
