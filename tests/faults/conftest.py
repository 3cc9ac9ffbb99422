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


@pytest.fixture(scope="module")
def first_bakery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bakery]:
    """The company for which a module's service was started."""
    with Stack(tmp_path_factory.mktemp("bakeries"), settings=SETTINGS) as stack:
        stack.add_plan("bakery", 1000)
        yield Bakery(stack)


@pytest.fixture
def new_bakery(first_bakery: Bakery) -> Iterator[Bakery]:
    """One more company at the module's service: for a test that leaves its web process and its Redis alone."""
    bakery = Bakery(first_bakery.stack, first_bakery.web)
    yield bakery
    bakery.close()
