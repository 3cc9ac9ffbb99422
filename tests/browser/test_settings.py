"""An administrator sets ByteGPT up in Kommo's settings, in a real browser, against the whole service."""

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Response, expect

from app.domain.assistants import Profile
from app.domain.failures import TEXTS, Failure
from sandbox.flows import recommended_flow
from sandbox.front.people import LANGUAGES, Language
from sandbox.stack import Stack
from tests.browser.company import KEY_PREFIX, Company
from tests.browser.form import MODAL, Form
from tests.browser.visits import ADMIN, ADVANCED, SECOND_ADMIN, SELLER, Look, Visits

WORKING = Profile(model="gpt-6-luna", instructions="Responda com gentileza.")


@pytest.fixture
def closed_assistants_api(service: Stack) -> Iterator[None]:
    """OpenAI has closed the Assistants API."""
    service.openai.sunset(True)
    yield
    service.openai.sunset(False)


def test_a_new_account_is_told_what_it_lacks(company: Company, visits: Visits) -> None:
    form = Form.opened(visits.open(company.kommo))
    expect(form.part("notices")).to_contain_text("Falta a chave de API da OpenAI.")
    expect(form.part("notices")).to_contain_text("Falta um Assistant ID válido")
    expect(form.page.locator(".js-widget-save")).to_be_disabled()


def test_key_and_assistant_are_tested_and_saved(company: Company, visits: Visits) -> None:
    form = Form.opened(visits.open(company.kommo))

    form.type(openai_api_key=f"{KEY_PREFIX}wrong", assistant_id=company.assistant_id)
    expect(form.test("failed")).to_contain_text(TEXTS[Failure.OPENAI_AUTHENTICATION])
    expect(form.part("result")).to_contain_text("Verifique se a chave")

    form.type(openai_api_key=company.key, assistant_id="asst_nobodyknowsthisone")
    expect(form.test("failed")).to_contain_text(TEXTS[Failure.ASSISTANT_NOT_FOUND])
    expect(form.part("result")).to_contain_text("Compare o ID")

    form.type(assistant_id=company.assistant_id)
    expect(form.test("ok")).to_contain_text(f"[{company.name}] Mensagem 1")
    expect(form.part("result")).to_contain_text("Ainda não está salvo.")
    assert (company.stored.assistant_id, company.stored.secrets.openai_api_key) == (None, None)

    expect(form.save()).to_contain_text("Salvo.")
    assert company.stored.assistant_id == company.assistant_id
    assert company.stored.secrets.openai_api_key == company.key
    expect(form.part("notices")).to_contain_text("Tudo pronto")
    expect(form.field("openai_api_key")).to_have_value("")
    expect(form.page.get_by_text(f"…{company.key[-4:]}")).to_be_visible()


def test_help_for_a_failure_is_one_click_away(company: Company, visits: Visits) -> None:
    form = Form.opened(visits.open(company.kommo, look=Look("es")))
    form.type(openai_api_key=f"{KEY_PREFIX}wrong", assistant_id=company.assistant_id)
    result = form.test("failed")
    with form.page.expect_popup() as opened:
        result.get_by_role("link").click()
    page = opened.value
    expect(page.locator("h1")).to_have_text(TEXTS[Failure.OPENAI_AUTHENTICATION])
    assert page.evaluate("document.documentElement.lang") == "es"


def is_of_widget_api(service: Stack, answer: Response) -> bool:
    return answer.url.startswith(f"{service.url}/widget/") and answer.request.method != "OPTIONS"


