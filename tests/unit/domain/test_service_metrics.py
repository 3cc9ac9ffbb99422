"""Which figures there are: few enough series, and nothing of companies or clients in their labels."""

import re

import pytest

from app.domain.metrics import Metric
from app.domain.service_metrics import HTTP_REQUESTS, METRICS
from app.web.errors import CODES
from tests.builders import a_state
from tests.webhooks import Door

# Of one figure, and of all that the flows of the service count together.
MOST_OF_ONE, MOST = 2000, 3000
UNITS = ("_seconds", "_requests", "_accepted", "_refused", "_answered", "_failed", "_closed", "_notes")


def series(metric: Metric) -> int:
    """How many fields it can have at most; one more value stands for those that are not listed."""
    number = 1
    for label in metric.labels:
        number *= len(label.values or ()) + 1
    return number * (len(metric.buckets) + 2 if metric.buckets else 1)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_figure_is_named_and_explained_as_prometheus_wants_it(metric: Metric) -> None:
    assert re.fullmatch(r"bytegpt_[a-z_]+", metric.name)
    assert metric.name.endswith(UNITS)
    assert metric.meaning.endswith(".")
    assert list(metric.buckets) == sorted(set(metric.buckets))


def test_there_are_few_series_whatever_happens() -> None:
    counted = [series(metric) for metric in METRICS if metric is not HTTP_REQUESTS]
    assert max(counted) < MOST_OF_ONE
    assert sum(counted) < MOST


def test_only_routes_are_not_listed_and_there_are_as_many_as_the_code_has() -> None:
    unlisted = [label.name for metric in METRICS for label in metric.labels if label.values is None]
    assert unlisted == ["route"]
    app = Door(state=a_state()).app()
    assert len(list(app.url_map.iter_rules())) < 100


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_labels_are_kinds_outcomes_codes_apis_and_routes(metric: Metric) -> None:
    names = {label.name for label in metric.labels}
    assert names <= {"api", "call", "error_code", "outcome", "route", "status", "verdict"}
    for label in metric.labels:
        assert all(re.fullmatch(r"[a-z0-9_]+", value) for value in label.values or ())


def test_every_word_that_a_webhook_is_answered_with_is_listed() -> None:
    (webhooks,) = (metric for metric in METRICS if metric.name == "bytegpt_webhook_duration_seconds")
    (outcome,) = webhooks.labels
    answered = {code for status, code in CODES.items() if status not in (409, 429)}
    assert set(outcome.values or ()) == {"accepted", "duplicate", *answered}
