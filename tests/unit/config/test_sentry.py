"""What Sentry is told: where an error happened, and no secret, no word of a client, no request."""

import io
import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sentry_sdk
import structlog
from flask import Flask
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from config import error_reports, sentry
from config.logs import configure_logs

DSN = "https://public-key@sentry.example/42"
# None of them may leave the service, wherever it stands.
KEY = "sk-proj-0123456789abcdefghij"
JWT = "eyJhbGciOiJIUzUxMiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl"
WORDS = "Quanto custa o frete para Recife?"
SECRETS = (KEY, "0123456789abcdefghij", JWT, "c2lnbmF0dXJl", WORDS, "Recife", "bearer-of-acme", "p4ssw0rd")


class Outbox(Transport):
    """Where events go instead of to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.sent = ""

    def capture_envelope(self, envelope: Envelope) -> None:
        event = envelope.get_event()
        if event is not None:
            self.events.append(dict(event))
        self.sent += envelope.serialize().decode()


@pytest.fixture
def outbox() -> Iterator[Outbox]:
    """Reporting is on, as in a web process. The log is put back afterwards; the SDK's hooks stay, and do nothing."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers, root.level, threading.excepthook
    configure_logs("INFO", "json", io.StringIO())
    outbox = Outbox()
    sentry.start(DSN, "web", transport=outbox)
    yield outbox
    sentry_sdk.get_client().close()
    sentry_sdk.get_global_scope().set_client(None)
    logging.captureWarnings(capture=False)
    root.handlers, threading.excepthook = handlers, hook
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def fail(client_text: str = WORDS, token: str = JWT) -> None:
    """Raise with secrets in the message, in the cause's, and in locals."""
    authorization = {"Authorization": f"Bearer {token}"}
    question = client_text
    cause = KeyError(f"cause: {KEY} {authorization} {question}")
    raise ValueError(f"could not send {question!r} with {KEY}") from cause


def a_broken_view() -> None:
    app = Flask("broken")

    @app.post("/kommo/<what>")
    def receive(what: str) -> str:
        fail()
        return what

    app.test_client().post(
        f"/kommo/salesbot?token={JWT}",
        data={"token": JWT, "data[message]": WORDS},
        headers={"Authorization": "Bearer bearer-of-acme", "Cookie": "session=p4ssw0rd"},
    )


def a_line_of_ours() -> None:
    try:
        fail()
    except ValueError:
        said = {"token": JWT, "message": WORDS, "headers": {"authorization": KEY}}
        structlog.get_logger("app").exception("turn_broken_off", seen=f"redis://:p4ssw0rd@host {KEY}", **said)


def a_line_of_a_library() -> None:
    logging.getLogger("rq.worker").error("job %s with %s failed", WORDS, KEY)


def a_line_of_a_library_with_an_exception() -> None:
    try:
        fail()
    except ValueError:
        logging.getLogger("rq.worker").exception("failed with %s", WORDS)


def a_lost_thread() -> None:
    thread = threading.Thread(target=fail, name="sweeper")
    thread.start()
    thread.join()


def an_uncaught_exception() -> None:
    try:
        fail()
    except ValueError:
        sys.excepthook(*sys.exc_info())


def a_broken_command() -> None:
    try:
        fail()
    except ValueError as error:
        sentry.report(error)


TROUBLE: list[tuple[Callable[[], None], str | None, list[str]]] = [
    (a_broken_view, None, ["KeyError", "ValueError"]),
    (a_line_of_ours, "turn_broken_off", ["KeyError", "ValueError"]),
    (a_line_of_a_library, "job %s with %s failed", []),
    (a_line_of_a_library_with_an_exception, "failed with %s", ["KeyError", "ValueError"]),
    (a_lost_thread, "thread_died", ["KeyError", "ValueError"]),
    (an_uncaught_exception, None, ["KeyError", "ValueError"]),
    (a_broken_command, None, ["KeyError", "ValueError"]),
]


