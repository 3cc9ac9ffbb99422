"""The one way in which a call to a partner is repeated: random exponential backoff that obeys the partner first."""

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import backoff

Result = TypeVar("Result")
Error = TypeVar("Error", bound=Exception)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited between tries, in seconds.

    first: before the first repetition; doubled each time, up to longest; each time a random half to whole of it.
    left: how much time there is. A wait that would use it up ends the tries.
    tries: how many at most, None for as many as there is time for.
    last_try: a wait of our own that would use the time up is cut, so that so many seconds are left for one more try;
        None cuts nothing.
    """

    first: float
    longest: float
    left: Callable[[], float]
    tries: int | None = None
    last_try: float | None = None


def repeated(
    attempt: Callable[[], Result],
    error: type[Error],
    patience: Patience,
    *,
    retryable: Callable[[Error], bool],
    retry_after: Callable[[Error], float | None],
    before_wait: Callable[[Error, float], None],
) -> Result:
    """Call attempt until it returns, or raises something final, or patience is over; then its last error is raised.

    retry_after: the seconds a partner asked for; they are a lower bound, so that nobody is called too early, and a
    random share is added, so that those who wait do not come back together (mission, document 3).
    before_wait: told of every wait before it begins.
    """

    def waits() -> Generator[float, Error, None]:
        spread = backoff.expo(base=2, factor=patience.first, max_value=patience.longest)
        next(spread)
        failed = yield 0.0
        while True:
            own = next(spread) * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
            wait = next_wait(own, retry_after(failed), patience.left(), patience.last_try)
            if wait is None:
                return
            failed = yield wait

    # Most first tries bring what is wanted, and all that is prepared for others is CPU.
    try:
        return attempt()
    except error as failed:
        first: list[Error] = [failed]

    def next_attempt() -> Result:
        if first:
            raise first.pop()
        return attempt()

    decorated = backoff.on_exception(
        # backoff sends the exception into the generator; its annotation leaves that out.
        cast("Callable[..., Generator[float, Any, None]]", waits),
        error,
        max_tries=patience.tries,
        jitter=None,
        giveup=lambda failed: not retryable(cast("Error", failed)),
        on_backoff=lambda details: before_wait(cast("Error", details["exception"]), details["wait"]),
        logger=None,
    )
    return decorated(next_attempt)()


def next_wait(own: float, asked: float | None, left: float, last_try: float | None = None) -> float | None:
    """Seconds to wait: our own, or what the partner asked for and a share of ours; None when there is no time.

    left: seconds that there are. last_try: as in Patience.
    """
    wait = own if asked is None else asked + own / 4
    if wait < left:
        return wait
    if last_try is None:
        return None
    latest = left - last_try
    return latest if latest > max(asked or 0.0, last_try) else None


def own_wait(tries: int, first: float, longest: float) -> float:
    """Seconds of our own before the next try, after so many: random, doubled each time, in the way of `repeated`."""
    spread = backoff.expo(base=2, factor=first, max_value=longest)
    next(spread)
    for _ in range(tries):
        wait = next(spread)
    return wait * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
