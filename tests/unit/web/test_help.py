"""The help pages as a browser gets them."""

import re

import pytest
from werkzeug.test import TestResponse

from app.domain.accounts import LOCALES, Locale
from app.domain.failures import TEXTS, Failure
from app.domain.help_pages import help_index_path, help_path
from app.domain.note_texts import cause, remedy
from app.web.help_pages import help_pages
from tests.webhooks import Door

TIMEOUT = "/help/errors/openai_timeout"
LANGUAGE_TAGS = {"pt": "pt-BR", "es": "es", "en": "en"}
EVERY_PATH = [help_index_path("pt"), "/help/style.css", *(help_path(failure, "pt") for failure in Failure)]


def get(path: str, **headers: str) -> TestResponse:
    return Door().client().get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def language(answer: TestResponse) -> str:
    found = re.search(r'<html lang="([^"]+)">', answer.text)
    assert found
    return found[1]


def shown(answer: TestResponse) -> str:
    """The text of a page without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("failure", Failure)
def test_every_message_has_a_page_in_every_language(failure: Failure, locale: Locale) -> None:
    answer = get(help_path(failure, locale))
    assert answer.status_code == 200
    assert answer.content_type == "text/html; charset=utf-8"
    assert language(answer) == LANGUAGE_TAGS[locale]
    assert f'<h1 lang="pt-BR">{TEXTS[failure]}</h1>' in answer.text
    assert cause(failure, locale) in shown(answer)
    assert remedy(failure, locale).replace("'", "’") in shown(answer).replace("'", "’")


@pytest.mark.parametrize("locale", LOCALES)
def test_the_index_leads_to_every_message_in_its_language(locale: Locale) -> None:
    answer = get(help_index_path(locale))
    assert (answer.status_code, language(answer)) == (200, LANGUAGE_TAGS[locale])
    for failure in Failure:
        assert f'<a href="{help_path(failure, locale)}">{TEXTS[failure]}</a>' in answer.text


@pytest.mark.parametrize("path", EVERY_PATH)
def test_every_link_within_the_help_leads_to_a_page(path: str) -> None:
    client = Door().client()
    links = re.findall(r'href="(/[^"]*)"', client.get(path).text)
    assert path.endswith(".css") or len(links) >= 4
    assert {link: client.get(link).status_code for link in links} == dict.fromkeys(links, 200)


@pytest.mark.parametrize("locale", LOCALES)
def test_no_page_links_to_a_file(locale: Locale) -> None:
    pages = [get(help_index_path(locale)), *(get(help_path(failure, locale)) for failure in Failure)]
    assert not [page.request.path for page in pages if ".md" in page.text]


LANGUAGES = [
    pytest.param(f"{TIMEOUT}?lang=es", "pt-BR,pt;q=0.9", "es", id="the query comes first"),
    pytest.param(TIMEOUT, "es-MX,es;q=0.9,en;q=0.5", "es", id="then the browser's languages"),
    pytest.param(TIMEOUT, "de;q=0.9,en;q=0.5", "en", id="the first of them that we have"),
    pytest.param(TIMEOUT, "ja", "pt-BR", id="then the default, for a browser with none of ours"),
    pytest.param(TIMEOUT, "*", "pt-BR", id="for one that takes any"),
    pytest.param(TIMEOUT, "", "pt-BR", id="and for one that says nothing"),
    pytest.param(f"{TIMEOUT}?lang=ja", "en", "en", id="a language that we do not have counts as absent"),
    pytest.param(f"{TIMEOUT}?lang=", "en", "en", id="an empty one too"),
    pytest.param("/help", "en-GB", "en", id="the index alike"),
    pytest.param("/help/errors/no_such_code", "es", "es", id="and a page that is missing"),
]


@pytest.mark.parametrize(("path", "accepted", "expected"), LANGUAGES)
def test_the_language_of_a_page(path: str, accepted: str, expected: str) -> None:
    assert language(get(path, Accept_Language=accepted)) == expected


def test_the_default_language_is_the_one_of_the_settings() -> None:
    client = Door(default_locale="es").client()
    for accepted in ("ja", "*"):
        assert language(client.get("/help", headers={"Accept-Language": accepted})) == "es"


@pytest.mark.parametrize(
    "path",
    ["/help/errors/no_such_code", "/help/errors/OPENAI_TIMEOUT", "/help/errors/", "/help/nothing", "/help/pt/busy.md"],
)
def test_a_page_that_does_not_exist_is_404_and_lists_those_that_do(path: str) -> None:
    answer = get(f"{path}?lang=pt")
    assert answer.status_code == 404
    assert "Esta página não existe" in answer.text
    assert all(help_path(failure, "pt") in answer.text for failure in Failure)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers


def test_a_page_does_not_repeat_what_was_asked_for() -> None:
    assert "injected" not in get("/help/errors/<b>injected</b>").text


@pytest.mark.parametrize("path", [*EVERY_PATH, "/help/errors/no_such_code"])
def test_no_page_may_run_or_load_anything_or_be_framed(path: str) -> None:
    answer = get(path)
    policy = dict(
        directive.split(" ", 1) for directive in answer.headers["Content-Security-Policy"].split("; ") if directive
    )
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", EVERY_PATH)
def test_a_page_needs_nothing_that_the_policy_forbids(path: str) -> None:
    assert not re.search(
        r"<(script|img|iframe|form|style|object|svg)\b|\sstyle=|\son\w+=|@import|url\(", get(path).text
    )


@pytest.mark.parametrize("path", EVERY_PATH)
def test_a_page_is_kept_by_caches_until_it_changes(path: str) -> None:
    first = get(path)
    assert first.headers["Cache-Control"] == "public, max-age=3600"
    assert first.headers["Vary"] == "Accept-Language"
    again = get(path, If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    changed = get(path, If_None_Match='"an older one"')
    assert (changed.status_code, changed.data) == (200, first.data)


def test_two_languages_of_a_page_have_two_etags() -> None:
    assert len({get(help_path(Failure.BUSY, locale)).headers["ETag"] for locale in LOCALES}) == len(LOCALES)


def test_the_stylesheet_is_one_for_light_and_dark() -> None:
    answer = get("/help/style.css")
    assert answer.content_type == "text/css; charset=utf-8"
    assert "prefers-color-scheme: dark" in answer.text


def test_the_pages_are_rendered_once_in_a_process() -> None:
    assert help_pages() is help_pages()
