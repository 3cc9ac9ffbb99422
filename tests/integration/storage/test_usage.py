"""The figures of usage on a real Redis: counted by the script part that other scripts stand on, read by RedisUsage."""

import json
import threading
from collections import Counter
from datetime import UTC, datetime
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.answers import Answer, Usage
from app.domain.failures import Failure
from app.domain.prices import price_book
from app.domain.quota import day_of
from app.domain.spans import days_of, hour_of, span_of
from app.domain.usage import Figures, Place, answered, attempted, ended
from app.domain.usage_figures import DayFigures, Minute
from app.storage import keys
from app.storage.usage import RedisUsage, usage_arguments

ACCOUNT = 31000001
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
NOON = datetime(2026, 11, 21, 15, 0, 30, tzinfo=UTC)
DAY_MS = 24 * 3600 * 1000
THREADS = 16
PRICES = price_book(
    {
        "sources": {"page": "a page"},
        "price": [{"model": "gpt-x", "input": 2, "output": 10, "grade": "exact", "source": "page"}],
    }
)


class Counting:
    """A script that does nothing but count, as advance.lua and accept.lua do beside their own work."""

    def __init__(self, client: redis.Redis) -> None:
        part = (files("app.storage") / "lua" / "usage.lua").read_text()
        self._script = client.register_script(f"{part}\nadd_usage(cjson.decode(ARGV[1]))")

    def add(self, figures: Figures, moment: datetime = NOON) -> None:
        arguments = usage_arguments(ACCOUNT, figures, int(moment.timestamp() * 1000))
        self._script(args=[json.dumps(arguments)])


@pytest.fixture
def counting(redis_client: redis.Redis) -> Counting:
    return Counting(redis_client)


@pytest.fixture
def usage(redis_client: redis.Redis) -> RedisUsage:
    return RedisUsage(redis_client)


def an_answer(
    moment: datetime = NOON,
    *,
    zone: ZoneInfo = SAO_PAULO,
    handler: str | None = "ai_reply",
    contact: str | None = "contact-1",
    model: str = "gpt-x",
    requests: int = 1,
) -> Figures:
    place = Place(day_of(moment, zone), hour_of(moment, zone), handler, contact, requests)
    return answered(place, Answer("Sim.", "resp_1", model=model, usage=Usage(100, 40, 10, 5)), PRICES, moment)


def of_day(usage: RedisUsage, day: str = "2026-11-21") -> DayFigures:
    (figures,) = usage.days(ACCOUNT, [day])
    return figures


def test_what_was_counted_is_read(counting: Counting, usage: RedisUsage) -> None:
    counting.add(attempted("2026-11-21", "gpt-x"))
    counting.add(attempted("2026-11-21", "gpt-x"))
    counting.add(an_answer(requests=2))
    counting.add(an_answer(handler=None, contact=None))
    counting.add(ended("2026-11-21", Failure.OPENAI_TIMEOUT))
    day = of_day(usage)
    assert day.outcomes == {"answered": 2, "openai_timeout": 1}
    assert day.hours == {12: 3}
    assert day.handlers == {"ai_reply": 2, "": 1}
    assert day.contacts == {"contact-1": 2, "": 1}
    (model,) = day.models
    assert (model.model, model.price_id, model.grade, model.answers) == ("gpt-x", "gpt-x@start", "exact", 2)
    assert (model.input, model.cached, model.output, model.reasoning) == (200, 80, 20, 10)
    assert model.nano_dollars == 2 * (100 * 2000 + 10 * 10_000)
    assert list(usage.minutes(ACCOUNT, *span_of("2026-11", SAO_PAULO))) == [
        Minute(NOON.replace(second=0), "gpt-x", 2, 220)
    ]


def test_nothing_is_known_of_days_on_which_nothing_happened(usage: RedisUsage) -> None:
    assert usage.days(ACCOUNT, days_of("2026-11")) == []
    assert list(usage.minutes(ACCOUNT, *span_of("2026-11", SAO_PAULO))) == []


def test_accounts_do_not_see_each_other(counting: Counting, usage: RedisUsage) -> None:
    counting.add(an_answer())
    assert usage.days(ACCOUNT + 1, ["2026-11-21"]) == []


