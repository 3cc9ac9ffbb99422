"""What the figures of usage say when they are read again; app/domain/usage.py tells what stands in their fields."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from app.domain.failures import Failure
from app.domain.prices import Grade
from app.domain.usage import (
    ANSWERED,
    CACHED,
    CONTACT,
    HANDLER,
    HOUR,
    INPUT,
    MODELS,
    MONEY,
    ONE_REQUEST,
    OUTCOME,
    OUTPUT,
    REASONING,
    REST,
    WRITTEN,
)

REFUSALS = frozenset({Failure.PLAN_QUOTA, Failure.CONTACT_LIMIT, Failure.NO_MESSAGE, Failure.ACCOUNT_PAUSED})


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """Answers of one model that were counted with one price. Tokens are those of all the answers together.

    model: None for all that have no fields of their own. price_id: None where the grade is unknown.
    """

    model: str | None
    price_id: str | None
    grade: Grade
    answers: int
    input: int = 0
    cached: int = 0
    written: int = 0
    output: int = 0
    reasoning: int = 0
    nano_dollars: int = 0

    def plus(self, other: "ModelFigures") -> "ModelFigures":
        """Both together; other is of the same model, price and grade."""
        return replace(
            self,
            answers=self.answers + other.answers,
            input=self.input + other.input,
            cached=self.cached + other.cached,
            written=self.written + other.written,
            output=self.output + other.output,
            reasoning=self.reasoning + other.reasoning,
            nano_dollars=self.nano_dollars + other.nano_dollars,
        )


@dataclass(frozen=True, slots=True)
class DayFigures:
    """The figures of one day of an account. Among handlers and contacts, "" is for turns that had none.

    outcomes: turns. hours, handlers, contacts: requests charged. others_*: of all that have no fields of their own.
    """

    day: str
    outcomes: Mapping[str, int] = field(default_factory=dict)
    hours: Mapping[int, int] = field(default_factory=dict)
    handlers: Mapping[str, int] = field(default_factory=dict)
    other_handlers: int = 0
    contacts: Mapping[str, int] = field(default_factory=dict, repr=False)
    other_contacts: int = 0
    models: tuple[ModelFigures, ...] = ()

    @property
    def requests(self) -> int:
        """Requests charged to turns of this day."""
        return sum(self.hours.values())

    @property
    def answers(self) -> int:
        """Turns that were answered."""
        return self.outcomes.get(ANSWERED, 0)

    @property
    def refused(self) -> int:
        """Turns that were not even begun."""
        return sum(turns for outcome, turns in self.outcomes.items() if outcome in REFUSALS)

    @property
    def failed(self) -> int:
        """Turns that were begun and not answered."""
        return sum(self.outcomes.values()) - self.answers - self.refused


@dataclass(frozen=True, slots=True)
class Minute:
    """What one model was sent in one minute. at: its beginning, UTC. model: None for all that have no field."""

    at: datetime
    model: str | None
    requests: int
    tokens: int


def day_figures(day: str, fields: Mapping[str, int]) -> DayFigures:
    """What the fields of one day say."""
    counted: dict[str, dict[str, int]] = {}
    for name, amount in fields.items():
        dimension, separator, value = name.partition("|")
        if separator:  # not one of the numbers of values, which have no |
            counted.setdefault(dimension, {})[value] = amount
    return DayFigures(
        day=day,
        outcomes=counted.get(OUTCOME, {}),
        hours={int(hour): requests for hour, requests in counted.get(HOUR, {}).items()},
        handlers=counted.get(HANDLER, {}),
        other_handlers=counted.get(HANDLER + REST, {}).get("", 0),
        contacts=counted.get(CONTACT, {}),
        other_contacts=counted.get(CONTACT + REST, {}).get("", 0),
        models=tuple(
            figures
            for grade, dimension in MODELS.items()
            for rest in (False, True)
            for figures in _models(grade, counted.get(dimension + REST * rest, {}), rest)
        ),
    )


def _models(grade: Grade, amounts: Mapping[str, int], rest: bool) -> Iterable[ModelFigures]:
    for value, answers in amounts.items():
        if "|" in value:
            continue  # an amount of one of the others
        price_id, _, model = value.partition("=")
        yield ModelFigures(
            model=None if rest else model or price_id.partition("@")[0],
            price_id=None if rest or grade == "unknown" else price_id,
            grade=grade,
            answers=answers,
            input=amounts.get(f"{value}|{INPUT}", 0),
            cached=amounts.get(f"{value}|{CACHED}", 0),
            written=amounts.get(f"{value}|{WRITTEN}", 0),
            output=amounts.get(f"{value}|{OUTPUT}", 0),
            reasoning=amounts.get(f"{value}|{REASONING}", 0),
            nano_dollars=amounts.get(f"{value}|{MONEY}", 0),
        )


def summed(models: Iterable[ModelFigures]) -> list[ModelFigures]:
    """Figures of several days, one for each model, price and grade; the dearest first."""
    total: dict[tuple[str | None, str | None, Grade], ModelFigures] = {}
    for one in models:
        key = (one.model, one.price_id, one.grade)
        total[key] = total[key].plus(one) if key in total else one
    return sorted(
        total.values(), key=lambda one: (-one.nano_dollars, -one.answers, one.model or "", one.price_id or "")
    )


def minutes_of(day: datetime, fields: Mapping[str, int]) -> list[Minute]:
    """What the fields of one day of UTC say about its minutes, oldest first. day: its beginning.

    A field is the minute of the day and the model, `541|gpt-6-luna`, or `541+|` for models without fields of their own.
    """
    found = []
    for name, amount in fields.items():
        minute, _, model = name.partition("|")
        number = minute.removesuffix(REST)
        if number.isdecimal():  # not one of the day's own figures, which begin with a letter or #
            requests, tokens = divmod(amount, ONE_REQUEST)
            at = datetime.fromtimestamp(day.timestamp() + 60 * int(number), UTC)
            found.append(Minute(at, model or None, requests, tokens))
    return sorted(found, key=lambda one: (one.at, one.model or ""))
