"""The figures as documents."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.domain.usage_figures import DayFigures, Minute, ModelFigures
from app.services.usage_documents import minute_document, rate_documents, usage_document

LUNA = ModelFigures("gpt-6-luna", "gpt-6-luna@start", "exact", 2, 1000, 400, 300, 100, 50, 150_000)
SOL = ModelFigures("gpt-6.2-sol", "gpt-6.2-sol@2026-11-17", "estimated", 1, 10, nano_dollars=20_000_000)
OWN = ModelFigures("acme-7b", None, "unknown", 1, 10)
BEGIN = datetime(2026, 11, 3, 12, 0, tzinfo=UTC)


def document_of(*days: DayFigures, period: str = "2026-11") -> dict[str, Any]:
    return usage_document(period, days, lambda contact: f"hash of {contact}")


def a_minute(number: int, requests: int, tokens: int, model: str | None = "gpt-6-luna") -> Minute:
    return Minute(BEGIN + timedelta(minutes=number), model, requests, tokens)


def test_a_month_without_figures_says_so() -> None:
    assert document_of() == {
        "tokens_input": 0,
        "tokens_cached": 0,
        "tokens_written": 0,
        "tokens_output": 0,
        "tokens_reasoning": 0,
        "dollars": "0.00",
        "grade": "exact",
        "contacts": 0,
        "by_day": [],
        "by_hour": [],
        "by_handler": [],
        "by_contact": [],
        "by_outcome": [],
        "by_model": [],
    }


def test_days_run_from_the_first_of_the_month_to_the_last_one_with_figures() -> None:
    first = DayFigures("2026-11-02", outcomes={"answered": 2}, hours={9: 4}, models=(LUNA,))
    last = DayFigures("2026-11-04", outcomes={"openai_quota": 1, "plan_quota": 2})
    days = document_of(first, last)["by_day"]
    nothing = {
        "requests": 0,
        "answers": 0,
        "failed": 0,
        "refused": 0,
        "tokens_input": 0,
        "tokens_cached": 0,
        "tokens_written": 0,
        "tokens_output": 0,
        "tokens_reasoning": 0,
        "dollars": "0.00",
        "grade": "exact",
    }
    assert days == [
        {"day": "2026-11-01", **nothing},
        {
            "day": "2026-11-02",
            "requests": 4,
            "answers": 2,
            "failed": 0,
            "refused": 0,
            "tokens_input": 1000,
            "tokens_cached": 400,
            "tokens_written": 300,
            "tokens_output": 100,
            "tokens_reasoning": 50,
            "dollars": "0.00015",
            "grade": "exact",
        },
        {"day": "2026-11-03", **nothing},
        {"day": "2026-11-04", **nothing, "failed": 1, "refused": 2},
    ]


def test_all_hours_are_told_once_there_is_one() -> None:
    hours = document_of(DayFigures("2026-11-02", hours={9: 4}), DayFigures("2026-11-03", hours={9: 1, 23: 2}))
    assert [row["hour"] for row in hours["by_hour"]] == list(range(24))
    assert {row["hour"]: row["requests"] for row in hours["by_hour"] if row["requests"]} == {9: 5, 23: 2}


def test_handlers_and_contacts_are_ranked_and_the_rest_comes_last() -> None:
    document = document_of(
        DayFigures("2026-11-02", handlers={"b": 3, "a": 3, "": 1}, contacts={"contact-1": 2, "": 5}, other_handlers=9),
        DayFigures("2026-11-03", handlers={"b": 1}, contacts={"contact-1": 2, "contact-2": 1}, other_contacts=3),
    )
    assert document["by_handler"] == [
        {"handler": "b", "requests": 4},
        {"handler": "a", "requests": 3},
        {"handler": None, "requests": 1},
        {"handler": "*", "requests": 9},
    ]
    assert document["by_contact"] == [
        {"contact": None, "requests": 5},
        {"contact": "hash of contact-1", "requests": 4},
        {"contact": "hash of contact-2", "requests": 1},
        {"contact": "*", "requests": 3},
    ]
    assert document["contacts"] == 2


def test_outcomes_are_turns() -> None:
    document = document_of(
        DayFigures("2026-11-02", outcomes={"answered": 2, "busy": 3}),
        DayFigures("2026-11-03", outcomes={"answered": 1}),
    )
    assert document["by_outcome"] == [{"outcome": "answered", "turns": 3}, {"outcome": "busy", "turns": 3}]


def test_models_are_added_up_by_price() -> None:
    document = document_of(DayFigures("2026-11-02", models=(LUNA, SOL)), DayFigures("2026-11-03", models=(LUNA, OWN)))
    assert document["by_model"] == [
        {
            "model": "gpt-6.2-sol",
            "price_id": "gpt-6.2-sol@2026-11-17",
            "answers": 1,
            "tokens_input": 10,
            "tokens_cached": 0,
            "tokens_written": 0,
            "tokens_output": 0,
            "tokens_reasoning": 0,
            "dollars": "0.02",
            "grade": "estimated",
        },
        {
            "model": "gpt-6-luna",
            "price_id": "gpt-6-luna@start",
            "answers": 4,
            "tokens_input": 2000,
            "tokens_cached": 800,
            "tokens_written": 600,
            "tokens_output": 200,
            "tokens_reasoning": 100,
            "dollars": "0.0003",
            "grade": "exact",
        },
        {
            "model": "acme-7b",
            "price_id": None,
            "answers": 1,
            "tokens_input": 10,
            "tokens_cached": 0,
            "tokens_written": 0,
            "tokens_output": 0,
            "tokens_reasoning": 0,
            "dollars": None,
            "grade": "unknown",
        },
    ]


@pytest.mark.parametrize(
    ("models", "dollars", "grade"),
    [
        ((LUNA,), "0.00015", "exact"),
        ((LUNA, SOL), "0.02015", "estimated"),
        ((LUNA, SOL, OWN), "0.02015", "unknown"),
        ((OWN,), None, "unknown"),
    ],
    ids=["exact", "estimated", "in part unknown", "unknown"],
)
def test_the_grade_of_a_sum_is_the_worst_of_its_parts(
    models: tuple[ModelFigures, ...], dollars: str | None, grade: str
) -> None:
    document = document_of(DayFigures("2026-11-02", models=models))
    assert (document["dollars"], document["grade"]) == (dollars, grade)
    assert (document["by_day"][-1]["dollars"], document["by_day"][-1]["grade"]) == (dollars, grade)


def test_money_by_day_and_by_model_is_the_same_money() -> None:
    days = [DayFigures(f"2026-11-{day:02d}", models=(LUNA, SOL, OWN)) for day in range(1, 31)]
    document = document_of(*days)
    for rows in (document["by_day"], document["by_model"]):
        assert sum(Decimal(row["dollars"] or 0) for row in rows) == Decimal(document["dollars"])


def test_a_rate_has_its_peaks_and_means_over_the_minutes_of_use() -> None:
    minutes = [a_minute(0, 2, 100), a_minute(1, 5, 90), a_minute(600, 1, 500), a_minute(601, 0, 10)]
    assert rate_documents(minutes, [DayFigures("2026-11-03", models=(LUNA,))]) == [
        {
            "model": "gpt-6-luna",
            "minutes": 4,
            "requests": 8,
            "tokens": 700,
            "peak_requests": 5,
            "peak_requests_at": "2026-11-03T12:01Z",
            "mean_requests": 2.0,
            "peak_tokens": 500,
            "peak_tokens_at": "2026-11-03T22:00Z",
            "mean_tokens": 175.0,
            "dollars_per_peak_hour": "0.0225",
        }
    ]


def test_rates_are_told_for_each_model_the_busiest_first() -> None:
    minutes = [a_minute(0, 1, 0), a_minute(0, 9, 0, "gpt-6-sol"), a_minute(0, 1, 0, None)]
    assert [rate["model"] for rate in rate_documents(minutes, [])] == ["gpt-6-sol", "*", "gpt-6-luna"]


@pytest.mark.parametrize(
    ("models", "dollars"),
    [
        ((ModelFigures("gpt-6-luna-2026-10-01", "gpt-6-luna@start", "exact", 1, nano_dollars=10**9),), "60.00"),
        ((ModelFigures("gpt-6-luna", None, "unknown", 1),), None),
        ((LUNA, ModelFigures("gpt-6-luna", None, "unknown", 1)), None),
        ((), None),
    ],
    ids=["a dated snapshot", "unknown", "in part unknown", "never answered"],
)
def test_an_hour_at_the_peak_is_priced_where_every_answer_was(
    models: tuple[ModelFigures, ...], dollars: str | None
) -> None:
    (rate,) = rate_documents([a_minute(0, 1, 5)], [DayFigures("2026-11-03", models=models)])
    assert rate["dollars_per_peak_hour"] == dollars


def test_a_minute_is_told_in_utc() -> None:
    assert minute_document(a_minute(1, 2, 3, None)) == {
        "minute": "2026-11-03T12:01Z",
        "model": "*",
        "requests": 2,
        "tokens": 3,
    }
