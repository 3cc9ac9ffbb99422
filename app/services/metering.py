"""Counting what happens in one process: the port Meter, in memory, and the one that counts nothing."""

import threading
from dataclasses import dataclass

from app.domain import service_metrics as metrics
from app.domain.assistants import Api
from app.domain.delivery import Verdict
from app.domain.failures import Failure
from app.domain.metrics import Metric
from app.domain.turn import Status


class Counting:
    """Fills the port Meter. Safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fields: dict[str, int] = {}

    def taken(self) -> dict[str, int]:
        """What was counted since this was last asked, by the fields in which it is kept."""
        with self._lock:
            fields, self._fields = self._fields, {}
        return fields

    def webhook(self, outcome: str, seconds: float) -> None:
        """A webhook was answered."""
        self._observe(metrics.WEBHOOKS, seconds, outcome)

    def request(self, route: str, status: int) -> None:
        """A request was answered."""
        self._count(metrics.HTTP_REQUESTS, route, f"{status // 100}xx")

    def accepted(self, refusal: Failure | None) -> None:
        """A turn was accepted; refusal: why it was not charged."""
        if refusal is None:
            self._count(metrics.TURNS_ACCEPTED)
        else:
            self._count(metrics.TURNS_REFUSED, refusal)

    def answered(self) -> None:
        """An answer was stored."""
        self._count(metrics.TURNS_ANSWERED)

    def failed(self, failure: Failure) -> None:
        """A turn will have no answer."""
        self._count(metrics.TURNS_FAILED, failure)

    def called_first(self, seconds: float, added: float) -> None:
        """The first continue call of a turn leaves."""
        self._observe(metrics.TURN_DURATION, seconds)
        self._observe(metrics.ADDED_LATENCY, added)

    def continued(self, verdict: Verdict, seconds: float) -> None:
        """A continue call was made."""
        self._observe(metrics.CONTINUE_CALLS, seconds, verdict)

    def closed(self, status: Status) -> None:
        """A turn is over."""
        self._count(metrics.TURNS_CLOSED, status)

    def noted(self, verdict: Verdict) -> None:
        """A note on a lead was sent."""
        self._count(metrics.NOTES, verdict)

    def asked(self, api: Api, call: str, outcome: str, seconds: float) -> None:
        """A call to OpenAI for a turn has ended."""
        self._observe(metrics.OPENAI_CALLS, seconds, api, call, outcome)

    def _count(self, metric: Metric, *values: str) -> None:
        field = metric.counted(values)
        with self._lock:
            self._fields[field] = self._fields.get(field, 0) + 1

    def _observe(self, metric: Metric, seconds: float, *values: str) -> None:
        bucket, total, grown = metric.observed(values, seconds)
        with self._lock:
            self._fields[bucket] = self._fields.get(bucket, 0) + 1
            self._fields[total] = self._fields.get(total, 0) + grown


@dataclass(frozen=True, slots=True)
class Silent:
    """Fills the port Meter where nobody asks for figures: commands, and tests of something else."""

    def webhook(self, outcome: str, seconds: float) -> None:
        """Count nothing."""

    def request(self, route: str, status: int) -> None:
        """Count nothing."""

    def accepted(self, refusal: Failure | None) -> None:
        """Count nothing."""

    def answered(self) -> None:
        """Count nothing."""

    def failed(self, failure: Failure) -> None:
        """Count nothing."""

    def called_first(self, seconds: float, added: float) -> None:
        """Count nothing."""

    def continued(self, verdict: Verdict, seconds: float) -> None:
        """Count nothing."""

    def closed(self, status: Status) -> None:
        """Count nothing."""

    def noted(self, verdict: Verdict) -> None:
        """Count nothing."""

    def asked(self, api: Api, call: str, outcome: str, seconds: float) -> None:
        """Count nothing."""


SILENT = Silent()
