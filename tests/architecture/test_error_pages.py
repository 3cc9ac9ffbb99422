"""docs/errors: a page for every message in every language, saying what the code and its other translations say."""

from pathlib import Path

import pytest

from app.domain.accounts import LOCALES, Locale
from app.domain.failures import OPENAI_FAILURES, TEXTS, Failure
from app.domain.note_texts import cause, remedy
from config.settings import definitions
from tests import markdown

PAGES = markdown.DOCS / "errors"
INDEX = "README.md"
SECTIONS: dict[Locale, list[str]] = {
    "pt": ["Causa", "O que fazer", "Como saber se resolveu", "Isso gasta requisições?"],
    "es": ["Causa", "Qué hacer", "Cómo saber si se resolvió", "¿Esto gasta solicitudes?"],
    "en": ["Cause", "What to do", "How to check that it is solved", "Does this use up requests?"],
}
OWN_WORDS: dict[Locale, str] = {"pt": "", "es": "En español: ", "en": "In English: "}

every_failure = pytest.mark.parametrize("failure", Failure)
every_language = pytest.mark.parametrize("locale", LOCALES)


def page(failure: Failure, locale: Locale) -> Path:
    return PAGES / locale / f"{failure}.md"


@every_language
def test_there_is_a_page_for_every_message_and_none_besides(locale: Locale) -> None:
    assert {path.name for path in (PAGES / locale).iterdir()} == {INDEX, *(f"{failure}.md" for failure in Failure)}
    assert {path.name for path in PAGES.iterdir()} == set(LOCALES)


@every_language
@every_failure
def test_a_page_has_the_message_to_the_letter_and_its_four_sections(failure: Failure, locale: Locale) -> None:
    top, *below = markdown.sections(page(failure, locale))
    assert (top.level, top.title) == ("h1", TEXTS[failure])
    assert top.paragraphs[0].startswith(f"`{failure}` · ")
    assert [(section.level, section.title) for section in below] == [("h2", title) for title in SECTIONS[locale]]
    assert all(section.paragraphs or section is below[2] for section in below)


@every_language
@every_failure
def test_cause_and_remedy_begin_with_what_the_note_on_the_lead_says(failure: Failure, locale: Locale) -> None:
    _, why, what, *_ = markdown.sections(page(failure, locale))
    assert why.paragraphs[0] == cause(failure, locale)
    assert len(why.paragraphs) > 1
    assert what.paragraphs == (remedy(failure, locale),)


@every_failure
def test_the_languages_have_the_same_steps_checks_and_code(failure: Failure) -> None:
    pages = [page(failure, locale) for locale in LOCALES]
    portuguese, *others = ([counts for _, counts in markdown.skeleton(path)] for path in pages)
    for other in others:
        # The message in the reader's own words stands above the sections of every language but the first.
        assert other[0]["paragraph_open"] == portuguese[0]["paragraph_open"] + 1
        assert other[1:] == portuguese[1:]
    assert all(counts["list_item_open"] >= 2 for counts in portuguese[2:4])
    assert len({tuple(markdown.fences(path)) for path in pages}) == 1
    outside = [{link for link in markdown.addresses(path, "link_open", "href") if "://" in link} for path in pages]
    assert outside[0] == outside[1] == outside[2]


@every_language
def test_the_index_lists_every_message_in_order_under_whose_it_is(locale: Locale) -> None:
    _, of_openai, of_bytegpt = markdown.sections(PAGES / locale / INDEX)
    assert "OpenAI" in of_openai.title
    assert "OpenAI" not in of_bytegpt.title
    links = markdown.addresses(PAGES / locale / INDEX, "link_open", "href")
    ordered = [*sorted(OPENAI_FAILURES, key=list(Failure).index), *(f for f in Failure if f not in OPENAI_FAILURES)]
    assert [link for link in links if "/" not in link] == [f"{failure}.md" for failure in ordered]
    text = (PAGES / locale / INDEX).read_text("utf-8")
    for failure in Failure:
        assert f"[{TEXTS[failure]}]({failure}.md)" in text


@pytest.mark.parametrize("locale", ["es", "en"])
@every_failure
def test_a_message_means_the_same_on_its_page_and_in_the_index(failure: Failure, locale: Locale) -> None:
    top = markdown.sections(page(failure, locale))[0]
    before, meaning = top.paragraphs[1].split("**")[:2]
    assert before == OWN_WORDS[locale]
    assert f"({failure}.md)\\\n  {meaning}\n" in (PAGES / locale / INDEX).read_text("utf-8")


@every_language
@every_failure
def test_a_page_leads_to_its_other_languages_and_to_the_index(failure: Failure, locale: Locale) -> None:
    links = markdown.addresses(page(failure, locale), "link_open", "href")
    others = [f"../{other}/{failure}.md" for other in LOCALES if other != locale]
    assert links[:3] == [*others, INDEX]


@every_language
def test_the_times_on_the_page_of_the_timeout_are_those_of_the_settings(locale: Locale) -> None:
    defaults = {setting.name: setting.default for _, setting in definitions()}
    text = page(Failure.OPENAI_TIMEOUT, locale).read_text("utf-8")
    assert f" {defaults['OPENAI_READ_TIMEOUT']} se" in text
    assert f" {defaults['TURN_DEADLINE']} se" in text


@every_language
def test_no_message_of_ours_sends_anybody_to_openai(locale: Locale) -> None:
    for failure in (Failure.PLAN_QUOTA, Failure.CONTACT_LIMIT, Failure.NO_MESSAGE, Failure.ACCOUNT_PAUSED):
        assert "openai.com" not in page(failure, locale).read_text("utf-8")


def test_the_service_reads_these_very_files() -> None:
    assert (markdown.ROOT / "app" / "web" / "help_texts").resolve() == PAGES.resolve()
