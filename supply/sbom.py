"""`make sbom`: writes the software bill of materials, CycloneDX in JSON, from what is locked and installed."""

import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from supply.installed import Package, installed, licence_elsewhere
from supply.locked import PRODUCT, Locked, locked
from supply.scopes import Scope, scopes

_SCOPES: dict[Scope, ComponentScope] = {
    "service": ComponentScope.REQUIRED,
    "optional": ComponentScope.OPTIONAL,
    "development": ComponentScope.EXCLUDED,
}


def bill() -> Bom:
    """The bill: every locked package with its hashes, licence, scope, and what it needs. Raises LicenceUnknown."""
    packages = installed()
    of_scope = scopes(packages)
    components = {one.name: _component(one, packages, of_scope.get(one.name, "development")) for one in locked(PRODUCT)}
    ours = Component(
        name="bytegpt",
        version=version("bytegpt"),
        type=ComponentType.APPLICATION,
        bom_ref="bytegpt",
        licenses=[LicenseFactory().make_from_string("MIT")],
    )
    bom = Bom(components=components.values())
    bom.metadata.component = ours
    direct = [one for name, one in components.items() if of_scope.get(name) == "service"]
    bom.register_dependency(ours, direct)
    for name, component in components.items():
        needs = packages[name].needs.get("", ()) if name in packages else ()
        bare = {need.partition("[")[0].lower().replace("_", "-").replace(".", "-") for need in needs}
        bom.register_dependency(component, [components[need] for need in sorted(bare) if need in components])
    return bom


def _component(one: Locked, packages: Mapping[str, Package], scope: Scope) -> Component:
    licence = packages[one.name].licence if one.name in packages else licence_elsewhere(one.name)
    url = PackageURL("pypi", name=one.name, version=one.version)
    return Component(
        name=one.name,
        version=one.version,
        type=ComponentType.LIBRARY,
        purl=url,
        bom_ref=url.to_string(),
        scope=_SCOPES[scope],
        licenses=[LicenseFactory().make_from_string(licence)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=content) for content in one.hashes],
    )


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(JsonV1Dot6(bill()).output_as_string(indent=2))
    print(f"{out}: {len(locked(PRODUCT))} packages")
