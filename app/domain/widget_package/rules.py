"""Whether Kommo would take the archive of a widget (kommo.md 7): one message for each rule that is broken."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.domain.widget_package.files import (
    MANIFEST,
    REQUIRED,
    SCRIPT,
    STYLE,
    Files,
    NotReadable,
    badly_written_files,
    expected_templates,
    language_file,
    missing_files,
    read_object,
    unused_files,
)
from app.domain.widget_package.images import image_messages, image_sizes
from app.domain.widget_package.languages import language_messages, missing_languages
from app.domain.widget_package.manifest import locales_of, manifest_messages, named_images, text_paths
from app.domain.widget_package.sources import script_messages, style_messages, unloaded_style


def broken_rules(files: Files) -> list[str]:
    """Everything that is wrong with an archive, `file: message` each; empty where Kommo would take it.

    files: their contents by their names in the archive. What builds on a file that cannot be read is not looked at.
    """
    found = [*missing_files(files), *badly_written_files(files)]
    if found:
        return found
    try:
        manifest = read_object(files[MANIFEST])
    except NotReadable as error:
        return [f"{MANIFEST}: {error}"]
    return manifest_messages(manifest) or [*_with(manifest, files)]


def _with(manifest: Mapping[str, Any], files: Files) -> Iterator[str]:
    locales, locations = locales_of(manifest), manifest["locations"]
    sizes = image_sizes(locations, named_images(manifest))
    script = files[SCRIPT].decode()
    yield from missing_languages(list(files), locales)
    yield from _languages(files, locales, text_paths(manifest))
    yield from image_messages(files, sizes)
    yield from script_messages(script, locations)
    if STYLE in files:
        yield from style_messages(files[STYLE].decode())
        yield from unloaded_style(script)
    expected = [*REQUIRED, STYLE, *map(language_file, locales), *sizes, *expected_templates(files)]
    yield from unused_files(files, expected)


def _languages(files: Files, locales: list[str], paths: list[str]) -> Iterator[str]:
    texts = {}
    for locale in locales:
        name = language_file(locale)
        try:
            texts[locale] = read_object(files.get(name, b"{}"))
        except NotReadable as error:
            yield f"{name}: {error}"
    # A language that cannot be read would make every text of the others look superfluous.
    readable = {locale: one for locale, one in texts.items() if one}
    if readable:
        yield from language_messages(readable, paths)
