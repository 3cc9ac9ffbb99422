"""Texts are erased when their time is over, and nothing else of their turns, on a real Redis."""

from dataclasses import replace

import pytest
import redis

from app.domain.retention import erased_before
from app.services.retention import Retention
from app.storage import keys
from app.storage.locks import RedisLocks
from app.storage.texts import AT_ONCE, RedisTexts
from tests.integration.turn_store import Store
from tests.waiting import wait_until

ACCOUNT, OTHER = 31000001, 31000002
DAY = 24 * 3600
HOUR = 3600


class Archive:
    """A company with turns of many days, and the round that is made every hour."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client
        self.store = Store(client, requests=10_000)
        self.texts = RedisTexts(client, self.store.clock)
        self.retention = Retention(self.texts, RedisLocks(client), self.store.clock)

    def answered(self, account_id: int = ACCOUNT) -> str:
        """A turn that has just ended."""
        new = self.store.accept(account_id)
        self.store.finish(new)
        return new.request_id

    def keep(self, days: int) -> None:
        """Let the account keep texts for so many days."""
        account = self.store.account
        self.store.account = self.store.accounts.replace(replace(account, retention_days=days), account.version)

    def has_texts(self, request_id: str) -> bool:
        """Whether message and answer are there; both or none of them."""
        turn = self.store.turns.read(request_id)
        assert turn is not None
        assert bool(turn.message) == (turn.answer is not None)
        return bool(turn.message)

    def pass_time(self, seconds: float) -> None:
        self.store.clock.seconds += seconds


@pytest.fixture
def archive(redis_client: redis.Redis) -> Archive:
    return Archive(redis_client)


def test_texts_go_after_the_account_s_days_and_the_turn_stays(archive: Archive) -> None:
    archive.keep(7)
    first = archive.answered()
    archive.pass_time(DAY)
    second = archive.answered()
    archive.pass_time(6 * DAY - HOUR)
    assert archive.retention.sweep() == 0
    archive.pass_time(2 * HOUR)
    assert archive.retention.sweep() == 1
    assert (archive.has_texts(first), archive.has_texts(second)) == (False, True)
    turn = archive.store.turns.read(first)
    assert turn is not None
    assert (turn.status, turn.weight, turn.line) == ("delivered", 1, "contact-1")
    assert archive.store.turns.steps(first)[-1] == {"at": archive.store.clock.milliseconds, "step": "texts_erased"}
    # It lives as long as one without texts: 31 days from its acceptance.
    assert 23 * DAY < archive.redis.ttl(keys.turn(first)) <= 24 * DAY
    assert archive.retention.sweep() == 0
    archive.pass_time(DAY)
    assert archive.retention.sweep() == 1


def test_without_a_word_texts_are_kept_for_thirty_days(archive: Archive) -> None:
    archive.redis.hdel(keys.account(ACCOUNT), "retention_days")
    turn = archive.answered()
    archive.pass_time(30 * DAY - 1)
    assert archive.retention.sweep() == 0
    archive.pass_time(2)
    assert archive.retention.sweep() == 1
    assert not archive.has_texts(turn)


def test_each_account_has_its_own_time(archive: Archive) -> None:
    mine, theirs = archive.answered(), archive.answered(OTHER)
    archive.keep(1)
    archive.pass_time(2 * DAY)
    assert archive.retention.sweep() == 1
    assert (archive.has_texts(mine), archive.has_texts(theirs)) == (False, True)


@pytest.mark.parametrize(("days", "erased"), [(3, 2), (10, 0), (1, 4)], ids=["shorter", "longer", "shortest"])
def test_a_changed_time_counts_from_the_next_round_on(archive: Archive, days: int, erased: int) -> None:
    archive.keep(5)
    archive.answered()
    archive.pass_time(5 * DAY + HOUR)
    assert archive.retention.sweep() == 1
    for _ in range(4):
        archive.answered()
        archive.pass_time(DAY + HOUR)
    archive.keep(days)
    assert archive.retention.sweep() == erased


def test_an_open_turn_keeps_its_texts_and_stops_nobody_else(archive: Archive) -> None:
    waiting = archive.store.accept()
    archive.pass_time(1)
    ended = archive.store.accept(line="contact-2")
    archive.store.finish(ended)
    archive.keep(1)
    archive.pass_time(2 * DAY)
    assert archive.texts.erase(ACCOUNT, erased_before(archive.store.clock.milliseconds, 1)) == 1
    assert archive.has_texts(ended.request_id) is False
    message = archive.store.turns.read(waiting.request_id)
    assert message is not None
    assert message.message
    archive.store.finish(waiting)
    assert archive.texts.erase(ACCOUNT, erased_before(archive.store.clock.milliseconds, 1)) == 1
    assert archive.has_texts(waiting.request_id) is False


@pytest.mark.parametrize("apart", [0, 1], ids=["all at one moment", "one after the other"])
def test_however_many_are_due_they_go_in_one_round(archive: Archive, redis_client: redis.Redis, apart: int) -> None:
    count = 2 * AT_ONCE + 3
    pipeline = redis_client.pipeline()
    for number in range(count):
        turn = f"{number:028x}"
        pipeline.zadd(keys.turns_of(ACCOUNT), {turn: 1000 + apart * number})
        mapping: dict[str, str | int] = {
            "sealed": "x",
            "answer": "y",
            "status": "delivered",
            "accepted_at": 1000 + apart * number,
        }
        pipeline.hset(keys.turn(turn), items=[part for pair in mapping.items() for part in pair])
    pipeline.execute()
    assert archive.texts.erase(ACCOUNT, 10_000) == count
    assert redis_client.hkeys(keys.turn(f"{count - 1:028x}")) == [b"status", b"accepted_at"]
    assert archive.texts.erase(ACCOUNT, 10_000) == 0


def test_of_several_processes_one_makes_the_round(archive: Archive) -> None:
    archive.keep(1)
    archive.answered()
    archive.pass_time(2 * DAY)
    with RedisLocks(archive.redis).tried("retention", 60.0) as ours:
        assert ours
        assert archive.retention.sweep() == 0
    assert archive.retention.sweep() == 1


def test_a_turn_that_is_kept_for_its_texts_goes_with_them(archive: Archive) -> None:
    archive.keep(60)
    turn = archive.answered()
    for key in (keys.turn(turn), keys.turn_steps(turn)):
        archive.redis.persist(key)  # as if it had been closed for 60 days and more
        archive.redis.expire(key, 61 * DAY)
    archive.pass_time(40 * DAY)
    archive.retention.sweep()
    assert archive.redis.zcard(keys.turns_of(ACCOUNT)) == 1
    assert archive.has_texts(turn)
    archive.keep(20)
    assert archive.retention.sweep() == 1
    wait_until(lambda: not archive.redis.exists(keys.turn(turn), keys.turn_steps(turn)))
    assert archive.redis.zcard(keys.turns_of(ACCOUNT)) == 0


def test_a_removed_account_is_not_looked_at(archive: Archive) -> None:
    archive.store.accounts.remove(ACCOUNT)
    assert list(archive.texts.retention()) == []
