"""The lock files: everything pinned, everything with its hashes, no address of a registry."""

from pathlib import Path

import pytest

from supply.locked import BENCH, PRODUCT, locked

LOCK = """\
one==1.0 \\
    --hash=sha256:{a} \\
    --hash=sha256:{b}
    # via two
two-parts==2.0.1 ; python_full_version < '3.12' \\
    --hash=sha256:{c}
""".format(a="a" * 64, b="b" * 64, c="c" * 64)


def test_a_lock_file_names_packages_versions_and_hashes(tmp_path: Path) -> None:
    path = tmp_path / "lock.txt"
    path.write_text(LOCK)
    assert [(one.name, one.version, len(one.hashes)) for one in locked(path)] == [
        ("one", "1.0", 2),
        ("two-parts", "2.0.1", 1),
    ]


def test_a_package_without_a_hash_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "lock.txt"
    path.write_text(LOCK + "three==3\n")
    with pytest.raises(ValueError, match="three"):
        locked(path)


@pytest.mark.parametrize("path", [PRODUCT, BENCH], ids=["the product", "the benchmarks"])
def test_every_line_of_our_locks_is_a_pin_a_hash_or_a_remark(path: Path) -> None:
    lines = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    pins = [line for line in lines if not line.startswith(("--hash=sha256:", "#"))]
    assert len(pins) == len(locked(path))
    assert all("==" in pin for pin in pins)
