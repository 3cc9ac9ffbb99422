"""What the audit log of the console holds: who did what, when, to what, and how it ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Operation(StrEnum):
    """What an operator can do that the audit log tells of. Each has a text in the console's catalogues."""

    LOGIN = "login"
    LOGOUT = "logout"
    LOGIN_LOCKED = "login_locked"
    JOB_REQUEUED = "job_requeued"
    JOB_DELETED = "job_deleted"
    JOBS_REQUEUED = "jobs_requeued"
    QUEUE_EMPTIED = "queue_emptied"
    QUEUE_COMPACTED = "queue_compacted"
    ACCOUNT_PAUSED = "account_paused"
    ACCOUNT_RESUMED = "account_resumed"
    ACCOUNT_CHECKED = "account_checked"
    PLAN_CHANGED = "plan_changed"
    BOOST_ADDED = "boost_added"
    BOOST_VOIDED = "boost_voided"
    TURN_REPLAYED = "turn_replayed"
    BATCH_BEGUN = "batch_begun"
    BATCH_STOPPED = "batch_stopped"


class Outcome(StrEnum):
    """How it ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log. It holds ids and figures, never a secret or a client's text.

    at: milliseconds since the epoch. address: where the operator's browser is.
    account_id, request_id: what it was done to, None where it was neither an account nor a turn.
    detail: further ids or figures, such as `turns/failed` or `basico → pro`; empty where there are none.
    """

    at: int
    operator: str
    address: str
    operation: Operation
    outcome: Outcome = Outcome.DONE
    account_id: int | None = None
    request_id: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Lines of the audit log, newest first. older: the cursor of the page after this one, None for the last page."""

    entries: Sequence[AuditEntry]
    older: str | None
