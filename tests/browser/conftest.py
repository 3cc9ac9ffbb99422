"""A real Chromium, and people who look at the simulated Kommo with it."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from sandbox.kommo_server import KommoSimulator
from sandbox.stack import Stack
from tests.browser.company import Company
from tests.browser.console_visits import Operators, offer_console
from tests.browser.visits import Visits

# As in the Makefile, which says how to install one.
_NAMES = ("chromium", "chromium-browser", "google-chrome")

expect.set_options(timeout=15_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", metavar="DIR", type=Path, help="take pictures of the widget and keep them here")


@pytest.fixture(scope="session")
def pictures(pytestconfig: pytest.Config) -> Path | None:
    """Where screenshots go, None where nobody asks for them."""
    folder: Path | None = pytestconfig.getoption("--screenshots")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The Chromium of this machine; it is an error when there is none."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise RuntimeError(f"no Chromium was found ({', '.join(_NAMES)}): see `make test-browser`")
    # Chromium's sandbox cannot be set up by root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visits(browser: Browser) -> Iterator[Visits]:
    """Opens pages. Scripts that complain make the test fail, at its end."""
    visits = Visits(browser)
    yield visits
    visits.close()
    assert not visits.complaints


@pytest.fixture(scope="module")
def kommo() -> Iterator[KommoSimulator]:
    """A simulated Kommo without anything behind it."""
    with KommoSimulator() as simulator:
        yield simulator


def offer_integration(stack: Stack) -> None:
    """Give the service Kommo's public integration, before its processes start."""
    integration = stack.kommo.public_integration
    integration.redirect_uri, integration.revoked_uri = stack.callback, stack.revoked
    stack.environment |= {
        "KOMMO_CLIENT_ID": integration.client_id,
        "KOMMO_CLIENT_SECRET": integration.secret,
        "KOMMO_REDIRECT_URI": stack.callback,
    }


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole service as it is delivered, for all tests together; each has a company of its own in it."""
    with Stack(tmp_path_factory.mktemp("service")) as stack:
        offer_integration(stack)
        offer_console(stack)
        stack.start("web", "worker")
        stack.wait_until_ready()
        yield stack


@pytest.fixture
def operators(browser: Browser, service: Stack) -> Iterator[Operators]:
    """Opens the console (console_visits.py). What its pages complain about makes the test fail, at its end."""
    operators = Operators(browser, service)
    yield operators
    operators.close()
    assert not operators.complaints


def built_archive(stack: Stack, folder: Path) -> Path:
    """The widget for this service, built as an operator builds it."""
    out = folder / "widget.zip"
    command = stack.argv("widget", "build", "--public-url", stack.url, "--out", str(out))
    subprocess.run(command, env=stack.environment, check=True, capture_output=True, timeout=60)
    return out


@pytest.fixture(scope="session")
def archive(service: Stack, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The widget of `service`."""
    return built_archive(service, tmp_path_factory.mktemp("widget")).read_bytes()


@pytest.fixture
def company_of(service: Stack, archive: bytes) -> Callable[..., Company]:
    """Makes companies: `company_of(name, key_saved=…, **fields_of_the_account)`."""

    def make(name: str = "Padaria", *, key_saved: bool = False, **fields: Any) -> Company:
        return Company(service, name, archive, key_saved=key_saved, **fields)

    return make


@pytest.fixture
def company(company_of: Callable[..., Company]) -> Company:
    """A company that has installed the widget and entered nothing yet."""
    return company_of()
