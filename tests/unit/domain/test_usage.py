"""What one turn adds to the figures."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.answers import Answer, Usage
from app.domain.failures import Failure
from app.domain.prices import PriceBook, price_book
from app.domain.usage import Figures, Place, Rate, answered, attempted, ended

MOMENT = datetime(2026, 11, 21, 17, 30, tzinfo=UTC)
PLACE = Place("2026-11-21", 14, "ai_reply", "contact-1", 2)
PRICES = price_book(
    {
        "sources": {"page": "a page"},
        "price": [
            {"model": "gpt-x", "input": 2, "cached": 1, "output": 10, "grade": "exact", "source": "page"},
            {"model": "gpt-y", "input": 2, "cached": "unknown", "output": 10, "grade": "exact", "source": "page"},
        ],
    }
)
NO_PRICES = PriceBook({})


def an_answer(model: str | None = "gpt-x", usage: Usage | None = Usage(1000, 0, 50, 20)) -> Answer:  # noqa: B008
    return Answer("Custa 10 reais.", "resp_1", model=model, usage=usage)


def model_row(answer: Answer, prices: PriceBook = PRICES) -> tuple[str | int, ...]:
    return answered(PLACE, answer, prices, MOMENT).rows[-1]


def test_an_answered_turn_counts_on_its_day_and_in_its_hour_with_what_it_was_charged() -> None:
    assert answered(PLACE, an_answer(), PRICES, MOMENT) == Figures(
        "2026-11-21",
        (
            ("o", "answered", 1),
            ("t", "14", 2),
            ("h", "ai_reply", 2),
            ("c", "contact-1", 2),
            ("mx", "gpt-x@start", 1, "i", 1000, "o", 50, "r", 20, "$", 2_500_000),
        ),
        Rate("gpt-x", tokens=1050),
    )


def test_hours_have_two_digits_and_turns_without_handler_or_contact_count_as_such() -> None:
    rows = answered(Place("2026-11-21", 7, None, None, 1), an_answer(), PRICES, MOMENT).rows
    assert rows[1:4] == (("t", "07", 1), ("h", "", 1), ("c", "", 1))


@pytest.mark.parametrize(
    ("model", "usage", "prices", "row"),
    [
        ("gpt-x-2024-08-06", Usage(10, 0, 1, 0), PRICES, ("mx", "gpt-x@start=gpt-x-2024-08-06", 1)),
        ("gpt-x", Usage(10, 4, 1, 1), PRICES, ("mx", "gpt-x@start", 1, "i", 10, "k", 4, "o", 1, "r", 1, "$", 26_000)),
        ("gpt-x", Usage(10, 4, 0, 0, 3), PRICES, ("mx", "gpt-x@start", 1, "i", 10, "k", 4, "w", 3, "$", 16_000)),
        ("gpt-y", Usage(10, 0, 0, 0), PRICES, ("mx", "gpt-y@start", 1, "i", 10, "$", 20_000)),
        ("gpt-y", Usage(10, 4, 0, 0), PRICES, ("me", "gpt-y@start", 1, "i", 10, "k", 4, "$", 20_000)),
        ("gpt-z", Usage(10, 4, 1, 0), PRICES, ("mu", "gpt-z", 1, "i", 10, "k", 4, "o", 1)),
        ("gpt-x", None, PRICES, ("mu", "gpt-x", 1)),
        ("gpt-x", Usage(0, 0, 0, 0), PRICES, ("mx", "gpt-x@start", 1)),
        (None, Usage(10, 0, 0, 0), PRICES, ("mu", "unknown", 1, "i", 10)),
        ("gpt|x@a=b\n", Usage(10, 0, 0, 0), PRICES, ("mu", "gpt_x_a_b_", 1, "i", 10)),
        ("x" * 99, None, PRICES, ("mu", "x" * 64, 1)),
    ],
    ids=[
        "a dated snapshot",
        "every kind of token",
        "tokens written to the cache",
        "no cached token, price of it unknown",
        "a cached token, price of it unknown",
        "a model without a price",
        "no usage",
        "nothing used",
        "no model",
        "a model's name that would break fields",
        "a long name",
    ],
)
def test_tokens_and_money_stand_with_the_model_and_the_price(
    model: str | None, usage: Usage | None, prices: PriceBook, row: tuple[Any, ...]
) -> None:
    found = model_row(an_answer(model, usage), prices)
    assert found[: len(row)] == row
    if usage is None or len(row) > 3:
        assert len(found) == len(row)


@pytest.mark.parametrize(
    "usage",
    [
        Usage(-1, 0, 1, 0),
        Usage(1, 0, -1, 0),
        Usage(1, 2, 1, 0),
        Usage(1, -1, 1, 0),
        Usage(1, 0, 1, 2),
        Usage(1, 0, 1, 0, -1),
        Usage(3, 2, 1, 0, 2),
        Usage(10**30, 0, 1, 0),
        Usage(1, 0, 100_000_001, 0),
    ],
    ids=[
        "negative input",
        "negative output",
        "more cached than input",
        "negative cached",
        "more reasoning than output",
        "negative written",
        "more cached and written than input",
        "a number beyond Redis",
        "more than any model writes",
    ],
)
def test_a_usage_that_cannot_be_true_is_not_counted(usage: Usage) -> None:
    figures = answered(PLACE, an_answer(usage=usage), PRICES, MOMENT)
    assert figures.rows[-1] == ("mu", "gpt-x", 1)
    assert figures.rate is None


@given(
    st.text(max_size=80), st.builds(Usage, *[st.integers(-5, 2 * 10**8)] * 5), st.text(max_size=64), st.integers(1, 10)
)
def test_whatever_a_server_says_fits_into_redis(model: str, usage: Usage, handler: str, requests: int) -> None:
    place = Place("2026-11-21", 0, handler, None, requests)
    figures = answered(place, an_answer(model, usage), PRICES, MOMENT)
    assert json.loads(json.dumps(figures.rows)) == [list(row) for row in figures.rows]
    for dimension, value, amount, *more in figures.rows:
        assert isinstance(dimension, str)
        assert isinstance(value, str)
        assert amount in (1, requests)
        # Doubles, as Lua has them, hold each amount exactly.
        assert all(isinstance(number, int) and 0 < number < 2**53 for number in more[1::2])
    assert figures.rate is None or 0 <= figures.rate.amount < 2**40


def test_an_attempt_counts_in_its_minute_whatever_becomes_of_it() -> None:
    assert attempted("2026-11-21", "gpt-x-2024-08-06") == Figures("2026-11-21", (), Rate("gpt-x", requests=1))
    assert attempted("2026-11-21", None).rate == Rate("unknown", requests=1)


def test_an_attempt_and_its_answer_count_under_the_same_model() -> None:
    asked, got = attempted("2026-11-21", "gpt-x").rate, answered(PLACE, an_answer("gpt-x-0613"), PRICES, MOMENT).rate
    assert asked is not None
    assert got is not None
    assert asked.model == got.model


def test_requests_and_tokens_of_a_minute_are_one_number() -> None:
    assert Rate("gpt-x", requests=3, tokens=5).amount == 3 * 2**40 + 5


def test_a_failed_turn_counts_by_its_reason_and_costs_nothing() -> None:
    assert ended("2026-11-21", Failure.OPENAI_TIMEOUT) == Figures("2026-11-21", (("o", "openai_timeout", 1),))
