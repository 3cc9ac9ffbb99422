"""The language and the colours of the console."""

import re

import pytest

from app.domain.accounts import LOCALES, Locale
from tests.console_browser import Console

TAGS = {"pt": "pt-BR", "es": "es", "en": "en"}
WELCOMES = {"pt": "Entrar no console", "es": "Entrar en la consola", "en": "Log in to the console"}


def html_tag(console: Console, path: str = "/console/login") -> dict[str, str]:
    found = re.search(r"<html([^>]*)>", console.get(path).text)
    assert found
    return dict(re.findall(r'([a-z-]+)="([^"]*)"', found[1]))


def test_the_console_is_portuguese_whatever_the_browser_speaks(console: Console) -> None:
    answer = console.get("/console/login", {"Accept-Language": "en-US,en;q=0.9"})
    assert '<html lang="pt-BR" data-theme="auto"' in answer.text
    assert WELCOMES["pt"] in answer.text


@pytest.mark.parametrize("locale", LOCALES)
def test_the_default_language_is_the_one_of_the_settings(console: Console, locale: Locale) -> None:
    other = Console(console.redis, default_locale=locale)
    assert html_tag(other)["lang"] == TAGS[locale]


@pytest.mark.parametrize("locale", LOCALES)
def test_a_language_is_chosen_by_a_button_and_kept(console: Console, locale: Locale) -> None:
    answer = console.post("/console/preferences", {"language": locale, "next": "/console/login?next=/console/log"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/login?next=/console/log")
    page = console.get("/console/login").text
    assert WELCOMES[locale] in page
    assert re.findall(r'value="(\w+)" lang="[^"]*" aria-pressed="true"', page) == [locale]
    console.logged_in()
    console.post("/console/logout")
    assert html_tag(console)["lang"] == TAGS[locale]


@pytest.mark.parametrize("theme", ["auto", "light", "dark"])
def test_colours_are_chosen_alike_and_the_language_stays(console: Console, theme: str) -> None:
    console.post("/console/preferences", {"language": "es"})
    console.post("/console/preferences", {"theme": theme})
    assert {name: html_tag(console)[name] for name in ("lang", "data-theme")} == {"lang": "es", "data-theme": theme}


@pytest.mark.parametrize("value", ["", "xx", "xx.yy", "en", "en.yy", "en.dark.more", '"><script>.dark', "é.dark"])
def test_a_cookie_that_we_did_not_write_harms_nobody(console: Console, value: str) -> None:
    console.client.set_cookie("bytegpt_look", value, path="/console")
    shown = html_tag(console)
    assert shown["lang"] in ("pt-BR", "en")
    assert shown["data-theme"] in ("auto", "dark")


@pytest.mark.parametrize("fields", [{"language": "xx"}, {"theme": "pink"}, {}])
def test_what_is_not_offered_changes_nothing(console: Console, fields: dict[str, str]) -> None:
    console.post("/console/preferences", {"language": "en", "theme": "dark"})
    console.post("/console/preferences", fields)
    assert {name: html_tag(console)[name] for name in ("lang", "data-theme")} == {"lang": "en", "data-theme": "dark"}


def test_a_choice_leads_nowhere_else(console: Console) -> None:
    answer = console.post("/console/preferences", {"language": "en", "next": "https://evil.example/"})
    assert answer.headers["Location"] == "/console/"


def test_a_choice_on_a_page_that_was_sent_leads_to_one_that_can_be_looked_at(console: Console) -> None:
    assert '<input type="hidden" name="next" value="/console/">' in console.log_in("ana", "wrong").text
