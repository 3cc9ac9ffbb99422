"""What OpenAI charges for tokens, from which day to which, and what one answer cost (openai.md 7).

Money is counted in nano-dollars, whole numbers only: a dollar per 1,000,000 tokens is 1,000 nano-dollars per token.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

from app.domain.answers import Usage

PriceGrade = Literal["exact", "estimated"]
# unknown: the model has no price here, or OpenAI did not say how many tokens it used.
Grade = Literal["exact", "estimated", "unknown"]

# Above so many input tokens the whole request is dearer, for models whose price says so.
LONG_CONTEXT_ABOVE = 272_000

_NANO_PER_DOLLAR = 10**9
_NANO_PER_TOKEN = 1000  # of a dollar per 1,000,000 tokens
_HIGHEST = 10_000  # dollars per 1,000,000 tokens; far above any price there is, so what is above is a slip
_UNKNOWN = "unknown"
_MODEL = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
_SNAPSHOT = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{4})$")
_FIELDS = ("model", "from", "until", "input", "cached", "write", "output", "long_context", "grade", "source")
_REQUIRED = ("model", "input", "output", "grade", "source")


@dataclass(frozen=True, slots=True)
class Price:
    """What one model costs from one day to another, in nano-dollars per token.

    cached, written: tokens read from and written to the cache; None where nobody says what they cost.
    first, last: days of UTC that both belong to it; None for as far back as is known, and for still in force.
    """

    model: str
    input: int
    cached: int | None
    written: int | None
    output: int
    first: date | None
    last: date | None
    long_context: bool
    grade: PriceGrade
    source: str

    @property
    def price_id(self) -> str:
        """What figures keep of the price they were counted with; closing a price does not change it."""
        return f"{self.model}@{self.first or 'start'}"

    def holds_on(self, day: date) -> bool:
        """Whether this is the price of that day."""
        return (self.first or date.min) <= day <= (self.last or date.max)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one answer cost. price_id: None where the grade is unknown; nano_dollars is 0 then."""

    nano_dollars: int
    grade: Grade
    price_id: str | None


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Every price that is known, by model; those of one model in the order of their days."""

    by_model: Mapping[str, tuple[Price, ...]]

    def price_at(self, model: str | None, moment: datetime) -> Price | None:
        """The price of a model, or of the model that it is a dated snapshot of; None where none is known.

        model: as OpenAI named it. moment must be aware.
        """
        if model is None:
            return None
        prices = self.by_model.get(model) or self.by_model.get(family(model), ())
        day = moment.astimezone(UTC).date()
        return next((price for price in prices if price.holds_on(day)), None)


class PricesInvalid(ValueError):
    """The prices cannot be used; the message lists all that is wrong, a line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(["the prices are wrong:", *(f"  {problem}" for problem in problems)]))


def family(model: str) -> str:
    """The model that a dated snapshot is of: `gpt-4o` for `gpt-4o-2024-08-06`; every other name is its own."""
    return _SNAPSHOT.sub("", model)


def cost(usage: Usage | None, price: Price | None) -> Cost:
    """What an answer cost: input, cached and written tokens each at their own price, and output with its reasoning.

    Where the price of cached or written tokens is unknown they cost what input costs, and the grade is estimated.
    """
    if usage is None or price is None:
        return Cost(0, "unknown", None)
    given, produced = max(0, usage.input), max(0, usage.output)
    cached = min(max(0, usage.cached), given)
    written = min(max(0, usage.written), given - cached)
    spent_in = (
        (given - cached - written) * price.input
        + cached * (price.input if price.cached is None else price.cached)
        + written * (price.input if price.written is None else price.written)
    )
    spent_out = produced * price.output
    if price.long_context and given > LONG_CONTEXT_ABOVE:
        spent_in, spent_out = 2 * spent_in, (3 * spent_out + 1) // 2
    guessed = (cached > 0 and price.cached is None) or (written > 0 and price.written is None)
    return Cost(spent_in + spent_out, "estimated" if guessed else price.grade, price.price_id)


def dollars(nano_dollars: int) -> str:
    """Dollars as an exact decimal number with at least two decimals: `0.00123`, `12.00`. Never in exponents."""
    whole, rest = divmod(nano_dollars, _NANO_PER_DOLLAR)
    return f"{whole}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"


