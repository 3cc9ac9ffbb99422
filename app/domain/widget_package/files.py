"""Which files the archive of a widget may hold, and how they must be written (kommo.md 7.1)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MANIFEST = "manifest.json"
SCRIPT = "script.js"
STYLE = "style.css"
REQUIRED = (MANIFEST, SCRIPT)

Files = Mapping[str, bytes]

_TEXT_ENDINGS = (".json", ".js", ".css", ".twig")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class NotReadable(Exception):
    """A file is no JSON object; str() tells why."""


def language_file(locale: str) -> str:
    """Where the texts of a language stand."""
    return f"i18n/{locale}.json"


def read_object(content: bytes) -> dict[str, Any]:
    """Read a JSON object without comments, trailing commas and repeated keys. Raises NotReadable."""
    try:
        found = json.loads(content, object_pairs_hook=_without_repetition)
    except ValueError as error:
        raise NotReadable(f"is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise NotReadable("is not a JSON object")
    return found


def missing_files(files: Files) -> Iterator[str]:
    """Messages about what every widget with a Salesbot step needs."""
    for name in REQUIRED:
        if name not in files:
            yield f"{name}: is missing in the root of the archive"


def badly_written_files(files: Files) -> Iterator[str]:
    """Messages about text files that are not UTF-8 without a byte order mark and with Unix line ends."""
    for name, content in sorted(files.items()):
        if name.endswith(_TEXT_ENDINGS):
            yield from (f"{name}: {message}" for message in _badly_written(content))


def unused_files(files: Files, expected: Iterable[str]) -> Iterator[str]:
    """Messages about files that nothing uses."""
    for name in sorted(set(files) - set(expected)):
        yield f"{name}: is not used by the widget; Kommo wants no other files in the archive"


def expected_templates(files: Files) -> list[str]:
    """Templates that the script names."""
    script = files.get(SCRIPT, b"")
    return [name for name in files if name.startswith("templates/") and name.encode() in script]


def _badly_written(content: bytes) -> Iterator[str]:
    if content.startswith(_BYTE_ORDER_MARK):
        yield "begins with a byte order mark"
    if b"\r" in content:
        yield "has line ends that are not Unix ones"
    try:
        content.decode()
    except UnicodeDecodeError:
        yield "is not UTF-8"


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)} stands twice")
    return found
