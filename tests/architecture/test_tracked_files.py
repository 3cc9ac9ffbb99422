"""What may stand in no file of the repository: names of package registries, paths of somebody's machine, secrets."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Written so that this file does not hold what it looks for.
FORBIDDEN = {
    "a package registry": r"pyp[i]\.org|pythonhoste[d]\.org|registry\.npmj[s]|deb\.debia[n]\.org",
    "a path of somebody's machine": r"/hom[e]/[a-z]|/User[s]/[A-Za-z]|/roo[t]/|/wor[k]/",
    "an OpenAI key": r"sk-(?:pro[j]-)?[A-Za-z0-9]{40,}",
    "a private key": r"BEGIN [A-Z ]*PRIVAT[E] KEY",
}


def project_files() -> list[Path]:
    """What git tracks or would track; every file where this is no git checkout."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        names = [name for name in listed.stdout.split("\0") if name]
        return [ROOT / name for name in names if (ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not {".venv", ".git"} & set(path.parts)]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_of_the_project_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what].encode())
    files = project_files()
    assert ROOT / "pyproject.toml" in files
    assert not [str(path.relative_to(ROOT)) for path in files if pattern.search(path.read_bytes())]
