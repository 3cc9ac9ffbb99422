"""What Sentry is told of an error: kinds and places, and never what was said. Imported where SENTRY_DSN is set.

An event is made anew from what may leave the service: the name of the log event, its scrubbed fields, the ids of turn
and request, and of an exception its type and where it came from. Its message stays here, for a text of a client or a
secret may stand in it; so do local variables, requests, and everything else that the SDK collects.
"""

import logging
import sys
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, cast

import sentry_sdk
import structlog
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import event_from_exception

from config.logs import scrub, without_secrets

# The same again says nothing new; a fault of every round of some work would spend what Sentry takes in a day.
SECONDS_BETWEEN_THE_SAME = 60.0
_MOST_REMEMBERED = 500
# Each webhook's own line: what broke it has an event of its own.
_ACCESS_LINES = frozenset({"webhook"})
_KEPT = ("event_id", "timestamp", "platform", "level", "logger", "release", "environment", "server_name", "sdk")
_KEPT_OF_A_FRAME = (
    "filename", "abs_path", "module", "function", "lineno", "pre_context", "context_line", "post_context", "in_app",
)  # fmt: skip
_IDS = ("turn_id", "http_request_id")


def start(dsn: str, process: str, transport: Transport | None = None) -> None:
    """Report what this process logs as an error from now on. Called once, after configure_logs.

    transport: the SDK's own when None.
    """
    # The others would put headers of theirs on calls to partners, or read requests.
    sentry_sdk.init(
        dsn,
        release=version("bytegpt"),
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[
            LoggingIntegration(level=None, event_level=logging.ERROR, sentry_logs_level=None),
            ExcepthookIntegration(),
            AtexitIntegration(callback=lambda _pending, _timeout: None),
        ],
        before_send=_Scrubber(process).event,
        before_breadcrumb=lambda _crumb, _hint: None,
        max_breadcrumbs=0,
        include_local_variables=False,
        max_request_body_size="never",
        trace_propagation_targets=[],
        auto_session_tracking=False,
        transport=transport,
    )


def report(error: BaseException) -> None:
    """Report an error that ends a command, and wait for a moment until it has been sent."""
    sentry_sdk.capture_exception(error)
    sentry_sdk.flush(timeout=2.0)


class _Scrubber:
    """Makes each event anew. Used by many threads; the worst of a race is that the same is told twice."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._told: dict[tuple[Any, ...], float] = {}

    def event(self, event: Event, hint: Hint) -> Event | None:
        """What may be sent of an event; None for one that tells nothing new."""
        record: logging.LogRecord | None = hint.get("log_record")
        message, fields = _told_by(record)
        exceptions = _exceptions(event, fields.pop("exc_info", None))
        kinds = tuple(one["type"] for one in exceptions)
        if message in _ACCESS_LINES or self._is_known((event.get("logger"), message, kinds)):
            return None
        kept: dict[str, Any] = {name: event[name] for name in _KEPT if name in event}  # type: ignore[literal-required]
        known = structlog.contextvars.get_contextvars()
        kept["tags"] = {"process": self._process, **{name: str(known[name]) for name in _IDS if name in known}}
        kept["extra"] = dict(scrub(None, "", fields))
        if message:
            kept["logentry"] = {"message": message}
        if exceptions:
            kept["exception"] = {"values": exceptions}
        return kept  # type: ignore[return-value]

    def _is_known(self, what: tuple[Any, ...]) -> bool:
        now = time.monotonic()
        last = self._told.get(what)
        if last is not None and now - last < SECONDS_BETWEEN_THE_SAME:
            return True
        if len(self._told) >= _MOST_REMEMBERED:
            self._told.clear()
        self._told[what] = now
        return False


def _told_by(record: logging.LogRecord | None) -> tuple[str, dict[str, Any]]:
    """What a line of the log says: the name of its event and its fields. Of a library's, its words without values.

    A library that puts an exception's circumstances into its words itself, such as Flask, is not quoted.
    """
    if record is None:
        return "", {}
    if isinstance(record.msg, Mapping):
        fields = dict(record.msg)
        return str(fields.pop("event", "")), fields
    return "" if record.exc_info and not record.args else without_secrets(str(record.msg)), {}


def _exceptions(event: Event, exc_info: Any) -> list[dict[str, Any]]:
    """The exceptions of an event, or of a line of ours, the cause first: type and place."""
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event, _ = event_from_exception(error, client_options=sentry_sdk.get_client().options)
    found = cast("Mapping[str, Any]", event.get("exception") or {})
    return [_exception(one) for one in found.get("values", ())]


def _exception(one: Mapping[str, Any]) -> dict[str, Any]:
    frames = (one.get("stacktrace") or {}).get("frames", ())
    return {
        "type": one.get("type"),
        "module": one.get("module"),
        "stacktrace": {
            "frames": [{name: frame[name] for name in _KEPT_OF_A_FRAME if name in frame} for frame in frames]
        },
    }
