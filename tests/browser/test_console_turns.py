"""Why did it not answer? An operator finds a client's turn, reads the reason, and has it answered, in Chromium."""

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from playwright.sync_api import expect

from sandbox.kommo_faults import Route, status
from sandbox.kommo_webhook import SentWebhook
from sandbox.stack import Stack
from tests.browser.console_visits import Operators, seen_everywhere, troubles
from tests.functional.shop import Shop, request_id

# Of the console (DEFAULT_TIMEZONE).
ZONE = ZoneInfo("America/Sao_Paulo")
TOKEN_REFUSED = "Falha na Autenticação da API"


def unanswered(shop: Shop, text: str = "Vocês abrem aos domingos?") -> SentWebhook:
    """OpenAI refuses the key once, and Kommo does not take the failure: the bot still waits."""
    shop.fault("unauthorized", times=1)
    shop.kommo.faults.add(status(403), Route.CONTINUE)
    webhook = shop.asked(text)
    assert shop.turn(webhook)["status"] == "undeliverable"
    return webhook


def test_a_clients_failed_turn_is_found_by_its_lead_understood_and_answered(
    service: Stack, operators: Operators
) -> None:
    shop = Shop(service, "Padaria da Ana")
    shop.turn(shop.asked("Outro cliente"))
    webhook = unanswered(shop)
    lead = str(shop.reporting.turns.read(request_id(webhook)).note_lead_id)  # type: ignore[union-attr]

    page = operators.enter("/console/turns")
    page.get_by_label("Lead (número)").fill(lead)
    page.get_by_role("button", name="Procurar").click()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(TOKEN_REFUSED)
    assert troubles(page) == []
    rows.get_by_role("link").first.click()

    main = page.locator("main")
    expect(main).to_contain_text("Há um problema com a chave de API informada.")
    expect(main).to_contain_text("Verifique se a chave nas configurações do ByteGPT está correta")
    expect(main).not_to_contain_text("domingos")
    assert troubles(page) == []

    page.get_by_text("Repetir este turno").click()
    page.get_by_role("button", name="Sim, repetir").click()
    # Without a reload: the page refreshes by itself until the turn is over.
    expect(main).to_contain_text("A resposta foi entregue ao bot.")
    expect(page.locator(".refresh-bar")).to_be_hidden()
    assert shop.told(webhook)["data"]["reply"].startswith("[Padaria da Ana] ")
    expect(page.get_by_text("Repetir este turno")).to_have_count(0)

    page.goto("/console/log")
    expect(page.locator("tbody tr").first).to_contain_text("Repetiu um turno")
    expect(page.locator("tbody tr").first).to_contain_text(request_id(webhook))


def test_all_that_failed_in_an_outage_are_run_again_and_the_page_shows_how_far_it_is(
    service: Stack, operators: Operators, pictures: Path | None
) -> None:
    shop = Shop(service, "Floricultura Sol")
    began = datetime.now(ZONE)
    webhooks = [unanswered(shop, f"Pergunta {number}") for number in range(3)]

    page = operators.enter("/console/replays")
    page.get_by_label("Conta").fill(str(shop.kommo.account_id))
    page.get_by_label("Falhou a partir de").fill(f"{began:%Y-%m-%dT%H:%M}")
    page.get_by_label("Falhou até").fill(f"{datetime.now(ZONE):%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Contar").click()
    expect(page.locator("main")).to_contain_text("O que seria repetido")
    seen_everywhere(page, pictures, "replays")
    page.get_by_text("Repetir 3 turnos").click()
    page.get_by_role("button", name="Sim, repetir todos").click()

    expect(page.locator(".bar-line")).to_contain_text("3 de 3")
    expect(page.locator("main")).to_contain_text("Terminou em")
    expect(page.locator("tbody").first).to_contain_text("respondido e entregue")
    seen_everywhere(page, pictures, "batch")
    for webhook in webhooks:
        assert shop.told(webhook)["data"]["status"] == "success"


def test_lists_and_stories_of_turns_look_right_everywhere(
    service: Stack, operators: Operators, pictures: Path | None
) -> None:
    shop = Shop(service, "Livraria Central")
    answered = shop.asked("Que horas abre?")
    shop.turn(answered)
    failed = unanswered(shop)
    page = operators.enter(f"/console/turns?account={shop.kommo.account_id}")
    expect(page.locator("tbody tr")).to_have_count(2)
    seen_everywhere(page, pictures, "turns")
    page.goto(f"/console/turns/{request_id(failed)}")
    seen_everywhere(page, pictures, "turn-failed")
    page.goto(f"/console/turns/{request_id(answered)}")
    expect(page.locator(".spans li")).not_to_have_count(0)
    seen_everywhere(page, pictures, "turn-answered")
    page.goto("/console/turns?lead=abc&since=ontem")
    expect(page.locator("[aria-invalid]")).to_have_count(2)
    seen_everywhere(page, pictures, "turns-wrong")
    page.goto("/console/turns?lead=99999999")
    expect(page.locator("main")).to_contain_text(re.compile("Nenhum turno corresponde"))
