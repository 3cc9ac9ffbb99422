"""What docs/operations asks Prometheus for exists: every figure, label and value of the dashboard and the alerts."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics_core import Metric as Family

from app.domain.metrics import Totals
from app.domain.service_metrics import METRICS
from app.web.gauges import gauges
from app.web.metrics import build_info, counted, redis_up
from config.settings import definitions
from tests.builders import a_state

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
# Of Prometheus itself.
FOREIGN = {"up": {"job"}}
SELECTOR = re.compile(r"([a-z_]+)\{([^}]*)\}")
MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


def families() -> Iterator[Family]:
    """Everything that /metrics can show."""
    yield build_info()
    yield redis_up(up=True)
    yield from (counted(metric, Totals({})) for metric in METRICS)
    yield from gauges(a_state(redis={"memory_limit": 1}))


@cache
def shown() -> dict[str, set[str]]:
    """The labels of every sample, by its name."""
    labels = {metric.name: {label.name for label in metric.labels} for metric in METRICS}
    found = {}
    for family in families():
        of_family = labels.get(family.name) or {name for sample in family.samples for name in sample.labels} - {"le"}
        for suffix in SUFFIXES[family.type]:
            found[family.name + suffix] = of_family | ({"le"} if suffix == "_bucket" else set())
    return found


@cache
def listed() -> dict[str, set[str]]:
    """The values that a label can have, by its name; nothing for routes."""
    found: dict[str, set[str]] = {"job": {"bytegpt"}, "access": {"granted", "lost", "revoked"}}
    for metric in METRICS:
        for label in metric.labels:
            found.setdefault(label.name, set()).update(label.values or ())
    return found


def dashboard() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((OPERATIONS / "grafana.json").read_text())
    return read


def rules() -> list[dict[str, Any]]:
    read = yaml.safe_load((OPERATIONS / "alerts.yml").read_text())
    return [rule for group in read["groups"] for rule in group["rules"]]


def expressions() -> list[Any]:
    of_panels = [
        pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
        for panel in dashboard()["panels"]
        for target in panel.get("targets", ())
    ]
    return of_panels + [pytest.param(rule["expr"], id=rule["alert"]) for rule in rules()]


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_names_figures_and_labels_that_exist(expression: str) -> None:
    named = set(re.findall(r"\b(?:bytegpt_[a-z_]+|up)\b", expression))
    assert named
    assert named <= shown().keys() | FOREIGN.keys()
    known = shown() | FOREIGN
    for name, matchers in SELECTOR.findall(expression):
        for label, _, value in MATCHER.findall(matchers):
            assert label in known[name], (name, label)
            assert set(value.split("|")) <= listed()[label], (label, value)
    grouped = {label.strip() for labels in re.findall(r"\bby \(([^)]*)\)", expression) for label in labels.split(",")}
    assert grouped <= set().union(*(known[name] for name in named))
    assert "le" in grouped or "histogram_quantile" not in expression


@pytest.mark.parametrize("expression", expressions())
def test_an_expression_is_whole(expression: str) -> None:
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing)
    # Counters only ever grow: what they say is how fast, and what is asked of gauges is what they are.
    for name in re.findall(r"\bbytegpt_[a-z_]+", expression):
        grows = name.endswith(("_total", "_bucket", "_count", "_sum"))
        assert bool(re.search(rf"(?:rate|increase)\({name}\b", expression)) == grows, name


def test_every_figure_stands_on_the_dashboard() -> None:
    text = " ".join(str(parameter.values[0]) for parameter in expressions())
    missing = {
        family.name
        for family in families()
        if not any(re.search(rf"\b{family.name}{suffix}\b", text) for suffix in SUFFIXES[family.type])
    }
    # Shown by others, or nothing to draw.
    assert missing == {"bytegpt_build_info"}


def test_every_alert_says_how_bad_it_is_and_what_to_do() -> None:
    for rule in rules():
        assert rule["alert"].startswith("ByteGPT")
        assert rule["labels"]["severity"] in ("page", "ticket")
        for text in (rule["annotations"]["summary"], rule["annotations"]["remedy"]):
            assert text.endswith(".")
        named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", rule["annotations"]["remedy"]))
        assert named <= {setting.name for _, setting in definitions()}
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))


def test_panels_of_the_dashboard_do_not_overlap_and_use_its_one_source() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken
        taken |= cells
        assert panel.get("datasource", {"uid": "${datasource}"})["uid"] == "${datasource}"
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(ids) == len(set(ids))
    (variable,) = dashboard()["templating"]["list"]
    assert (variable["name"], variable["query"]) == ("datasource", "prometheus")
