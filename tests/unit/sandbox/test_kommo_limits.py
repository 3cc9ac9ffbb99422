"""Seven calls in any second, then 429, then 403 (kommo.md 8.8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kommo_limits import Admission, RateLimiter, RateRules, busiest_second

GAPS = st.lists(st.floats(min_value=0, max_value=0.7), max_size=60)
ADMITTED, TOO_MANY, BLOCKED = Admission.ADMITTED, Admission.TOO_MANY, Admission.BLOCKED


def moments_of(gaps: list[float]) -> list[float]:
    moments, now = [], 1000.0
    for gap in gaps:
        now += gap
        moments.append(now)
    return moments


@given(GAPS)
def test_the_busiest_second_is_what_counting_around_every_call_finds(gaps: list[float]) -> None:
    moments = moments_of(gaps)
    counted = [sum(start <= other < start + 1 for other in moments) for start in moments]
    # Of two ways to add one to a moment the last digit may differ: then neither figure is wrong.
    apart = all(abs(abs(a - b) - 1) > 1e-6 for a in moments for b in moments)
    assert not apart or busiest_second(moments) == max(counted, default=0)


@given(GAPS)
def test_no_second_has_more_admitted_calls_than_the_limit(gaps: list[float]) -> None:
    limiter = RateLimiter(RateRules(per_second=7, block_after=10**9))
    moments = moments_of(gaps)
    admitted = [moment for moment in moments if limiter.admit("a", moment) is ADMITTED]
    assert busiest_second(admitted) <= 7
    assert (len(admitted) == len(moments)) == (busiest_second(moments) <= 7)


def test_the_eighth_call_of_a_second_is_too_many() -> None:
    limiter = RateLimiter(RateRules())
    assert [limiter.admit("a", 1000 + n / 10) for n in range(8)] == [ADMITTED] * 7 + [TOO_MANY]


def test_the_second_slides() -> None:
    limiter = RateLimiter(RateRules(per_second=2))
    verdicts = [limiter.admit("a", moment) for moment in (10.0, 10.9, 11.05, 11.5, 12.6)]
    assert verdicts == [ADMITTED, ADMITTED, ADMITTED, TOO_MANY, ADMITTED]


def test_addresses_are_counted_apart() -> None:
    limiter = RateLimiter(RateRules(per_second=1))
    assert [limiter.admit(address, 10.0) for address in "abab"] == [ADMITTED, ADMITTED, TOO_MANY, TOO_MANY]


def test_repeated_violations_block_the_address_for_a_while() -> None:
    limiter = RateLimiter(RateRules(per_second=1, block_after=3, block_seconds=60))
    assert [limiter.admit("a", 10.0) for _ in range(5)] == [ADMITTED] + [TOO_MANY] * 3 + [BLOCKED]
    assert limiter.admit("a", 69.9) is BLOCKED
    assert limiter.admit("b", 69.9) is ADMITTED
    assert limiter.admit("a", 70.0) is ADMITTED


def test_violations_are_forgotten_after_a_minute() -> None:
    limiter = RateLimiter(RateRules(per_second=1, block_after=2))
    verdicts = [limiter.admit("a", moment) for moment in (10.0, 10.1, 100.0, 100.1, 200.0)]
    assert verdicts == [ADMITTED, TOO_MANY, ADMITTED, TOO_MANY, ADMITTED]


def test_without_a_rate_everything_is_admitted() -> None:
    limiter = RateLimiter(RateRules(per_second=None))
    assert {limiter.admit("a", 10.0) for _ in range(1000)} == {ADMITTED}


@pytest.mark.parametrize(("moments", "most"), [([], 0), ([5.0], 1), ([5.0, 5.0], 2), ([5.0, 6.0], 1), ([6.0, 5.5], 2)])
def test_the_busiest_second(moments: list[float], most: int) -> None:
    assert busiest_second(moments) == most
