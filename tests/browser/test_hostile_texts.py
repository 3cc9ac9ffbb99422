"""Texts that are written to be run, wherever the widget shows one: they stand there as text, and nothing runs."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from app.domain.assistants import Profile
from tests.browser.company import Company
from tests.browser.form import Form
from tests.browser.visits import ADVANCED, Visits

MARKUP = "\"'><img class=hostile src=x onerror=\"window.hacked='yes'\"><script>window.hacked='yes'</script>"
LINK = "javascript:window.hacked='yes'"


@pytest.fixture
def hostile(company_of: Callable[..., Company]) -> Company:
    """A company whose every text is written by an attacker, its name included: the model repeats it."""
    profile = Profile(model="gpt-6-luna", instructions=f"{MARKUP} {LINK}", vector_store_ids=("vs_1",))
    return company_of(MARKUP, key_saved=True, profile=profile, failure_text=f"{MARKUP} {LINK}")


def assert_harmless(page: Page) -> None:
    assert page.evaluate("window.hacked") is None
    expect(page.locator(".hostile")).to_have_count(0)
    assert page.evaluate("[...document.links].every(link => !link.href.startsWith('javascript:'))")


def test_the_form_shows_settings_as_text(hostile: Company, visits: Visits) -> None:
    form = Form.opened(visits.open(hostile.kommo))
    expect(form.field("instructions")).to_have_value(f"{MARKUP} {LINK}")
    expect(form.field("failure_text")).to_have_value(f"{MARKUP} {LINK}")
    assert_harmless(form.page)


def test_the_answer_of_a_test_and_what_is_said_of_wrong_fields_is_shown_as_text(
    hostile: Company, visits: Visits
) -> None:
    form = Form.opened(visits.open(hostile.kommo))
    expect(form.test("ok")).to_contain_text(MARKUP)
    assert_harmless(form.page)
    form.type(assistant_id=MARKUP)
    form.unfold("limits")
    form.type(contact_daily_limit=MARKUP)
    form.part("save").click()
    expect(form.error("contact_daily_limit")).to_be_visible()
    assert_harmless(form.page)


def test_the_advanced_page_shows_figures_as_text(hostile: Company, visits: Visits) -> None:
    page = visits.open(hostile.kommo, ADVANCED)
    expect(page.locator("[role=meter]").first).to_be_visible()
    assert_harmless(page)
