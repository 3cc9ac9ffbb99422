"""Which of the locked packages run where."""

import tomllib
from collections.abc import Mapping
from typing import Literal

from supply.installed import Package, needed
from supply.locked import ROOT

Scope = Literal["service", "optional", "development"]
# Extras of pyproject.toml that an operator may install beside the service; the others are for development.
_OPTIONAL = ("embedded", "sandbox", "sentry")


def scopes(packages: Mapping[str, Package]) -> dict[str, Scope]:
    """The narrowest scope of each package. Those of other systems are missing."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    service = needed(project["dependencies"], packages)
    optional = needed([name for extra in _OPTIONAL for name in extras.get(extra, ())], packages)
    return {
        name: "service" if name in service else "optional" if name in optional else "development" for name in packages
    }
