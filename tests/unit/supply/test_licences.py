"""Licences: every locked package has one, it is told, and it is one that we may use."""

import re
from dataclasses import replace
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path

import pytest

from supply.installed import LicenceUnknown, installed, licence_elsewhere, needed
from supply.licences import ALLOWED, ALLOWED_IN_BENCH, PAGE, rows_of
from supply.locked import BENCH, PRODUCT, ROOT, locked
from supply.scopes import scopes
from supply.vendored import VENDORED, scripts_of_others

ROWS = list(rows_of(PAGE.read_text()))
MAKE_IT_ANEW = "run `make licences`"
# What the text of a licence says.
LICENCE_WORDS = {"MPL-2.0": "Mozilla Public License, version 2.0", "MIT": "MIT license|Permission is hereby granted"}


def test_the_page_names_what_the_lock_files_name() -> None:
    pinned = {(one.name, one.version) for path in (PRODUCT, BENCH) for one in locked(path)}
    assert {(name, version) for name, version, _ in ROWS} == pinned, MAKE_IT_ANEW


def test_the_page_says_what_the_installed_packages_say() -> None:
    here = installed()
    told = {name: licence for name, _, licence in ROWS}
    known = [one.name for one in locked(PRODUCT) if one.name in here]
    assert len(known) > 50
    assert {name: told[name] for name in known} == {name: here[name].licence for name in known}, MAKE_IT_ANEW


def test_no_licence_reaches_our_own_source_or_forbids_a_use() -> None:
    product = {one.name for one in locked(PRODUCT)}
    strange = {
        name: licence
        for name, _, licence in ROWS
        if not set(re.split(r" (?:AND|OR) ", licence)) <= (ALLOWED if name in product else ALLOWED_IN_BENCH)
    }
    assert not strange
    assert not [licence for licence in ALLOWED_IN_BENCH if re.search(r"AGPL|SSPL|BUSL|-NC|(?<!L)GPL", licence)]


def test_every_script_of_others_is_named_with_its_version_and_licence() -> None:
    assert {one.path for one in VENDORED} == set(scripts_of_others(ROOT))
    told = PAGE.read_text()
    for one in VENDORED:
        assert f"| {one.name} | {one.version} | {one.licence} | [{one.path}]" in told, MAKE_IT_ANEW
        assert one.licence in ALLOWED
        assert re.search(LICENCE_WORDS[one.licence], (ROOT / one.licence_file).read_text())


def test_a_vendored_file_that_does_not_say_its_version_is_an_error() -> None:
    with pytest.raises(LookupError, match="LICENSE"):
        replace(VENDORED[0], path="LICENSE").version  # noqa: B018 - it raises


def test_what_the_service_needs_is_told_apart_from_what_builds_it() -> None:
    of_scope = scopes(installed())
    assert [of_scope[name] for name in ("flask", "hiredis", "aiohttp", "pytest", "urllib3")] == [
        *("service", "service", "optional", "development", "service"),
    ]


def a_package(tmp_path: Path, *lines: str) -> Distribution:
    folder = tmp_path / "example-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", "Name: example", "Version: 1.0", *lines]))
    return PathDistribution(folder)


MIT, BSD, APACHE = "MIT License", "BSD License", "Apache Software License"


def a_classifier(name: str) -> str:
    return f"Classifier: License :: OSI Approved :: {name}"


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        (["License-Expression: MIT OR Apache-2.0"], "MIT OR Apache-2.0"),
        (["License: Apache 2.0"], "Apache-2.0"),
        (["License: Copyright 2010 by somebody, who says much", a_classifier(BSD)], "BSD-3-Clause"),
        ([a_classifier(MIT), a_classifier(APACHE)], "MIT OR Apache-2.0"),
    ],
    ids=["in SPDX", "in words", "a whole text and a classifier", "two classifiers"],
)
def test_a_licence_is_read_however_it_is_told(tmp_path: Path, lines: list[str], licence: str) -> None:
    a_package(tmp_path, *lines)
    assert installed(tmp_path)["example"].licence == licence


def test_a_licence_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    a_package(tmp_path, "License: ask us")
    with pytest.raises(LicenceUnknown, match="example"):
        installed(tmp_path)


def test_a_package_that_is_not_here_and_that_nobody_has_named_is_an_error() -> None:
    with pytest.raises(LicenceUnknown, match="nonsense"):
        licence_elsewhere("nonsense")


def test_what_a_package_needs_is_followed_with_its_extras(tmp_path: Path) -> None:
    for name, lines in {
        "top": ["Requires-Dist: middle[more]", 'Requires-Dist: other; python_version < "3"'],
        "middle": ["Provides-Extra: more", "Requires-Dist: base", 'Requires-Dist: extra ; extra == "more"'],
        **{name: [] for name in ("base", "extra", "other")},
    }.items():
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("\n".join(["Name: " + name, "Version: 1.0", "License: MIT", *lines]))
    packages = installed(tmp_path)
    assert needed(["top"], packages) == {"top", "middle", "base", "extra"}
    assert needed(["middle"], packages) == {"middle", "base"}
