"""`make audit`: holds the locked packages against the public database of known vulnerabilities, with pip-audit.

pip-audit says "no known vulnerabilities" also of packages that its database has never heard of, as behind a mirror that
serves packages and no reports. What was not looked up is therefore told, and is never called sound.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supply.locked import BENCH, PRODUCT, ROOT

SECONDS = 180
REQUIRED = "--required"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an audit. asked: packages that the database knows. unknown: those that it does not.

    vulnerable: a line for each known vulnerability.
    """

    asked: int
    unknown: tuple[str, ...]
    vulnerable: tuple[str, ...]


def outcome_of(report: Mapping[str, Any]) -> Outcome:
    """Read a report of pip-audit, in its JSON."""
    packages = report["dependencies"]
    unknown = tuple(one["name"] for one in packages if "skip_reason" in one)
    vulnerable = tuple(
        f"{one['name']} {one['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none yet'}"
        for one in packages
        for found in one.get("vulns", ())
    )
    return Outcome(len(packages) - len(unknown), unknown, vulnerable)


def told(name: str, outcome: Outcome | None) -> tuple[str, bool]:
    """What to say of an audit, and whether all is well. outcome: None where the database could not be reached."""
    if outcome is None or not outcome.asked:
        why = "could not be reached" if outcome is None else "knows none of these packages (a mirror without reports?)"
        return f"{name}: NOT AUDITED: the database of vulnerabilities {why}.", True
    lines = [f"{name}: {outcome.asked} packages looked up, {len(outcome.vulnerable)} known vulnerabilities."]
    if outcome.unknown:
        lines.append(f"{name}: NOT AUDITED, the database does not know them: {', '.join(outcome.unknown)}.")
    return "\n".join([*lines, *(f"  {line}" for line in outcome.vulnerable)]), not outcome.vulnerable


def audited(lock: Path, command: Sequence[str] = (sys.executable, "-m", "pip_audit")) -> Outcome | None:
    """Audit a lock file; None where the database could not be reached."""
    arguments = ("--requirement", str(lock), "--require-hashes", "--disable-pip", "--format", "json")
    try:
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
        return outcome_of(json.loads(done.stdout))
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return None


def main(arguments: Sequence[str], command: Sequence[str] = (sys.executable, "-m", "pip_audit")) -> int:
    """Audit both lock files. With --required it is an error where nothing could be looked up."""
    well = True
    for lock in (PRODUCT, BENCH):
        outcome = audited(lock, command)
        text, sound = told(str(lock.relative_to(ROOT)), outcome)
        print(text)
        was_looked_up = outcome is not None and outcome.asked > 0
        well = well and sound and (was_looked_up or REQUIRED not in arguments)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
