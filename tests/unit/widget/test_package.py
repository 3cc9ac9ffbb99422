"""The source of the widget goes along wherever ByteGPT is installed."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

from app.cli.widget import source_files

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "widget" / "package"


def test_the_command_finds_the_files_of_the_repository() -> None:
    names = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if path.is_file()}
    assert source_files().keys() == names


def test_an_installation_brings_every_file() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = settings["package-data"]["widget"]
    assert "widget*" in settings["packages"]["find"]["include"]
    for path in ("tour/tour_1.png", *(f"package/{name}" for name in source_files())):
        assert any(fnmatch(path, one) and path.count("/") == one.count("/") for one in patterns), path
