"""The step of the Salesbot: added and saved in the designer, run by the bot interpreter, answered by the service."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from app.domain.assistants import Profile
from sandbox.flows import recommended_flow
from sandbox.front.people import LANGUAGES, Language
from sandbox.kommo_design import WidgetBlock
from sandbox.stack import Stack
from tests.browser.company import Company
from tests.browser.designing import HANDLER, Designer
from tests.browser.visits import DESIGNER, Look, Visits

WORKING = Profile(model="gpt-6-luna", instructions="Responda com gentileza.")


@pytest.fixture
def company(company_of: Callable[..., Company]) -> Company:
    """A company whose messages can be answered."""
    return company_of(key_saved=True, profile=WORKING)


def instructions_asked(service: Stack) -> str:
    """What the assistant was told in the newest question, besides the client's message."""
    return str(service.openai.calls[-1].body)


def test_the_step_answers_every_message_in_the_loop(company: Company, visits: Visits) -> None:
    designer = Designer(visits.open(company.kommo, DESIGNER))
    designer.draw_loop()
    designer.save()
    client = company.client()
    assert client.ask("Meu nome é Ana") == [f"[{company.name}] Mensagem 1: Meu nome é Ana"]
    assert client.ask("Qual é o meu nome?") == [f"[{company.name}] Mensagem 2: seu nome é Ana."]


def test_the_step_can_be_saved_as_it_is_added(company: Company, visits: Visits, service: Stack) -> None:
    designer = Designer(visits.open(company.kommo, DESIGNER))
    designer.add_widget()
    expect(designer.save_button).to_be_enabled()
    designer.save()
    # Demo, benchmarks and tests run this flow without a browser: it must be what the script writes.
    assert company.kommo.bots[-1].blocks == (WidgetBlock(recommended_flow(service.door, HANDLER)),)


@pytest.mark.parametrize("query", ["", "?typed_as=value_manual"], ids=["by its name", "as value_manual"])
def test_instructions_of_the_step_reach_the_assistant(
    company: Company, visits: Visits, service: Stack, query: str
) -> None:
    designer = Designer(visits.open(company.kommo, DESIGNER + query))
    step = designer.add_widget()
    designer.step(step).locator("textarea").fill("Pergunte o nome do cliente.")
    designer.save()
    company.client().ask("Oi")
    assert "Pergunte o nome do cliente." in instructions_asked(service)


def test_a_failure_leaves_by_its_own_exit(company: Company, visits: Visits, service: Stack) -> None:
    designer = Designer(visits.open(company.kommo, DESIGNER))
    designer.draw_loop()
    designer.connect(0, "fail", designer.add_message("Um atendente já vem."))
    designer.save()
    service.openai.fault("unauthorized", key=company.key)
    shown = company.client().ask("Oi")
    service.openai.clear_faults()
    assert shown[-1] == "Um atendente já vem."
    assert len(shown) == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_step_and_its_exits_are_named_in_the_language_of_who_draws(
    company: Company, visits: Visits, language: Language
) -> None:
    texts = company.texts(language)["salesbot"]
    designer = Designer(visits.open(company.kommo, DESIGNER, look=Look(language)))
    step = designer.step(designer.add_widget())
    expect(step.locator("header b")).to_have_text(texts["handler_name"])
    exits = [texts["exit_success"], texts["exit_fail"]]
    assert step.locator(".salesbot-block__exit span").all_inner_texts() == exits
