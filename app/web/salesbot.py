"""The door: `POST /kommo/salesbot` verifies, parses, hands over and answers (contract 4).

It stands in front of Flask, whose routing, contexts and response objects cost more than half of all its own work
(bench/door.py). What it accepts it answers itself; everything else, its own refusals included, is left to Flask.
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import structlog
from flask import Blueprint, Flask, Response, g, request
from structlog.contextvars import bind_contextvars, reset_contextvars

from app.domain.acceptance import Acceptance
from app.domain.return_url import expected_audiences
from app.services.ports import Meter
from app.web.admission import Seen, admitted
from app.web.deps import WebDeps
from app.web.errors import CODES
from app.web.observing import HEADER, WSGI_HEADER, taken_over

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

PATH = "/kommo/salesbot"
# Where Flask finds the webhook that was not accepted, and why.
_LEFT = "bytegpt.salesbot"


def open_door(app: Flask, deps: WebDeps) -> None:
    """Put the door in front of the application. Raises AddressInvalid where PUBLIC_URL is no address."""
    audiences = expected_audiences(deps.public_url)
    meter = deps.measuring.meter
    log = structlog.get_logger(__name__).bind()
    flask = app.wsgi_app

    def door(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        # Written as Flask would read them too.
        if environ["REQUEST_METHOD"].upper() != "POST" or environ.get("PATH_INFO", "").lstrip("/") != PATH[1:]:
            return flask(environ, start_response)
        telling = _Telling(log, meter)
        http_request_id = taken_over(environ.get(WSGI_HEADER, ""))
        bound = bind_contextvars(http_request_id=http_request_id)
        try:
            acceptance = admitted(deps, environ, audiences, telling.seen)
        except Exception as error:  # noqa: BLE001 - Flask's view raises it again
            left = error
        else:
            telling.tell(200, acceptance.status, turn_id=acceptance.request_id)
            meter.request(PATH, 200)
            return _answered(acceptance, http_request_id, start_response)
        finally:
            reset_contextvars(**bound)
        return flask({**environ, WSGI_HEADER: http_request_id, _LEFT: (telling, left)}, start_response)

    app.wsgi_app = door  # type: ignore[method-assign] # where Flask takes WSGI middleware
    app.register_blueprint(_refusing())


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


def _answered(acceptance: Acceptance, http_request_id: str, start_response: "StartResponse") -> Iterable[bytes]:
    # Words and ids of ours, which JSON writes as they are.
    body = f'{{"status":"{acceptance.status}","request_id":"{acceptance.request_id}"}}'.encode()
    start_response(
        "200 OK",
        [("Content-Type", "application/json"), ("Content-Length", str(len(body))), (HEADER, http_request_id)],
    )
    return [body]


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
