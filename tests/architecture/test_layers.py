"""What importing a layer really loads. Import contracts read the source; this looks at a fresh interpreter."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "workers", "config", "sandbox")

FRAMEWORKS = {"flask", "werkzeug", "redis", "rq", "requests", "urllib3", "gunicorn", "aiohttp", "click", "openai"}

# Where it stands, and what none of its modules may bring along.
LAYERS: dict[str, set[str]] = {
    "app/domain": FRAMEWORKS | {"marshmallow", "structlog", "cryptography", "config", "app.services"},
    "app/services": FRAMEWORKS | {"marshmallow", "config", "app.storage", "app.clients"},
    "app/clients": {"flask", "redis", "rq", "click", "openai", "aiohttp", "config"},
    "app/storage": {"flask", "rq", "requests", "click", "openai", "aiohttp", "config"},
    "app/web": {"workers", "openai", "aiohttp", "app.cli", "sandbox"},
    "config": {"flask", "redis", "rq", "requests", "click", "openai", "aiohttp", "workers", "app.web", "app.storage"},
    "workers": {"flask", "click", "openai", "aiohttp", "app.web", "sandbox"},
}

IMPORT_ALL = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted(sys.modules)))
"""


def modules_of(folder: str) -> list[str]:
    """Dotted names of the modules below a folder, without gunicorn's configuration, which reads the environment."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(ROOT.glob(f"{folder}/**/*.py"))]
    return [name.removesuffix(".__init__") for name in names if name != "config.gunicorn"]


def loaded_by(*modules: str) -> set[str]:
    completed = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *modules], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(completed.stdout))


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_loads_nothing_that_is_not_its_business(layer: str) -> None:
    modules = modules_of(layer)
    assert len(modules) > 1
    loaded = loaded_by(*modules)
    assert set(modules) <= loaded
    foreign = loaded & LAYERS[layer]
    assert not foreign


def test_the_command_line_loads_a_command_only_when_it_is_called() -> None:
    assert not loaded_by("app.cli.main") & {
        "config.settings",
        "redis",
        "structlog",
        "app.cli.services",
        "app.cli.admin",
    }


def test_every_module_says_in_its_first_line_what_it_is_for() -> None:
    without = [
        path
        for package in (*PACKAGES, "bench")
        for path in ROOT.glob(f"{package}/**/*.py")
        if path.name != "__init__.py" and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not without


def test_packages_do_nothing_when_they_are_imported() -> None:
    full = [path for package in PACKAGES for path in ROOT.glob(f"{package}/**/__init__.py") if path.read_text().strip()]
    assert not full