@pytest.mark.parametrize("handler", ["a|b", "|", "+", "#h", "é\u2028\U0001f600", '"\\', "=1+1", "x" * 64])
def test_a_handler_may_be_called_anything(counting: Counting, usage: RedisUsage, handler: str) -> None:
    counting.add(an_answer(handler=handler))
    assert of_day(usage).handlers == {handler: 1}


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, "a", "b|c", "+"]),
            st.sampled_from([None, "contact-1", "entity-2-7"]),
            st.sampled_from(["gpt-x", "gpt-x-2024-08-06", "gpt-z"]),
            st.integers(1, 5),
            st.sampled_from([*Failure, None]),
        ),
        min_size=1,
        max_size=25,
    )
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_figure_adds_up(
    redis_client: redis.Redis,
    events: list[tuple[str | None, str | None, str, int, Failure | None]],
) -> None:
    redis_client.flushall()
    counting, usage = Counting(redis_client), RedisUsage(redis_client)
    charged: Counter[str] = Counter()
    for handler, contact, model, requests, failure in events:
        if failure:
            counting.add(ended("2026-11-21", failure))
            charged[failure] += 1
        else:
            counting.add(an_answer(handler=handler, contact=contact, model=model, requests=requests))
            charged["answered"] += 1
            charged["requests"] += requests
    day = of_day(usage)
    for numbers in (day.hours, day.handlers, day.contacts):
        assert sum(numbers.values()) == charged["requests"]
    assert sum(model.answers for model in day.models) == day.answers == charged["answered"]
    assert sum(day.outcomes.values()) == len(events)
    assert sum(model.input for model in day.models) == 100 * charged["answered"]


