"""Kommo as the flows need it: the continue call and notes on leads. The port is `Crm`."""

import re
from collections.abc import Iterator, Mapping
from email.utils import mktime_tz, parsedate_tz
from typing import Any

from app.clients.http import NetworkFault, PartnerSession, Reply
from app.clients.kommo_transport import MAYBE_ARRIVED, SENDABLE_TOKEN, JsonObject, KommoTransport, document
from app.domain.answers import Deadline
from app.domain.delivery import CallOutcome, Verdict

# What a status means (contract 5). Where a status is not listed, its family decides.
_VERDICTS = {
    400: Verdict.BODY_REFUSED,
    401: Verdict.TOKEN_REFUSED,
    404: Verdict.NOT_WAITING,
    429: Verdict.TRY_LATER,
}
_FAMILIES = {2: Verdict.ACCEPTED, 5: Verdict.TRY_LATER}

_SECONDS = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
# A validation code or path. Anything longer or with other signs might be a text of ours that came back.
_CODE = re.compile(r"[\w .\[\]-]{1,80}", re.ASCII)
_MOST_CODES = 10


class KommoClient:
    """Fills the port `Crm`. Safe to share between threads."""

    def __init__(self, sessions: Mapping[str, PartnerSession], connect_timeout: float, read_timeout: float) -> None:
        """sessions: one for each egress address, by its name.

        connect_timeout: seconds for name, TCP and TLS together. read_timeout: the longest silence, in seconds.
        """
        self._transports = {
            egress: KommoTransport(session, connect_timeout, read_timeout) for egress, session in sessions.items()
        }

    def continue_bot(
        self, return_url: str, body: dict[str, Any], access_token: str, deadline: Deadline, egress: str
    ) -> CallOutcome:
        """POST the continue call once (kommo.md 3.1)."""
        return self._post(return_url, body, access_token, deadline, egress)

    def add_note(
        self, origin: str, lead_id: int, text: str, note_key: str, access_token: str, deadline: Deadline, egress: str
    ) -> CallOutcome:
        """Write a common note on a lead (kommo.md 8.3).

        note_key: Kommo repeats it in its answer; it does not keep a second note from being written.
        NOT_WAITING means that there is no such lead.
        """
        note = {
            "note_type": "common",
            "params": {"text": text},
            "request_id": note_key,
            "is_need_to_trigger_digital_pipeline": False,
        }
        return self._post(f"{origin}/api/v4/leads/{lead_id}/notes", [note], access_token, deadline, egress)

    def _post(self, url: str, body: Any, access_token: str, deadline: Deadline, egress: str) -> CallOutcome:
        if not SENDABLE_TOKEN.match(access_token):
            return CallOutcome(Verdict.TOKEN_REFUSED, detail="malformed_token")
        try:
            with self._transports[egress].post(url, body, deadline, access_token) as reply:
                return _outcome(reply, deadline.clock())
        except NetworkFault as fault:
            arrived = fault.fault in MAYBE_ARRIVED
            return CallOutcome(Verdict.TRY_LATER, maybe_arrived=arrived, detail=fault.detail)


def _outcome(reply: Reply, now: float) -> CallOutcome:
    """Translate an answer; the body is read only where it says more than the status."""
    status = reply.status
    verdict = _VERDICTS.get(status) or _FAMILIES.get(status // 100, Verdict.GIVEN_UP)
    if verdict is Verdict.BODY_REFUSED:
        return CallOutcome(verdict, status, detail=_validation_codes(document(reply)))
    if verdict is Verdict.TRY_LATER:
        wait = _header_wait(reply.headers.get("Retry-After", ""), now)
        if wait is None:
            wait = _body_wait(document(reply))
        # 429 is said instead of doing it; after a 5xx nobody knows (kommo.md 3.4).
        return CallOutcome(verdict, status, retry_after=wait, maybe_arrived=status != 429)
    reply.finish()
    return CallOutcome(verdict, status)


def _header_wait(value: str, now: float) -> float | None:
    """Seconds that `Retry-After` names, as a number or as a date."""
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value)
    date = parsedate_tz(value)
    if date is None:
        return None
    try:
        return max(0.0, mktime_tz(date) - now)
    except (ValueError, OverflowError):  # a day or year that no calendar has
        return None


def _body_wait(problem: JsonObject) -> float | None:
    """Seconds that the `retry_after` of the body names (kommo.md 8.8)."""
    named = str(problem.get("retry_after", ""))
    return float(named) if _SECONDS.fullmatch(named) else None


def _validation_codes(problem: JsonObject) -> str:
    """Kommo's codes with their paths, such as `TooLong execute_handlers.params.value; TooFew execute_handlers`."""
    codes = [f"{code} {path}".rstrip() for code, path in _validation_errors(problem)]
    return "; ".join(codes[:_MOST_CODES])


def _validation_errors(problem: JsonObject) -> Iterator[tuple[str, str]]:
    for entry in _objects(problem.get("validation-errors")):
        for error in _objects(entry.get("errors")):
            code, path = (_if_code(error.get(name)) for name in ("code", "path"))
            if code:
                yield code, path


def _objects(value: object) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _if_code(value: object) -> str:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""
