"""Installing and uninstalling in Kommo's settings, through Kommo's public integration."""

import secrets

import pytest
from playwright.sync_api import expect

from sandbox.flows import recommended_flow
from sandbox.kommo_accounts import Account
from sandbox.stack import Stack
from tests.browser.form import Form, agree_and_install
from tests.browser.visits import SETTINGS, Visits


@pytest.fixture
def newcomer(service: Stack, archive: bytes) -> Account:
    """An account whose integration has the widget, and is not installed."""
    kommo = service.kommo.add_account("Floricultura", private=False)
    kommo.office.upload(archive)
    return kommo


def test_before_installation_nothing_is_asked_of_the_service(service: Stack, newcomer: Account, visits: Visits) -> None:
    page = visits.open(newcomer, SETTINGS)
    called: list[str] = []
    page.on("request", lambda request: called.append(request.url) if request.url.startswith(service.url) else None)
    page.locator(".js-open-widget").click()
    expect(page.locator(".bytegpt")).to_contain_text("Clique em Instalar")
    assert not called


def test_the_form_opens_when_the_installation_arrives_late(service: Stack, newcomer: Account, visits: Visits) -> None:
    assert newcomer.office.widget is not None
    newcomer.office.widget.status = "installed"
    page = visits.open(newcomer)
    page.locator(".js-open-widget").click()
    expect(page.locator(".bytegpt")).to_contain_text("ainda não recebeu a instalação")
    service.kommo.install(newcomer)
    page.locator("[data-bytegpt=retry]").click()
    Form(page)


def test_what_is_uninstalled_is_silent_and_comes_back_as_it_was(
    service: Stack, newcomer: Account, visits: Visits
) -> None:
    key = f"sk-proj-{secrets.token_hex(16)}"
    service.openai.add_key(key, "Floricultura")
    page = visits.open(newcomer)
    page.locator(".js-open-widget").click()
    agree_and_install(page)
    form = Form(page)
    form.unfold("profile")
    form.type(openai_api_key=key, model="gpt-6-luna", instructions="Você vende flores.")
    form.save()
    newcomer.add_bot(recommended_flow(service.door))
    answer = "[Floricultura] Mensagem 1: Oi"
    assert newcomer.client("Maria").ask("Oi") == [answer]

    page.locator(".js-widget-uninstall").click()
    expect(page.locator(".bytegpt")).to_contain_text("Clique em Instalar")
    stranger = newcomer.client("João")
    stranger.say("Oi")
    assert stranger.webhooks[0].wait().status == 404

    agree_and_install(page)
    form = Form(page)
    expect(form.field("model")).to_have_value("gpt-6-luna")
    expect(form.part("notices")).to_contain_text("Tudo pronto")
    assert newcomer.client("Ana").ask("Oi") == [answer]
