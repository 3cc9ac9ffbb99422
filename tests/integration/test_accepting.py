"""What one acceptance leaves in Redis, what it finds there, and how many commands it takes."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import redis

from app.domain.acceptance import StoreUnavailable
from app.domain.turn import AcceptStatus, NewTurn
from app.storage import keys
from tests.builders import NOW_MS, TIMING, a_new_turn
from tests.integration.turn_store import Store, dump

NOTHING_OPTIONAL = {"line": None, "handler": None, "origin": None, "note_lead_id": None}


@pytest.fixture
def store(redis_client: redis.Redis) -> Store:
    return Store(redis_client)


def record(store: Store, new: NewTurn) -> dict[str, str]:
    found = cast("dict[bytes, bytes]", store.redis.hgetall(keys.turn(new.request_id)))
    return {name.decode(): value.decode() for name, value in found.items() if name != b"sealed"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        pytest.param(
            {}, {"line": "contact-1", "handler": "ai_reply", "origin": "whatsapp", "note_lead_id": "7"}, id="all"
        ),
        pytest.param(NOTHING_OPTIONAL, {}, id="only-what-every-turn-has"),
    ],
)
def test_the_record_of_a_turn_holds_what_it_was_accepted_with(
    store: Store, given: dict[str, Any], kept: dict[str, str]
) -> None:
    new = store.accept(**given)
    assert record(store, new) == kept | {
        "account_id": "31000001",
        "return_url": new.return_url,
        "accepted_at": str(NOW_MS),
        "deadline_at": str(NOW_MS + 50_000),
        "decide_by": str(NOW_MS + 50_000 - int(TIMING.reserve * 1000)),
        "period": "2025-11",
        "day": "2025-11-21",
        "hour": "22",
        "claims": "0",
        "queued": "1",
        "status": "accepted",
        "charge": "reserved",
        "weight": "1",
    }


@pytest.mark.parametrize(
    "meanwhile",
    [
        pytest.param(lambda store: None, id="nothing-changed"),
        pytest.param(lambda store: store.redis.hincrby(keys.account(31000001), "version", 1), id="account-changed"),
        pytest.param(lambda store: store.redis.delete(keys.account(31000001)), id="account-gone"),
    ],
)
def test_a_webhook_that_was_accepted_before_is_known_whatever_became_of_its_account(
    store: Store, meanwhile: Callable[[Store], object]
) -> None:
    first = store.accept()
    meanwhile(store)
    before = dump(store.redis)
    again = store.turns.accept(a_new_turn(store.account, return_url=first.return_url))
    assert (again.status, again.request_id) == (AcceptStatus.DUPLICATE, first.request_id)
    assert dump(store.redis) == before


def test_a_redis_that_takes_nothing_more_still_knows_what_was_accepted(
    store: Store, request: pytest.FixtureRequest
) -> None:
    first = store.accept()
    request.addfinalizer(lambda: store.redis.config_set("maxmemory", 0))
    store.redis.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailable):
        store.turns.accept(a_new_turn(store.account))
    again = store.turns.accept(a_new_turn(store.account, return_url=first.return_url))
    assert (again.status, again.request_id) == (AcceptStatus.DUPLICATE, first.request_id)


def test_what_guards_against_repetitions_and_floods_ends_by_itself(store: Store) -> None:
    new, other = store.accept(), store.accept()
    minute = NOW_MS // 60_000
    ends = {
        keys.return_url(31000001, new.return_url): 72 * 3600,
        keys.return_url(31000001, other.return_url): 72 * 3600,
        keys.account_minute(31000001, minute): 120,
        keys.text_minute(31000001, minute, f"7 contact-1 {new.message}"): 120,
    }
    for key, seconds in ends.items():
        assert seconds - 60 < store.redis.ttl(key) <= seconds
    assert [store.redis.get(key) for key in list(ends)[2:]] == [b"2", b"2"]


def test_the_usual_acceptance_takes_26_commands(store: Store) -> None:
    """The door's share of Redis: each costs about as much as handing it over (docs/decisions.md 41)."""
    store.accept(line="contact-1", handler=None)
    store.clock.seconds += 1
    store.redis.config_resetstat()
    store.accept(line="contact-2", handler=None, message="Bom dia")
    counted = cast("dict[str, dict[str, int]]", store.redis.info("commandstats"))
    ours = {name: figures["calls"] for name, figures in counted.items() if not name.endswith(("resetstat", "evalsha"))}
    assert sum(ours.values()) == 26, ours
