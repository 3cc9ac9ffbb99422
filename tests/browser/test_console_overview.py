"""The console's login, overview and log, in a real Chromium."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from app.services.operators import MOST_WRONG
from sandbox.flows import recommended_flow
from sandbox.stack import Stack
from tests.browser.console_visits import Operators, log_in, seen_everywhere


@pytest.fixture
def no_attempts_left_behind(service: Stack) -> Iterator[None]:
    """Whoever was locked out may try again afterwards."""
    yield
    for key in service.redis.scan_iter("bytegpt:login_attempts:*"):
        service.redis.delete(key)


def test_an_operator_logs_in_looks_and_logs_out(operators: Operators, pictures: Path | None) -> None:
    page = operators.open("/console/log")
    expect(page).to_have_title(re.compile("Entrar"))
    seen_everywhere(page, pictures, "login")
    log_in(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Registro")
    seen_everywhere(page, pictures, "log")
    page.get_by_role("button", name="Sair").click()
    expect(page.get_by_text("Você saiu do console.")).to_be_visible()
    page.goto("/console/")
    expect(page.get_by_label("Senha")).to_be_visible()


@pytest.mark.usefixtures("no_attempts_left_behind")
def test_ten_wrong_passwords_lock_the_login_for_the_right_one_too(operators: Operators) -> None:
    page = operators.open("/console/login")
    for _ in range(MOST_WRONG - 1):
        log_in(page, "errada")
        expect(page.get_by_role("alert")).to_have_text("Usuário ou senha incorretos.")
    log_in(page, "errada")
    expect(page.get_by_role("alert")).to_contain_text("o acesso está bloqueado por 5 minutos")
    log_in(page)
    expect(page.get_by_role("alert")).to_contain_text("o acesso está bloqueado")


def test_the_overview_answers_whether_all_is_well_and_keeps_up_by_itself(
    service: Stack, operators: Operators, pictures: Path | None
) -> None:
    company = service.add_company("Padaria")
    company.kommo.add_bot(recommended_flow(service.door))
    assert company.kommo.client("Maria").ask("Oi")
    page = operators.enter()
    expect(page.locator(".verdict")).to_contain_text("Tudo funciona: o Redis responde e há workers ativos.")
    # Counts are forwarded every five seconds, and the page fetches itself anew every ten; nothing is reloaded.
    page.evaluate("document.querySelector('h1').dataset.seen = 'yes'")
    minutes = page.locator("figure", has_text="Turnos por minuto")
    expect(minutes.locator("rect[class^=tone-]").last).to_be_attached(timeout=30_000)
    expect(page.locator(".verdict")).to_contain_text("Nos últimos 5 minutos:")
    expect(page.locator("h1[data-seen=yes]")).to_be_attached()
    minutes.get_by_text("Ver os números em tabela").click()
    expect(minutes.locator("tbody tr")).to_have_count(60)
    expect(page.get_by_text(re.compile("Atualizado às"))).to_be_visible()
    page.get_by_role("button", name="Pausar atualização").click()
    expect(page.get_by_text("Atualização pausada")).to_be_visible()
    seen_everywhere(page, pictures, "overview")