def test_the_key_is_shown_to_nobody_again(service: Stack, company: Company, visits: Visits) -> None:
    page = visits.open(company.kommo)
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer) if is_of_widget_api(service, answer) else None)
    form = Form.opened(page)
    form.type(openai_api_key=company.key, assistant_id=company.assistant_id)
    form.save()
    # The browser forgets the bodies when the page is left.
    bodies = [answer.text() for answer in answers]
    answers.clear()
    page.reload()
    Form.opened(page)
    bodies += [answer.text() for answer in answers]
    assert len(bodies) == 5  # settings and usage twice, and the save
    seen = page.content() + page.evaluate("JSON.stringify(Object.values(APP.widgets.list)[0].get_settings())")
    assert company.key not in seen + company.in_kommo + "".join(bodies)
    assert company.key[-4:] in page.content()


def test_kommos_own_save_button_saves_the_form_too(company: Company, visits: Visits) -> None:
    form = Form.opened(visits.open(company.kommo))
    form.type(openai_api_key=company.key, assistant_id=company.assistant_id)
    form.page.locator(".js-widget-save").click()
    expect(form.page.locator(MODAL)).to_have_count(0)
    assert company.stored.secrets.openai_api_key == company.key
    assert company.key not in company.in_kommo


def test_kommos_own_save_button_waits_for_wrong_fields(company: Company, visits: Visits) -> None:
    form = Form.opened(visits.open(company.kommo))
    form.unfold("limits")
    form.type(contact_daily_limit="many")
    form.page.locator(".js-widget-save").click()
    expect(form.error("contact_daily_limit")).to_contain_text("número inteiro")
    expect(form.page.locator(".js-widget-save")).to_be_enabled()
    assert company.stored.contact_daily_limit is None


def test_everything_that_is_folded_is_saved_as_well(company: Company, visits: Visits) -> None:
    form = Form.opened(visits.open(company.kommo))
    for part in ("profile", "failure", "limits", "language"):
        form.unfold(part)
    form.type(
        openai_api_key=company.key,
        model="gpt-6-luna",
        instructions="Seja breve.",
        failure_text="Já chamamos alguém.",
        contact_daily_limit="20",
        alert_marks="50, 90",
        timezone="America/Manaus",
    )
    form.field("locale").select_option("es")
    form.save()
    stored = company.stored
    assert stored.profile is not None
    assert (stored.profile.model, stored.profile.instructions) == ("gpt-6-luna", "Seja breve.")
    assert (stored.failure_text, stored.contact_daily_limit) == ("Já chamamos alguém.", 20)
    assert (tuple(stored.alert_marks), stored.timezone, stored.locale) == ((50, 90), "America/Manaus", "es")


def test_who_is_no_administrator_reads_and_tests_only(company_of: Callable[..., Company], visits: Visits) -> None:
    company = company_of(key_saved=True, profile=WORKING, failure_text="Um momento.")
    form = Form.opened(visits.open(company.kommo, person=SELLER))
    expect(form.part("notices")).to_contain_text("Somente administradores")
    for field in ("openai_api_key", "assistant_id", "instructions", "failure_text"):
        assert form.field(field).evaluate("element => element.readOnly || element.disabled"), field
    expect(form.part("save")).to_be_hidden()
    expect(form.test("ok")).to_contain_text(f"[{company.name}]")


