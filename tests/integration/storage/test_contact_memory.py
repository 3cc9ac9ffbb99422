"""What is left of a forgotten contact on a real Redis: nothing that leads to it, and every sum."""

import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.answers import Answer, Conversation, Usage
from app.domain.assistants import Api
from app.domain.failures import Failure
from app.domain.forgetting import Deletion, Fate, Kind, Remote
from app.domain.prices import price_book
from app.domain.quota import ContactLimit
from app.domain.turn import Taken
from app.services.held import HeldTurn
from app.storage import keys
from app.storage.contact_memory import RedisContactMemory
from app.storage.usage import RedisUsage
from tests.integration.turn_store import DELIVERED, PERIOD, Store
from tests.redis_contents import everything_in, everything_unsealed

ACCOUNT = 31000001
DAY = "2025-11-21"
LIMITS = (ContactLimit(DAY, 1000, 3), ContactLimit("2025-W47", 1000, 10), ContactLimit("2025-11", 1000, 40))
PRICES = price_book(
    {
        "sources": {"page": "a page"},
        "price": [{"model": "gpt-x", "input": 2, "output": 10, "grade": "exact", "source": "page"}],
    }
)


class House:
    """A company whose contacts have turns. Every text says whose it is."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client
        self.store = Store(client, requests=10_000)
        self.memory = RedisContactMemory(client, self.store.sealer, self.store.clock)
        self.usage = RedisUsage(client)
        self.answers = 0

    def begin(self, line: str, **overrides: Any) -> Taken:
        """A turn of a contact that a worker has taken."""
        told = {"line": line, "message": f"words of {line}", "instructions": f"about {line}", "contact_limits": LIMITS}
        return self.store.take(self.store.accept(**{**told, **overrides}))

    def held(self, taken: Taken) -> HeldTurn:
        return HeldTurn(self.store.turns, taken, PRICES)

    def answered(self, line: str, conversation: Conversation | None = None, **overrides: Any) -> str:
        """A turn of a contact from its first moment to its last; its id."""
        taken = self.begin(line, **overrides)
        held = self.held(taken)
        self.answers += 1
        held.asking(conversation or Conversation(Api.RESPONSES, f"conv_{line}"), "gpt-x", None)
        held.answer_begun(f"resp_{self.answers}")
        held.answered(Answer(f"reply to {line}", f"resp_{self.answers}", model="gpt-x", usage=Usage(10, 0, 5, 0)))
        self.store.changed(taken, DELIVERED)
        return taken.hold.request_id

    def failed(self, line: str, **overrides: Any) -> str:
        """A turn of a contact that failed."""
        taken = self.begin(line, **overrides)
        self.held(taken).failed(Failure.OPENAI_TIMEOUT)
        self.store.changed(taken, DELIVERED)
        return taken.hold.request_id

    def forget(self, line: str) -> None:
        """All steps here; none at OpenAI."""
        assert self.memory.begin(ACCOUNT, line)
        for request_ids, _, _ in self.memory.turns(ACCOUNT, line):
            self.memory.erase_turns(ACCOUNT, line, request_ids)
        self.memory.erase_counters(ACCOUNT, line)

    def sums(self) -> tuple[Any, ...]:
        """What must not change: counters, ledger, and every sum of the figures of usage."""
        counters = self.store.ledger.counters(self.store.account, PERIOD)
        ledger = list(self.store.ledger.entries(ACCOUNT, PERIOD))
        (day,) = self.usage.days(ACCOUNT, [DAY])
        contacts = sum(day.contacts.values()) + day.other_contacts
        return counters, ledger, contacts, replace(day, contacts={}, other_contacts=0)


@pytest.fixture
def house(redis_client: redis.Redis) -> House:
    return House(redis_client)


def undone(house: House, line: str) -> set[tuple[Kind, str]]:
    return {(one.remote.kind, one.remote.id) for one in house.memory.forgotten(ACCOUNT, line).undone}


lines = st.sampled_from(["contact-1", "contact-2", "contact-11", "entity-2-1"])


@given(
    events=st.lists(
        st.tuples(lines, st.integers(1, 3), st.sampled_from(["answered", "failed", "another conversation"])),
        min_size=1,
        max_size=12,
    ),
    whom=lines,
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_of_the_contact_is_left_and_no_sum_changes(
    redis_client: redis.Redis, events: list[tuple[str, int, str]], whom: str
) -> None:
    redis_client.flushall()
    house = House(redis_client)
    left = set()
    for number, (line, weight, what) in enumerate(events):
        if what == "failed":
            house.failed(line, weight=weight)
        elif what == "answered":
            house.answered(line, weight=weight)
        else:
            house.answered(line, Conversation(Api.RESPONSES, f"conv_{line}_{number}"), weight=weight)
        if line == whom and what != "failed":
            left.add((Kind.RESPONSE, f"resp_{house.answers}"))
            left.add((Kind.CONVERSATION, f"conv_{line}" if what == "answered" else f"conv_{line}_{number}"))
    before = house.sums()
    house.forget(whom)
    assert house.sums() == before
    assert undone(house, whom) == left
    for remote in house.memory.forgotten(ACCOUNT, whom).undone:
        house.memory.record(ACCOUNT, whom, Deletion(remote.remote, Fate.DELETED))
    assert house.memory.forgotten(ACCOUNT, whom).undone == ()
    house.memory.end(ACCOUNT, whom)
    opened = everything_unsealed(redis_client, house.store.sealer)
    for words in (f'words of {whom}"', f'about {whom}"', f"reply to {whom}\n"):
        assert words.encode() not in opened + b"\n"
    others = Counter(line for line, _, _ in events if line != whom)
    for line in others:
        assert f'words of {line}"'.encode() in opened
    names = everything_in(redis_client).replace(b"|", b" ").replace(b":", b" ").replace(b'"', b" ").split()
    assert whom.encode() not in names
    assert all(line.encode() in names for line in others)


def test_ids_of_failed_attempts_are_known_from_the_steps(house: House) -> None:
    taken = house.begin("contact-1")
    held = house.held(taken)
    for number in (1, 2):
        held.asking(Conversation(Api.RESPONSES, "conv_1"), "gpt-x", None)
        held.answer_begun(f"resp_{number}")
    held.failed(Failure.OPENAI_UNEXPECTED)
    house.store.changed(taken, DELIVERED)
    house.forget("contact-1")
    assert undone(house, "contact-1") == {
        (Kind.CONVERSATION, "conv_1"),
        (Kind.RESPONSE, "resp_1"),
        (Kind.RESPONSE, "resp_2"),
    }


def test_a_conversation_that_was_replaced_long_ago_is_known(house: House) -> None:
    house.answered("contact-1")
    house.redis.sadd(keys.past_conversations(ACCOUNT, "contact-1"), "responses conv_old", "assistants thread_old")
    house.forget("contact-1")
    assert undone(house, "contact-1") == {
        (Kind.CONVERSATION, "conv_contact-1"),
        (Kind.CONVERSATION, "conv_old"),
        (Kind.THREAD, "thread_old"),
        (Kind.RESPONSE, "resp_1"),
    }
    assert house.memory.forgotten(ACCOUNT, "contact-1").counts["conversations"] == 3
    assert not house.redis.exists(keys.past_conversations(ACCOUNT, "contact-1"))


def test_while_a_turn_is_open_nothing_is_taken_away(house: House) -> None:
    house.answered("contact-1")
    taken = house.begin("contact-1")
    before = house.redis.hgetall(keys.conversation(ACCOUNT, "contact-1"))
    assert (house.memory.open_turns(ACCOUNT, "contact-1"), house.memory.open_turns(ACCOUNT, "contact-2")) == (1, 0)
    assert not house.memory.begin(ACCOUNT, "contact-1")
    assert house.redis.hgetall(keys.conversation(ACCOUNT, "contact-1")) == before
    held = house.held(taken)
    held.failed(Failure.BUSY)
    house.store.changed(taken, DELIVERED)
    assert house.memory.open_turns(ACCOUNT, "contact-1") == 0
    assert house.memory.begin(ACCOUNT, "contact-1")


def test_what_the_contact_writes_meanwhile_is_another_matter(house: House) -> None:
    old = house.answered("contact-1")
    assert house.memory.begin(ACCOUNT, "contact-1")
    new = house.answered("contact-1", Conversation(Api.RESPONSES, "conv_new"))
    open_one = house.begin("contact-1").hold.request_id
    for request_ids, _, _ in house.memory.turns(ACCOUNT, "contact-1"):
        house.memory.erase_turns(ACCOUNT, "contact-1", request_ids)
    messages = {}
    for request_id in (old, new, open_one):
        turn = house.store.turns.read(request_id)
        assert turn is not None
        messages[request_id] = turn.message
    assert messages == {old: "", new: "words of contact-1", open_one: "words of contact-1"}
    assert undone(house, "contact-1") == {(Kind.CONVERSATION, "conv_contact-1"), (Kind.RESPONSE, "resp_1")}
    assert house.redis.hget(keys.conversation(ACCOUNT, "contact-1"), "conversation_id") == b"conv_new"


def test_an_interrupted_one_goes_on_and_counts_everything_once(house: House) -> None:
    for _ in range(5):
        house.answered("contact-1")
    before = house.sums()
    assert house.memory.begin(ACCOUNT, "contact-1")
    ((request_ids, _, _),) = house.memory.turns(ACCOUNT, "contact-1")
    house.memory.erase_turns(ACCOUNT, "contact-1", request_ids[:2])
    house.memory.record(ACCOUNT, "contact-1", Deletion(Remote(Kind.CONVERSATION, "conv_contact-1"), Fate.DELETED))
    # Killed here. The next time:
    house.forget("contact-1")
    house.forget("contact-1")
    forgotten = house.memory.forgotten(ACCOUNT, "contact-1")
    assert forgotten.begun_at == house.store.clock.milliseconds
    assert forgotten.counts == {
        "turns": 5,
        "messages": 5,
        "answers": 5,
        "conversations": 1,
        "counters": 3,
        "usage_days": 1,
    }
    assert undone(house, "contact-1") == {(Kind.RESPONSE, f"resp_{number}") for number in range(1, 6)}
    assert house.sums() == before


def test_what_was_refused_is_known_with_its_reason_and_no_longer_than_400_days(house: House) -> None:
    house.answered("contact-1")
    house.forget("contact-1")
    refused = Deletion(Remote(Kind.RESPONSE, "resp_1"), Fate.REFUSED, "http_403")
    house.memory.record(ACCOUNT, "contact-1", refused)
    house.forget("contact-1")
    assert refused in house.memory.forgotten(ACCOUNT, "contact-1").undone
    assert 399 < house.redis.ttl(keys.forgetting(ACCOUNT, "contact-1")) / 86400 <= 400


def test_counters_of_texts_of_the_last_minutes_go_too(house: House) -> None:
    house.answered("contact-1")
    house.answered("contact-2")
    assert len(house.redis.keys(f"{keys.PREFIX}minute:{ACCOUNT}:*:*")) == 2
    house.forget("contact-1")
    assert len(house.redis.keys(f"{keys.PREFIX}minute:{ACCOUNT}:*:*")) == 1


def test_turns_of_a_busy_account_are_looked_at_page_by_page(house: House) -> None:
    members = {f"{number:028x}": float(number) for number in range(3500)}
    house.redis.zadd(keys.turns_of(ACCOUNT), members)
    pipeline = house.redis.pipeline()
    for number, turn in enumerate(members):
        pipeline.hset(keys.turn(turn), "line", f"contact-{number % 700}")
    pipeline.execute()
    pages = list(house.memory.turns(ACCOUNT, "contact-3"))
    assert len(pages) > 1
    found = [turn for request_ids, _, _ in pages for turn in request_ids]
    assert sorted(set(found)) == [f"{number:028x}" for number in range(3, 3500, 700)]
    assert pages[-1][1:] == (3500, 3500)


def test_many_can_be_forgotten_while_others_are_answered(house: House) -> None:
    for number in range(8):
        for _ in range(3):
            house.answered(f"contact-{number}")
    failures: list[Exception] = []

    def forget(number: int) -> None:
        try:
            house.forget(f"contact-{number}")
        except Exception as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=forget, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        house.answered("contact-7")
    for thread in threads:
        thread.join()
    assert not failures
    (day,) = house.usage.days(ACCOUNT, [DAY])
    assert (day.contacts, day.other_contacts) == ({"contact-6": 3, "contact-7": 13}, 18)
    assert house.redis.hget(keys.usage_day(ACCOUNT, DAY), "#c") == b"2"


# --- the lists in which turns are found -----------------------------------------------------------------------------


def listed(house: House, key: str) -> list[str]:
    return [turn.decode() for turn in house.redis.zrange(key, 0, -1) if isinstance(turn, bytes)]


def test_a_forgotten_contact_is_on_no_list_and_in_no_name_of_one(house: House) -> None:
    house.answered("contact-1", note_lead_id=11)
    house.failed("contact-1", note_lead_id=12)
    other = house.answered("contact-2", note_lead_id=11)
    house.forget("contact-1")
    house.memory.end(ACCOUNT, "contact-1")
    assert b"contact-1" not in everything_in(house.redis)
    assert listed(house, keys.turns_of_lead(ACCOUNT, 11)) == [other]
    assert not house.redis.exists(keys.turns_of_lead(ACCOUNT, 12))
    assert listed(house, keys.turns_of_contact(ACCOUNT, "contact-2")) == [other]
    # The turns are still there, and how they ended is still known.
    assert house.redis.zcard(keys.turns()) == 3
    assert house.redis.zcard(keys.ended_turns_of(ACCOUNT, "failed")) == 1


def test_turns_of_a_contact_that_are_kept_no_longer_leave_its_list_too(house: House) -> None:
    turn = house.answered("contact-1")
    house.redis.delete(keys.turn(turn), keys.turn_steps(turn))
    house.redis.delete(keys.turns_of(ACCOUNT))
    house.store.clock.seconds += 1
    house.forget("contact-1")
    assert not house.redis.exists(keys.turns_of_contact(ACCOUNT, "contact-1"))


def test_a_contact_that_has_written_again_is_listed_with_what_it_wrote_since(house: House) -> None:
    house.answered("contact-1", note_lead_id=11)
    house.store.clock.seconds += 1
    assert house.memory.begin(ACCOUNT, "contact-1")
    house.store.clock.seconds += 1
    again = house.begin("contact-1", note_lead_id=11).hold.request_id
    for request_ids, _, _ in house.memory.turns(ACCOUNT, "contact-1"):
        house.memory.erase_turns(ACCOUNT, "contact-1", request_ids)
    house.memory.erase_counters(ACCOUNT, "contact-1")
    assert listed(house, keys.turns_of_contact(ACCOUNT, "contact-1")) == [again]
    assert listed(house, keys.turns_of_lead(ACCOUNT, 11)) == [again]
