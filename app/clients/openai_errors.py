"""What an error of OpenAI, or of the way to it, means for a turn: one table per API, and nowhere else.

A row is judged by HTTP status, then `error.code` and `error.type`, and by the message only where OpenAI gives no
code (openai.md 4.1). Rows are read from the top; the first that fits counts. The same rows serve answers with an error
status, `error` events inside a stream and responses or runs that failed, which have no status of their own.
"""

import math
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

from app.clients.http import Fault, NetworkFault
from app.domain.failures import AskError, ConversationTrouble, Failure


@dataclass(frozen=True, slots=True)
class Reported:
    """An error as OpenAI told it. status: None inside a stream, a response or a run. kind: `error.type`."""

    status: int | None
    code: str | None = None
    kind: str | None = None
    message: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Row:
    """What an error means if every condition that is given holds.

    codes: of them one is the error's code or type. begins: how the message begins, in any case of letters.
    maybe_processed: OpenAI may have acted on the request all the same (openai.md 6.2). A refusal says that it did not.
    api_gone: the whole API may be missing.
    """

    failure: Failure
    retryable: bool = False
    trouble: ConversationTrouble | None = None
    statuses: Container[int] | None = None
    codes: frozenset[str] | None = None
    begins: re.Pattern[str] | None = None
    maybe_processed: bool = False
    api_gone: bool = False

    def fits(self, error: Reported) -> bool:
        """Whether the row speaks of this error."""
        return (
            (self.statuses is None or (error.status is not None and error.status in self.statuses))
            and (self.codes is None or error.code in self.codes or error.kind in self.codes)
            and (self.begins is None or self.begins.match(error.message) is not None)
        )


def _codes(*codes: str) -> frozenset[str]:
    return frozenset(codes)


