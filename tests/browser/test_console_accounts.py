"""The console's list of accounts and the page of one, in a real Chromium."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from sandbox.flows import recommended_flow
from sandbox.stack import Company, Stack
from tests.browser.console_visits import Operators, seen_everywhere


@pytest.fixture
def company(service: Stack) -> Company:
    """A company one of whose clients was answered, and another one not."""
    service.add_plan("dez", 10)
    service.add_plan("cem", 100)
    company = service.add_company("Floricultura", plan="dez")
    company.kommo.add_bot(recommended_flow(service.door))
    assert company.kommo.client("Maria").ask("Oi")
    return company


def found(operators: Operators, company: Company) -> Page:
    """The company's page, found as somebody who has only its address finds it."""
    page = operators.enter("/console/accounts")
    page.get_by_label("Id ou começo do endereço").fill(f"https://{company.account.subdomain}.kommo.com/leads/")
    page.get_by_role("button", name="Procurar").click()
    page.get_by_role("link", name=company.account.subdomain, exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(str(company.account.account_id))
    return page


def test_a_plan_is_changed_and_a_boost_added_and_voided(operators: Operators, company: Company) -> None:
    page = found(operators, company)
    expect(page.get_by_text("1 de 10")).to_be_visible()

    page.locator("summary", has_text="Mudar o plano").click()
    page.get_by_label("Plano novo").select_option("cem")
    page.get_by_role("button", name="Mudar", exact=True).click()
    expect(page.get_by_role("status").first).to_have_text("O plano foi mudado: dez → cem (now)")
    expect(page.get_by_text("1 de 100")).to_be_visible()

    page.locator("summary", has_text="Acrescentar boost").click()
    page.get_by_label("Requisições", exact=True).fill("50")
    key = page.get_by_label("Chave", exact=True).input_value()
    page.get_by_role("button", name="Acrescentar", exact=True).click()
    expect(page.get_by_role("status").first).to_have_text(f"O boost foi acrescentado: 50 · {key}")
    expect(page.get_by_text("1 de 150")).to_be_visible()

    page.locator("summary", has_text="Anular").click()
    page.get_by_role("button", name="Sim, anular").click()
    expect(page.get_by_text("1 de 100")).to_be_visible()


def test_a_pause_is_asked_for_done_and_written_down(operators: Operators, company: Company) -> None:
    page = found(operators, company)
    pause = page.locator("summary", has_text="Pausar")
    pause.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("os clientes desta empresa deixam de ser respondidos", exact=False)).to_be_visible()
    page.get_by_role("button", name="Sim, pausar").click()
    expect(page.locator("h1")).to_contain_text("pausada")
    company.kommo.client("João").say("Oi")
    page.locator("summary", has_text="Retomar").click()
    page.get_by_role("button", name="Sim, retomar").click()
    expect(page.locator("h1")).to_contain_text("ativa")

    page.get_by_role("link", name="Registro").click()
    lines = page.locator("tbody tr", has_text=str(company.account.account_id))
    expect(lines).to_have_count(2)
    expect(lines.nth(0)).to_contain_text("Retomou a conta")
    expect(lines.nth(1)).to_contain_text("Pausou a conta")
    expect(lines.nth(1)).to_contain_text("Feito")


def test_the_check_up_asks_kommo_and_openai_for_real(
    operators: Operators, company: Company, pictures: Path | None
) -> None:
    page = found(operators, company)
    page.get_by_role("button", name="Verificar a conta").click()
    expect(page.get_by_text("Está tudo certo: esta conta pode ser respondida.")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(7)
    seen_everywhere(page, pictures, "check-up")


def test_the_pages_of_accounts_look_right_everywhere(
    operators: Operators, company: Company, pictures: Path | None
) -> None:
    page = operators.enter("/console/accounts")
    seen_everywhere(page, pictures, "accounts")
    page.goto(f"/console/accounts/{company.account.account_id}")
    for name in ("Mudar o plano", "Acrescentar boost", "Pausar"):
        page.locator("summary", has_text=name).click()
    seen_everywhere(page, pictures, "account")
    page.goto(f"/console/accounts/{company.account.account_id}/ledger")
    seen_everywhere(page, pictures, "ledger")
