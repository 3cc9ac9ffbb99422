"""What operators read: one catalogue for each language in the folder texts, all with the same keys."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import cast

from app.domain.accounts import Locale
from app.web.console.formats import number_text
from app.web.console.look import look


@cache
def catalogue(locale: Locale) -> Mapping[str, str]:
    """The texts of a language by their keys."""
    told = files("app.web.console").joinpath("texts", f"{locale}.json").read_text("utf-8")
    return cast("Mapping[str, str]", json.loads(told))


def t(key: str, **values: object) -> str:
    """The text of this key in the operator's language, with `{name}` replaced by values. Raises KeyError.

    Numbers and times among the values are to be formatted by the caller (formats.py).
    """
    return catalogue(look().locale)[key].format(**values)


def tn(key: str, number: int, **values: object) -> str:
    """The text for so many of something: `<key>.one` or `<key>.other`, in which `{number}` is replaced too."""
    return t(f"{key}.one" if number == 1 else f"{key}.other", number=number_text(number), **values)
