"""What is read for a month of an account, and what stands for its contacts."""

import re
from datetime import UTC, datetime

from app.domain.usage_figures import DayFigures, Minute
from app.services.usage_reporting import UsageReporting
from tests.builders import an_account
from tests.unit.services.ports_in_memory import FakeUsageFigures

BEGIN, END = datetime(2026, 11, 1, 3, 0, tzinfo=UTC), datetime(2026, 12, 1, 3, 0, tzinfo=UTC)


def test_a_month_is_that_of_the_account() -> None:
    figures = FakeUsageFigures(
        {day: DayFigures(day, hours={1: 1}) for day in ("2026-10-31", "2026-11-01", "2026-11-30", "2026-12-01")},
        [Minute(at, "gpt-6-luna", 1, 1) for at in (BEGIN.replace(hour=2), BEGIN, END.replace(hour=2), END)],
    )
    reporting = UsageReporting(figures, b"key")
    document = reporting.of(an_account(), "2026-11")
    assert [row["day"] for row in document["by_day"] if row["requests"]] == ["2026-11-01", "2026-11-30"]
    assert document["rate"][0]["minutes"] == 2
    assert [row["minute"] for row in reporting.minutes(an_account(), "2026-11")] == [
        "2026-11-01T03:00Z",
        "2026-12-01T02:00Z",
    ]


def test_a_contact_is_told_by_a_hash_that_only_this_installation_makes() -> None:
    figures = FakeUsageFigures({"2026-11-02": DayFigures("2026-11-02", contacts={"contact-4711": 3, "": 1})})
    ours, theirs = (UsageReporting(figures, key).of(an_account(), "2026-11") for key in (b"ours", b"theirs"))
    named, unnamed = ours["by_contact"]
    assert re.fullmatch(r"[0-9a-f]{16}", named["contact"])
    assert unnamed == {"contact": None, "requests": 1}
    assert "4711" not in str(ours)
    assert ours["by_contact"] != theirs["by_contact"]
    assert ours == UsageReporting(figures, b"ours").of(an_account(), "2026-11")


def test_the_same_contact_id_in_two_accounts_is_two_contacts() -> None:
    reporting = UsageReporting(FakeUsageFigures(), b"key")
    assert reporting.pseudonym(1, "contact-1") != reporting.pseudonym(2, "contact-1")
