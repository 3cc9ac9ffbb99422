"""Placeholders of Salesbot texts, filled in as Kommo fills them (kommo.md 1.5, 1.6, 11)."""

import re
from collections.abc import Callable, Mapping

PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")

# A filled-in text may hold placeholders again. The reference does not say how often Kommo looks; more than once is
# what makes template injection possible (kommo.md 13, point 6), and a limit keeps a text that names itself finite.
_PASSES = 4


def fill(text: str, value_of: Callable[[str], str | None]) -> str:
    """Replace every placeholder that has a value, also those that come in with a value.

    value_of gets the name between the braces and answers None for a placeholder that Kommo cannot resolve: it stays
    as it is, braces included.
    """
    for _ in range(_PASSES):
        filled = PLACEHOLDER.sub(lambda found: _value_or_itself(found, value_of), text)
        if filled == text:
            break
        text = filled
    return text


def _value_or_itself(found: re.Match[str], value_of: Callable[[str], str | None]) -> str:
    value = value_of(found.group(1))
    return found.group(0) if value is None else value


def returned_value(data: Mapping[str, object], key: str) -> str | None:
    """What `{{json.<key>}}` stands for after a continue call that brought these data.

    None, so that the placeholder itself is shown, for a missing key and for an empty value (kommo.md 0, point 8).
    Lists and objects have no text: nobody has measured `{{json.a.b}}` (kommo.md 1.5).
    """
    value = data.get(key)
    if value is True:
        return "1"
    if value is None or value is False or value == "" or isinstance(value, list | dict):
        return None
    return str(value)
