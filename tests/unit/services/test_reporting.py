"""The figures and stories that operators get, as documents (contract 1)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.domain.accounts import Account, AccountUnknown
from app.domain.audit import Recomputed
from app.domain.quota import Counters, Entry
from app.domain.turn import Charge, Status, Turn
from app.services.reporting import Reporting, TurnUnknown, iso
from app.services.usage_reporting import UsageReporting
from tests.builders import NOW_MS, an_account
from tests.unit.services.ports_in_memory import FakeAccounts, FakeUsageFigures, a_turn

ACCOUNT = an_account(timezone="UTC")
DELIVERED = a_turn(request_id="r3", status=Status.DELIVERED, charge=Charge.SETTLED, attempts=2, answer="Custa 5.")


@dataclass
class FakeLedger:
    months: dict[str, Counters] = field(default_factory=dict)
    kept: list[Entry] = field(default_factory=list)

    def period_now(self, zone: ZoneInfo) -> str:
        return {"UTC": "2025-11"}[zone.key]

    def counters(self, account: Account, period: str) -> Counters:
        return self.months[period]

    def stored(self, account_id: int, period: str) -> Recomputed:
        return Recomputed()

    def rebuild(self, account_id: int, period: str, right: Recomputed) -> None:
        raise AssertionError("nothing here is rebuilt")

    def entries(self, account_id: int, period: str) -> Iterator[Entry]:
        assert period == "2025-11"
        yield from self.kept


@dataclass
class FakeArchive:
    turns: list[Turn] = field(default_factory=lambda: [DELIVERED])

    def read(self, request_id: str) -> Turn | None:
        return next((turn for turn in self.turns if turn.request_id == request_id), None)

    def steps(self, request_id: str) -> list[dict[str, Any]]:
        return [{"at": NOW_MS, "step": "accepted"}, {"at": NOW_MS + 12, "step": "retry", "wait": 0.5}]


def reporting(ledger: FakeLedger | None = None) -> Reporting:
    figures = UsageReporting(FakeUsageFigures(), b"key")
    return Reporting(FakeAccounts({ACCOUNT.account_id: ACCOUNT}), ledger or FakeLedger(), FakeArchive(), figures)


@pytest.mark.parametrize(
    ("counters", "remaining"),
    [
        (Counters("teste", 100), 100),
        (Counters("teste", 100, used=40, reserved=3), 57),
        (Counters("teste", 100, used=100), 0),
        (Counters("menor", 10, used=40, reserved=1), 0),
    ],
)
def test_usage_adds_up_and_never_goes_below_nothing(counters: Counters, remaining: int) -> None:
    figures = reporting(FakeLedger({"2025-11": counters})).usage(ACCOUNT.account_id, None)
    expected = {
        "account_id": ACCOUNT.account_id,
        "period": "2025-11",
        "plan": counters.plan,
        "allowance": counters.allowance,
        "boosts": 0,
        "used": counters.used,
        "reserved": counters.reserved,
        "remaining": remaining,
    }
    assert {name: figures[name] for name in expected} == expected
    assert figures["by_day"] == []


def test_another_month_can_be_asked_for() -> None:
    months = {"2025-10": Counters("antigo", 5), "2025-11": Counters("teste", 100)}
    assert reporting(FakeLedger(months)).usage(ACCOUNT.account_id, "2025-10")["plan"] == "antigo"


def test_entries_are_told_in_order_with_their_times() -> None:
    kept = [
        Entry(NOW_MS, "", "grant", 100, "teste"),
        Entry(NOW_MS + 5, "r1", "reserve", -1, "ai_reply"),
        Entry(NOW_MS + 9, "r1", "release", 1, "busy"),
    ]
    entries = list(reporting(FakeLedger(kept=kept)).entries(ACCOUNT.account_id, None))
    assert entries == [
        {"at": "2025-11-22T01:40:00.000Z", "request_id": None, "kind": "grant", "requests": 100, "reason": "teste"},
        {"at": "2025-11-22T01:40:00.005Z", "request_id": "r1", "kind": "reserve", "requests": -1, "reason": "ai_reply"},
        {"at": "2025-11-22T01:40:00.009Z", "request_id": "r1", "kind": "release", "requests": 1, "reason": "busy"},
    ]


def test_a_turn_is_told_with_its_steps_and_without_a_word_of_anybody() -> None:
    told = reporting().turn("r3")
    assert told == {
        "request_id": "r3",
        "account_id": ACCOUNT.account_id,
        "status": "delivered",
        "error_code": None,
        "accepted_at": iso(NOW_MS),
        "deadline_at": iso(NOW_MS + 50_000),
        "replayed_at": None,
        "replays": 0,
        "handler": "ai_reply",
        "origin": "whatsapp",
        "requests": 1,
        "charge": "settled",
        "attempts": 2,
        "steps": [
            {"at": iso(NOW_MS), "step": "accepted"},
            {"at": iso(NOW_MS + 12), "step": "retry", "wait": 0.5},
        ],
    }


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(TurnUnknown, match="r9"):
        reporting().turn("r9")
    with pytest.raises(AccountUnknown):
        reporting().usage(99, None)
    with pytest.raises(AccountUnknown):
        list(reporting().entries(99, None))
