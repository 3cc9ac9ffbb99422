"""What Kommo asks of the texts in i18n/ (kommo.md 7.5); its limits for public integrations are kept by all."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.domain.widget_package.files import language_file

# Of every text, whether the manifest names it or not.
NEEDED = ("widget.name", "widget.short_description", "widget.description")
# Characters.
LONGEST = {"widget.name": 30, "widget.short_description": 50, "widget.description": 400}
LONGEST_WORD_OF_NAME = 19

Texts = Mapping[str, Any]


def missing_languages(names: Sequence[str], locales: Sequence[str]) -> Iterator[str]:
    """Messages about languages of the manifest without texts."""
    for locale in locales:
        if language_file(locale) not in names:
            yield f"{language_file(locale)}: is missing, and widget.locale names {locale}"


def language_messages(texts: Mapping[str, Texts], paths: Sequence[str]) -> Iterator[str]:
    """Messages about the texts by language. paths: those that the manifest names."""
    found = {locale: dict(_flat(one)) for locale, one in texts.items()}
    every = {path for one in found.values() for path in one}
    for locale, one in sorted(found.items()):
        where = language_file(locale)
        yield from (f"{where}: {path} is missing; other languages have it" for path in sorted(every - set(one)))
        for path, value in sorted(one.items()):
            if not isinstance(value, str) or not value.strip():
                yield f"{where}: {path} must be a text that is not empty"
        yield from _limits(where, {path: str(value) for path, value in one.items()})
    for path in dict.fromkeys((*paths, *NEEDED)):
        if path not in every:
            yield f"i18n: {path} is missing in every language; " + (
                "manifest.json names it" if path in paths else "Kommo needs it"
            )


def _limits(where: str, texts: Mapping[str, str]) -> Iterator[str]:
    for path, longest in LONGEST.items():
        if len(texts.get(path, "")) > longest:
            yield f"{where}: {path} is longer than {longest} characters"
    name = texts.get("widget.name", "")
    if len(name) <= LONGEST["widget.name"] and any(len(word) > LONGEST_WORD_OF_NAME for word in name.split()):
        yield f"{where}: widget.name has a word of more than {LONGEST_WORD_OF_NAME} characters"
    if "kommo" in name.lower():
        yield f"{where}: widget.name must not hold the word Kommo"


def _flat(texts: Texts, before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in texts.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value
