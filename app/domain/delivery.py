"""What became of a call to Kommo, and what to do next (contract 5)."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What one answer of Kommo, or its absence, means."""

    ACCEPTED = "accepted"
    NOT_WAITING = "not_waiting"  # 404: a human took over, or an earlier call of ours had arrived
    TOKEN_REFUSED = "token_refused"  # 401
    BODY_REFUSED = "body_refused"  # 400
    TRY_LATER = "try_later"  # 429, 5xx, no connection, no answer
    GIVEN_UP = "given_up"  # 3xx, 402, 403 and whatever else will not change by trying again


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """One call to Kommo.

    status: the HTTP status, None when no answer came.
    retry_after: seconds Kommo asked to wait, None when it named no time.
    maybe_arrived: the request left us and nothing says that Kommo did not act on it.
    detail: Kommo's validation codes or our own word for a network fault; no text of ours, no token.
    """

    verdict: Verdict
    status: int | None = None
    retry_after: float | None = None
    maybe_arrived: bool = False
    detail: str = ""
