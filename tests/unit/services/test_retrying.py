"""How often, and after which waits, a call to a partner is repeated."""

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.retrying import Patience, repeated
from tests.unit.services.ports_in_memory import Clock


class Trouble(Exception):
    def __init__(self, retryable: bool = True, retry_after: float | None = None) -> None:
        self.retryable = retryable
        self.retry_after = retry_after


class OtherTrouble(Exception):
    pass


@dataclass
class Attempts:
    """outcomes: what each attempt raises; an attempt beyond them succeeds."""

    outcomes: list[Exception]
    made: int = 0
    waits: list[float] = field(default_factory=list)

    def __call__(self) -> str:
        self.made += 1
        if self.outcomes:
            raise self.outcomes.pop(0)
        return "done"

    def run(self, patience: Patience) -> str:
        return repeated(
            self,
            Trouble,
            patience,
            retryable=lambda error: error.retryable,
            retry_after=lambda error: error.retry_after,
            before_wait=lambda _, wait: self.waits.append(wait),
        )


def patient(clock: Clock, seconds: float = 1000.0, tries: int | None = None) -> Patience:
    ends = clock() + seconds
    return Patience(0.5, 8.0, lambda: ends - clock(), tries)


def test_what_succeeds_is_done_once(clock: Clock) -> None:
    attempts = Attempts([])
    assert attempts.run(patient(clock)) == "done"
    assert (attempts.made, clock.sleeps) == (1, [])


def test_the_waits_double_up_to_the_longest_each_between_half_and_whole(clock: Clock) -> None:
    attempts = Attempts([Trouble() for _ in range(7)])
    assert attempts.run(patient(clock)) == "done"
    for wait, whole in zip(attempts.waits, (0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0), strict=True):
        assert whole / 2 <= wait <= whole
    assert clock.sleeps == attempts.waits


def test_the_waits_are_random(clock: Clock) -> None:
    waits = set()
    for _ in range(5):
        attempts = Attempts([Trouble()])
        attempts.run(patient(clock))
        waits.update(attempts.waits)
    assert len(waits) == 5


@pytest.mark.parametrize("asked", [0.0, 0.3, 2.0, 20.0])
def test_a_partners_wait_is_the_least_and_a_random_share_is_added(clock: Clock, asked: float) -> None:
    attempts = Attempts([Trouble(retry_after=asked), Trouble(retry_after=asked)])
    assert attempts.run(patient(clock)) == "done"
    for wait, whole in zip(attempts.waits, (0.5, 1.0), strict=True):
        assert asked + whole / 8 <= wait <= asked + whole / 4


@pytest.mark.parametrize("tries", [1, 2, 6])
def test_tries_are_limited_and_the_last_error_is_raised(clock: Clock, tries: int) -> None:
    errors: list[Exception] = [Trouble() for _ in range(9)]
    attempts = Attempts(list(errors))
    with pytest.raises(Trouble) as raised:
        attempts.run(patient(clock, tries=tries))
    assert attempts.made == tries
    assert raised.value is errors[tries - 1]


@pytest.mark.parametrize(
    ("errors", "made"),
    [([Trouble(retryable=False)], 1), ([Trouble(), Trouble(retryable=False)], 2), ([OtherTrouble()], 1)],
    ids=["final", "final-after-a-retry", "another-kind"],
)
def test_what_is_final_ends_it_at_once(clock: Clock, errors: list[Exception], made: int) -> None:
    attempts = Attempts(list(errors))
    with pytest.raises(type(errors[-1])):
        attempts.run(patient(clock))
    assert attempts.made == made


@pytest.mark.parametrize("error", [lambda: Trouble(retry_after=10.0), Trouble], ids=["asked-for", "own"])
def test_a_wait_that_uses_up_the_time_is_not_begun(clock: Clock, error: Callable[[], Trouble]) -> None:
    attempts = Attempts([error() for _ in range(50)])
    began = clock()
    with pytest.raises(Trouble):
        attempts.run(patient(clock, seconds=9.0))
    assert clock() - began < 9.0
    assert attempts.made == (1 if error().retry_after else len(attempts.waits) + 1)


@given(st.lists(st.one_of(st.none(), st.floats(0, 30)), max_size=12), st.floats(0.1, 60))
def test_no_time_beyond_the_patience_is_ever_waited(asked: list[float | None], seconds: float) -> None:
    clock = Clock()
    attempts = Attempts([Trouble(retry_after=wait) for wait in asked])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("time.sleep", clock.sleep)
        began = clock()
        with suppress(Trouble):
            attempts.run(patient(clock, seconds))
    assert clock() - began < seconds


@pytest.mark.parametrize("seed", range(20))
def test_the_last_try_is_made_shortly_before_patience_is_over(clock: Clock, seed: int) -> None:
    random.seed(seed)
    began = clock()
    attempts = Attempts([Trouble() for _ in range(1000)])
    with pytest.raises(Trouble):
        attempts.run(Patience(0.5, 15.0, lambda: began + 120.0 - clock(), last_try=2.0))
    assert 116.0 <= sum(attempts.waits) < 120.0


def test_what_the_partner_asked_for_is_never_cut_for_a_last_try(clock: Clock) -> None:
    began = clock()
    attempts = Attempts([Trouble(retry_after=9.0), Trouble()])
    with pytest.raises(Trouble):
        attempts.run(Patience(0.5, 15.0, lambda: began + 9.0 - clock(), last_try=2.0))
    assert attempts.waits == []
