"""Prices over time and what an answer cost. Property tests know the rules, tables know the figures."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.answers import Usage
from app.domain.prices import (
    LONG_CONTEXT_ABOVE,
    Cost,
    Price,
    PriceBook,
    PricesInvalid,
    cost,
    dollars,
    family,
    price_book,
)

PRICE = Price(
    model="gpt-x",
    input=2000,
    cached=200,
    written=2500,
    output=10_000,
    first=None,
    last=None,
    long_context=False,
    grade="exact",
    source="page",
)


def row(**fields: Any) -> dict[str, Any]:
    """One [[price]] as the file would hold it; a field that is None is left out."""
    standard = {"model": "gpt-x", "input": 2, "output": Decimal("10.5"), "grade": "exact", "source": "page"}
    return {name: value for name, value in {**standard, **fields}.items() if value is not None}


def book(*rows: dict[str, Any]) -> PriceBook:
    return price_book({"sources": {"page": "a page"}, "price": list(rows)})


def problems_of(*rows: Any, sources: Any = None) -> list[str]:
    with pytest.raises(PricesInvalid) as caught:
        price_book({"sources": {"page": "a page"} if sources is None else sources, "price": list(rows)})
    first, *lines = str(caught.value).split("\n")
    assert first == "the prices are wrong:"
    return [line.strip() for line in lines]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


class TestReading:
    def test_dollars_per_million_become_nano_dollars_per_token(self) -> None:
        read = book(row(cached=Decimal("0.075"), write=Decimal("2.5"), long_context=True)).price_at(
            "gpt-x", at("2026-11-21T12:00+00:00")
        )
        assert read == Price("gpt-x", 2000, 75, 2500, 10_500, None, None, True, "exact", "page")

    @pytest.mark.parametrize("name", ["cached", "write"])
    def test_a_price_left_out_is_that_of_input_and_an_unknown_one_is_not_known(self, name: str) -> None:
        left_out, unknown = (
            book(row(**{name: value})).price_at("gpt-x", at("2026-11-21T12:00+00:00")) for value in (None, "unknown")
        )
        assert left_out is not None
        assert unknown is not None
        field = {"cached": "cached", "write": "written"}[name]
        assert getattr(left_out, field) == 2000
        assert getattr(unknown, field) is None

    @pytest.mark.parametrize(
        ("fields", "problem"),
        [
            ({"inputs": 3}, "inputs is unknown"),
            ({"input": None}, "input is missing"),
            ({"output": None}, "output is missing"),
            ({"grade": None}, "grade is missing"),
            ({"source": None}, "source is missing"),
            ({"input": -1}, "input must be from 0 to 10000"),
            ({"input": Decimal("-0.001")}, "input must be from 0 to 10000"),
            ({"output": 10_001}, "output must be from 0 to 10000"),
            ({"output": Decimal("1E+999999")}, "output must be from 0 to 10000"),
            ({"output": Decimal("NaN")}, "output must be a number of dollars"),
            ({"output": Decimal("inf")}, "output must be a number of dollars"),
            ({"output": 1.5}, "output must be a number of dollars"),
            ({"output": True}, "output must be a number of dollars"),
            ({"output": "unknown"}, "output must be a number of dollars"),
            ({"cached": "?"}, "cached must be a number of dollars"),
            ({"cached": Decimal("0.0005")}, "cached has more than 3 decimals"),
            ({"cached": Decimal("2.001")}, "cached is dearer than input"),
            ({"model": "gpt 5"}, "model must be 1 to 64 characters of a-z, A-Z, 0-9 and ._:/-"),
            ({"model": "gpt@5"}, "model must be 1 to 64 characters of a-z, A-Z, 0-9 and ._:/-"),
            ({"model": "x" * 65}, "model must be 1 to 64 characters of a-z, A-Z, 0-9 and ._:/-"),
            ({"grade": "unknown"}, "grade must be exact or estimated"),
            ({"source": "hearsay"}, "source must be one of [sources]"),
            ({"long_context": 1}, "long_context must be true or false"),
            ({"from": "2026-11-22"}, "from must be a day: 2026-11-22"),
            ({"until": datetime(2026, 11, 22, tzinfo=UTC)}, "until must be a day: 2026-11-22"),
            ({"from": date(2026, 11, 22), "until": date(2026, 11, 21)}, "until is before `from`"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_row_that_is_wrong_is_told_with_its_number_and_model(self, fields: dict[str, Any], problem: str) -> None:
        wrong = {"model": "gpt-z", **fields}
        assert problems_of(row(), row(model="gpt-y"), row(**wrong)) == [f"price 3 ({wrong['model']}): {problem}"]

    def test_everything_that_is_wrong_stands_in_one_message(self) -> None:
        assert problems_of(row(input=-1, colour="red"), "no table", row(source="hearsay")) == [
            "price 1 (gpt-x): colour is unknown",
            "price 1 (gpt-x): input must be from 0 to 10000",
            "price 2 (no model): model is missing",
            "price 2 (no model): input is missing",
            "price 2 (no model): output is missing",
            "price 2 (no model): grade is missing",
            "price 2 (no model): source is missing",
            "price 3 (gpt-x): source must be one of [sources]",
        ]

    @pytest.mark.parametrize(
        ("days", "problem"),
        [
            (((None, None), (None, None)), "gpt-x: gpt-x@start begins before gpt-x@start has ended"),
            ((((2), None), (None, 3)), "gpt-x: gpt-x@2026-11-02 begins before gpt-x@start has ended"),
            (((None, 3), (3, None)), "gpt-x: gpt-x@2026-11-03 begins before gpt-x@start has ended"),
            (((2, None), (9, None)), "gpt-x: gpt-x@2026-11-09 begins before gpt-x@2026-11-02 has ended"),
            (((None, 3), (5, None)), "gpt-x: no price between 2026-11-03 and 2026-11-05"),
            (((5, None), (None, 3)), "gpt-x: no price between 2026-11-03 and 2026-11-05"),
        ],
        ids=["twice", "overlap", "the same day", "not closed", "gap", "gap, the later one first"],
    )
    def test_the_prices_of_a_model_follow_each_other(
        self, days: tuple[tuple[int | None, int | None], ...], problem: str
    ) -> None:
        rows = [
            row(**{"from": first and date(2026, 11, first), "until": last and date(2026, 11, last)})
            for first, last in days
        ]
        assert problems_of(*rows) == [problem]

    @pytest.mark.parametrize(
        "document",
        [{}, {"price": []}, {"price": {}}, {"sources": {"page": "a page"}}],
        ids=["empty", "no row", "one table", "sources only"],
    )
    def test_a_file_without_prices_is_none(self, document: dict[str, Any]) -> None:
        with pytest.raises(PricesInvalid, match=r"there is no \[\[price\]\]"):
            price_book(document)

    def test_a_table_that_is_unknown_is_told(self) -> None:
        with pytest.raises(PricesInvalid, match="unknown table: prices"):
            price_book({"sources": {"page": "a page"}, "price": [row()], "prices": []})


class TestPriceAt:
    BOOK = book(
        row(until=date(2026, 11, 21), input=4),
        row(**{"from": date(2026, 11, 22), "until": date(2026, 11, 30), "input": 5}),
        row(model="gpt-x-2024-05-13", input=7),
        row(model="gpt-old", until=date(2026, 10, 23)),
        row(**{"model": "gpt-new", "from": date(2026, 11, 17)}),
    )

    @pytest.mark.parametrize(
        ("model", "moment", "price_id"),
        [
            ("gpt-x", "2024-01-01T00:00+00:00", "gpt-x@start"),
            ("gpt-x", "2026-11-21T23:59:59.999999+00:00", "gpt-x@start"),
            ("gpt-x", "2026-11-22T00:00+00:00", "gpt-x@2026-11-22"),
            ("gpt-x", "2026-11-21T21:00-03:00", "gpt-x@2026-11-22"),
            ("gpt-x", "2026-11-30T23:59+00:00", "gpt-x@2026-11-22"),
            ("gpt-x", "2026-12-01T00:00+00:00", None),
            ("gpt-x-2024-08-06", "2026-11-21T12:00+00:00", "gpt-x@start"),
            ("gpt-x-0613", "2026-11-22T12:00+00:00", "gpt-x@2026-11-22"),
            ("gpt-x-2024-05-13", "2026-11-22T12:00+00:00", "gpt-x-2024-05-13@start"),
            ("gpt-x-mini", "2026-11-21T12:00+00:00", None),
            ("ft:gpt-x-2024-08-06:acme::id", "2026-11-21T12:00+00:00", None),
            ("GPT-X", "2026-11-21T12:00+00:00", None),
            ("", "2026-11-21T12:00+00:00", None),
            (None, "2026-11-21T12:00+00:00", None),
            ("gpt-old", "2026-10-23T23:59+00:00", "gpt-old@start"),
            ("gpt-old", "2026-10-24T00:00+00:00", None),
            ("gpt-new", "2026-11-16T23:59+00:00", None),
            ("gpt-new", "2126-11-17T00:00+00:00", "gpt-new@2026-11-17"),
        ],
    )
    def test_a_day_of_utc_has_one_price(self, model: str | None, moment: str, price_id: str | None) -> None:
        price = self.BOOK.price_at(model, at(moment))
        assert (price and price.price_id) == price_id

    @given(
        lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
        offset=st.integers(-30, 240),
        zone=st.integers(-14, 14),
    )
    def test_exactly_one_price_holds_at_every_moment(self, lengths: list[int], offset: int, zone: int) -> None:
        first, rows = date(2026, 1, 1), []
        for length in lengths:
            rows.append(row(**{"from": first, "until": first + timedelta(days=length - 1)}))
            first += timedelta(days=length)
        rows[0].pop("from")
        rows[-1].pop("until")
        day = date(2026, 1, 1) + timedelta(days=offset)
        moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).astimezone(timezone(timedelta(hours=zone)))
        prices = book(*rows)
        assert [price for price in prices.by_model["gpt-x"] if price.holds_on(day)] == [
            prices.price_at("gpt-x", moment)
        ]

    @pytest.mark.parametrize(
        ("model", "of"),
        [
            ("gpt-4o-2024-08-06", "gpt-4o"),
            ("gpt-4-0613", "gpt-4"),
            ("gpt-3.5-turbo-0125", "gpt-3.5-turbo"),
            ("gpt-4.1-mini-2025-04-14", "gpt-4.1-mini"),
            ("gpt-6-luna", "gpt-6-luna"),
            ("gpt-4-0125-preview", "gpt-4-0125-preview"),
            ("o3", "o3"),
        ],
    )
    def test_a_dated_snapshot_is_of_its_model(self, model: str, of: str) -> None:
        assert family(model) == of


class TestCost:
    @pytest.mark.parametrize(
        ("usage", "price", "nano_dollars", "grade"),
        [
            (Usage(1000, 0, 0, 0), PRICE, 2_000_000, "exact"),
            (Usage(0, 0, 1000, 900), PRICE, 10_000_000, "exact"),
            (Usage(1000, 400, 10, 0), PRICE, 600 * 2000 + 400 * 200 + 10 * 10_000, "exact"),
            (Usage(1000, 400, 0, 0, 500), PRICE, 100 * 2000 + 400 * 200 + 500 * 2500, "exact"),
            (Usage(1000, 400, 0, 0), replace(PRICE, cached=None), 2_000_000, "estimated"),
            (Usage(1000, 0, 0, 0), replace(PRICE, cached=None), 2_000_000, "exact"),
            (Usage(1000, 0, 0, 0, 400), replace(PRICE, written=None), 2_000_000, "estimated"),
            (Usage(1000, 0, 0, 0), replace(PRICE, written=None), 2_000_000, "exact"),
            (Usage(1000, 0, 0, 0), replace(PRICE, grade="estimated"), 2_000_000, "estimated"),
            (Usage(0, 0, 0, 0), PRICE, 0, "exact"),
        ],
        ids=[
            "input",
            "reasoning is part of output",
            "cached is part of input",
            "written is part of input",
            "cached, price unknown",
            "not cached, price unknown",
            "written, price unknown",
            "not written, price unknown",
            "estimated price",
            "nothing",
        ],
    )
    def test_each_kind_of_token_has_its_price(self, usage: Usage, price: Price, nano_dollars: int, grade: Any) -> None:
        assert cost(usage, price) == Cost(nano_dollars, grade, "gpt-x@start")

    @pytest.mark.parametrize(("usage", "price"), [(None, PRICE), (Usage(1, 0, 1, 0), None), (None, None)])
    def test_without_usage_or_price_the_cost_is_unknown(self, usage: Usage | None, price: Price | None) -> None:
        assert cost(usage, price) == Cost(0, "unknown", None)

    @pytest.mark.parametrize(
        ("given_tokens", "long_context", "nano_dollars"),
        [
            (LONG_CONTEXT_ABOVE, True, (LONG_CONTEXT_ABOVE - 1000) * 2000 + 1000 * 200 + 10 * 10_000),
            (LONG_CONTEXT_ABOVE + 1, True, 2 * ((LONG_CONTEXT_ABOVE - 999) * 2000 + 1000 * 200) + 15 * 10_000),
            (LONG_CONTEXT_ABOVE + 1, False, (LONG_CONTEXT_ABOVE - 999) * 2000 + 1000 * 200 + 10 * 10_000),
        ],
        ids=["272,000 tokens", "one more", "one more, an older model"],
    )
    def test_a_long_context_makes_the_whole_request_dearer(
        self, given_tokens: int, long_context: bool, nano_dollars: int
    ) -> None:
        price = replace(PRICE, long_context=long_context)
        assert cost(Usage(given_tokens, 1000, 10, 0), price).nano_dollars == nano_dollars

    def test_half_a_nano_dollar_is_a_whole_one(self) -> None:
        price = replace(PRICE, input=0, cached=0, output=1, long_context=True)
        assert cost(Usage(LONG_CONTEXT_ABOVE + 1, 0, 1, 0), price).nano_dollars == 2


tokens = st.integers(0, 2_000_000)
any_number = st.integers(-(10**12), 10**12)
nano = st.integers(0, 10_000_000)


@st.composite
def usages(draw: st.DrawFn, most: int = 2_000_000) -> Usage:
    given_tokens, produced = draw(st.integers(0, most)), draw(st.integers(0, most))
    cached = draw(st.integers(0, given_tokens))
    written = draw(st.integers(0, given_tokens - cached))
    return Usage(given_tokens, cached, produced, draw(st.integers(0, produced)), written)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    price_in = draw(nano)
    cached = draw(st.none() | st.integers(0, price_in))
    return replace(
        PRICE,
        input=price_in,
        cached=cached,
        written=draw(st.none() | nano),
        output=draw(nano),
        long_context=draw(st.booleans()),
    )


@given(any_number, any_number, any_number, any_number, any_number, prices())
def test_a_cost_is_never_negative_whatever_a_server_says(
    given_tokens: int, cached: int, produced: int, reasoning: int, written: int, price: Price
) -> None:
    assert cost(Usage(given_tokens, cached, produced, reasoning, written), price).nano_dollars >= 0


@given(usages(most=LONG_CONTEXT_ABOVE // 2), usages(most=LONG_CONTEXT_ABOVE // 2), prices())
def test_two_answers_cost_what_they_cost_together(one: Usage, other: Usage, price: Price) -> None:
    put_in, cached = one.input + other.input, one.cached + other.cached
    both = Usage(put_in, cached, one.output + other.output, 0, one.written + other.written)
    assert cost(one, price).nano_dollars + cost(other, price).nano_dollars == cost(both, price).nano_dollars


@given(usages(), prices(), tokens, tokens)
def test_more_tokens_never_cost_less(usage: Usage, price: Price, more_in: int, more_out: int) -> None:
    more = replace(usage, input=usage.input + more_in, output=usage.output + more_out)
    assert cost(more, price).nano_dollars >= cost(usage, price).nano_dollars


@given(usages(), prices())
def test_tokens_from_the_cache_never_cost_more_than_others(usage: Usage, price: Price) -> None:
    assert cost(usage, price).nano_dollars <= cost(replace(usage, cached=0), price).nano_dollars


@given(usages(), prices())
def test_reasoning_costs_nothing_of_its_own(usage: Usage, price: Price) -> None:
    assert cost(usage, price) == cost(replace(usage, reasoning=0), price)


@pytest.mark.parametrize(
    ("nano_dollars", "text"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (1_230_000, "0.00123"),
        (100_000_000, "0.10"),
        (12_000_000_000, "12.00"),
        (12_345_678_901, "12.345678901"),
        (10**20, "100000000000.00"),
    ],
)
def test_dollars_are_written_exactly(nano_dollars: int, text: str) -> None:
    assert dollars(nano_dollars) == text


@given(st.integers(0, 10**24))
def test_dollars_lose_nothing(nano_dollars: int) -> None:
    assert Decimal(dollars(nano_dollars)).scaleb(9) == nano_dollars
