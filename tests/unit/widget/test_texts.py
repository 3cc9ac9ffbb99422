"""The texts of the widget: equal keys, nothing unused, the documented texts to the letter, and really translated."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from app.cli.widget import source_files
from app.domain.failures import TEXTS, Failure

FILES = source_files()
LOCALES = ("pt", "es", "en")
I18N: dict[str, dict[str, Any]] = {locale: json.loads(FILES[f"i18n/{locale}.json"]) for locale in LOCALES}
SCRIPT = FILES["script.js"].decode()
MANIFEST = FILES["manifest.json"].decode()

# Names, which nobody translates, and one word that English shares with Spanish.
NAMES = {"widget.name", "form.assistant_id", "usage.plan"}


def flat(texts: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from flat(value, f"{before}{key}.")
        else:
            yield before + key, value


def of(locale: str) -> dict[str, str]:
    return dict(flat(I18N[locale]))


def test_every_language_has_the_same_texts_in_the_same_order() -> None:
    assert list(of("pt")) == list(of("es")) == list(of("en"))


@pytest.mark.parametrize("path", of("pt"))
def test_every_language_fills_in_the_same_values(path: str) -> None:
    names = [sorted(re.findall(r"\{[a-z_]+\}", of(locale)[path])) for locale in LOCALES]
    assert names[0] == names[1] == names[2]


@pytest.mark.parametrize("path", [path for path in of("pt") if not path.startswith("errors.") and path not in NAMES])
@pytest.mark.parametrize("locale", ["pt", "es"])
def test_no_text_is_left_in_english(locale: str, path: str) -> None:
    assert of(locale)[path] != of("en")[path]


@pytest.mark.parametrize("locale", LOCALES)
def test_failures_are_named_by_their_documented_texts(locale: str) -> None:
    assert I18N[locale]["errors"] == {failure.value: TEXTS[failure] for failure in Failure}


def test_the_script_lists_every_failure() -> None:
    listed = re.search(r"const ERRORS = \[(.*?)\];", SCRIPT, re.DOTALL)
    assert listed is not None
    assert re.findall(r"'(\w+)'", listed[1]) == [failure.value for failure in Failure]


def test_the_script_asks_for_texts_that_exist() -> None:
    asked = re.findall(r"\bt\(\s*'([a-z_.]+)'", SCRIPT)
    assert len(asked) > 50
    assert set(asked) - {"form.", "locales.", "steps.", "errors.", "usage.", "problems.", "notices.missing_"} <= set(
        of("pt")
    )


def test_no_text_is_left_over() -> None:
    """Texts whose last part is put together in the script are looked for by that part."""
    for path in of("pt"):
        last = path.rpartition(".")[2]
        if path == "widget.tour_description":  # named by a manifest with a tour
            continue
        used = (
            f"'{path}'" in SCRIPT
            or path in MANIFEST
            or f"'{last}'" in SCRIPT
            or path.startswith(("errors.", "locales."))
        )
        assert used or last.removeprefix("missing_") in {"openai_api_key", "assistant", "kommo_token"}, path


@pytest.mark.parametrize("locale", LOCALES)
def test_texts_stand_as_people_write_them(locale: str) -> None:
    for path, text in of(locale).items():
        assert text == text.strip(), path
        assert "  " not in text, path
        assert "..." not in text, path
        assert "<" not in text, path
