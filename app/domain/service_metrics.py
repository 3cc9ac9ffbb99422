"""Every figure that `/metrics` counts (contract 8).

Labels hold kinds, outcomes, codes, APIs and routes, so how many series there are is known beforehand. Accounts, leads,
contacts and texts never stand in one.
"""

from app.domain.assistants import Api
from app.domain.delivery import Verdict
from app.domain.failures import OPENAI_FAILURES, Failure
from app.domain.metrics import Label, Metric
from app.domain.turn import CLOSED

# What a webhook is answered, in the words of its line in the log.
_OUTCOMES = (
    "accepted",
    "duplicate",
    "invalid_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "too_large",
    "internal_error",
    "unavailable",
)
# How a call to OpenAI can end: an answer, one of the failures, or our own worker gave it up in the middle.
ANSWERED, GIVEN_UP = "ok", "given_up"
CALLS = ("open_conversation", "ask", "find")

_ROUTE = Label("route", None)
_STATUS_CLASS = Label("status", ("1xx", "2xx", "3xx", "4xx", "5xx"))
_OUTCOME = Label("outcome", _OUTCOMES)
_ERROR_CODE = Label("error_code", tuple(failure.value for failure in Failure))
_STATUS = Label("status", tuple(status.value for status in CLOSED))
_VERDICT = Label("verdict", tuple(verdict.value for verdict in Verdict))
_API = Label("api", tuple(api.value for api in Api))
_CALL = Label("call", CALLS)
_OPENAI_OUTCOME = Label("outcome", (ANSWERED, GIVEN_UP, *sorted(failure.value for failure in OPENAI_FAILURES)))

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0)
_ADDED = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

WEBHOOKS = Metric(
    "bytegpt_webhook_duration_seconds", "From a webhook's arrival to its answer, by outcome.", (_OUTCOME,), _QUICK
)
HTTP_REQUESTS = Metric(
    "bytegpt_http_requests", "Requests that the web processes answered, by route.", (_ROUTE, _STATUS_CLASS)
)
TURNS_ACCEPTED = Metric("bytegpt_turns_accepted", "Turns that were charged and queued.")
TURNS_REFUSED = Metric(
    "bytegpt_turns_refused", "Turns that were accepted without a charge, to be told why.", (_ERROR_CODE,)
)
TURNS_ANSWERED = Metric("bytegpt_turns_answered", "Turns that an assistant answered.")
TURNS_FAILED = Metric("bytegpt_turns_failed", "Turns that ended without an answer.", (_ERROR_CODE,))
TURNS_CLOSED = Metric("bytegpt_turns_closed", "Turns that are over, by what became of their continue call.", (_STATUS,))
TURN_DURATION = Metric(
    "bytegpt_turn_duration_seconds", "From a turn's acceptance to its first continue call.", (), _CALL_SECONDS
)
ADDED_LATENCY = Metric(
    "bytegpt_turn_added_latency_seconds",
    "From a turn's acceptance to its first continue call, without the time that OpenAI took.",
    (),
    _ADDED,
)
CONTINUE_CALLS = Metric(
    "bytegpt_continue_call_duration_seconds", "Continue calls to Kommo, by what Kommo said.", (_VERDICT,), _CALL_SECONDS
)
NOTES = Metric("bytegpt_notes", "Notes on leads that were sent, by what Kommo said.", (_VERDICT,))
OPENAI_CALLS = Metric(
    "bytegpt_openai_call_duration_seconds",
    "Calls to OpenAI for turns, by API and how they ended.",
    (_API, _CALL, _OPENAI_OUTCOME),
    _CALL_SECONDS,
)

METRICS = (
    WEBHOOKS,
    HTTP_REQUESTS,
    TURNS_ACCEPTED,
    TURNS_REFUSED,
    TURNS_ANSWERED,
    TURNS_FAILED,
    TURNS_CLOSED,
    TURN_DURATION,
    ADDED_LATENCY,
    CONTINUE_CALLS,
    NOTES,
    OPENAI_CALLS,
)
