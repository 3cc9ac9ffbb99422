"""The widget as it is built, and changes to it."""

import json
from collections.abc import Callable
from typing import Any

from app.cli.widget import source_files
from app.domain.widget_package.archive import with_address

ADDRESS = "https://bot.example.com"

Files = dict[str, bytes]
Change = Callable[[Files], None]


def built() -> Files:
    return with_address(source_files(), ADDRESS)


def changed(*changes: Change) -> Files:
    files = built()
    for change in changes:
        change(files)
    return files


def put(name: str, content: bytes) -> Change:
    def change(files: Files) -> None:
        files[name] = content

    return change


def without(name: str) -> Change:
    def change(files: Files) -> None:
        del files[name]

    return change


def replaced(name: str, old: str, new: str) -> Change:
    def change(files: Files) -> None:
        text = files[name].decode()
        assert old in text
        files[name] = text.replace(old, new, 1).encode()

    return change


def added(name: str, text: str) -> Change:
    def change(files: Files) -> None:
        files[name] += text.encode()

    return change


def json_set(name: str, path: str, value: Any) -> Change:
    """Set what stands at a path such as `widget.version`; None removes it."""

    def change(files: Files) -> None:
        document = json.loads(files[name])
        place = document
        *before, last = path.split(".")
        for key in before:
            place = place.setdefault(key, {})
        if value is None:
            del place[last]
        else:
            place[last] = value
        files[name] = json.dumps(document, ensure_ascii=False).encode()

    return change


def manifest(path: str, value: Any) -> Change:
    return json_set("manifest.json", path, value)


def texts(path: str, value: Any) -> Change:
    """The same in every language."""

    def change(files: Files) -> None:
        for locale in ("pt", "es", "en"):
            json_set(f"i18n/{locale}.json", path, value)(files)

    return change
