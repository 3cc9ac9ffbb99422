"""What the packages say of themselves: the licence, and what they need."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# How packages write the licences that they do not name in SPDX.
_SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "New BSD": "BSD-3-Clause",
    "Python Software Foundation License": "PSF-2.0",
}
# Packages of other systems or versions of Python, which cannot be asked here.
_ELSEWHERE = {"async-timeout": "Apache-2.0", "colorama": "BSD-3-Clause", "httpx2-jsfetch": "BSD-3-Clause"}


class LicenceUnknown(Exception):
    """A package does not say its licence in a way that we can read: read it, and say here what it is."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package that is installed. needs: names of those that it needs here, by extra (`""` for none)."""

    name: str
    version: str
    licence: str
    needs: Mapping[str, frozenset[str]]


def installed(site_packages: Path | None = None) -> dict[str, Package]:
    """The packages of an environment by their name, of this one where none is given. Raises LicenceUnknown."""
    found = distributions() if site_packages is None else distributions(path=[str(site_packages)])
    return {name: _package(name, one) for one in found if (name := canonicalize_name(one.name)) != "bytegpt"}


def licence_elsewhere(name: str) -> str:
    """The licence of a package that is not for this system. Raises LicenceUnknown."""
    if name not in _ELSEWHERE:
        raise LicenceUnknown(f"{name} is locked and not installed: run `make` once, or name its licence in {__name__}")
    return _ELSEWHERE[name]


def needed(names: Iterable[str], packages: Mapping[str, Package]) -> set[str]:
    """These requirements (`redis[hiredis]`) and everything that they need in turn, by name."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    seen: set[tuple[str, str]] = set()
    while waiting:
        one = waiting.pop()
        name = canonicalize_name(one.name)
        if name not in packages:
            continue
        found.add(name)
        for extra in ("", *one.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [Requirement(need) for need in packages[name].needs.get(extra, ())]
    return found


def _package(name: str, distribution: Distribution) -> Package:
    return Package(name, distribution.version, _licence(name, distribution), _needs(distribution))


def _needs(distribution: Distribution) -> dict[str, frozenset[str]]:
    requirements = [Requirement(text) for text in distribution.requires or ()]
    extras = ("", *(distribution.metadata.get_all("Provides-Extra") or ()))
    return {extra: frozenset(_bare(one) for one in requirements if _is_for(one, extra)) for extra in extras}


def _is_for(requirement: Requirement, extra: str) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _bare(requirement: Requirement) -> str:
    return f"{requirement.name}[{','.join(sorted(requirement.extras))}]" if requirement.extras else requirement.name


def _licence(name: str, distribution: Distribution) -> str:
    """In SPDX. What is said in SPDX counts first, then the classifiers, then the free text."""

    def said(field: str) -> list[str]:
        return distribution.metadata.get_all(field) or []

    classifiers = [one.rpartition(" :: ")[2] for one in said("Classifier") if one.startswith("License ::")]
    told = [*said("License-Expression"), *said("License"), " OR ".join(map(_spdx, classifiers))]
    for candidate in filter(None, told):
        with suppress(InvalidLicenseExpression):
            return str(canonicalize_license_expression(_spdx(candidate)))
    raise LicenceUnknown(f"{name} says: {' / '.join(told)[:100]}")


def _spdx(text: str) -> str:
    return _SPDX.get(text, text)
