"""`bytegpt widget build`."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.cli import widget
from tests.unit.domain.widget_package.built import built, changed, manifest

URL = "https://bot.example.com"


def build(out: Path, *options: str, url: str = URL) -> Result:
    return CliRunner().invoke(widget.widget, ["build", "--public-url", url, "--out", str(out), *options])


def test_it_writes_the_archive_and_says_what_it_is(tmp_path: Path) -> None:
    out = tmp_path / "widget.zip"
    result = build(out)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{out}: version 1.0.0 for {URL}, 11 files, ")
    with zipfile.ZipFile(out) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == built()


def test_it_tells_programs_in_one_document(tmp_path: Path) -> None:
    out = tmp_path / "widget.zip"
    told = json.loads(build(out, "--json", url="https://BOT.example.com:443/").stdout)
    assert told == {
        "out": str(out),
        "public_url": URL,
        "version": "1.0.0",
        "bytes": out.stat().st_size,
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "files": sorted(built()),
    }


def test_a_tour_is_added_on_demand(tmp_path: Path) -> None:
    out = tmp_path / "widget.zip"
    added = set(json.loads(build(out, "--tour", "--json").stdout)["files"]) - built().keys()
    assert added == {"images/tour_1.png"}


def test_building_again_changes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "widget.zip"
    build(out)
    first = out.read_bytes()
    build(out)
    assert out.read_bytes() == first


@pytest.mark.parametrize("url", ["", "bot.example.com", "http://bot.example.com", f"{URL}/path"])
def test_a_wrong_address_is_refused_and_nothing_is_written(tmp_path: Path, url: str) -> None:
    out = tmp_path / "widget.zip"
    result = build(out, url=url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Error: Invalid value for --public-url: it must " in result.stderr
    assert not out.exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    out = tmp_path / "missing" / "widget.zip"
    result = build(out)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {out} cannot be written: No such file or directory.\n"


def test_a_directory_is_no_place_for_it(tmp_path: Path) -> None:
    result = build(tmp_path)
    assert result.exit_code == 2
    assert "is a directory" in result.stderr


def test_what_kommo_would_refuse_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = changed(manifest("widget.version", "1"), manifest("widget.installation", value=False))
    broken["script.js"] = widget.source_files()["script.js"]
    monkeypatch.setattr(widget, "source_files", lambda: broken)
    out = tmp_path / "widget.zip"
    result = build(out)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "Error: Kommo would refuse this widget:",
        "  manifest.json: widget.version must be a text of three numbers, such as 1.0.0",
        "  manifest.json: widget.installation must be true, otherwise nobody can install the widget",
    ]
    assert not out.exists()


def test_a_damaged_source_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget, "source_files", lambda: {"script.js": b""})
    result = build(tmp_path / "widget.zip")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the source of the widget is damaged: script.js has not exactly one line")
