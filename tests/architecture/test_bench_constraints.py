"""Both sides of the benchmarks run on the same versions of what they share."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)
# The HTTP libraries, the client of Redis, the queue.
SHARED = {"aiohttp", "hiredis", "redis", "requests", "rq", "urllib3"}


def pins(path: str) -> dict[str, str]:
    """Versions by package."""
    return dict(_PIN.findall((ROOT / path).read_text()))


def test_the_peers_use_the_versions_of_the_product() -> None:
    ours, theirs = pins("constraints.txt"), pins("bench/constraints.txt")

    assert ours.keys() & theirs.keys() >= SHARED
    assert {name: theirs[name] for name in ours.keys() & theirs.keys()} == {
        name: ours[name] for name in ours.keys() & theirs.keys()
    }
