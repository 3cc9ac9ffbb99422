"""The door: `POST /kommo/salesbot` verifies, parses, hands over and answers (contract 4).

It stands in front of Flask, whose routing, contexts and response objects cost more than half of all its own work
(bench/door.py). What it accepts it answers itself; everything else, its own refusals included, is left to Flask. In
front of it stands gunicorn's loop, which has the usual webhook answered without a thread (app/web/at_once.py).
"""

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import structlog
from flask import Blueprint, Flask, Response, g, request
from structlog.contextvars import bind_contextvars, reset_contextvars

from app.domain.acceptance import Acceptance, AccountChanged, StoreUnavailable
from app.domain.return_url import expected_audiences
from app.services.ports import Meter
from app.together import WouldWait
from app.web.admission import Seen, admitted, admitted_at_once
from app.web.at_once import EXTENSION, PATH, Answer, Whole
from app.web.deps import WebDeps
from app.web.errors import CODES, Refusal
from app.web.observing import HEADER, WSGI_HEADER, taken_over

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# Where Flask finds the webhook that was not accepted, and why.
_LEFT = "bytegpt.salesbot"
# How long gunicorn's loop is kept from a Redis that did not answer it.
THREADS_ONLY_SECONDS = 5.0
# What is left to a thread, which looks again and tells of it.
_FOR_A_THREAD = (WouldWait, Refusal, AccountChanged)


def open_door(app: Flask, deps: WebDeps) -> None:
    """Put the door in front of the application. Raises AddressInvalid where PUBLIC_URL is no address."""
    door = _Door(deps)
    flask = app.wsgi_app

    def in_front(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # Written as Flask would read them too.
        if environ["REQUEST_METHOD"].upper() != "POST" or environ.get("PATH_INFO", "").lstrip("/") != PATH[1:]:
            return flask(environ, start_response)
        given = taken_over(environ.get(WSGI_HEADER, ""))
        accepted = door.accepted(given, lambda seen: admitted(deps, environ, door.audiences, seen))
        if isinstance(accepted, Answer):
            return _answered(accepted, start_response)
        return flask({**environ, WSGI_HEADER: given, _LEFT: accepted}, start_response)

    app.wsgi_app = in_front  # type: ignore[method-assign] # where Flask takes WSGI middleware
    app.extensions[EXTENSION] = door
    app.register_blueprint(_refusing())


class _Door:
    """Lets webhooks in, and tells of those that it has let in."""

    def __init__(self, deps: WebDeps) -> None:
        self.audiences = expected_audiences(deps.public_url)
        self._deps = deps
        self._meter = deps.measuring.meter
        self._log = structlog.get_logger(__name__).bind()
        self._at_once_from = 0.0

    def accepted(
        self, http_request_id: str, admit: Callable[["Seen"], Acceptance]
    ) -> "Answer | tuple[_Telling, Exception]":
        """The answer to a webhook that `admit` accepts; else what is known of it, and what it was refused for."""
        telling = _Telling(self._log, self._meter)
        bound = bind_contextvars(http_request_id=http_request_id)
        try:
            acceptance = admit(telling.seen)
        except Exception as error:  # noqa: BLE001 - Flask's view raises it again
            return telling, error
        else:
            telling.tell(200, acceptance.status, turn_id=acceptance.request_id)
        finally:
            reset_contextvars(**bound)
        self._meter.request(PATH, 200)
        # Words and ids of ours, which JSON writes as they are.
        body = f'{{"status":"{acceptance.status}","request_id":"{acceptance.request_id}"}}'
        return Answer(body.encode(), http_request_id)

    def answer(self, webhook: Whole) -> Answer | None:
        """The answer to a webhook that is accepted by what is remembered and one trip to Redis; None for all others.

        Those are to be asked about in the usual way. After a trip that failed none is made for some seconds. Raises
        what no webhook should bring about.
        """
        if time.monotonic() < self._at_once_from:
            return None
        accepted = self.accepted(
            taken_over(webhook.request_id),
            lambda seen: admitted_at_once(self._deps, webhook.form, self.audiences, seen),
        )
        if isinstance(accepted, Answer):
            return accepted
        _, error = accepted
        if isinstance(error, StoreUnavailable):
            self._at_once_from = time.monotonic() + THREADS_ONLY_SECONDS
        elif not isinstance(error, _FOR_A_THREAD):
            raise error
        return None


def _refusing() -> Blueprint:
    """The door's side within Flask: it raises what the webhook was refused for, as a view would have."""
    salesbot = Blueprint("salesbot", __name__)

    @salesbot.after_request
    def tell(response: Response) -> Response:
        telling, _ = request.environ[_LEFT]
        telling.tell(response.status_code, CODES.get(response.status_code, "error"), reason=g.get("refused_for"))
        return response

    @salesbot.post(PATH, provide_automatic_options=False)
    def refuse() -> NoReturn:
        _, error = request.environ[_LEFT]
        raise error

    return salesbot


def _answered(answer: Answer, start_response: "StartResponse") -> Iterable[bytes]:
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(answer.body))),
        (HEADER, answer.request_id),
    ]
    start_response("200 OK", headers)
    return [answer.body]


class _Telling:
    """What is told of one webhook in its line of the log: ids and words of ours, no text of a client, no token."""

    __slots__ = ("_began", "_log", "_meter", "seen")

    def __init__(self, log: Any, meter: Meter) -> None:
        self._began = time.perf_counter()
        self._log = log
        self._meter = meter
        self.seen = Seen()

    def tell(self, status: int, outcome: str, *, turn_id: str | None = None, reason: str | None = None) -> None:
        """Count the webhook, and write its one line. turn_id: what answers, notes and commands call request_id."""
        seconds = time.perf_counter() - self._began
        write = self._log.error if status >= 500 else self._log.info
        refused = {} if self.seen.algorithm is None else {"algorithm": self.seen.algorithm}
        write(
            "webhook",
            turn_id=turn_id,
            account_id=self.seen.account_id,
            outcome=outcome,
            reason=reason,
            **refused,
            ms=round(seconds * 1000, 1),
        )
        self._meter.webhook(outcome, seconds)
