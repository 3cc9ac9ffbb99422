"""Cutting a text into messages: at paragraphs, then sentences, then words, then anywhere."""

import re
import unicodedata
from collections.abc import Iterator

ELLIPSIS = "…"

# Each matches with its end where a message may end.
_PARAGRAPH = re.compile(r"(?=\n[ \t]*\n)")
# The end of a sentence or of a line. A digit before the full stop is a list number or an amount, not an end.
_SENTENCE = re.compile(r"""(?<=[.!?…])(?<![0-9]\.)["'»”’)*_~]*(?=\s)|(?<=[。！？])|(?=\n)""")  # noqa: RUF001
_WORD = re.compile(r"(?=[ \t\n\u3000])")

# How full a message has to be before a paragraph or sentence may end it. Only a text that does not fit otherwise is
# packed more tightly.
_FULLNESS = (0.0, 0.5, 0.9)

_ZERO_WIDTH_JOINER = "\u200d"


def width(text: str) -> int:
    """The length of a text in UTF-16 units.

    Kommo and the channels do not say how they count an emoji (kommo.md 3.2). One or two: this is never too few.
    """
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, limit: int, most: int) -> list[str]:
    """At most `most` messages of at most `limit` units of width; none for white space.

    limit: at least 3, which holds any single character and the ellipsis.
    What does not fit is dropped, and the last message then ends with "…". White space at a cut is dropped.
    """
    pieces: list[str] = []
    rest = text.strip()
    for fullness in _FULLNESS:
        pieces, rest = _pieces(text.strip(), limit, most, fullness)
        if not rest:
            return pieces
    return [*pieces[:-1], _with_ellipsis(pieces[-1], limit)]


def _pieces(text: str, limit: int, most: int, fullness: float) -> tuple[list[str], str]:
    """The messages, and what is left when there are as many as there may be."""
    pieces: list[str] = []
    while text and len(pieces) < most:
        end = _end_of_message(text, limit, fullness)
        pieces.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return pieces, text


def _with_ellipsis(text: str, limit: int) -> str:
    if text.endswith(ELLIPSIS):
        return text
    if width(text) >= limit:
        text = text[: _end_of_message(text, limit - 1, 1.0)].rstrip()
    return text + ELLIPSIS


def _end_of_message(text: str, limit: int, fullness: float) -> int:
    """Where a text, which begins with no white space, is best ended so that the limit holds."""
    reach = _reach(text, limit)
    if reach == len(text):
        return reach
    for pattern, least in ((_PARAGRAPH, fullness * reach), (_SENTENCE, fullness * reach), (_WORD, 1)):
        ends = [end for end in _ends(pattern, text, reach) if end >= max(1, least)]
        if ends:
            return ends[-1]
    return _character_start(text, reach)


def _ends(pattern: re.Pattern[str], text: str, reach: int) -> Iterator[int]:
    for found in pattern.finditer(text):
        if found.start() > reach:
            return
        if found.end() <= reach:
            yield found.end()


def _reach(text: str, limit: int) -> int:
    """How many characters fit into so many units; at least one."""
    reach = min(len(text), limit)
    while reach > 1 and (excess := width(text[:reach]) - limit) > 0:
        reach -= (excess + 1) // 2
    return reach


def _character_start(text: str, at: int) -> int:
    """The last place, not behind `at`, that does not cut one visible character in two; `at` where there is none."""
    start = at
    while start > 0 and _continues(text, start):
        start -= 1
    return start or at


def _continues(text: str, at: int) -> bool:
    """Whether the character here shows as one with the character before it."""
    before, here = text[at - 1], text[at]
    if _ZERO_WIDTH_JOINER in (before, here) or unicodedata.category(here).startswith("M"):
        return True
    if "\U0001f3fb" <= here <= "\U0001f3ff" or "\U000e0020" <= here <= "\U000e007f":  # skin tones, flag tags
        return True
    return _is_flag_half(here) and _flag_halves_before(text, at) % 2 == 1


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_halves_before(text: str, at: int) -> int:
    count = 0
    while at > count and _is_flag_half(text[at - 1 - count]):
        count += 1
    return count
