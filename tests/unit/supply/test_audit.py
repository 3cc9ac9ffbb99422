"""The audit of what is locked: what was not looked up is never called sound."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from supply.audit import Outcome, audited, main, outcome_of, told

SOUND = {"name": "one", "version": "1.0", "vulns": []}
SKIPPED = {"name": "two", "skip_reason": "not found"}
BROKEN = {
    "name": "three",
    "version": "3.0",
    "vulns": [{"id": "CVE-1", "fix_versions": ["3.1"]}, {"id": "CVE-2", "fix_versions": []}],
}


def a_report(*packages: dict[str, Any]) -> dict[str, Any]:
    return {"dependencies": list(packages), "fixes": []}


def a_tool(tmp_path: Path, prints: str, code: int = 0) -> tuple[str, ...]:
    """Something in the place of pip-audit."""
    script = tmp_path / "tool.py"
    script.write_text(
        f"import sys\nsys.stdout.write({prints!r})\nsys.stderr.write('ConnectionError')\nsys.exit({code})\n"
    )
    return (sys.executable, str(script))


def test_a_report_is_told_by_what_was_looked_up() -> None:
    outcome = outcome_of(a_report(SOUND, SKIPPED, BROKEN))
    assert outcome == Outcome(2, ("two",), ("three 3.0: CVE-1, mended in 3.1", "three 3.0: CVE-2, mended in none yet"))
    text, sound = told("lock", outcome)
    assert not sound
    assert "2 packages looked up, 2 known vulnerabilities" in text
    assert "NOT AUDITED, the database does not know them: two" in text


@pytest.mark.parametrize(
    ("outcome", "says", "sound"),
    [
        (None, "NOT AUDITED: the database of vulnerabilities could not be reached", True),
        (Outcome(0, ("a", "b"), ()), "NOT AUDITED: the database of vulnerabilities knows none", True),
        (Outcome(2, (), ()), "2 packages looked up, 0 known vulnerabilities", True),
        (Outcome(2, (), ("a 1: CVE",)), "  a 1: CVE", False),
    ],
    ids=["not reached", "knows nothing", "sound", "vulnerable"],
)
def test_each_outcome_is_told(outcome: Outcome | None, says: str, sound: bool) -> None:
    text, well = told("lock", outcome)
    assert says in text
    assert well == sound


@pytest.mark.parametrize(
    ("prints", "code", "arguments", "exit_code"),
    [
        (json.dumps(a_report(SOUND)), 0, (), 0),
        (json.dumps(a_report(SOUND)), 0, ("--required",), 0),
        (json.dumps(a_report(SOUND, BROKEN)), 1, (), 1),
        (json.dumps(a_report(SKIPPED)), 0, (), 0),
        (json.dumps(a_report(SKIPPED)), 0, ("--required",), 1),
        ("", 1, (), 0),
        ("", 1, ("--required",), 1),
    ],
    ids=["sound", "sound, required", "vulnerable", "unknown", "unknown, required", "offline", "offline, required"],
)
def test_a_check_fails_for_what_is_known_and_not_for_what_cannot_be_asked(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    prints: str,
    code: int,
    arguments: tuple[str, ...],
    exit_code: int,
) -> None:
    assert main(arguments, a_tool(tmp_path, prints, code)) == exit_code
    said = capsys.readouterr().out
    assert "constraints.txt" in said
    assert ("NOT AUDITED" in said) == (not prints or "skip_reason" in prints)


def test_a_tool_that_hangs_is_a_database_that_is_not_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supply.audit.SECONDS", 0.01)
    assert audited(tmp_path / "lock", (sys.executable, "-c", "import time; time.sleep(5)")) is None
