"""Every route of the console, with an address at which it can be asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask
from werkzeug.routing import Rule

PREFIX = "/console"
# What an argument of a route may be; every other one is any word.
_EXAMPLES = {
    "instance_number": 0,
    "registry_name": "failed",
    "order": "asc",
    "per_page": 8,
    "page": 1,
    "account_id": 31000001,
    "filename": "console.css",
}


@dataclass(frozen=True, slots=True)
class Route:
    """method: one of those that the route takes."""

    method: str
    path: str
    endpoint: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def routes_of(app: Flask) -> Iterator[Route]:
    """All routes below /console, once for each method; a page's GET before its HEAD and OPTIONS."""
    adapter = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(PREFIX):
            continue
        path = adapter.build(rule.endpoint, _arguments(rule), force_external=False)
        for method in sorted(rule.methods or ()):
            yield Route(method, path, rule.endpoint)


def _arguments(rule: Rule) -> dict[str, object]:
    return {name: (rule.defaults or {}).get(name, _EXAMPLES.get(name, "x")) for name in rule.arguments}
