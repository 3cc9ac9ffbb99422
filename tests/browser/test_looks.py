"""The widget in three languages, light and dark, on a desk and on a telephone; `--screenshots DIR` takes pictures."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app.domain.assistants import Profile
from sandbox.flows import recommended_flow
from sandbox.front.people import LANGUAGES, THEMES, Language
from sandbox.stack import Stack
from tests.browser.company import KEY_PREFIX, Company
from tests.browser.designing import Designer
from tests.browser.form import Form
from tests.browser.looks import faint_texts, photograph, sticking_out
from tests.browser.visits import ADVANCED, DESIGNER, NARROW, SELLER, WIDE, Look, Visits

WIDGET = ".bytegpt"
MODAL = ".modal-scroller"
PROFILE = Profile(model="gpt-6-luna", instructions="Você atende a padaria. Seja breve e gentil.")


@pytest.fixture
def company(company_of: Callable[..., Company], service: Stack) -> Company:
    """A company in the middle of its month."""
    service.add_plan("dez", 10)
    company = company_of("Padaria Pão Quente", key_saved=True, profile=PROFILE, plan="dez")
    company.kommo.add_bot(recommended_flow(service.door))
    client = company.client()
    for number in range(8):
        client.ask(f"Tem pão de queijo? ({number})")
    return company


def looks_right_everywhere(page: Page, pictures: Path | None, name: str, scrolled: str | None = None) -> None:
    """Check a page in both themes and both sizes, and photograph it if somebody wants to see it."""
    for theme in THEMES:
        page.evaluate("theme => { document.documentElement.dataset.colorScheme = theme; }", theme)
        assert faint_texts(page, WIDGET) == []
        for width, height in (WIDE, NARROW):
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert sticking_out(page, WIDGET) == []
            if pictures is not None:
                photograph(page, pictures / f"{name}-{theme}-{width}.png", scrolled)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_settings_look_right(company: Company, visits: Visits, pictures: Path | None, language: Language) -> None:
    form = Form.opened(visits.open(company.kommo, look=Look(language)))
    looks_right_everywhere(form.page, pictures, f"settings-{language}", MODAL)


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_unfolded_and_wrong_looks_right(
    company: Company, visits: Visits, pictures: Path | None, language: Language
) -> None:
    form = Form.opened(visits.open(company.kommo, look=Look(language)))
    form.type(openai_api_key=f"{KEY_PREFIX}wrong")
    form.test("failed")
    for part in ("profile", "failure", "limits", "language", "steps", "help"):
        form.unfold(part)
    form.type(contact_daily_limit="-1", alert_marks="200", assistant_definition="{")
    form.save("failed")
    looks_right_everywhere(form.page, pictures, f"unfolded-{language}", MODAL)


def test_the_form_of_who_may_only_read_looks_right(company: Company, visits: Visits, pictures: Path | None) -> None:
    form = Form.opened(visits.open(company.kommo, person=SELLER))
    form.test("ok")
    looks_right_everywhere(form.page, pictures, "read-only-pt", MODAL)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_of_usage_looks_right(
    company: Company, visits: Visits, pictures: Path | None, language: Language
) -> None:
    page = visits.open(company.kommo, ADVANCED, look=Look(language))
    expect(page.locator("[data-bytegpt=days]")).to_be_visible()
    looks_right_everywhere(page, pictures, f"usage-{language}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_loop_can_be_photographed(
    company: Company, visits: Visits, pictures: Path | None, tmp_path: Path, language: Language
) -> None:
    designer = Designer(visits.open(company.kommo, DESIGNER, look=Look(language)))
    designer.draw_loop()
    expect(designer.page.locator(".designer-lines > path")).to_have_count(2)
    picture = (pictures or tmp_path) / f"designer-{language}.png"
    photograph(designer.page, picture)
    assert picture.stat().st_size > 0


def test_what_looks_wrong_is_found(company: Company, visits: Visits) -> None:
    page = visits.open(company.kommo, ADVANCED)
    heading = page.locator(f"{WIDGET} h2")
    heading.evaluate("element => { element.style.color = '#ccc'; element.style.backgroundColor = '#fff'; }")
    assert [text["text"] for text in faint_texts(page, WIDGET)] == [heading.inner_text()]
    heading.evaluate("element => { element.style.width = '20px'; element.style.overflowWrap = 'normal'; }")
    assert len(sticking_out(page, WIDGET)) == 1
