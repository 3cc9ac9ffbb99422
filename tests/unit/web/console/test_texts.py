"""The catalogues: the same texts in every language, all of them used, none missing."""

import re
from collections.abc import Sequence
from pathlib import Path
from string import Formatter

import pytest

from app.domain.accounts import LOCALES, Locale
from app.domain.audit_log import Operation, Outcome
from app.jobpanel.panel import REGISTRIES
from app.web.console.look import THEMES
from app.web.console.pages import NAVIGATION
from app.web.console.texts import catalogue

CONSOLE = Path(__file__).parents[4] / "app/web/console"
SOURCES = [*CONSOLE.rglob("*.py"), *CONSOLE.rglob("*.html")]
KEYS = set(catalogue("pt"))

# t('a.b'), tn("a.b", …), remark(t(…)), and keys that stand in a constant or an argument of another name.
LITERAL = re.compile(r"""(?:\bt\(|\btn\(|Finding\(|ActionRefused\(|, )\s*["']([a-z_0-9]+(?:\.[a-z_0-9]+)+)["']""")
COUNTED = re.compile(r"""\btn\(\s*["']([a-z_0-9.]+)["']""")
# t('nav.' ~ name) and f"failure.{…}": every key that begins so is used.
BEGINNING = re.compile(r"""["']([a-z_0-9]+(?:\.[a-z_0-9]+)*\.)["']\s*~|\bf["']([a-z_0-9]+(?:\.[a-z_0-9]+)*\.)\{""")


def placeholders(text: str) -> set[str | None]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def used_keys() -> set[str]:
    found: set[str] = set()
    for path in SOURCES:
        source = path.read_text()
        counted = set(COUNTED.findall(source))
        found |= {key for key in LITERAL.findall(source) if key not in counted}
        found |= {f"{key}.{form}" for key in counted for form in ("one", "other")}
    return found


def used_beginnings() -> tuple[str, ...]:
    return tuple({one or other for path in SOURCES for one, other in BEGINNING.findall(path.read_text())})


@pytest.mark.parametrize("locale", LOCALES)
def test_every_language_has_the_same_texts(locale: Locale) -> None:
    assert set(catalogue(locale)) == KEYS
    assert list(catalogue(locale)) == sorted(KEYS)


@pytest.mark.parametrize("locale", LOCALES)
def test_a_text_leaves_the_same_things_open_in_every_language(locale: Locale) -> None:
    different = [
        key for key, text in catalogue(locale).items() if placeholders(text) != placeholders(catalogue("pt")[key])
    ]
    assert not different


@pytest.mark.parametrize("locale", LOCALES)
def test_no_text_is_empty_or_holds_marks(locale: Locale) -> None:
    assert not [key for key, text in catalogue(locale).items() if not text.strip() or re.search(r"[<>&]", text)]


def test_texts_that_say_a_number_come_in_both_forms() -> None:
    assert {key[:-4] for key in KEYS if key.endswith(".one")} == {key[:-6] for key in KEYS if key.endswith(".other")}


def test_every_text_that_is_asked_for_is_there() -> None:
    keys = used_keys()
    assert len(keys) > 50
    endpoints = ("console.", "rq_dashboard.")  # look like keys
    assert not [key for key in keys if key not in KEYS and not key.startswith(endpoints)]


def test_every_text_is_asked_for() -> None:
    keys, beginnings = used_keys(), used_beginnings()
    assert not [key for key in sorted(KEYS) if key not in keys and not key.startswith(beginnings)]


NAMED: dict[str, Sequence[str]] = {
    "operation": list(Operation),
    "outcome": list(Outcome),
    "rq.registry": REGISTRIES,
    "theme": THEMES,
    "language": LOCALES,
    "nav": [section for section, _ in NAVIGATION],
}


@pytest.mark.parametrize("beginning", NAMED)
def test_whatever_is_named_by_its_code_has_a_text(beginning: str) -> None:
    named = {f"{beginning}.{code}" for code in NAMED[beginning]}
    assert named == {key for key in KEYS if re.fullmatch(rf"{re.escape(beginning)}\.[a-z_]+", key)}
