"""What the figures of usage look like as plain documents.

`requests` are those that were charged; `answers`, `failed`, `refused` and `turns` count turns. Money is US dollars, a
decimal number in a text. Its grade is the worst that went into it: where that is `unknown`, the money is only that of
the answers whose price is known, and None where there are none of those. `*` stands for all handlers, contacts or
models beyond those that have figures of their own on a day (storage/lua/usage.lua).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.domain.prices import Grade, dollars, family
from app.domain.spans import days_of
from app.domain.usage_figures import DayFigures, Minute, ModelFigures, summed

OTHERS = "*"

_WORST_LAST: tuple[Grade, ...] = ("exact", "estimated", "unknown")


def usage_document(period: str, days: Sequence[DayFigures], pseudonym: Callable[[str], str]) -> dict[str, Any]:
    """The figures of a month. days: those with figures, in order. pseudonym: what stands for a contact."""
    models = summed(model for day in days for model in day.models)
    contacts = _added(day.contacts for day in days)
    named = [(pseudonym(contact) if contact else None, requests) for contact, requests in contacts.items()]
    handlers = _added(day.handlers for day in days)
    outcomes = _added(day.outcomes for day in days)
    hours = _added(day.hours for day in days)
    return {
        **_money(models),
        "contacts": sum(1 for contact in contacts if contact),
        "by_day": _by_day(days_of(period), days),
        "by_hour": [{"hour": hour, "requests": hours.get(hour, 0)} for hour in range(24)] if hours else [],
        "by_handler": _ranked(
            "handler",
            [(handler or None, requests) for handler, requests in handlers.items()],
            sum(day.other_handlers for day in days),
        ),
        "by_contact": _ranked("contact", named, sum(day.other_contacts for day in days)),
        "by_outcome": [{"outcome": outcome, "turns": turns} for outcome, turns in _most_first(outcomes.items())],
        "by_model": [_model(figures) for figures in models],
    }


def summary_document(period: str, days: Sequence[DayFigures]) -> dict[str, Any]:
    """Of the same figures what an operator looks at: no contact, and nothing by hour or handler."""
    models = summed(model for day in days for model in day.models)
    outcomes = _added(day.outcomes for day in days)
    return {
        **_money(models),
        "by_day": _by_day(days_of(period), days),
        "by_outcome": [{"outcome": outcome, "turns": turns} for outcome, turns in _most_first(outcomes.items())],
        "by_model": [_model(figures) for figures in models],
    }


def rate_documents(minutes: Iterable[Minute], days: Iterable[DayFigures]) -> list[dict[str, Any]]:
    """What a request for a higher limit is justified with, for each model that was asked; the busiest first.

    Every attempt counts, also those that failed; tokens count in the minute of their answer. Means are over the
    minutes in which the model was used. An hour at the peak: sixty times the requests of the busiest minute, at the
    mean price of an answer.
    """
    of_model: dict[str | None, list[Minute]] = {}
    for minute in minutes:
        of_model.setdefault(minute.model, []).append(minute)
    prices = _mean_prices(model for day in days for model in day.models)
    rates = [_rate(model, found, prices.get(model)) for model, found in of_model.items()]
    return sorted(rates, key=lambda rate: (-rate["peak_requests"], rate["model"]))


def minute_document(minute: Minute) -> dict[str, Any]:
    """What one model was sent in one minute."""
    return {
        "minute": _iso(minute.at),
        "model": minute.model or OTHERS,
        "requests": minute.requests,
        "tokens": minute.tokens,
    }


def _by_day(names: Sequence[str], days: Sequence[DayFigures]) -> list[dict[str, Any]]:
    """From the first day of the month to the last one with figures, days without any among them."""
    known = {day.day: day for day in days}
    shown = names[: names.index(days[-1].day) + 1] if days else []
    return [_day(known.get(name) or DayFigures(name)) for name in shown]


def _day(day: DayFigures) -> dict[str, Any]:
    return {
        "day": day.day,
        "requests": day.requests,
        "answers": day.answers,
        "failed": day.failed,
        "refused": day.refused,
        **_money(day.models),
    }


def _model(figures: ModelFigures) -> dict[str, Any]:
    return {
        "model": figures.model or OTHERS,
        "price_id": figures.price_id,
        "answers": figures.answers,
        **_money((figures,)),
    }


def _money(models: Sequence[ModelFigures]) -> dict[str, Any]:
    known = [one.nano_dollars for one in models if one.grade != "unknown"]
    return {
        "tokens_input": sum(one.input for one in models),
        "tokens_cached": sum(one.cached for one in models),
        "tokens_written": sum(one.written for one in models),
        "tokens_output": sum(one.output for one in models),
        "tokens_reasoning": sum(one.reasoning for one in models),
        "dollars": dollars(sum(known)) if known or not models else None,
        "grade": max((one.grade for one in models), key=_WORST_LAST.index, default="exact"),
    }


def _ranked(name: str, requests: Iterable[tuple[str | None, int]], others: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{name: value, "requests": number} for value, number in _most_first(requests)]
    return [*rows, {name: OTHERS, "requests": others}] if others else rows


def _most_first(numbers: Iterable[tuple[str | None, int]]) -> list[tuple[str | None, int]]:
    return sorted(numbers, key=lambda pair: (-pair[1], pair[0] or ""))


def _added(numbers: Iterable[Mapping[Any, int]]) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for one in numbers:
        total.update(one)
    return total


def _rate(model: str | None, minutes: Sequence[Minute], price: int | None) -> dict[str, Any]:
    busiest = max(minutes, key=lambda minute: minute.requests)
    fullest = max(minutes, key=lambda minute: minute.tokens)
    requests, tokens = sum(minute.requests for minute in minutes), sum(minute.tokens for minute in minutes)
    return {
        "model": model or OTHERS,
        "minutes": len(minutes),
        "requests": requests,
        "tokens": tokens,
        "peak_requests": busiest.requests,
        "peak_requests_at": _iso(busiest.at),
        "mean_requests": round(requests / len(minutes), 2),
        "peak_tokens": fullest.tokens,
        "peak_tokens_at": _iso(fullest.at),
        "mean_tokens": round(tokens / len(minutes), 2),
        "dollars_per_peak_hour": None if price is None else dollars(price * 60 * busiest.requests),
    }


def _mean_prices(models: Iterable[ModelFigures]) -> dict[str | None, int]:
    """Nano-dollars of one answer by the model whose limit it counts against, where the price of all is known."""
    answers: Counter[str | None] = Counter()
    spent: Counter[str | None] = Counter()
    unknown: set[str | None] = set()
    for one in models:
        model = family(one.model) if one.model else None
        answers[model] += one.answers
        spent[model] += one.nano_dollars
        if one.grade == "unknown":
            unknown.add(model)
    return {model: spent[model] // number for model, number in answers.items() if model not in unknown}


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%MZ")
