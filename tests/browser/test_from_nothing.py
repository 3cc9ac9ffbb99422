"""An administrator, a browser, and nothing else: from an empty Redis to the first answer in the chat, no shortcut."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from sandbox.kommo_server import KommoSimulator
from sandbox.stack import Stack
from tests.browser.conftest import built_archive, offer_integration
from tests.browser.designing import Designer
from tests.browser.form import Form, agree_and_install
from tests.browser.visits import CHAT, DESIGNER, Visits

COMPANY = "Padaria Pão Quente"
QUESTION = "Vocês abrem aos domingos?"


@pytest.fixture
def empty_service(tmp_path: Path) -> Iterator[Stack]:
    """The service before its first process starts. Kommo has its limit of calls per second."""
    with Stack(tmp_path / "service", kommo=KommoSimulator()) as stack:
        offer_integration(stack)
        yield stack


def printed(stack: Stack, *command: str) -> Any:
    """What a `bytegpt` command prints as JSON."""
    done = subprocess.run(
        stack.argv(*command, "--json"), env=stack.environment, check=True, capture_output=True, timeout=60
    )
    return json.loads(done.stdout)


def installs(page: Page, archive: Path) -> None:
    """Upload the archive, agree, press Install."""
    page.locator("[name=archive]").set_input_files(archive)
    page.locator(".js-open-widget").click()
    expect(page.locator(".bytegpt")).to_contain_text("Clique em Instalar")
    agree_and_install(page)


def enters(form: Form, key: str, assistant_id: str) -> None:
    """Enter key and assistant, press Test, then Save."""
    form.type(openai_api_key=key, assistant_id=assistant_id)
    expect(form.test("ok")).to_contain_text(f"[{COMPANY}]")
    expect(form.save()).to_contain_text("Salvo.")


def writes(page: Page, text: str) -> None:
    """Open a conversation as a client, and write."""
    page.locator("[name=name]").fill("Maria")
    page.locator("form button").click()
    page.locator("[name=text]").fill(text)
    page.locator("[name=text]").press("Enter")


def test_from_an_empty_redis_to_the_first_answer(empty_service: Stack, tmp_path: Path, visits: Visits) -> None:
    stack = empty_service
    assert stack.redis.dbsize() == 0
    stack.start("web", "worker")
    stack.wait_until_ready()
    key, assistant_id = f"sk-proj-{secrets.token_hex(16)}", f"asst_{secrets.token_hex(12)}"
    stack.openai.add_key(key, COMPANY)
    stack.openai.add_assistant(assistant_id, COMPANY, instructions="Você atende a padaria.")
    kommo = stack.kommo.add_account(COMPANY, private=False)

    page = visits.open(kommo)
    installs(page, built_archive(stack, tmp_path))
    form = Form(page)
    enters(form, key, assistant_id)

    designer = Designer(visits.open(kommo, DESIGNER))
    designer.draw_loop()
    designer.save()

    chat = visits.open(kommo, CHAT)
    writes(chat, QUESTION)
    expect(chat.locator("[data-who=bot]")).to_have_text(f"[{COMPANY}] Mensagem 1: {QUESTION}")

    usage = printed(stack, "usage", str(kommo.account_id))
    assert (usage["plan"], usage["used"], usage["reserved"]) == ("teste", 1, 0)
    assert [hook.status for hook in kommo.office.hooks] == [200]
