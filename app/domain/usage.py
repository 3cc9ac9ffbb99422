"""What one turn adds to the figures of usage, and the names of their fields.

A turn counts on the day and in the hour of its acceptance, as the account's clock showed them then: so a month's
requests by day, hour, handler and contact each add up to what the ledger says was used of that month. The figures of
an account's day are whole numbers by field. Names are short, because every account has dozens of them for each day of
more than a year:

| field | counts |
| --- | --- |
| `o|answered`, `o|openai_timeout` | turns by how they ended |
| `t|14`, `h|ai_reply`, `c|contact-1` | requests charged, by hour, handler code and conversation key |
| `mx|gpt-6-luna@start` | answers by model and price |
| `mx|gpt-6-luna@start|i`, and `k`, `w`, `o`, `r` | their tokens: input, cached, written, output, reasoning |
| `mx|gpt-6-luna@start|$` | their nano-dollars |
| `h+|`, `c+|`, `mx+|` | the same for all values without fields of their own (storage/lua/usage.lua) |
| `#h`, `#c`, `#mx` | how many values have fields of their own |

`mx`, `me` and `mu` tell the grade of the money: exact, estimated, unknown. After the price stands the model where it
has another name (`gpt-4o@start=gpt-4o-2024-08-06`); where the grade is unknown there is the model alone.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from app.domain.answers import Answer, Usage
from app.domain.failures import Failure
from app.domain.prices import Cost, Grade, PriceBook, cost, family

ANSWERED = "answered"
UNKNOWN_MODEL = "unknown"

# What follows a dimension's code where the figures are those of all values without fields of their own.
REST = "+"
OUTCOME, HOUR, HANDLER, CONTACT = "o", "t", "h", "c"
MODELS: dict[Grade, str] = {"exact": "mx", "estimated": "me", "unknown": "mu"}
INPUT, CACHED, WRITTEN, OUTPUT, REASONING, MONEY = "i", "k", "w", "o", "r", "$"

# No model reads or writes as many in one answer: a server that says so is not believed.
_MOST_TOKENS = 100_000_000
_LONGEST_MODEL = 64
_NOT_IN_MODELS = re.compile(r"[^A-Za-z0-9._:/-]")

# Requests and tokens of one minute are one number, so that a minute costs one field: requests * 2**40 + tokens.
ONE_REQUEST = 2**40

# Dimension, value, amount; then suffix and amount in turn, for what stands under the same value.
Row = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answered turn counts: day and hour of its acceptance where the account lives.

    handler, contact: None where the turn has none. requests: what it was charged.
    """

    day: str
    hour: int
    handler: str | None
    contact: str | None
    requests: int


@dataclass(frozen=True, slots=True)
class Rate:
    """What one event adds to the minute in which it happens."""

    model: str
    requests: int = 0
    tokens: int = 0

    @property
    def amount(self) -> int:
        """Both as one number."""
        return self.requests * ONE_REQUEST + self.tokens


@dataclass(frozen=True, slots=True)
class Figures:
    """What one event adds to an account's figures, in the same step as the event itself.

    day: of the rows. rate: for the minute of the event, None where nothing was sent to OpenAI or came from there.
    """

    day: str
    rows: tuple[Row, ...] = ()
    rate: Rate | None = None


def attempted(day: str, model: str | None) -> Figures:
    """One attempt at OpenAI, whatever becomes of it: failed ones count against the limit too (openai.md 5).

    model: that of the profile, None where OpenAI alone knows which one answers.
    """
    return Figures(day, rate=Rate(_rate_model(model), requests=1))


def answered(place: Place, answer: Answer, prices: PriceBook, moment: datetime) -> Figures:
    """A turn that was answered and charged. moment: decides which price holds; aware."""
    usage = _believed(answer.usage)
    price = prices.price_at(answer.model, moment)
    rows: tuple[Row, ...] = (
        (OUTCOME, ANSWERED, 1),
        (HOUR, f"{place.hour:02d}", place.requests),
        (HANDLER, place.handler or "", place.requests),
        (CONTACT, place.contact or "", place.requests),
        _model_row(answer.model, usage, cost(usage, price)),
    )
    rate = Rate(_rate_model(answer.model), tokens=usage.input + usage.output) if usage else None
    return Figures(place.day, rows, rate)


def ended(day: str, failure: Failure) -> Figures:
    """A turn that failed: nothing was charged. Of a refused one storage/lua/accept.lua counts the same."""
    return Figures(day, ((OUTCOME, failure.value, 1),))


def _model_row(model: str | None, usage: Usage | None, spent: Cost) -> Row:
    amounts = (
        (INPUT, usage.input if usage else 0),
        (CACHED, usage.cached if usage else 0),
        (WRITTEN, usage.written if usage else 0),
        (OUTPUT, usage.output if usage else 0),
        (REASONING, usage.reasoning if usage else 0),
        (MONEY, spent.nano_dollars),
    )
    value = _priced_value(_model_label(model), spent.price_id)
    return (MODELS[spent.grade], value, 1, *(part for pair in amounts if pair[1] for part in pair))


def _believed(usage: Usage | None) -> Usage | None:
    """The usage, None where it cannot be true: then its tokens are not counted and its money is unknown."""
    if usage is None:
        return None
    numbers = (usage.cached, usage.written, usage.reasoning)
    possible = min(numbers) >= 0 and max(usage.input, usage.output) <= _MOST_TOKENS
    fitting = usage.cached + usage.written <= usage.input and usage.reasoning <= usage.output
    return usage if possible and fitting else None


def _model_label(model: str | None) -> str:
    """A model's name as it may stand in a field: it comes from a server."""
    return _NOT_IN_MODELS.sub("_", model or UNKNOWN_MODEL)[:_LONGEST_MODEL]


def _rate_model(model: str | None) -> str:
    """The model whose limit a request counts against: a dated snapshot shares that of its model."""
    return family(_model_label(model))


def _priced_value(model: str, price_id: str | None) -> str:
    if price_id is None:
        return model
    return price_id if price_id.startswith(f"{model}@") else f"{price_id}={model}"
