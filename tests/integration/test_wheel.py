"""What an installed wheel holds beside the modules."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILD = "from setuptools import build_meta; print(build_meta.build_wheel('dist'))"
READ_HELP = """
import app.web.help_pages
pages = app.web.help_pages.help_pages()
print(app.web.help_pages.__file__, len(pages.messages), len(pages.indexes), len(pages.style.body) > 0)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a wheel, laid out as an installation has them. It is built from a copy, which the build fills."""
    source = tmp_path_factory.mktemp("source")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("app", "config", "docs", "sandbox", "widget", "workers"):
        shutil.copytree(ROOT / folder, source / folder, symlinks=True, ignore=ignored)
    for name in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, source)
    (source / "dist").mkdir()
    subprocess.run([sys.executable, "-c", BUILD], cwd=source, check=True, capture_output=True, timeout=120)
    (wheel,) = (source / "dist").glob("*.whl")
    target = tmp_path_factory.mktemp("installed")
    zipfile.ZipFile(wheel).extractall(target)
    return target


def test_it_holds_the_page_of_every_message(installed: Path) -> None:
    packaged = {path.relative_to(installed / "app/web/help_texts"): path.read_bytes()
                for path in (installed / "app/web/help_texts").rglob("*.md")}  # fmt: skip
    source = {
        path.relative_to(ROOT / "docs/errors"): path.read_bytes() for path in (ROOT / "docs/errors").rglob("*.md")
    }
    assert packaged == source
    assert len(packaged) == 36


def test_it_holds_what_the_console_is_made_of(installed: Path) -> None:
    console = Path("app/web/console")
    source = {path.relative_to(ROOT) for path in (ROOT / console).rglob("*")}
    wanted = {path for path in source if path.suffix in (".html", ".css", ".js", ".json")}
    assert {path.suffix for path in wanted} == {".html", ".css", ".js", ".json"}
    assert wanted <= {path.relative_to(installed) for path in (installed / console).rglob("*")}


def test_the_help_is_read_from_there_without_the_repository(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    told = subprocess.run([sys.executable, "-c", READ_HELP], cwd=tmp_path, env=environment, check=True,
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert told.stdout.split() == [str(installed / "app/web/help_pages.py"), "33", "3", "True"]
