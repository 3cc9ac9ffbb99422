"""What stands in deploy, the Dockerfile and the Procfile fits the code that it starts."""

import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import click
import pytest

from app.cli.main import bytegpt
from app.cli.services import _WEB_STOP_SECONDS, _WORKER_MARGIN_SECONDS
from app.web.widget_body import BODY_LIMIT as WIDGET_LIMIT
from config.settings import definitions
from supply.installed import installed
from supply.locked import DEPLOYED, PRODUCT, locked
from supply.scopes import scopes
from tests.webhooks import Door

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
NGINX = (ROOT / "deploy/nginx.conf").read_text()
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
DOOR = "/kommo/salesbot"
DOOR_LIMIT = 64 * 1024
SETTINGS = {definition.name: definition for _, definition in definitions()}
SIZES = {"k": 1024, "m": 1024**2}


def started() -> dict[str, str]:
    """Every command line that starts ByteGPT, by where it stands."""
    procfile = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines() if line)
    units = {unit.name: directive(unit, "ExecStart") for unit in UNITS}
    (image,) = re.findall(r"^CMD \[(.*)\]$", DOCKERFILE, re.MULTILINE)
    return {**procfile, **units, "Dockerfile": image.replace('"', "").replace(",", "")}


def directive(unit: Path, name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.*)$", unit.read_text(), re.MULTILINE)
    return str(value)


def location(path: str) -> str:
    """The block of nginx for this location."""
    found = re.search(rf"location =? ?{re.escape(path)} \{{(.*?)\n    \}}", NGINX, re.DOTALL)
    assert found, path
    return found[1]


def size(text: str, name: str) -> int:
    (number, unit) = re.findall(rf"{name} (\d+)([km])", text)[0]
    return int(number) * SIZES[unit]


def seconds(text: str, name: str) -> float:
    number, unit = re.findall(rf"{name} (\d+)(ms|s)", text)[0]
    return int(number) / (1000 if unit == "ms" else 1)


@pytest.mark.parametrize("line", started().values(), ids=started())
def test_every_command_line_starts_a_command_that_exists(line: str) -> None:
    program, command = shlex.split(line)
    assert Path(program).name == "bytegpt"
    assert bytegpt.get_command(click.Context(bytegpt), command) is not None


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_sets_nothing_but_settings(unit: Path) -> None:
    names = re.findall(r"^Environment=(\w+)=", unit.read_text(), re.MULTILINE)
    assert names
    assert set(names) <= set(SETTINGS)


def test_units_leave_the_time_that_an_orderly_stop_takes() -> None:
    web, worker = UNITS
    longest = max(float(SETTINGS[name].default or 0) for name in ("TURN_DEADLINE", "DELIVERY_PATIENCE"))
    assert float(directive(web, "TimeoutStopSec")) >= _WEB_STOP_SECONDS
    assert float(directive(worker, "TimeoutStopSec")) >= longest + _WORKER_MARGIN_SECONDS


def test_both_units_are_shut_in_alike() -> None:
    web, worker = (unit.read_text().partition("NoNewPrivileges")[2] for unit in UNITS)
    assert web
    assert web == worker


def test_the_image_is_made_of_what_the_package_is_made_of() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = {name.removesuffix("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    copied = {
        source for line in re.findall(r"^COPY (?!--)(.*)$", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]
    }
    assert packages <= copied
    assert all((ROOT / source).exists() for source in copied)
    assert {"docs/errors", "deploy/constraints.txt"} <= copied
    assert not [source for source in copied if is_ignored(source)]


def is_ignored(path: str) -> bool:
    """Whether .dockerignore keeps a path out: the last line that fits decides."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line and not line.startswith("#") and (fnmatch(path, pattern) or path.startswith(f"{pattern}/")):
            ignored = not line.startswith("!")
    return ignored


@pytest.mark.parametrize(
    "path", [".env", ".git/config", "app/.env", "docs/decisions.md", "tests/conftest.py", ".bytegpt/x"]
)
def test_nothing_else_is_handed_to_the_image(path: str) -> None:
    assert is_ignored(path)


def test_a_machine_that_serves_installs_what_was_tested_and_nothing_more() -> None:
    product = {one.name: one for one in locked(PRODUCT)}
    deployed = {one.name: one for one in locked(DEPLOYED)}
    assert {name: product.get(name) for name in deployed} == deployed
    here = installed()
    of_scope = scopes(here)
    service = {name for name, scope in of_scope.items() if scope == "service"}
    assert service <= set(deployed)
    assert set(deployed) & set(here) <= service | {"sentry-sdk"}


def test_nginx_sends_a_lost_webhook_to_the_next_process_and_nothing_else_that_changes_something() -> None:
    door = location(DOOR)
    assert Door().app().url_map.bind("").match(DOOR, method="POST")
    assert "non_idempotent" in door
    assert re.sub(r"#.*", "", NGINX).count("non_idempotent") == 1
    assert seconds(door, "proxy_next_upstream_timeout") < 2
    assert 2 * seconds(door, "proxy_read_timeout") < 2


def test_nginx_puts_no_body_with_texts_or_keys_on_a_disk() -> None:
    assert size(location(DOOR), "client_body_buffer_size") > DOOR_LIMIT
    assert size(location("/widget/"), "client_body_buffer_size") > WIDGET_LIMIT
    assert size(NGINX, "client_max_body_size") > WIDGET_LIMIT


def test_nginx_writes_no_query_into_its_log() -> None:
    (line,) = re.findall(r"log_format bytegpt (.*?);", NGINX, re.DOTALL)
    assert "$uri" in line
    assert not re.search(r"\$(request|args|request_uri|query_string|http_referer)\b", line)
    assert "crit" in location("/kommo/oauth/")


def test_nginx_lets_go_of_idle_connections_before_gunicorn_does() -> None:
    (ours,) = re.findall(r"^keepalive = (\d+)$", (ROOT / "config/gunicorn.py").read_text(), re.MULTILINE)
    assert seconds(NGINX, "keepalive_timeout") < int(ours)
