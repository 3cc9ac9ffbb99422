"""What the lock files pin: packages, versions, and the hashes that a download must have."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
# What is developed and tested with; of it, what a machine that only serves installs; what benchmarks compare with.
PRODUCT = ROOT / "constraints.txt"
DEPLOYED = ROOT / "deploy" / "constraints.txt"
BENCH = ROOT / "bench" / "constraints.txt"

_PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9.-]*)==(?P<version>[^\s;]+)", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of a lock file. hashes: SHA-256 of each of its files that may be installed."""

    name: str
    version: str
    hashes: tuple[str, ...]


def locked(path: Path) -> list[Locked]:
    """The packages of a lock file. Raises ValueError where one has no hash."""
    text = path.read_text()
    pins = list(_PIN.finditer(text))
    ends = [*(pin.start() for pin in pins[1:]), len(text)]
    found = [
        Locked(pin["name"], pin["version"], tuple(_HASH.findall(text, pin.end(), end)))
        for pin, end in zip(pins, ends, strict=True)
    ]
    without = [one.name for one in found if not one.hashes]
    if without:
        raise ValueError(f"{path.name}: no hash for {', '.join(without)}")
    return found
