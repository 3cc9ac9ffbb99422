"""The audit log of the console: a stream, so that a page costs what it shows however long the log is."""

import re
from typing import Any, cast

from redis import Redis

from app.domain.audit_log import AuditEntry, AuditPage, Operation, Outcome
from app.storage import keys
from app.storage.availability import availability

# Whichever comes first; about 20 MB at the most.
KEPT_DAYS = 400
MOST_KEPT = 100_000
_DAY_MS = 24 * 3600 * 1000
_CURSOR = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")


class RedisAuditLog:
    """Every method raises StoreUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def write(self, entry: AuditEntry) -> None:
        """Add a line, and let go of those that are too old or too many."""
        with availability(), self._redis.pipeline(transaction=False) as pipe:
            pipe.xadd(keys.audit_log(), _fields(entry), maxlen=MOST_KEPT, approximate=True)
            pipe.xtrim(keys.audit_log(), minid=max(0, entry.at - KEPT_DAYS * _DAY_MS), approximate=True)
            pipe.execute()

    def page(self, older_than: str | None, size: int) -> AuditPage:
        """The newest lines, or those that follow the cursor of another page.

        Raises ValueError for what is no cursor.
        """
        newest = "+" if older_than is None else f"({_cursor(older_than)}"
        with availability():
            raw = self._redis.xrevrange(keys.audit_log(), newest, "-", count=size + 1)
        found = cast("list[tuple[bytes, dict[bytes, bytes]]]", raw)
        shown = found[:size]
        older = shown[-1][0].decode() if len(found) > size else None
        return AuditPage([_entry(fields) for _, fields in shown], older)


def _cursor(text: str) -> str:
    if not _CURSOR.fullmatch(text):
        raise ValueError("no cursor of the audit log")
    return text


def _fields(entry: AuditEntry) -> dict[Any, Any]:
    fields = {
        "at": str(entry.at),
        "operator": entry.operator,
        "address": entry.address,
        "operation": entry.operation.value,
        "outcome": entry.outcome.value,
    }
    if entry.account_id is not None:
        fields["account"] = str(entry.account_id)
    if entry.request_id is not None:
        fields["turn"] = entry.request_id
    if entry.detail:
        fields["detail"] = entry.detail
    return fields


def _entry(fields: dict[bytes, bytes]) -> AuditEntry:
    told = {name.decode(): value.decode() for name, value in fields.items()}
    return AuditEntry(
        at=int(told["at"]),
        operator=told["operator"],
        address=told["address"],
        operation=Operation(told["operation"]),
        outcome=Outcome(told["outcome"]),
        account_id=int(told["account"]) if "account" in told else None,
        request_id=told.get("turn"),
        detail=told.get("detail", ""),
    )