def test_sixteen_threads_lose_nothing(redis_client: redis.Redis, counting: Counting, usage: RedisUsage) -> None:
    each = 50
    failures: list[Exception] = []

    def count(number: int) -> None:
        try:
            for turn in range(each):
                counting.add(attempted("2026-11-21", "gpt-x"))
                counting.add(an_answer(handler=f"handler-{number % 4}", contact=f"contact-{number}-{turn % 10}"))
        except redis.RedisError as error:
            failures.append(error)

    threads = [threading.Thread(target=count, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    day = of_day(usage)
    assert day.outcomes == {"answered": THREADS * each}
    assert day.handlers == {f"handler-{number}": THREADS * each // 4 for number in range(4)}
    assert set(day.contacts.values()) == {each // 10}
    assert len(day.contacts) == THREADS * 10
    (model,) = day.models
    assert (model.answers, model.input) == (THREADS * each, THREADS * each * 100)
    (minute,) = usage.minutes(ACCOUNT, *span_of("2026-11", SAO_PAULO))
    assert (minute.requests, minute.tokens) == (THREADS * each, THREADS * each * 110)


def test_handlers_contacts_and_models_without_end_share_a_field(
    redis_client: redis.Redis, counting: Counting, usage: RedisUsage
) -> None:
    for number in range(2020):
        counting.add(
            an_answer(handler=f"handler-{number}", contact=f"contact-{number}", model=f"model-{number}", requests=2)
        )
        counting.add(attempted("2026-11-21", f"model-{number}"))
    # Those that came first go on counting under their own names, also now that the day is full.
    counting.add(an_answer(handler="handler-0", contact="contact-0", model="model-0", requests=2))
    day = of_day(usage)
    assert (len(day.handlers), day.other_handlers) == (200, 2 * 1820)
    assert (len(day.contacts), day.other_contacts) == (2000, 2 * 20)
    assert day.handlers["handler-0"] == day.contacts["contact-0"] == 4
    *own, rest = day.models
    assert len(own) == 50
    assert (rest.model, rest.price_id, rest.grade, rest.answers, rest.input) == (None, None, "unknown", 1970, 197_000)
    assert sum(day.hours.values()) == sum(day.handlers.values()) + day.other_handlers == 2 * 2021
    minutes = list(usage.minutes(ACCOUNT, *span_of("2026-11", SAO_PAULO)))
    assert len(minutes) == 11
    assert sum(minute.requests for minute in minutes) == 2020
    assert [minute.requests for minute in minutes if minute.model is None] == [2010]
    assert redis_client.hlen(keys.usage_day(ACCOUNT, "2026-11-21")) < 2600


def test_figures_are_kept_for_400_days_from_their_last_change(redis_client: redis.Redis, counting: Counting) -> None:
    counting.add(attempted("2026-11-21", "gpt-x"))
    counting.add(an_answer())
    names = [keys.usage_day(ACCOUNT, "2026-11-21"), keys.usage_minutes(ACCOUNT, "2026-11-21")]
    assert sorted(redis_client.scan_iter()) == sorted(name.encode() for name in names)
    for name in names:
        assert 399 * DAY_MS < redis_client.pttl(name) <= 400 * DAY_MS
        redis_client.pexpire(name, DAY_MS)
    counting.add(attempted("2026-11-21", "gpt-x"))
    counting.add(ended("2026-11-21", Failure.BUSY))
    for name in names:
        assert redis_client.pttl(name) > 399 * DAY_MS


@pytest.mark.parametrize(
    ("zone", "last", "first", "months", "hours"),
    [
        (
            "America/Sao_Paulo",
            "2026-12-01T02:59:59.999+00:00",
            "2026-12-01T03:00:00+00:00",
            ("2026-11", "2026-12"),
            (23, 0),
        ),
        (
            "America/Sao_Paulo",
            "2027-02-01T02:59:59+00:00",
            "2027-02-01T03:00:00+00:00",
            ("2027-01", "2027-02"),
            (23, 0),
        ),
        (
            "America/Sao_Paulo",
            "2028-03-01T02:59:59+00:00",
            "2028-03-01T03:00:00+00:00",
            ("2028-02", "2028-03"),
            (23, 0),
        ),
        ("Europe/Lisbon", "2026-03-31T22:59:59+00:00", "2026-03-31T23:00:00+00:00", ("2026-03", "2026-04"), (23, 0)),
        ("America/Asuncion", "2023-10-01T03:59:59+00:00", "2023-10-01T04:00:00+00:00", ("2023-09", "2023-10"), (23, 1)),
    ],
    ids=["São Paulo", "31 January", "29 February", "summer time", "00:00 of the 1st does not exist"],
)
def test_a_month_ends_at_midnight_of_the_account(
    counting: Counting,
    usage: RedisUsage,
    zone: str,
    last: str,
    first: str,
    months: tuple[str, str],
    hours: tuple[int, int],
) -> None:
    lives = ZoneInfo(zone)
    for moment in (datetime.fromisoformat(last), datetime.fromisoformat(first)):
        counting.add(an_answer(moment, zone=lives), moment)
    for month, hour, text in zip(months, hours, (last, first), strict=True):
        (day,) = usage.days(ACCOUNT, days_of(month))
        assert day.hours == {hour: 1}
        (minute,) = usage.minutes(ACCOUNT, *span_of(month, lives))
        assert minute.at == datetime.fromisoformat(text).replace(second=0, microsecond=0)


def test_a_turn_counts_on_the_day_of_its_acceptance_and_its_tokens_in_the_minute_of_its_answer(
    counting: Counting, usage: RedisUsage
) -> None:
    accepted, answered_at = datetime(2026, 12, 1, 2, 59, 59, tzinfo=UTC), datetime(2026, 12, 1, 3, 0, 4, tzinfo=UTC)
    counting.add(an_answer(accepted), answered_at)
    assert [day.day for day in usage.days(ACCOUNT, days_of("2026-11"))] == ["2026-11-30"]
    assert usage.days(ACCOUNT, days_of("2026-12")) == []
    assert list(usage.minutes(ACCOUNT, *span_of("2026-11", SAO_PAULO))) == []
    assert [minute.tokens for minute in usage.minutes(ACCOUNT, *span_of("2026-12", SAO_PAULO))] == [110]


def test_more_days_than_travel_at_once_are_read_in_order(counting: Counting, usage: RedisUsage) -> None:
    months = ["2026-09", "2026-10", "2026-11"]
    days = [day for month in months for day in days_of(month)]
    for day in days:
        counting.add(ended(day, Failure.BUSY))
        counting.add(attempted(day, "gpt-x"), datetime.fromisoformat(f"{day}T23:59+00:00"))
    assert [figures.day for figures in usage.days(ACCOUNT, days)] == days
    begin, end = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    assert [minute.at.date().isoformat() for minute in usage.minutes(ACCOUNT, begin, end)] == days
