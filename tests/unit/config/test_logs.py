"""Log lines: one line each, with their ids, without secrets and without what clients wrote."""

import io
import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from config.logs import configure_logs, scrub, without_secrets

API_KEY = "sk-proj-0123456789abcdef"
LIBRARIES = ["rq.worker", "werkzeug", "gunicorn.error", "urllib3.connectionpool"]
JWT = "eyJhbGciOiJIUzUxMiJ9.eyJpc3MiOiJhIn0.c2lnbmF0dXJl"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where this test's log goes; the logging of the process is put back afterwards."""
    root = logging.getLogger()
    handlers, level, hook = root.handlers, root.level, threading.excepthook
    for name in LIBRARIES:  # an earlier test of the run may have given one a level of its own
        logging.getLogger(name).setLevel(logging.NOTSET)
    yield io.StringIO()
    logging.captureWarnings(capture=False)
    root.handlers, threading.excepthook = handlers, hook
    root.setLevel(level)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_carries_its_ids_level_time_and_logger(stream: io.StringIO) -> None:
    configure_logs("INFO", "json", stream)
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("app.web").info("accepted", account_id=31000001)
    structlog.get_logger("app.web").info("idle")
    first, second = lines(stream)
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "event": "accepted",
        "account_id": 31000001,
        "request_id": "r-1",
        "level": "info",
        "logger": "app.web",
    }
    assert "request_id" not in second


def test_each_line_tells_its_own_moment(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logs("INFO", "json", stream)
    last = int(datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp()) * 1_000_000
    for microseconds in (last + 999_999, last + 1_000_000, last + 1_000_001, last, last + 3_600_500_000):
        monkeypatch.setattr("time.time_ns", lambda now=microseconds: now * 1000 + 999)
        structlog.get_logger("app.web").info("told")
    assert [line["timestamp"] for line in lines(stream)] == [
        "2026-12-31T23:59:59.999999Z",
        "2027-01-01T00:00:00.000000Z",
        "2027-01-01T00:00:00.000001Z",
        "2026-12-31T23:59:59.000000Z",
        "2027-01-01T00:59:59.500000Z",
    ]


@pytest.mark.parametrize("name", LIBRARIES)
def test_lines_of_libraries_pass_through_the_same_scrubbing(stream: io.StringIO, name: str) -> None:
    configure_logs("INFO", "json", stream)
    logging.getLogger(name).warning("lost %s", f"redis://user:pass-word@host and {API_KEY}")
    assert [(line["logger"], line["event"]) for line in lines(stream)] == [
        (name, "lost redis://[removed]@host and sk-[removed]")
    ]


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({"outcome": "accepted", "ms": 1.5}, {"outcome": "accepted", "ms": 1.5}),
        ({"reason": f"key {API_KEY}"}, {"reason": "key sk-[removed]"}),
        ({"reason": f"\n{API_KEY}"}, {"reason": "\nsk-[removed]"}),
        ({"reason": JWT}, {"reason": "[removed]"}),
        ({"reason": "BEARER abc"}, {"reason": "BEARER [removed]"}),
        ({"url": "redis://:p4ss@host"}, {"url": "redis://[removed]@host"}),
        ({"access_token": "abc"}, {"access_token": "[removed]"}),
        ({"client_message": "Olá"}, {"client_message": "[removed]"}),
        ({"input_tokens": 12, "token": None}, {"input_tokens": 12, "token": None}),
        ({"deep": [{"answer": "Olá"}]}, {"deep": [{"answer": "[removed]"}]}),
        ({"error": ValueError(API_KEY)}, {"error": "ValueError('sk-[removed]')"}),
    ],
    ids=str,
)
def test_what_our_own_lines_tell_is_scrubbed(stream: io.StringIO, told: dict[str, Any], line: dict[str, Any]) -> None:
    configure_logs("INFO", "json", stream)
    structlog.get_logger("app").info("event", **told)
    (found,) = lines(stream)
    assert {name: found[name] for name in told} == line


