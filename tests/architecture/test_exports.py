"""Every file that a spreadsheet may open is written through the one function that takes formulas apart."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_whoever_writes_csv_takes_formulas_apart() -> None:
    writers = [
        path
        for folder in ("app", "workers", "bench")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "csv"
        in {
            alias.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
    ]
    assert ROOT / "app/cli/figures.py" in writers
    assert not [path for path in writers if "safe_rows" not in path.read_text() and "safe_cell" not in path.read_text()]
