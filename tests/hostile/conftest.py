"""The application that all attacks share, and what `make fuzz` (campaign) asks of a run."""

import os
import random
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from sandbox.kommo_server import KommoSimulator
from sandbox.stack import Stack
from tests.functional.shop import REDIRECT_URI
from tests.hostile.tally import TALLY
from tests.hostile.target import Target

# Each company may save 30 times and test 20 times a minute.
COMPANIES = 40


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """The application, without workers: what is accepted stays where it can be looked at."""
    kommo = KommoSimulator(rate=None, public_redirect_uri=REDIRECT_URI)
    public = kommo.public_integration
    settings = {
        "KOMMO_CLIENT_ID": public.client_id,
        "KOMMO_CLIENT_SECRET": public.secret,
        "KOMMO_REDIRECT_URI": REDIRECT_URI,
        "OPENAI_READ_TIMEOUT": "2",
    }
    with Stack(tmp_path_factory.mktemp("target"), settings=settings, kommo=kommo) as stack:
        yield Target(stack, COMPANIES)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of refusals are thousands of lines."""
    with capture_logs():
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    """What a round of `make fuzz` is told."""
    group = parser.getgroup("hostile")
    group.addoption("--tally", type=Path, help="write there what was tried, while it goes on")
    group.addoption("--until", type=float, help="begin no test after this moment, in seconds since the epoch")
    group.addoption("--generated", action="store_true", help="only tests that make up their inputs anew each time")


def pytest_configure(config: pytest.Config) -> None:
    """Write the tally every second, where somebody wants it."""
    config.addinivalue_line("markers", "generated: makes up its inputs anew each time, inside of the test")
    path: Path | None = config.getoption("--tally")
    if path is not None:
        TALLY.at_each = _every_second(path)
        config.add_cleanup(lambda: _write(path))


def pytest_runtest_setup() -> None:
    """A failure is put down to the last input of its own test."""
    TALLY.forget_last()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the fixed tables out of later rounds: the same inputs again would only count as more.

    Files are in another order in each, so that what is cut off at the end is not always the same.
    """
    if config.getoption("--generated"):
        left_out = [item for item in items if not _is_generated(item)]
        config.hook.pytest_deselected(items=left_out)
        files = sorted({item.path for item in items})
        random.Random(config.getoption("--hypothesis-seed")).shuffle(files)
        items[:] = sorted(filter(_is_generated, items), key=lambda item: files.index(item.path))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put a failure down to the input that was tried last."""
    report = yield
    if report.failed:
        TALLY.failed(item.nodeid)
    until = item.config.getoption("--until")
    if call.when == "teardown" and until is not None and time.time() > until:
        item.session.shouldstop = "the time is over"
    return report


def _is_generated(item: Any) -> bool:
    return getattr(item.obj, "is_hypothesis_test", False) or item.get_closest_marker("generated") is not None


def _every_second(path: Path) -> Any:
    due = 0.0

    def at_each() -> None:
        nonlocal due
        if time.monotonic() > due:
            _write(path)
            due = time.monotonic() + 1

    return at_each


def _write(path: Path) -> None:
    beside = path.with_suffix(".new")
    beside.write_text(TALLY.written())
    os.replace(beside, path)  # whoever reads it meanwhile reads the one or the other
