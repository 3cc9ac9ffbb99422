"""The bill of materials: valid CycloneDX, with every locked package, its hashes, its licence and what it is for."""

import json

from cyclonedx.output.json import JsonV1Dot6

from supply.locked import PRODUCT, locked
from supply.sbom import bill


def test_every_locked_package_stands_in_the_bill_with_its_hashes_and_licence() -> None:
    told = json.loads(JsonV1Dot6(bill()).output_as_string())
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    components = {one["name"]: one for one in told["components"]}
    assert {name: one["version"] for name, one in components.items()} == {
        one.name: one.version for one in locked(PRODUCT)
    }
    assert {name: {one["content"] for one in found["hashes"]} for name, found in components.items()} == {
        one.name: set(one.hashes) for one in locked(PRODUCT)
    }
    assert all(one["licenses"] and one["purl"].startswith("pkg:") for one in components.values())
    assert [components[name]["scope"] for name in ("flask", "aiohttp", "pytest")] == [
        "required",
        "optional",
        "excluded",
    ]


def test_the_bill_says_what_needs_what() -> None:
    told = json.loads(JsonV1Dot6(bill()).output_as_string())
    refs = {one["bom-ref"]: one["name"] for one in told["components"]} | {"bytegpt": "bytegpt"}
    needs = {refs[one["ref"]]: {refs[ref] for ref in one.get("dependsOn", ())} for one in told["dependencies"]}
    assert {"werkzeug", "jinja2", "click"} <= needs["flask"]
    assert "flask" in needs["bytegpt"]
    assert "pytest" not in needs["bytegpt"]
