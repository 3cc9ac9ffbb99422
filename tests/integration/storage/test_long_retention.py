"""A turn whose account keeps texts for longer than turns are kept lives as long as its texts, and can be found."""

import pytest
import redis

from app.domain.answers import Conversation
from app.domain.assistants import Api
from app.storage import keys
from tests.integration.storage.test_contact_memory import House
from tests.integration.storage.test_texts import ACCOUNT, DAY, Archive


@pytest.mark.parametrize(("days", "kept"), [(7, 30), (30, 30), (31, 32), (400, 401)])
def test_a_turn_lives_for_thirty_days_or_as_long_as_its_texts(redis_client: redis.Redis, days: int, kept: int) -> None:
    archive = Archive(redis_client)
    archive.keep(days)
    turn = archive.answered()
    for key in (keys.turn(turn), keys.turn_steps(turn)):
        assert (kept - 1) * DAY < redis_client.ttl(key) <= kept * DAY


def test_turns_are_listed_for_as_long_as_they_have_texts(redis_client: redis.Redis) -> None:
    archive = Archive(redis_client)
    archive.keep(400)
    turn = archive.answered()
    archive.pass_time(100 * DAY)
    archive.answered()
    assert archive.retention.sweep() == 0
    assert archive.has_texts(turn)
    assert redis_client.zcard(keys.turns_of(ACCOUNT)) == 2
    archive.keep(5)
    assert archive.retention.sweep() == 1
    assert redis_client.zcard(keys.turns_of(ACCOUNT)) == 1


def test_a_conversation_that_is_replaced_is_known_until_its_contact_is_forgotten(redis_client: redis.Redis) -> None:
    house, past = House(redis_client), keys.past_conversations(ACCOUNT, "contact-1")
    for _ in range(2):
        house.answered("contact-1")
    assert not redis_client.exists(past)
    house.answered("contact-1", Conversation(Api.ASSISTANTS, "thread_9"))
    house.answered("contact-1", Conversation(Api.RESPONSES, "conv_9"))
    assert redis_client.smembers(past) == {b"responses conv_contact-1", b"assistants thread_9"}