def test_an_exception_told_in_a_line_that_is_no_error_is_told_whole(stream: io.StringIO) -> None:
    configure_logs("INFO", "json", stream)
    try:
        int(API_KEY)
    except ValueError:
        structlog.get_logger("app").warning("odd", exc_info=True)
    (line,) = lines(stream)
    assert line["exception"].endswith("ValueError: invalid literal for int() with base 10: 'sk-[removed]'")


def test_the_level_holds_for_us_and_for_libraries(stream: io.StringIO) -> None:
    configure_logs("WARNING", "json", stream)
    structlog.get_logger("app").info("quiet")
    logging.getLogger("rq.worker").info("quiet")
    structlog.get_logger("app").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_is_told_without_secrets_and_local_variables(stream: io.StringIO, log_format: Any) -> None:
    configure_logs("INFO", log_format, stream)

    def fail() -> None:
        client_text = "a message of the client"
        raise ValueError(f"refused {API_KEY} of {len(client_text)}")

    try:
        fail()
    except ValueError:
        structlog.get_logger("app").exception("failed")
    told = stream.getvalue()
    assert "ValueError: refused sk-[removed]" in told
    assert API_KEY not in told
    assert "a message of the client" not in told


def test_a_line_is_one_line_whatever_stands_in_it(stream: io.StringIO) -> None:
    configure_logs("INFO", "json", stream)
    structlog.get_logger("app").info("odd", contact="one\ntwo\r\nthree\u2028")
    assert len(stream.getvalue().split("\n")) == 2


def test_a_thread_that_dies_is_logged(stream: io.StringIO) -> None:
    configure_logs("INFO", "json", stream)

    def die() -> None:
        raise ValueError(API_KEY)

    thread = threading.Thread(target=die, name="sweeper")
    thread.start()
    thread.join()
    (line,) = lines(stream)
    assert (line["event"], line["thread"]) == ("thread_died", "sweeper")
    assert "ValueError: sk-[removed]" in line["exception"]


REMOVED = "[removed]"


@pytest.mark.parametrize(
    "key",
    [
        "token", "access_token", "client_secret", "SECRET_KEY", "openai_api_key", "apikey", "authorization",
        "Authorization", "cookie", "password", "admin_password_hash", "encryption_keys", "message", "client_message",
        "text", "failure_text", "reply", "reply_2", "answer", "instructions", "prompt", "contact_name",
    ],
)  # fmt: skip
def test_a_value_is_dropped_by_its_key(key: str) -> None:
    assert scrub(None, "info", {"event": "e", key: "Olá"}) == {"event": "e", key: REMOVED}
    assert scrub(None, "info", {"deep": [{key: {"x": "Olá"}}]}) == {"deep": [{key: REMOVED}]}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("request_id", "r-1"),
        ("answer_id", "resp_1"),
        ("input_tokens", 12),
        ("replied", True),
        ("text_length", 3),
        ("nothing", None),
        ("seconds", 0.5),
        ("steps", ["accepted", "asking"]),
    ],
)
def test_what_an_operator_needs_stays(key: str, value: object) -> None:
    assert scrub(None, "info", {key: value}) == {key: value}


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (f"key {API_KEY}.", "key sk-[removed]."),
        (f"token={JWT}&x=1", "token=[removed]&x=1"),
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer [removed]"),
        ("{'authorization': 'bearer abc'}", "{'authorization': 'bearer [removed]'}"),
        ("redis://:p4ss@host:6379/0", "redis://[removed]@host:6379/0"),
        ("https://user:p4ss@host/x", "https://[removed]@host/x"),
        ("https://host:8000/a@b", "https://host:8000/a@b"),
        ("task-force, ask-me, sk-short", "task-force, ask-me, sk-short"),
    ],
)
def test_secrets_are_known_by_their_looks(text: str, cleaned: str) -> None:
    assert without_secrets(text) == cleaned


def test_other_objects_are_told_by_their_repr_without_secrets() -> None:
    assert scrub(None, "info", {"error": ValueError(API_KEY)}) == {"error": "ValueError('sk-[removed]')"}