def price_book(document: Mapping[str, Any]) -> PriceBook:
    """The prices of a parsed file (config/prices.toml says what stands in it), its decimals read as Decimal.

    Raises PricesInvalid with every problem there is.
    """
    problems = [f"unknown table: {name}" for name in document if name not in ("sources", "price")]
    rows = document.get("price")
    if not isinstance(rows, list) or not rows:
        raise PricesInvalid([*problems, "there is no [[price]]"])
    sources = document.get("sources")
    sources = sources if isinstance(sources, dict) else {}
    prices = [_Row(number, row, sources, problems).read() for number, row in enumerate(rows, start=1)]
    by_model: dict[str, tuple[Price, ...]] = {}
    for price in sorted((price for price in prices if price), key=lambda price: price.first or date.min):
        by_model[price.model] = (*by_model.get(price.model, ()), price)
    for of_one_model in by_model.values():
        problems.extend(_breaks(of_one_model))
    if problems:
        raise PricesInvalid(problems)
    return PriceBook(by_model)


def _breaks(prices: Sequence[Price]) -> Iterator[str]:
    for earlier, later in pairwise(prices):
        if earlier.last is None or later.first is None or later.first <= earlier.last:
            yield f"{later.model}: {later.price_id} begins before {earlier.price_id} has ended"
        elif later.first > earlier.last + timedelta(days=1):
            yield f"{later.model}: no price between {earlier.last} and {later.first}"


class _Row:
    """One [[price]] while it is read; what is wrong with it is added to the problems."""

    def __init__(self, number: int, row: Any, sources: Mapping[str, Any], problems: list[str]) -> None:
        self._fields: Mapping[str, Any] = row if isinstance(row, dict) else {}
        self._name = f"price {number} ({self._fields.get('model', 'no model')})"
        self._sources = sources
        self._problems = problems

    def read(self) -> Price | None:
        """The price, None where a problem was found."""
        known_before = len(self._problems)
        for name in self._fields:
            if name not in _FIELDS:
                self._wrong(name, "is unknown")
        for name in _REQUIRED:
            if name not in self._fields:
                self._wrong(name, "is missing")
        price_in = self._nano("input") or 0
        price = Price(
            model=str(self._fields.get("model")),
            input=price_in,
            cached=self._nano("cached", absent=price_in),
            written=self._nano("write", absent=price_in),
            output=self._nano("output") or 0,
            first=self._day("from"),
            last=self._day("until"),
            long_context=self._flag("long_context"),
            grade=self._fields.get("grade", "exact"),
            source=str(self._fields.get("source")),
        )
        self._check(price)
        return price if len(self._problems) == known_before else None

    def _check(self, price: Price) -> None:
        if not _MODEL.fullmatch(price.model):
            self._wrong("model", "must be 1 to 64 characters of a-z, A-Z, 0-9 and ._:/-")
        if price.grade not in ("exact", "estimated"):
            self._wrong("grade", "must be exact or estimated")
        if "source" in self._fields and price.source not in self._sources:
            self._wrong("source", "must be one of [sources]")
        if price.first and price.last and price.last < price.first:
            self._wrong("until", "is before `from`")
        if price.cached is not None and price.cached > price.input:
            self._wrong("cached", "is dearer than input")

    def _nano(self, name: str, absent: int = 0) -> int | None:
        value = self._fields.get(name)
        if value is None:
            return absent
        if value == _UNKNOWN and name in ("cached", "write"):
            return None
        # Exact types: true is an int, and a float has lost what was written.
        if type(value) not in (int, Decimal) or not Decimal(value).is_finite():
            self._wrong(name, "must be a number of dollars")
            return absent
        if not 0 <= value <= _HIGHEST:
            self._wrong(name, f"must be from 0 to {_HIGHEST}")
            return absent
        nano = Decimal(value) * _NANO_PER_TOKEN
        if nano != nano.to_integral_value():
            self._wrong(name, "has more than 3 decimals")
        return int(nano)

    def _flag(self, name: str) -> bool:
        value = self._fields.get(name, False)
        if not isinstance(value, bool):
            self._wrong(name, "must be true or false")
        return value is True

    def _day(self, name: str) -> date | None:
        day = self._fields.get(name)
        if day is not None and type(day) is not date:
            self._wrong(name, "must be a day: 2026-11-22")
            return None
        return day

    def _wrong(self, name: str, what: str) -> None:
        self._problems.append(f"{self._name}: {name} {what}")
