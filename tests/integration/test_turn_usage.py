"""The figures of usage change in the same step as the charge of a turn, and once."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import redis

from app.domain.answers import Answer, Conversation, Usage
from app.domain.assistants import Api
from app.domain.failures import Failure
from app.domain.prices import price_book
from app.domain.spans import span_of
from app.domain.turn import GateClosed, Taken, TurnLost
from app.domain.usage_figures import DayFigures, Minute
from app.services.held import HeldTurn
from app.storage import keys
from app.storage.usage import RedisUsage
from tests.builders import NOW_MS, a_new_turn
from tests.integration.turn_store import GATE, Store

PRICES = price_book(
    {
        "sources": {"page": "a page"},
        "price": [{"model": "gpt-x", "input": 2, "output": 10, "grade": "exact", "source": "page"}],
    }
)
ANSWER = Answer("Custa 5 reais.", "resp_1", model="gpt-x", usage=Usage(100, 0, 10, 0))
CONVERSATION = Conversation(Api.RESPONSES, "conv_1")
DAY = "2025-11-21"
MINUTE = datetime.fromtimestamp(NOW_MS // 60_000 * 60, UTC)


class Books:
    """A store and what its figures say."""

    def __init__(self, client: redis.Redis) -> None:
        self.store = Store(client)
        self.usage = RedisUsage(client)

    def held(self, **overrides: Any) -> HeldTurn:
        """A turn in the hands of a worker."""
        return self.hold(self.store.take(self.store.accept(**overrides)))

    def hold(self, taken: Taken) -> HeldTurn:
        """What a worker does with a turn that was taken, from what it knows of it."""
        return HeldTurn(self.store.turns, replace(taken, turn=replace(taken.turn)), PRICES)

    def days(self) -> list[DayFigures]:
        """The figures of the day, where there are any."""
        return self.usage.days(self.store.account.account_id, [DAY])

    def minutes(self) -> list[Minute]:
        """What was sent in each minute of the month."""
        month = span_of("2025-11", ZoneInfo(self.store.account.timezone))
        return list(self.usage.minutes(self.store.account.account_id, *month))


@pytest.fixture
def books(redis_client: redis.Redis) -> Books:
    return Books(redis_client)


def test_an_answered_turn_counts_where_it_was_accepted_with_what_the_ledger_took(books: Books) -> None:
    held = books.held(weight=2)
    held.asking(CONVERSATION, "gpt-x", None)
    assert books.days() == []
    books.store.clock.seconds += 2 * 3600
    held.answered(ANSWER)
    (day,) = books.days()
    assert day.hours == {22: 2}
    assert day.handlers == {"ai_reply": 2}
    assert day.contacts == {"contact-1": 2}
    assert day.outcomes == {"answered": 1}
    assert day.models[0].nano_dollars == 300_000
    assert books.store.counters() == (3, day.requests, 0)


def test_a_failed_turn_counts_by_its_reason_and_is_charged_nothing(books: Books) -> None:
    books.held().failed(Failure.OPENAI_TIMEOUT)
    assert books.days() == [DayFigures(DAY, outcomes={"openai_timeout": 1})]


@pytest.mark.parametrize(
    ("overrides", "outcome"),
    [({"refusal": Failure.NO_MESSAGE}, "no_message"), ({"weight": 4}, "plan_quota")],
    ids=["decided at the door", "decided by the counters"],
)
def test_a_refused_turn_counts_by_its_reason_and_once(books: Books, overrides: dict[str, Any], outcome: str) -> None:
    new = a_new_turn(books.store.account, **overrides)
    books.store.turns.accept(new)
    books.store.turns.accept(new)
    assert books.days() == [DayFigures(DAY, outcomes={outcome: 1})]


def test_an_accepted_turn_counts_when_it_is_decided(books: Books) -> None:
    books.store.accept()
    assert books.days() == []


def test_every_attempt_counts_in_its_minute_and_tokens_in_that_of_the_answer(books: Books) -> None:
    held = books.held()
    held.asking(CONVERSATION, "gpt-x-2024-08-06", None)
    held.asking(CONVERSATION, "gpt-x-2024-08-06", None)
    books.store.clock.seconds += 60
    held.asking(CONVERSATION, None, None)
    held.answered(ANSWER)
    later = datetime.fromtimestamp(MINUTE.timestamp() + 60, UTC)
    assert books.minutes() == [
        Minute(MINUTE, "gpt-x", 2, 0),
        Minute(later, "gpt-x", 0, 110),
        Minute(later, "unknown", 1, 0),
    ]


def test_a_command_that_is_sent_again_because_its_answer_was_lost_counts_once(books: Books) -> None:
    taken = books.store.take(books.store.accept())
    held, again = books.hold(taken), books.hold(taken)
    held.asking(CONVERSATION, "gpt-x", None)
    again.asking(CONVERSATION, "gpt-x", None)
    assert books.minutes() == [Minute(MINUTE, "gpt-x", 1, 0)]
    held.answered(ANSWER)
    with pytest.raises(TurnLost):
        again.answered(ANSWER)
    (day,) = books.days()
    assert (day.answers, day.requests) == (1, 1)
    assert [minute.tokens for minute in books.minutes()] == [110]


def test_a_turn_whose_charge_was_moved_before_adds_nothing(books: Books) -> None:
    taken = books.store.take(books.store.accept())
    books.hold(taken).answered(ANSWER)
    books.store.redis.hset(keys.turn(taken.hold.request_id), "status", "asking")
    books.hold(taken).answered(ANSWER)
    (day,) = books.days()
    assert (day.answers, day.requests) == (1, 1)


def test_a_turn_that_waits_for_its_key_counts_no_attempt(books: Books) -> None:
    held = books.held()
    books.store.gates.close(GATE, 60, Failure.OPENAI_QUOTA)
    with pytest.raises(GateClosed):
        held.asking(CONVERSATION, "gpt-x", GATE)
    assert (books.days(), books.minutes()) == ([], [])
    assert held.turn.attempts == 0
