"""`GET /metrics`: the figures of the whole service for Prometheus (contract 8), the same from every process.

It needs no login, so it tells nothing of companies and clients; docs/operations says how a proxy keeps strangers out.
"""

import platform
from collections.abc import Iterator
from importlib.metadata import version

from flask import Blueprint, Response, request
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from app.domain.acceptance import StoreUnavailable
from app.domain.metrics import Metric, Totals
from app.domain.service_metrics import METRICS
from app.web.deps import Measuring
from app.web.gauges import gauges

_FORMATS = ("application/openmetrics-text", "text/plain")


def metrics_blueprint(measuring: Measuring) -> Blueprint:
    """`/metrics`, in the format that is asked for: Prometheus' text, or OpenMetrics."""
    metrics = Blueprint("metrics", __name__)

    @metrics.get("/metrics")
    def show() -> Response:
        encode, content_type = choose_encoder(_format(request.headers.get("Accept", "")))
        return Response(encode(_Shown(measuring)), content_type=content_type)

    return metrics


def _format(accept: str) -> str:
    """The first of Prometheus' formats that is asked for, without the parameters.

    choose_encoder raises TypeError for some versions that it does not know, and repeats others in the answer's header.
    """
    named = (item.partition(";")[0].strip() for item in accept.split(","))
    return next((one for one in named if one in _FORMATS), "")


class _Shown(Collector):
    """What one answer holds. While Redis is away that is only that it is."""

    def __init__(self, measuring: Measuring) -> None:
        self._measuring = measuring

    def collect(self) -> Iterator[Family]:
        yield build_info()
        try:
            totals, state = Totals(self._measuring.totals()), self._measuring.state()
        except StoreUnavailable:
            yield redis_up(up=False)
            return
        yield redis_up(up=True)
        yield from (counted(metric, totals) for metric in METRICS)
        yield from gauges(state)


def redis_up(*, up: bool) -> Family:
    """Whether Redis answers."""
    return GaugeMetricFamily("bytegpt_redis_up", "Whether Redis answers.", float(up))


def build_info() -> Family:
    """Which version runs, and on what."""
    labels = {"version": version("bytegpt"), "python": platform.python_version()}
    family = GaugeMetricFamily("bytegpt_build_info", "What runs.", labels=list(labels))
    family.add_metric(list(labels.values()), 1.0)
    return family


def counted(metric: Metric, totals: Totals) -> Family:
    """A counter or histogram as Prometheus takes it."""
    names = [label.name for label in metric.labels]
    if metric.kind == "counter":
        counter = CounterMetricFamily(metric.name, metric.meaning, labels=names)
        for values, count in sorted(totals.counter(metric).items()):
            counter.add_metric(values, count)
        return counter
    histogram = HistogramMetricFamily(metric.name, metric.meaning, labels=names)
    bounds = [*(str(bound) for bound in metric.buckets), "+Inf"]
    for values, seen in sorted(totals.histogram(metric).items()):
        below = [sum(seen.buckets[: place + 1]) for place in range(len(bounds))]
        histogram.add_metric(values, list(zip(bounds, below, strict=True)), seen.seconds)
    return histogram
