"""The archive of a widget as Kommo takes it, and what its upload refuses (kommo.md 7)."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.front.manifest import manifest_refusals
from sandbox.front.pictures import picture_refusals

MANIFEST = "manifest.json"
_ROOTS = frozenset((MANIFEST, "script.js", "style.css", "i18n", "images", "templates"))
_BOM = b"\xef\xbb\xbf"
_NEEDED_TEXTS = ("widget.name", "widget.short_description", "widget.description")


class UploadRefused(Exception):
    """The archive is not taken. reasons: everything that is wrong with it, one sentence each."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class WidgetArchive:
    """An archive that was taken. files: by name; texts: i18n by language."""

    files: Mapping[str, bytes]
    manifest: Mapping[str, Any]
    texts: Mapping[str, Mapping[str, Any]]

    @property
    def version(self) -> str:
        """What clears the cached files of the version before."""
        return str(self.manifest["widget"].get("version", "1.0.0"))

    @property
    def locations(self) -> tuple[str, ...]:
        """Where the widget wants to be, without the suffix that asks for the right panel."""
        return tuple(location.removesuffix("-0").removesuffix("-1") for location in self.manifest["locations"])

    def language(self, wanted: str) -> str:
        """The language of the texts that somebody gets to see who reads this one."""
        return next(language for language in (wanted, "en", *self.texts) if language in self.texts)


def read_archive(raw: bytes) -> WidgetArchive:
    """Take an archive, or raise UploadRefused."""
    files = _files(raw)
    _refuse(*_place_refusals(files))
    if MANIFEST not in files:
        raise UploadRefused(f"{MANIFEST} is missing in the root of the archive.")
    manifest = _json(MANIFEST, files[MANIFEST])
    _refuse(*manifest_refusals(manifest))
    languages = manifest["widget"]["locale"]
    _refuse(*(f"{name} is missing." for name in map(_texts_name, languages) if name not in files))
    texts = {language: _json(_texts_name(language), files[_texts_name(language)]) for language in languages}
    archive = WidgetArchive(files, manifest, texts)
    _refuse(*_text_refusals(archive), *picture_refusals(files, archive.locations))
    return archive


def text_at(texts: Mapping[str, Any], path: str) -> str | None:
    """The text at a path such as `widget.name`; None where there is none."""
    found: Any = texts
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found if isinstance(found, str) else None


def _refuse(*reasons: str) -> None:
    if reasons:
        raise UploadRefused(*reasons)


def _files(raw: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as opened:
            return {entry.filename: opened.read(entry) for entry in opened.infolist() if not entry.is_dir()}
    except zipfile.BadZipFile:
        raise UploadRefused("The file is not a zip archive.") from None


def _place_refusals(files: Mapping[str, bytes]) -> Iterator[str]:
    for name, content in files.items():
        root = name.partition("/")[0]
        if name.startswith("/") or ".." in name.split("/") or "\\" in name:
            yield f"{name!r} is not a name inside the archive."
        elif root not in _ROOTS or name in ("i18n", "images", "templates"):
            yield f"{name} does not belong into a widget; its files stand in the root of the archive."
        elif name.endswith((".json", ".js", ".css", ".twig")) and (content.startswith(_BOM) or b"\r\n" in content):
            yield f"{name} has a byte order mark or Windows line ends."


def _json(name: str, content: bytes) -> Any:
    try:
        decoded = json.loads(content)
    except ValueError as error:
        raise UploadRefused(f"{name} is not JSON: {error}.") from None
    if not isinstance(decoded, dict):
        raise UploadRefused(f"{name} is not a JSON object.")
    return decoded


def _texts_name(language: str) -> str:
    return f"i18n/{language}.json"


def _text_refusals(archive: WidgetArchive) -> Iterator[str]:
    languages = list(archive.texts)
    first = set(_paths(archive.texts[languages[0]]))
    for language in languages[1:]:
        for path in sorted(first ^ set(_paths(archive.texts[language]))):
            yield f"{path} does not stand in {languages[0]} and {language} alike."
    for path in (*_NEEDED_TEXTS, *_paths_of_manifest(archive.manifest)):
        for language, texts in archive.texts.items():
            if not text_at(texts, path):
                yield f"{path} has no text in {_texts_name(language)}."


def _paths(texts: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key, value in texts.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{before}{key}.")
        else:
            yield before + key


def _paths_of_manifest(manifest: Mapping[str, Any]) -> Iterator[str]:
    """The i18n paths that stand in a manifest outside its part `widget`."""
    for setting in manifest.get("settings", {}).values():
        yield setting["name"]
    if "advanced" in manifest:
        yield manifest["advanced"]["title"]
    for handler in handlers_of(manifest).values():
        yield handler["name"]
        yield from (setting["name"] for setting in handler.get("settings", {}).values())


def handlers_of(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The handlers of the Salesbot step by code; `logo` stands beside them (kommo.md 1.2)."""
    return {code: part for code, part in manifest.get("salesbot_designer", {}).items() if isinstance(part, Mapping)}
