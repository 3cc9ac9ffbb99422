"""Fixtures of the tests of faults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.stack import Stack
from tests.faults.bakery import SETTINGS, Bakery


@pytest.fixture
def bakery(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bakery]:
    """A company at a service whose web process runs, and no worker yet. A parameter names further settings."""
    settings = {**SETTINGS, **getattr(request, "param", {})}
    with Stack(tmp_path, settings=settings) as stack:
        stack.add_plan("bakery", 1000)
        yield Bakery(stack)