def test_a_second_administrator_overwrites_nothing(company: Company, visits: Visits) -> None:
    first, second = (Form.opened(visits.open(company.kommo, person=person)) for person in (ADMIN, SECOND_ADMIN))
    for form in (first, second):
        form.unfold("failure")
    first.type(assistant_id=company.assistant_id)
    first.save("failed")
    second.type(failure_text="Da Clara.")
    expect(second.save("failed")).to_contain_text("Outra pessoa salvou")
    expect(second.field("assistant_id")).to_have_value(company.assistant_id)
    assert company.stored.failure_text is None

    second.part("reapply").click()
    second.save("failed")
    stored = company.stored
    assert (stored.assistant_id, stored.failure_text) == (company.assistant_id, "Da Clara.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_speaks_the_language_of_who_looks(company: Company, visits: Visits, language: Language) -> None:
    texts = company.texts(language)
    form = Form.opened(visits.open(company.kommo, look=Look(language)))
    expect(form.page.get_by_label(texts["form"]["openai_api_key"], exact=True)).to_be_visible()
    expect(form.part("test")).to_have_text(texts["form"]["test"])
    expect(form.part("usage")).to_contain_text(texts["usage"]["title"])
    form.type(openai_api_key=f"{KEY_PREFIX}wrong", assistant_id=company.assistant_id)
    # The error's name is the documented one in every language; what to do about it is told in one's own.
    expect(form.test("failed")).to_contain_text(TEXTS[Failure.OPENAI_AUTHENTICATION])
    remedies = {"pt": "Verifique se", "es": "Compruebe que", "en": "Check that"}
    expect(form.part("result")).to_contain_text(remedies[language])


def test_a_closed_api_asks_for_a_profile_and_takes_a_pasted_assistant(
    company: Company, visits: Visits, closed_assistants_api: None
) -> None:
    form = Form.opened(visits.open(company.kommo))
    form.type(openai_api_key=company.key, assistant_id=company.assistant_id)
    expect(form.test("failed")).to_contain_text("encerrou a Assistants API")
    form.part("fill-profile").click()
    definition = {"object": "assistant", "model": "gpt-6-luna", "instructions": "Importado.", "tools": []}
    form.type(assistant_definition=json.dumps(definition))
    expect(form.test("ok")).to_contain_text(f"[{company.name}]")
    form.save()
    profile = company.stored.profile
    assert profile is not None
    assert (profile.model, profile.instructions, profile.active) == ("gpt-6-luna", "Importado.", True)
    expect(form.field("model")).to_have_value("gpt-6-luna")


def test_texts_of_others_are_never_read_as_html(company_of: Callable[..., Company], visits: Visits) -> None:
    company = company_of("<img src=x onerror=alert(1)>", key_saved=True, profile=WORKING)
    form = Form.opened(visits.open(company.kommo))
    # The name of the company stands in every answer of its simulated assistant.
    result = form.test("ok")
    expect(result.locator("img")).to_have_count(0)
    expect(result).to_contain_text("onerror")


def test_a_service_that_is_away_is_said_to_be_away(company: Company, visits: Visits) -> None:
    page = visits.open(company.kommo)
    page.route("**/widget/settings*", lambda route: route.abort())
    page.locator(".js-open-widget").click()
    expect(page.locator(".bytegpt")).to_contain_text("não respondeu")
    page.unroute("**/widget/settings*")
    page.locator("[data-bytegpt=retry]").click()
    expect(page.locator("#bytegpt-assistant_id")).to_be_visible()
    visits.complaints.remove("error: Failed to load resource: net::ERR_FAILED")


# --- usage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "percent", "words"),
    [
        pytest.param(1, "20", "renova no dia 1", id="calm"),
        pytest.param(4, "80", "80 % ou mais", id="near the limit"),
        pytest.param(5, "100", "acabaram", id="used up"),
    ],
)
def test_the_bar_shows_the_month(
    service: Stack, company_of: Callable[..., Company], visits: Visits, asked: int, percent: str, words: str
) -> None:
    service.add_plan("cinco", 5)
    company = company_of(key_saved=True, profile=WORKING, plan="cinco")
    company.kommo.add_bot(recommended_flow(service.door))
    client = company.client()
    for number in range(asked):
        client.ask(f"Pergunta {number}")

    form = Form.opened(visits.open(company.kommo))
    expect(form.part("usage").locator("[role=meter]")).to_have_attribute("aria-valuenow", percent)
    expect(form.part("usage")).to_contain_text(f"{asked} de 5 requisições")
    expect(form.part("usage")).to_contain_text(words)

    page = visits.open(company.kommo, ADVANCED)
    row = page.locator("[data-bytegpt=days] tbody tr").last
    expect(row.locator("td").nth(0)).to_have_text(str(asked))
    expect(page.locator("[data-bytegpt=next]")).to_have_attribute("aria-disabled", "true")
