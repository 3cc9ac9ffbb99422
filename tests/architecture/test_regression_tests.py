"""What docs/operations/fuzzing.md says of failures that were mended: each has its regression test, by its name."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "operations" / "fuzzing.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def test_every_failure_that_was_mended_names_a_test_that_is_there() -> None:
    _, failures = GUIDE.read_text().split("## What failed", 1)
    rows = [line for line in failures.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 11
    assert not [row for row in rows if not _TEST.search(row)]
    missing = [
        f"{path}::{name}"
        for path, name in _TEST.findall(GUIDE.read_text())
        if not re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert not missing
