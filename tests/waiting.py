"""Waiting in tests: look again and again until it is so, and fail when it does not come."""

import time
from collections.abc import Callable

# Seconds between two looks at first, and at most. Who has waited long does not mind a little more, and looks cost.
SOON, LATER = 0.01, 0.05
# Of the time that has passed.
SHARE = 0.03


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Return as soon as the condition is true; fail after so many seconds."""
    began = time.monotonic()
    while not condition():
        passed = time.monotonic() - began
        assert passed < seconds, f"did not come true within {seconds} s"
        time.sleep(min(max(SOON, SHARE * passed), LATER))
