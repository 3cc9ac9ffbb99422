"""The simulated upload takes what Kommo takes, and says what is wrong with the rest (kommo.md 7)."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.front.archive import UploadRefused, read_archive
from tests.widget_archives import TEXTS, manifest, png, widget_files, zipped

Files = dict[str, bytes]


def with_manifest(change: Callable[[dict[str, Any]], object]) -> Files:
    described = manifest()
    change(described)
    return widget_files() | {"manifest.json": json.dumps(described).encode()}


def without(name: str) -> Files:
    return {kept: content for kept, content in widget_files().items() if kept != name}


def with_english(texts: dict[str, Any]) -> Files:
    return widget_files() | {"i18n/en.json": json.dumps(texts).encode()}


def test_a_correct_archive_is_taken() -> None:
    archive = read_archive(zipped(widget_files(version="2.3.4")))
    assert (archive.version, archive.locations) == ("2.3.4", ("settings", "advanced_settings", "salesbot_designer"))
    assert [archive.language(wanted) for wanted in ("pt", "es", "tr")] == ["pt", "es", "en"]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        pytest.param({f"widget/{name}": content for name, content in widget_files().items()}, "root of", id="folder"),
        pytest.param(without("manifest.json"), "manifest.json is missing", id="no manifest"),
        pytest.param(widget_files() | {"README.md": b"x"}, "README.md does not belong", id="unused file"),
        pytest.param(widget_files() | {"__MACOSX/a": b"x"}, "does not belong", id="rubbish of an operating system"),
        pytest.param(widget_files() | {"images/../a.png": b""}, "not a name inside", id="way out"),
        pytest.param(widget_files() | {"manifest.json": b"{"}, "manifest.json is not JSON", id="no JSON"),
        pytest.param(widget_files() | {"script.js": b"\xef\xbb\xbfx"}, "byte order mark", id="byte order mark"),
        pytest.param(widget_files() | {"style.css": b"a\r\nb"}, "Windows line ends", id="line ends"),
        pytest.param(without("i18n/es.json"), "i18n/es.json is missing", id="no texts of a language"),
        pytest.param(with_english(TEXTS["en"] | {"more": "x"}), "more does not stand", id="unequal keys"),
        pytest.param(
            with_english(TEXTS["en"] | {"settings": {"custom": "", "greeting": ""}}), "settings.custom has no text",
            id="empty text",
        ),
        pytest.param(without("images/logo_min.png"), "images/logo_min.png is missing", id="no picture"),
        pytest.param(widget_files() | {"images/logo.png": png(131, 100)}, "130 x 100", id="size of a picture"),
        pytest.param(widget_files() | {"images/logo.png": b"GIF89a"}, "must be a PNG", id="kind of a picture"),
        pytest.param(
            widget_files() | {"images/logo.png": png(130, 100) + bytes(300 * 1024)}, "300 KB", id="weight of a picture"
        ),
        pytest.param(with_manifest(lambda m: m.pop("settings")), '"settings" field is required', id="no settings"),
        pytest.param(with_manifest(lambda m: m.pop("advanced")), '"advanced" field is required', id="no title"),
        pytest.param(
            with_manifest(lambda m: m["widget"].update(installation=False)), "cannot be installed", id="installation"
        ),
        pytest.param(with_manifest(lambda m: m["widget"].update(interface_version=1)), "must be 2", id="interface"),
        pytest.param(with_manifest(lambda m: m["widget"].update(locale=["pt", "xx"])), "locale", id="languages"),
        pytest.param(with_manifest(lambda m: m["widget"].pop("name")), '"widget.name" field is required', id="name"),
        pytest.param(with_manifest(lambda m: m.update(locations=["moon"])), "'moon' does not exist", id="location"),
        pytest.param(
            with_manifest(lambda m: m["locations"].extend(["lcard-0", "lcard-1"])), "together", id="pair of locations"
        ),
        pytest.param(
            with_manifest(lambda m: m["locations"].append("digital_pipeline")), '"dp" field is required', id="pipeline"
        ),
        pytest.param(
            with_manifest(lambda m: m["settings"]["custom"].update(type="color")), "needs a name and one of", id="type"
        ),
        pytest.param(
            with_manifest(lambda m: m["salesbot_designer"].update(bare={})), "bare\" needs a name", id="bare handler"
        ),
    ],
)  # fmt: skip
def test_an_archive_that_kommo_refuses_is_refused_with_the_reason(files: Files, reason: str) -> None:
    with pytest.raises(UploadRefused) as refusal:
        read_archive(zipped(files))
    assert reason in str(refusal.value)


def test_all_reasons_of_one_kind_are_told_at_once() -> None:
    with pytest.raises(UploadRefused) as refusal:
        read_archive(zipped(widget_files() | {"images/logo.png": b"", "images/logo_min.png": b""}))
    assert len(refusal.value.reasons) == 2


def test_what_is_no_archive_is_refused() -> None:
    with pytest.raises(UploadRefused, match="not a zip"):
        read_archive(b"hello")
