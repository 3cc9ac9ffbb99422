"""Services that several modules of functional tests use; each test has companies of its own in them."""

from collections.abc import Iterator

import pytest

from sandbox.kommo_server import KommoSimulator
from sandbox.openai_server import OpenAISimulator
from sandbox.stack import Stack
from tests.functional.shop import REDIRECT_URI, obedient


@pytest.fixture(scope="session")
def running_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What `service` is, for the whole run."""
    kommo = KommoSimulator(rate=None, public_redirect_uri=REDIRECT_URI)
    settings = {
        "KOMMO_CLIENT_ID": kommo.public_integration.client_id,
        "KOMMO_CLIENT_SECRET": kommo.public_integration.secret,
        "KOMMO_REDIRECT_URI": REDIRECT_URI,
    }
    openai = OpenAISimulator(answerer=obedient)
    with Stack(tmp_path_factory.mktemp("service"), settings=settings, kommo=kommo, openai=openai) as stack:
        stack.start("web", "worker")
        stack.wait_until_ready()
        yield stack


@pytest.fixture(scope="module")
def service(running_service: Stack) -> Stack:
    """The whole service as it is delivered: every setting about time has its default. It has a public integration."""
    # Every look at the recorded calls copies them all.
    running_service.openai.clear_calls()
    return running_service


@pytest.fixture(scope="session")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The service with short times: an answer after 2 s of silence, or 7 s after the message, is none."""
    settings = {"TURN_DEADLINE": "8", "OPENAI_READ_TIMEOUT": "2", "DELIVERY_PATIENCE": "10"}
    with Stack(tmp_path_factory.mktemp("hasty"), settings=settings) as stack:
        stack.start("web", "worker")
        stack.wait_until_ready()
        yield stack
