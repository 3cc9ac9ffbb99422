"""Log lines of every process: structlog beside the standard library, one scrubbed line per event on stderr.

Ids of a request or a turn stand in every line of it: `with structlog.contextvars.bound_contextvars(request_id=...)`.
Lines of libraries (rq, werkzeug, gunicorn, urllib3) pass through the same scrubbing.
"""

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_REMOVED = "[removed]"
# Secrets whatever else the key says, and what clients and assistants wrote, as a whole word at the end of the key.
_SECRET_KEY = re.compile(
    r"token|secret|passw|authori[sz]ation|cookie|api_?key|encryption_?key|credential", re.IGNORECASE
)
_WRITTEN_KEY = re.compile(
    r"(?:^|_)(?:message|text|reply|question|answer|instructions|prompt|body|contact_name)s?(?:_\d+)?$", re.IGNORECASE
)
_SECRETS_IN_TEXT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\bsk-[A-Za-z0-9_-]{8,}"), f"sk-{_REMOVED}"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?"), _REMOVED),
    (re.compile(r"(\bbearer)[\s:=]+[^\s'\",;]+", re.IGNORECASE), rf"\1 {_REMOVED}"),
    (re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)"), _REMOVED),
)
# Values that hold no others, and are written as they are.
_FLAT = frozenset((str, int, float, bool, type(None)))
_JSON = json.JSONEncoder(ensure_ascii=False)  # scrubbing has left nothing that JSON does not have


class _Lines:
    """What a logger of structlog's writes through.

    Lines are written at once, under the lock of the handler that libraries write through: as records of the standard
    library they would cost three times as much. Errors become records all the same, because Sentry listens for those.
    """

    __slots__ = ("_handler", "name")

    def __init__(self, handler: "logging.StreamHandler[TextIO]", name: str) -> None:
        self._handler = handler
        self.name = name

    def info(self, line: str) -> None:
        """Write a line."""
        self._handler.acquire()
        try:
            self._handler.stream.write(f"{line}\n")
            self._handler.stream.flush()
        finally:
            self._handler.release()

    debug = warning = info

    def error(self, event: EventDict, **extra: Any) -> None:
        """Log a record."""
        logging.getLogger(self.name).error(event, **extra)

    def critical(self, event: EventDict, **extra: Any) -> None:
        """Log a record."""
        logging.getLogger(self.name).critical(event, **extra)


def configure_logs(level: str, log_format: Literal["json", "console"], stream: TextIO | None = None) -> None:
    """Send every logger of this process to one stream. Called once, by its entry point.

    stream: stderr when None.
    """
    target = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(target)
    of_libraries: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Exceptions before scrubbing, so that what one says is scrubbed too; never with local variables.
    rendered: list[Processor] = [structlog.processors.format_exc_info, scrub, _renderer(log_format, target)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _stamped,
            _Parting(rendered, _innocent_line if log_format == "json" else lambda _: None),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=lambda name="bytegpt": _Lines(handler, name),
        cache_logger_on_first_use=False,
    )
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=of_libraries,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    threading.excepthook = _log_lost_thread


def _stamped(logger: WrappedLogger, method: str, event_dict: EventDict) -> EventDict:
    """What structlog's own processors add to a line, all at once: every webhook writes one."""
    event_dict["level"] = method
    event_dict["logger"] = logger.name
    seconds, microseconds = divmod(time.time_ns() // 1000, 1_000_000)
    event_dict["timestamp"] = f"{_second(seconds)}.{microseconds:06d}Z"
    return event_dict


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    """A second since the epoch; a busy process writes hundreds of lines in each."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class _Parting:
    """Where lines and errors part: a line is rendered, an error goes on to the handler's formatter as it is."""

    def __init__(self, rendered: Sequence[Processor], quickly: Callable[[EventDict], str | None]) -> None:
        """quickly: renders most lines, and answers None for all others."""
        self._rendered = rendered
        self._quickly = quickly

    def __call__(self, logger: WrappedLogger, method: str, event_dict: EventDict) -> Any:
        """Fill the place of a processor, at the end of the chain."""
        if method in ("error", "critical"):
            return structlog.stdlib.ProcessorFormatter.wrap_for_formatter(logger, method, event_dict)
        line = self._quickly(event_dict)
        if line is not None:
            return line
        told: Any = event_dict
        for processor in self._rendered:
            told = processor(logger, method, told)
        return told


def _innocent_line(event_dict: EventDict) -> str | None:
    """The line of an event that has nothing to scrub, found out by one look at all of it; None for any other event."""
    if "exc_info" in event_dict:
        return None
    for key, value in event_dict.items():
        if type(value) not in _FLAT or _is_secret(key):
            return None
    line = _JSON.encode(event_dict)
    return None if _is_suspicious(line) else line


def scrub(_logger: WrappedLogger, _method: str, event_dict: EventDict) -> EventDict:
    """Take secrets and what clients wrote out of a log line: by key, and by their looks in every other value."""
    return {key: value if key == "_record" else _clean(key, value) for key, value in event_dict.items()}


def _clean(key: str, value: object) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _is_secret(key):
        return _REMOVED
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {str(inner): _clean(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(key, item) for item in value]
    return without_secrets(repr(value))


@lru_cache(maxsize=1000)
def _is_secret(key: str) -> bool:
    return bool(_SECRET_KEY.search(key) or _WRITTEN_KEY.search(key))


def _is_suspicious(text: str) -> bool:
    """Whether any of those can be in it: each has one of these. A regular expression takes twenty times as long."""
    return "sk-" in text or "eyJ" in text or "://" in text or "bearer" in text.lower()


def without_secrets(text: str) -> str:
    """The text with API keys, tokens and passwords of URLs taken out."""
    if not _is_suspicious(text):
        return text
    for pattern, replacement in _SECRETS_IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def _renderer(log_format: Literal["json", "console"], target: TextIO) -> Processor:
    if log_format == "json":
        return lambda _logger, _method, event_dict: _JSON.encode(event_dict)
    return structlog.dev.ConsoleRenderer(colors=target.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _log_lost_thread(lost: threading.ExceptHookArgs) -> None:
    if lost.exc_value is None or isinstance(lost.exc_value, SystemExit):
        return
    structlog.get_logger("threads").error(
        "thread_died",
        thread=lost.thread.name if lost.thread else None,
        exc_info=(lost.exc_type, lost.exc_value, lost.exc_traceback),
    )
