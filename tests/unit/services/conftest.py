"""Time in the hands of the tests of flows."""

import time

import pytest

from tests.unit.services.ports_in_memory import Clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the flows; `backoff` and whoever else sleeps moves it on."""
    clock = Clock()
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock
