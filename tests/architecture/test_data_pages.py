"""The pages about stored data name every key of app/storage/keys.py, and say of each how long it is kept."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from app.domain.accounts import LOCALES, Locale
from app.domain.retention import DEFAULT_DAYS, MOST_DAYS
from app.storage import keys
from tests import markdown

NAMES: dict[Locale, str] = {"pt": "dados.md", "es": "datos.md", "en": "data.md"}
# How the pages write what stands for an argument; what is hashed is a hash, whatever it was.
WRITTEN = {
    "account_id": "ID",
    "conversation_key": "CONTACT",
    "request_id": "TURN",
    "client_id": "INTEGRATION",
    "period": "YYYY-MM",
    "day": "YYYY-MM-DD",
    "fingerprint": "HASH",
    "digest": "HASH",
    "source": "PROCESS",
}
HASHED = re.compile(r"[0-9a-f]{32}")

every_language = pytest.mark.parametrize("locale", LOCALES)


def page(locale: Locale) -> Path:
    return markdown.DOCS / locale / NAMES[locale]


def pattern(function: Callable[..., str]) -> str:
    """A key as the pages write it."""
    names = inspect.signature(function).parameters
    return HASHED.sub("HASH", function(**{name: WRITTEN.get(name, name.upper()) for name in names}))


def functions() -> dict[str, Callable[..., str]]:
    return {pattern(function): function for _, function in inspect.getmembers(keys, inspect.isfunction)}


def rows(locale: Locale) -> dict[str, str]:
    """How long each key is kept, as its row says."""
    lines = page(locale).read_text("utf-8").splitlines()
    cells = [line.strip("|").split("|") for line in lines if line.startswith("| `bytegpt:")]
    assert all(len(row) == 3 for row in cells)
    return {row[0].strip().strip("`"): row[2].strip() for row in cells}


def numbers(text: str) -> set[str]:
    return set(re.findall(r"\d+", re.sub(r"(?<=\d)[.,](?=\d{3})", "", text)))


@every_language
def test_every_key_has_its_row_and_no_row_is_of_a_key_that_is_not_there(locale: Locale) -> None:
    assert set(rows(locale)) == set(functions())


@every_language
@pytest.mark.parametrize("key", sorted(functions()))
def test_a_row_says_the_times_that_the_code_says(locale: Locale, key: str) -> None:
    told = (inspect.getdoc(functions()[key]) or "").splitlines()[0]
    kept = rows(locale)[key]
    assert kept
    assert numbers(kept) == numbers(re.sub(r"`[^`]*`", "", told))


@every_language
def test_every_key_that_is_named_anywhere_exists(locale: Locale) -> None:
    named = {piece for piece in markdown.code(page(locale)) if piece.startswith(keys.PREFIX)}
    assert named == set(functions())


def test_the_languages_have_the_same_parts() -> None:
    portuguese, *others = (markdown.skeleton(page(locale)) for locale in LOCALES)
    for other in others:
        assert other == portuguese
    assert len({tuple(markdown.fences(page(locale))) for locale in LOCALES}) == 1


@every_language
def test_a_page_leads_to_its_other_languages(locale: Locale) -> None:
    links = markdown.addresses(page(locale), "link_open", "href")
    assert links == [f"../{other}/{NAMES[other]}" for other in LOCALES if other != locale]


@every_language
def test_the_time_of_texts_is_that_of_the_code(locale: Locale) -> None:
    (section,) = (one for one in markdown.sections(page(locale)) if any("400" in text for text in one.paragraphs))
    assert numbers(" ".join(section.paragraphs)) == {str(DEFAULT_DAYS), "1", str(MOST_DAYS)}
