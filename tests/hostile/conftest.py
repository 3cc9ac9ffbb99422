"""The application that all attacks share, and the table of what was tried."""

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from sandbox.kommo_server import KommoSimulator
from sandbox.stack import Stack
from tests.functional.shop import REDIRECT_URI
from tests.hostile.target import TRIED, Target

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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many inputs were tried, when one process has tried them all."""
    if TRIED:
        terminalreporter.section("inputs tried")
        for what, number in sorted(TRIED.items()):
            terminalreporter.line(f"{number:>9,}  {what}")