def _begins(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# openai.md 4.2, the last rows of 429. `insufficient_quota` is also the type of codes yet unknown.
_BILLING = _codes(
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_not_active",
    "billing_hard_limit_reached",
)
# A run reports spent credit under the code of a rate limit (openai.md 2.7).
_BILLING_SENTENCES = _begins(
    r"You exceeded your current quota|Your account is not active|You have no credits remaining"
)
_REQUEST_TOO_LARGE = _begins(r"Request too large")
_RATE = _codes("rate_limit_exceeded", "rate_limit_error", "slow_down")
_KEY_REFUSED = _codes(
    "invalid_api_key",
    "mismatched_organization",
    "mismatched_project",
    "ip_not_authorized",
    "unsupported_country_region_territory",
)
_OVERLOAD = _codes("server_error", "server_is_overloaded", "service_unavailable_error")

_COMMON = (
    Row(Failure.OPENAI_QUOTA, codes=_BILLING),
    Row(Failure.OPENAI_QUOTA, codes=_RATE, begins=_BILLING_SENTENCES),
    Row(Failure.OPENAI_QUOTA, statuses={429}, begins=_BILLING_SENTENCES),
    Row(Failure.OPENAI_UNEXPECTED, codes=_RATE, begins=_REQUEST_TOO_LARGE),
    Row(Failure.OPENAI_UNEXPECTED, statuses={429}, begins=_REQUEST_TOO_LARGE),
    Row(Failure.OPENAI_QUOTA, retryable=True, codes=_RATE),
    Row(Failure.OPENAI_QUOTA, retryable=True, statuses={429}),
    Row(Failure.OPENAI_UNEXPECTED, codes=_codes("misalignment_policy_violation")),
    Row(Failure.OPENAI_AUTHENTICATION, statuses={401, 403}),
    Row(Failure.OPENAI_AUTHENTICATION, codes=_KEY_REFUSED),
    Row(Failure.OPENAI_UNEXPECTED, trouble=ConversationTrouble.TOO_LONG, codes=_codes("context_length_exceeded")),
    Row(Failure.OPENAI_UNEXPECTED, True, ConversationTrouble.LOCKED, codes=_codes("conversation_locked")),
    Row(Failure.OPENAI_UNEXPECTED, retryable=True, statuses={408, 409}),
    Row(Failure.OPENAI_UNEXPECTED, retryable=True, statuses={503}, codes=_codes("server_is_overloaded")),
    Row(Failure.OPENAI_UNEXPECTED, retryable=True, statuses=range(500, 600), maybe_processed=True),
    Row(Failure.OPENAI_UNEXPECTED, retryable=True, codes=_OVERLOAD),
    Row(Failure.OPENAI_UNEXPECTED, codes=_codes("model_not_found")),
)
_ANYTHING_ELSE = Row(Failure.OPENAI_UNEXPECTED)

# openai.md 3.4, 3.5: these have no code.
RESPONSES_TABLE = (
    *_COMMON,
    Row(Failure.ASSISTANT_NOT_FOUND, statuses={404}, begins=_begins(r"Prompt with id ")),
    Row(
        Failure.OPENAI_UNEXPECTED,
        trouble=ConversationTrouble.LOST,
        statuses={404},
        begins=_begins(r"Conversation with id "),
    ),
    _ANYTHING_ELSE,
)

# openai.md 2.6: these neither. An API that says which of its things it did not find is there. What a removed one says
# is not published (1.2), so any other 404 raises a suspicion, which the transport looks into.
ASSISTANTS_TABLE = (
    *_COMMON,
    Row(Failure.ASSISTANT_NOT_FOUND, statuses={404}, begins=_begins(r"No assistant found")),
    Row(
        Failure.OPENAI_UNEXPECTED,
        trouble=ConversationTrouble.LOST,
        statuses={404},
        begins=_begins(r"No thread found"),
    ),
    Row(
        Failure.OPENAI_UNEXPECTED,
        True,
        ConversationTrouble.LOCKED,
        statuses={400},
        begins=_begins(r"Thread \S+ already has an active run|Can't add messages to \S+ while a run \S+ is active"),
    ),
    Row(Failure.OPENAI_UNEXPECTED, statuses={404}, begins=_begins(r"No \w+ found with id ")),
    Row(Failure.OPENAI_UNEXPECTED, statuses={404}, api_gone=True),
    _ANYTHING_ELSE,
)


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """What a fault of the network means."""

    failure: Failure
    retryable: bool = False
    maybe_processed: bool = False


NETWORK_TABLE: dict[Fault, NetworkRow] = {
    Fault.NO_TIME: NetworkRow(Failure.OPENAI_TIMEOUT),
    Fault.UNREACHABLE: NetworkRow(Failure.OPENAI_CONNECTION, retryable=True),
    Fault.DROPPED: NetworkRow(Failure.OPENAI_CONNECTION, retryable=True, maybe_processed=True),
    Fault.SILENT: NetworkRow(Failure.OPENAI_TIMEOUT, maybe_processed=True),
    Fault.CUT: NetworkRow(Failure.OPENAI_UNEXPECTED, maybe_processed=True),
    Fault.TOO_LARGE: NetworkRow(Failure.OPENAI_UNEXPECTED, maybe_processed=True),
}

Table = tuple[Row, ...]


def from_network(fault: NetworkFault) -> AskError:
    """The error for a call that brought no complete answer."""
    row = NETWORK_TABLE[fault.fault]
    return AskError(
        row.failure,
        retryable=row.retryable,
        maybe_processed=row.maybe_processed,
        code=fault.detail,
    )


def unexpected(code: str) -> AskError:
    """The error for an answer we can make nothing of. code: our own word for what is wrong with it."""
    return AskError(Failure.OPENAI_UNEXPECTED, maybe_processed=True, code=code)


def from_report(table: Table, error: Reported, headers: Mapping[str, str], now: float) -> AskError:
    """The error for what OpenAI reported.

    headers: of the answer it came in. now: seconds since the epoch, for a Retry-After that is a date.
    """
    row = next(row for row in table if row.fits(error))
    is_rate = row.failure is Failure.OPENAI_QUOTA and row.retryable
    return AskError(
        row.failure,
        retryable=row.retryable,
        retry_after=retry_after(headers, error.message if is_rate else "", now),
        trouble=row.trouble,
        api_gone=row.api_gone,
        maybe_processed=row.maybe_processed or error.status is None,
        status=error.status,
        code=_word(error.code) or _word(error.kind) or (f"http_{error.status}" if error.status else "unnamed"),
        provider_request_id=request_id_in(headers),
    )


def request_id_in(headers: Mapping[str, str]) -> str | None:
    """OpenAI's own id of a request, for its support."""
    return _word(headers.get("x-request-id"))


def reported(value: Any, status: int | None = None) -> Reported:
    """Read an error object, bare or inside `{"error": ...}`; whatever is missing or of another type stays out.

    OpenAI documents its `error` event flat and sends it nested (openai.md 3.2).
    """
    if isinstance(value, dict) and isinstance(value.get("error"), dict):
        value = value["error"]
    if not isinstance(value, dict):
        return Reported(status)
    code, kind, message = value.get("code"), value.get("type"), value.get("message")
    return Reported(
        status,
        code if isinstance(code, str) else None,
        kind if isinstance(kind, str) and kind != "error" else None,  # "error" is the type of the event itself
        message if isinstance(message, str) else "",
    )


_WORD = re.compile(r"[\w.:-]{1,128}", re.ASCII)


def _word(value: str | None) -> str | None:
    """A code or id as OpenAI sent it; None for anything that could be a text."""
    return value if value is not None and _WORD.fullmatch(value) else None


_TRY_AGAIN_IN = re.compile(r"try again in ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)", re.IGNORECASE)
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)", re.IGNORECASE)
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def retry_after(headers: Mapping[str, str], message: str, now: float) -> float | None:
    """Seconds that OpenAI asks to wait, None when it names no time (openai.md 5, 5.1).

    By precedence: `retry-after-ms`, `Retry-After` as a number of seconds or a date, the message of a rate limit.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    header = headers.get("retry-after")
    seconds = _number(header)
    if seconds is None and header is not None:
        seconds = _seconds_until(header, now)
    if seconds is not None:
        return seconds
    found = _TRY_AGAIN_IN.search(message)
    return None if found is None else duration_seconds(found[1])


# OpenAI says when a limit is whole again. Where that is further away than this, a part of it is there much sooner.
_NEAR_RESET = 15.0
_LIMITS = ("requests", "tokens", "project-tokens")


def exhausted_for(headers: Mapping[str, str]) -> float | None:
    """Seconds for which this key has nothing left, by the headers of a success; None where it has (openai.md 5)."""
    waits = [_reset_wait(headers, limit) for limit in _LIMITS if headers.get(f"x-ratelimit-remaining-{limit}") == "0"]
    return max(waits, default=None)


def _reset_wait(headers: Mapping[str, str], limit: str) -> float:
    stated = headers.get(f"x-ratelimit-reset-{limit}", "")
    seconds = _number(stated)  # Azure sends plain seconds
    if seconds is None:
        seconds = duration_seconds(stated)
    if seconds <= _NEAR_RESET:
        return seconds
    whole = _number(headers.get(f"x-ratelimit-limit-{limit}")) or 1.0
    return max(_NEAR_RESET, seconds / whole)


def duration_seconds(text: str) -> float:
    """Seconds of a duration such as `20ms`, `1.146s`, `6m0s` or `1h30m0s`."""
    return sum(float(amount) * _UNIT_SECONDS[unit.lower()] for amount, unit in _DURATION_PART.findall(text))


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _seconds_until(date: str, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, OverflowError):
        return None
