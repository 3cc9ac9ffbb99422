"""Libraries of others that stand in this repository as files. None of them is in what is installed."""

import re
from dataclasses import dataclass
from pathlib import Path

from supply.locked import ROOT

# A version as a library says it of itself in its first lines.
_VERSION = re.compile(r"\bv?(\d+\.\d+\.\d+)\b")
_FIRST_LINES = 300


@dataclass(frozen=True, slots=True)
class Vendored:
    """path: of the file, from the root of the repository. licence_file: where its licence stands. used: by whom."""

    name: str
    licence: str
    path: str
    licence_file: str
    used: str

    @property
    def version(self) -> str:
        """As the file says it of itself. Raises LookupError."""
        found = _VERSION.search((ROOT / self.path).read_text()[:_FIRST_LINES])
        if found is None:
            raise LookupError(f"{self.path} does not say its version")
        return found[1]


_PAGES = "sandbox/front/static/vendor"
_AXE = "tests/browser/axe"
VENDORED = (
    Vendored("axe-core", "MPL-2.0", f"{_AXE}/axe.min.js", f"{_AXE}/LICENSE", "tests in a browser"),
    Vendored("jQuery", "MIT", f"{_PAGES}/jquery.min.js", f"{_PAGES}/jquery.LICENSE.txt", "simulated pages of Kommo"),
    Vendored("RequireJS", "MIT", f"{_PAGES}/require.js", f"{_PAGES}/require.js", "simulated pages of Kommo"),
)


def scripts_of_others(root: Path) -> list[str]:
    """Every script that looks as if others had written it: minified, or in a folder that is named so."""
    skipped = {".venv", ".venv-bench", "node_modules", ".git", "build"}
    found = (path.relative_to(root) for path in root.rglob("*.js"))
    return sorted(
        str(path)
        for path in found
        if not skipped & set(path.parts) and (path.name.endswith(".min.js") or {"vendor", "axe"} & set(path.parts))
    )