@pytest.mark.parametrize(("trouble", "message", "kinds"), TROUBLE, ids=lambda value: getattr(value, "__name__", ""))
def test_an_error_is_told_by_kind_and_place_and_by_nothing_that_was_said(
    outbox: Outbox, trouble: Callable[[], None], message: str | None, kinds: list[str]
) -> None:
    structlog.contextvars.bind_contextvars(turn_id="01a2", http_request_id="req-1", account_id=31000001)
    trouble()
    (event,) = outbox.events
    assert event.get("logentry", {}).get("message") == message
    exceptions = event.get("exception", {"values": []})["values"]
    assert [one["type"] for one in exceptions] == kinds
    for one in exceptions:
        assert set(one) == {"type", "module", "stacktrace"}
        assert not any("vars" in frame for frame in one["stacktrace"]["frames"])
    if exceptions:
        raised = exceptions[-1]["stacktrace"]["frames"][-1]
        assert raised["function"] == "fail"
        assert raised["lineno"] > 0
    for secret in SECRETS:
        # The tests' own source is where these words stand.
        assert secret not in _without_source(event)
    assert not {"request", "user", "breadcrumbs", "modules", "contexts", "threads"} & set(event)


def test_the_ids_of_turn_and_request_go_with_it(outbox: Outbox) -> None:
    with structlog.contextvars.bound_contextvars(turn_id="01a2", http_request_id="req-1", message=WORDS):
        structlog.get_logger("app").error("turn_broken_off", kind="KeyError")
    (event,) = outbox.events
    assert event["tags"] == {"process": "web", "turn_id": "01a2", "http_request_id": "req-1"}
    assert event["extra"]["kind"] == "KeyError"
    assert event["release"]
    assert (event["level"], event["logger"]) == ("error", "app")


def test_what_is_no_error_is_not_told(outbox: Outbox) -> None:
    structlog.get_logger("app").warning("store_unavailable")
    structlog.get_logger("app").info("turn_closed")
    logging.getLogger("rq.worker").warning("slow")
    assert outbox.events == []


def test_a_webhooks_own_line_is_left_to_the_log(outbox: Outbox) -> None:
    structlog.get_logger("app.web.salesbot").error("webhook", outcome="unavailable")
    assert outbox.events == []


def test_the_same_again_is_not_told_again_for_a_while(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    log = structlog.get_logger("app")
    for later in (0.0, 1.0, 58.0, 2.0, 1.0):
        now[0] += later
        log.error("housekeeping_failed", during="sweep")
        log.error("turn_broken_off")
    assert [event["logentry"]["message"] for event in outbox.events] == ["housekeeping_failed", "turn_broken_off"] * 2


def test_no_integration_looks_into_requests_or_writes_into_calls_to_partners(outbox: Outbox) -> None:
    assert set(sentry_sdk.get_client().integrations) == {"logging", "excepthook", "atexit"}


def test_without_a_dsn_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_reports, "import_module", lambda name: pytest.fail(f"{name} was imported"))
    error_reports.start_error_reports(None, "web")
    error_reports.report_error(None, ValueError())


def test_with_a_dsn_the_process_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[tuple[object, ...]] = []
    monkeypatch.setattr(sentry, "start", lambda *arguments: started.append(arguments))
    monkeypatch.setattr(sentry, "report", lambda error: started.append((error,)))
    error = ValueError()
    error_reports.start_error_reports(DSN, "worker")
    error_reports.report_error(DSN, error)
    assert started == [(DSN, "worker"), (DSN, "command"), (error,)]


def _without_source(event: dict[str, Any]) -> str:
    for one in event.get("exception", {"values": []})["values"]:
        for frame in one["stacktrace"]["frames"]:
            for part in ("pre_context", "context_line", "post_context"):
                frame.pop(part, None)
    return json.dumps(event)
