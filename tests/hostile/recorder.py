"""Stands before the application and counts every request by its route; fails on answers that nobody may ever get."""

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from flask import Flask, got_request_exception
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import Map, RequestRedirect, Rule

from app.web.openapi.document import path_of
from tests.hostile.tally import NO_ROUTE, TALLY

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# In the environment of a request: it carries the session of an operator.
LOGGED_IN = "hostile.logged_in"
# And of one that is no attack: a login, a look at whether it still holds.
ASIDE = "hostile.aside"
# Seconds after which a request counts as one that hangs, on a machine that others keep busy.
LONGEST = 40.0
TRACEBACK = b"Traceback (most recent call last)"
# Answered 503 while no worker lives, and none does here.
UNREADY = "GET /readyz"


class Broken(AssertionError):
    """The application gave an answer that no input may cause."""


class Recorder:
    """WSGI middleware, and what the rest of a run may know of its last answer."""

    def __init__(self, app: Flask) -> None:
        self._inner = app.wsgi_app
        self._routes = app.url_map
        self._error: BaseException | None = None
        got_request_exception.connect(self._raised, app)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if ASIDE in environ:
            return self._inner(environ, start_response)
        name, known = row_of(self._routes, environ)
        row = TALLY.began(name)
        row.logged_in += LOGGED_IN in environ
        row.wrong_method += not known
        status = ""

        def heard(line: str, headers: list[tuple[str, str]], info: Any = None) -> Any:
            nonlocal status
            status = line
            return start_response(line, headers, info) if info else start_response(line, headers)

        self._error = None
        with finished_in_time(name):
            body = _whole(self._inner(environ, heard))
        row.answers[f"{status[0]}xx"] += 1
        if status.startswith("5") and not (name == UNREADY and status.startswith("503")):
            raise Broken(f"{name} answered {status}") from self._error
        if TRACEBACK in body:
            raise Broken(f"{name} answered with a traceback")
        return [body]

    def _raised(self, _app: Flask, exception: BaseException, **_: Any) -> None:
        self._error = exception


def row_of(routes: Map, environ: "WSGIEnvironment") -> tuple[str, bool]:
    """The name of the route that a request is for, and whether it takes the method."""
    adapter = routes.bind("localhost")
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    method = environ["REQUEST_METHOD"].upper()
    try:
        rule, _ = adapter.match(path, method=method, return_rule=True)
    except MethodNotAllowed as error:
        method = min(error.valid_methods or ["GET"])
        rule, _ = adapter.match(path, method=method, return_rule=True)
        return name_of(rule, method), False
    except RequestRedirect as error:
        return row_of(routes, {**environ, "PATH_INFO": error.new_url.removeprefix("http://localhost")})
    except HTTPException:
        return NO_ROUTE, True
    return name_of(rule, method), True


def name_of(rule: Rule, method: str) -> str:
    """The name of a route's row; HEAD is GET without a body."""
    return f"{'GET' if method == 'HEAD' else method} {path_of(rule)}"


@contextmanager
def finished_in_time(name: str) -> Iterator[None]:
    """Raise Broken in the midst of what hangs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def hung(_signal: int, _frame: FrameType | None) -> None:
        raise Broken(f"{name} had no answer after {LONGEST} s")

    before = signal.signal(signal.SIGALRM, hung)
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    began = time.monotonic()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    if time.monotonic() - began > LONGEST:
        raise Broken(f"{name} took {time.monotonic() - began:.1f} s")


def _whole(answer: Iterable[bytes]) -> bytes:
    try:
        return b"".join(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
