"""The figures and stories that people and programs ask for, as plain documents (contract 1)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.domain.accounts import Account, AccountUnknown
from app.domain.audit import recomputed
from app.domain.quota import remaining
from app.domain.turn import Turn
from app.domain.turn_search import FoundTurn
from app.services.ports import Accounts, Ledger, TurnArchive
from app.services.usage_reporting import UsageReporting


class TurnUnknown(Exception):
    """No turn has this id, or it is no longer kept."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"no turn has the id {request_id}, or it is no longer kept")


@dataclass(frozen=True, slots=True)
class Reporting:
    """Reads, and changes nothing. Every method raises StoreUnavailable."""

    accounts: Accounts
    ledger: Ledger
    turns: TurnArchive
    figures: UsageReporting

    def usage(self, account_id: int, period: str | None) -> dict[str, Any]:
        """The figures of a month, `YYYY-MM`; None for the one it is where the account lives. Raises AccountUnknown."""
        account = self._account(account_id)
        month = period or self.ledger.period_now(account.zone)
        counters = self.ledger.counters(account, month)
        return {
            "account_id": account_id,
            "period": month,
            "plan": counters.plan,
            "allowance": counters.allowance,
            "boosts": counters.boosts,
            "used": counters.used,
            "reserved": counters.reserved,
            "remaining": remaining(counters.allowance, counters.boosts, counters.used, counters.reserved),
            **self.figures.of(account, month),
        }

    def minutes(self, account_id: int, period: str | None) -> Iterator[dict[str, Any]]:
        """The minutes of a month in which OpenAI was asked, oldest first. Raises AccountUnknown."""
        account = self._account(account_id)
        yield from self.figures.minutes(account, period or self.ledger.period_now(account.zone))

    def entries(self, account_id: int, period: str | None) -> Iterator[dict[str, Any]]:
        """The ledger of a month, oldest first. Raises AccountUnknown."""
        account = self._account(account_id)
        for entry in self.ledger.entries(account_id, period or self.ledger.period_now(account.zone)):
            yield {
                "at": iso(entry.at),
                "request_id": entry.request_id or None,
                "kind": entry.kind,
                "requests": entry.requests,
                "reason": entry.reason,
            }

    def audit(self, account_id: int, period: str | None, *, rebuild: bool) -> dict[str, Any]:
        """Compare a month's counters with its ledger; with rebuild, mend them. Raises AccountUnknown.

        A turn that is charged between the two looks shows as a difference that is gone at the next one.
        """
        account = self._account(account_id)
        month = period or self.ledger.period_now(account.zone)
        stored = self.ledger.stored(account_id, month)
        right = recomputed(self.ledger.entries(account_id, month))
        differences = {
            name: {"stored": getattr(stored, name), "ledger": getattr(right, name)}
            for name in ("allowance", "used", "reserved", "boosts")
            if getattr(stored, name) != getattr(right, name)
        }
        if rebuild and differences:
            self.ledger.rebuild(account_id, month, right)
        mended = bool(rebuild and differences)
        return {"account_id": account_id, "period": month, "differences": differences, "rebuilt": mended}

    def turn(self, request_id: str) -> dict[str, Any]:
        """What happened to one turn, with its steps; no text of the client or the assistant. Raises TurnUnknown."""
        turn = self.turns.read(request_id)
        if turn is None:
            raise TurnUnknown(request_id)
        steps = [{**step, "at": iso(step["at"])} for step in self.turns.steps(request_id)]
        replayed_at = iso(turn.replayed_at) if turn.replayed_at else None
        times = {"deadline_at": iso(turn.deadline_at), "replayed_at": replayed_at, "replays": turn.replays}
        return {**summary(turn), **times, "steps": steps}

    def _account(self, account_id: int) -> Account:
        account = self.accounts.get(account_id)
        if account is None:
            raise AccountUnknown(account_id)
        return account


def iso(milliseconds: int) -> str:
    """A moment as ISO 8601 in UTC, to the millisecond."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def summary(turn: Turn | FoundTurn) -> dict[str, Any]:
    """What a list and the head of a story tell of a turn."""
    return {
        "request_id": turn.request_id,
        "account_id": turn.account_id,
        "status": turn.status,
        "error_code": turn.error_code,
        "accepted_at": iso(turn.accepted_at),
        "handler": turn.handler,
        "origin": turn.origin,
        "requests": turn.weight,
        "charge": turn.charge,
        "attempts": turn.attempts,
    }
