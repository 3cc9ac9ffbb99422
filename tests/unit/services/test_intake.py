"""What is decided about a genuine webhook before it is accepted (contract 4, 6 and 7)."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.acceptance import Acceptance, AccountChanged
from app.domain.accounts import Account, AccountUnknown
from app.domain.failures import Failure
from app.domain.quota import ContactLimit
from app.domain.return_url import ContinueUrl, Origin
from app.domain.turn import AcceptResult, AcceptStatus, NewTurn, Timing
from app.domain.webhook import TokenClaims, Webhook, WebhookData
from app.services.intake import Intake
from app.services.metering import Counting
from tests.builders import NOW_MS, an_account
from tests.unit.services.ports_in_memory import NOW, FakeTurns

ACCOUNT = an_account(version=7)
ORIGIN = Origin("https", "acme.kommo.com", 443)


def a_webhook(*, entity: tuple[str | None, str | None] = ("2", "777"), **data: Any) -> Webhook:
    fields = {"message": "Quanto custa?", **data}
    claims = TokenClaims(31000001, "client", ORIGIN, entity_type=entity[0], entity_id=entity[1])
    return Webhook(claims, WebhookData(**fields), ContinueUrl(ORIGIN, "salesbot", "321", "123"))


@dataclass
class Door:
    answers: list[AcceptResult] = field(default_factory=list)
    now: float = NOW

    def __post_init__(self) -> None:
        self.turns = FakeTurns(answers=self.answers)
        self.counting = Counting()

    def accept(self, account: Account = ACCOUNT, webhook: Webhook | None = None) -> Acceptance:
        intake = Intake(self.turns, Timing(turn=50.0, patience=120.0), lambda: self.now, self.counting)
        return intake.accept(account, webhook or a_webhook())

    def turn(self, account: Account = ACCOUNT, webhook: Webhook | None = None) -> NewTurn:
        self.accept(account, webhook)
        return self.turns.accepted[-1]


def test_a_webhook_becomes_a_turn_with_all_that_it_needs() -> None:
    data: dict[str, Any] = {
        "instructions": "Seja breve.",
        "contact_id": "5551",
        "lead_id": "888",
        "origin": "whatsapp",
        "handler": "ai_summary",
    }
    door = Door()
    turn = door.turn(replace(ACCOUNT, weights={"ai_summary": 2}), a_webhook(**data))
    assert turn == NewTurn(
        request_id=turn.request_id,
        account_id=31000001,
        account_version=7,
        accepted_at=NOW_MS,
        deadline_at=NOW_MS + 50_000,
        period="2025-11",
        day="2025-11-21",
        hour=22,
        weight=2,
        return_url="https://acme.kommo.com/api/v4/salesbot/321/continue/123",
        line="contact-5551",
        handler="ai_summary",
        origin="whatsapp",
        note_lead_id=777,
        message="Quanto custa?",
        instructions="Seja breve.",
    )


def test_what_is_accepted_is_said_with_its_id() -> None:
    door = Door()
    accepted = door.accept()
    assert accepted == Acceptance("accepted", door.turns.accepted[0].request_id)


def test_ids_differ_and_sort_by_time() -> None:
    door = Door()
    ids = []
    for second in range(5):
        door.now = NOW + second
        ids.append(door.accept().request_id)
    assert ids == sorted(set(ids))


@pytest.mark.parametrize("refusal", [None, Failure.PLAN_QUOTA], ids=["charged", "refused"])
def test_a_refusal_is_accepted_too_for_it_is_answered_through_the_bot(refusal: Failure | None) -> None:
    door = Door([AcceptResult(AcceptStatus.ACCEPTED, "r1", refusal)])
    assert door.accept() == Acceptance("accepted", "r1")


def test_a_duplicate_is_said_with_the_first_id() -> None:
    assert Door([AcceptResult(AcceptStatus.DUPLICATE, "first")]).accept() == Acceptance("duplicate", "first")


def test_our_own_repetition_to_redis_is_no_duplicate() -> None:
    door = Door()

    def stored_before(new: NewTurn) -> AcceptResult:
        return AcceptResult(AcceptStatus.DUPLICATE, new.request_id)

    door.turns.accept = stored_before  # type: ignore[method-assign]
    assert door.accept().status == "accepted"


@pytest.mark.parametrize(
    ("status", "error"), [(AcceptStatus.NOT_INSTALLED, AccountUnknown), (AcceptStatus.STALE, AccountChanged)]
)
def test_an_account_that_is_not_any_more_what_it_was_accepts_nothing(
    status: AcceptStatus, error: type[Exception]
) -> None:
    with pytest.raises(error):
        Door([AcceptResult(status)]).accept()


# --- refusals that need no counter ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paused", "message", "refusal"),
    [
        (False, "Oi", None),
        (False, "Meu nome é {{contact.name}}", None),
        (False, "", Failure.NO_MESSAGE),
        (False, " \n\u200b", Failure.NO_MESSAGE),
        (False, "{{message_text}}", Failure.NO_MESSAGE),
        (True, "Oi", Failure.ACCOUNT_PAUSED),
        (True, "", Failure.ACCOUNT_PAUSED),
    ],
)
def test_some_webhooks_are_refused_at_sight(paused: bool, message: str, refusal: Failure | None) -> None:
    turn = Door().turn(replace(ACCOUNT, paused=paused), a_webhook(message=message, instructions="Seja breve."))
    assert turn.refusal is refusal
    # Nothing is kept of what nobody will be asked.
    assert (turn.message, turn.instructions) == (("", "") if refusal else (message, "Seja breve."))


# --- whose turn it is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact_id", "entity", "line"),
    [
        ("5551", ("2", "777"), "contact-5551"),
        (None, ("2", "777"), "entity-2-777"),
        (None, ("12", "777"), "entity-12-777"),
        (None, (None, None), None),
    ],
)
def test_a_conversation_is_the_contacts_else_the_entitys(
    contact_id: str | None, entity: tuple[str | None, str | None], line: str | None
) -> None:
    assert Door().turn(webhook=a_webhook(contact_id=contact_id, entity=entity)).line == line


@pytest.mark.parametrize("limit", [None, 3])
@pytest.mark.parametrize(("contact_id", "entity"), [("5551", ("2", "777")), (None, ("2", "777")), (None, (None, None))])
def test_a_contact_is_counted_where_the_account_limits_it_and_it_is_known(
    limit: int | None, contact_id: str | None, entity: tuple[str | None, str | None]
) -> None:
    turn = Door().turn(replace(ACCOUNT, contact_daily_limit=limit), a_webhook(contact_id=contact_id, entity=entity))
    counted = limit is not None and turn.line is not None
    assert turn.contact_limits == ((ContactLimit("2025-11-21", 3, 3),) if counted else ())


def test_a_contact_has_a_day_a_week_from_monday_and_a_month() -> None:
    account = replace(ACCOUNT, contact_daily_limit=1, contact_weekly_limit=2, contact_monthly_limit=3)
    assert Door().turn(account, a_webhook(contact_id="5551")).contact_limits == (
        ContactLimit("2025-11-21", 1, 3),
        ContactLimit("2025-W47", 2, 10),
        ContactLimit("2025-11", 3, 40),
    )


# --- when it is -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "timezone", "period", "day"),
    [
        # Midnight in São Paulo is three in the morning of UTC.
        ("2025-12-01T02:59:59+00:00", "America/Sao_Paulo", "2025-11", "2025-11-30"),
        ("2025-12-01T03:00:00+00:00", "America/Sao_Paulo", "2025-12", "2025-12-01"),
        ("2025-11-30T23:59:59+00:00", "UTC", "2025-11", "2025-11-30"),
        ("2025-12-01T00:00:00+00:00", "UTC", "2025-12", "2025-12-01"),
        ("2025-12-31T10:00:00+00:00", "Pacific/Kiritimati", "2026-01", "2026-01-01"),
        ("2026-03-01T01:00:00+00:00", "America/Los_Angeles", "2026-02", "2026-02-28"),
    ],
)
def test_the_month_and_the_day_are_those_of_the_account(moment: str, timezone: str, period: str, day: str) -> None:
    door = Door(now=datetime.fromisoformat(moment).astimezone(UTC).timestamp())
    turn = door.turn(replace(ACCOUNT, timezone=timezone))
    assert (turn.period, turn.day) == (period, day)


# --- what is counted ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "counted"),
    [
        (AcceptResult(AcceptStatus.ACCEPTED, "r-1"), {"bytegpt_turns_accepted": 1}),
        (AcceptResult(AcceptStatus.ACCEPTED, "r-1", Failure.PLAN_QUOTA), {"bytegpt_turns_refused|plan_quota": 1}),
        (AcceptResult(AcceptStatus.DUPLICATE, "the first one's"), {}),
    ],
    ids=["charged", "refused", "duplicate"],
)
def test_a_turn_is_counted_once_by_what_became_of_its_charge(answer: AcceptResult, counted: dict[str, int]) -> None:
    door = Door([answer])
    door.accept()
    assert door.counting.taken() == counted


@pytest.mark.parametrize("status", [AcceptStatus.NOT_INSTALLED, AcceptStatus.STALE])
def test_what_was_not_accepted_is_not_counted(status: AcceptStatus) -> None:
    door = Door([AcceptResult(status)])
    with pytest.raises((AccountUnknown, AccountChanged)):
        door.accept()
    assert door.counting.taken() == {}
