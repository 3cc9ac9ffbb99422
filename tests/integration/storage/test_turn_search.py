"""Looking for turns on a real Redis: each is found by all that it is found by, and by nothing when it is gone."""

from collections.abc import Callable
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.failures import Failure
from app.domain.turn import DECIDED, Change, NewTurn, Status
from app.domain.turn_search import Ending, Wanted
from app.services.replaying import Replaying
from app.services.retention import Retention
from app.storage import keys, turn_search
from app.storage.locks import RedisLocks
from app.storage.replays import RedisReplays
from app.storage.texts import RedisTexts
from app.storage.turn_search import RedisTurnSearch
from tests.builders import TIMING
from tests.integration.turn_store import ANSWERED, DELIVERED, FAILED, Store

ACCOUNT, OTHER = 31000001, 31000002
DAY = 24 * 3600
UNDELIVERABLE = Change(expect=DECIDED, status=Status.UNDELIVERABLE, close=True)
NOT_WAITING = Change(expect=DECIDED, status=Status.NOT_WAITING, close=True)


class Shelf:
    """Turns of two companies, and whoever looks for them."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client
        self.store = Store(client, requests=10_000)
        self.search = RedisTurnSearch(client)

    def turn(self, *changes: Change, account_id: int = ACCOUNT, **fields: Any) -> str:
        """A turn that came a second after the one before, and what became of it."""
        self.store.clock.seconds += 1
        new: NewTurn = self.store.accept(account_id, **fields)
        if changes:
            taken = self.store.take(new)
            for change in changes:
                self.store.advance(taken, change)
        return new.request_id

    def found(self, size: int = 100, **wanted: Any) -> list[str]:
        return [turn.request_id for turn in self.search.page(Wanted(**wanted), None, size).turns]

    def paged(self, size: int, **wanted: Any) -> list[list[str]]:
        """All pages of a search."""
        pages, older = [], None
        while True:
            page = self.search.page(Wanted(**wanted), older, size)
            pages.append([turn.request_id for turn in page.turns])
            if page.older is None:
                return pages
            older = page.older


@pytest.fixture
def shelf(redis_client: redis.Redis) -> Shelf:
    return Shelf(redis_client)


def test_the_newest_are_first_in_all_accounts_and_in_one(shelf: Shelf) -> None:
    first, second, third = shelf.turn(), shelf.turn(account_id=OTHER), shelf.turn(ANSWERED, DELIVERED)
    assert shelf.found() == [third, second, first]
    assert shelf.found(account_id=ACCOUNT) == [third, first]
    assert shelf.found(account_id=99) == []


@pytest.mark.parametrize(
    ("changes", "refusal", "endings"),
    [
        ((), None, [Ending.OPEN]),
        ((ANSWERED,), None, [Ending.OPEN]),
        ((ANSWERED, DELIVERED), None, [Ending.ANSWERED]),
        ((ANSWERED, NOT_WAITING), None, [Ending.NOT_WAITING]),
        ((ANSWERED, UNDELIVERABLE), None, [Ending.UNDELIVERABLE]),
        ((FAILED,), None, [Ending.OPEN]),
        ((FAILED, DELIVERED), None, [Ending.FAILED]),
        ((FAILED, UNDELIVERABLE), None, [Ending.FAILED, Ending.UNDELIVERABLE]),
        ((DELIVERED,), Failure.ACCOUNT_PAUSED, [Ending.REFUSED]),
    ],
    ids=["accepted", "answered", "delivered", "not waiting", "undeliverable", "failing", "failed", "untold", "refused"],
)
@pytest.mark.parametrize("who", [{}, {"account_id": ACCOUNT}, {"lead_id": 7}], ids=["all", "account", "lead"])
def test_a_turn_is_found_by_how_it_ended(
    shelf: Shelf, changes: tuple[Change, ...], refusal: Failure | None, endings: list[Ending], who: dict[str, int]
) -> None:
    turn = shelf.turn(*changes, refusal=refusal)
    assert [ending for ending in Ending if shelf.found(ending=ending, **who) == [turn]] == endings
    (shown,) = shelf.search.page(Wanted(), None, 9).turns
    assert shown.ending == endings[0]


def test_a_client_is_found_by_lead_and_by_contact_in_one_account_or_any(shelf: Shelf) -> None:
    mine = shelf.turn(line="contact-1", note_lead_id=11)
    theirs = shelf.turn(account_id=OTHER, line="contact-1", note_lead_id=11)
    shelf.turn(line="contact-2", note_lead_id=12)
    shelf.turn(line=None, note_lead_id=None)
    assert shelf.found(lead_id=11, account_id=ACCOUNT) == shelf.found(line="contact-1", account_id=ACCOUNT) == [mine]
    assert shelf.found(lead_id=11) == shelf.found(line="contact-1") == [theirs, mine]
    assert shelf.found(lead_id=12, line="contact-1") == []
    assert shelf.found(lead_id=99) == []


def test_a_span_counts_both_its_ends(shelf: Shelf) -> None:
    turns = [shelf.turn() for _ in range(5)]
    moments = [turn.accepted_at for turn in shelf.search.all(Wanted(until=None))][::-1]
    assert shelf.found(since=moments[1], until=moments[3]) == turns[1:4][::-1]
    assert shelf.found(account_id=ACCOUNT, since=moments[4]) == [turns[4]]


@given(
    gaps=st.lists(st.sampled_from([0, 0, 1]), min_size=1, max_size=30),
    size=st.integers(1, 7),
    ending=st.sampled_from([None, Ending.FAILED]),
    at_once=st.integers(1, 4),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_hold_every_turn_once_also_those_of_one_moment(
    redis_client: redis.Redis, gaps: list[int], size: int, ending: Ending | None, at_once: int
) -> None:
    redis_client.flushall()
    shelf = Shelf(redis_client)
    for gap in gaps:
        shelf.store.clock.seconds += gap - 1
        shelf.turn(FAILED, DELIVERED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turn_search, "AT_ONCE", at_once)
        pages = shelf.paged(size, ending=ending)
    turns = [turn for page in pages for turn in page]
    assert len(turns) == len(set(turns)) == len(gaps)
    assert all(len(page) == size for page in pages[:-1])


def test_open_turns_are_paged_too(shelf: Shelf) -> None:
    turns = [shelf.turn() for _ in range(5)]
    shelf.turn(ANSWERED, DELIVERED)
    pages = shelf.paged(2, ending=Ending.OPEN, account_id=ACCOUNT)
    assert sorted(turn for page in pages for turn in page) == sorted(turns)
    assert [len(page) for page in pages] == [2, 2, 1]


def test_what_has_no_list_of_its_own_is_looked_for_so_far_and_then_from_there(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn_search, "MOST_LOOKED_AT", 3)
    failed = shelf.turn(FAILED, DELIVERED)
    for _ in range(4):
        shelf.turn(ANSWERED, DELIVERED)
    page = shelf.search.page(Wanted(lead_id=7, ending=Ending.FAILED), None, 10)
    assert page.turns == []
    assert page.older is not None
    assert page.looked_back_to == int(page.older.split("-")[0])
    rest = shelf.search.page(Wanted(lead_id=7, ending=Ending.FAILED), page.older, 10)
    assert [turn.request_id for turn in rest.turns] == [failed]
    assert (rest.older, rest.looked_back_to) == (None, None)


@pytest.mark.parametrize("text", ["", "1", "1-", "-a", "1-x", "x-1", "1-a-", "1" * 16 + "-a"])
def test_what_is_no_cursor_is_refused(shelf: Shelf, text: str) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        shelf.search.page(Wanted(), text, 10)


def test_a_turn_that_is_run_again_is_open_and_listed_by_its_new_end(shelf: Shelf) -> None:
    turn = shelf.turn(FAILED, DELIVERED)
    store, replays = shelf.store, RedisReplays(shelf.redis, TIMING)
    Replaying(store.turns, store.accounts, replays, TIMING, store.clock).replay(turn, "test")
    assert shelf.found(ending=Ending.FAILED) == shelf.found(ending=Ending.FAILED, account_id=ACCOUNT) == []
    assert shelf.found(ending=Ending.OPEN) == [turn]
    (taken,) = shelf.store.next()
    shelf.store.advance(taken, ANSWERED)
    shelf.store.advance(taken, UNDELIVERABLE)
    assert shelf.found(ending=Ending.UNDELIVERABLE, account_id=ACCOUNT) == [turn]
    assert shelf.redis.keys("bytegpt:*ended:*failed") == []


# --- how long the lists live ----------------------------------------------------------------------------------------


def lists(shelf: Shelf) -> dict[str, Any]:
    """All lists but those of the account's turns, and what stands in them."""
    names = ("bytegpt:turns", "bytegpt:lead:*", "bytegpt:contact:*", "bytegpt:ended:*", "bytegpt:all_ended:*")
    found = [key.decode() for name in names for key in shelf.redis.keys(name) if isinstance(key, bytes)]
    return {key: shelf.redis.zrange(key, 0, -1) for key in found}


def swept(shelf: Shelf) -> None:
    Retention(RedisTexts(shelf.redis, shelf.store.clock), RedisLocks(shelf.redis), shelf.store.clock).sweep()


def test_lists_are_shortened_as_turns_end(shelf: Shelf) -> None:
    shelf.turn(FAILED, DELIVERED)
    shelf.store.clock.seconds += 31 * DAY
    late = shelf.turn(FAILED, DELIVERED)
    swept(shelf)
    assert set(lists(shelf)) == {
        keys.turns(),
        keys.turns_of_lead(ACCOUNT, 7),
        keys.turns_of_contact(ACCOUNT, "contact-1"),
        keys.ended_turns("failed"),
        keys.ended_turns_of(ACCOUNT, "failed"),
    }
    assert all(found == [late.encode()] for found in lists(shelf).values())


@pytest.mark.parametrize(("retention", "days"), [(1, 31), (30, 31), (90, 91)])
def test_the_list_of_a_client_lives_a_little_longer_than_its_turns(shelf: Shelf, retention: int, days: int) -> None:
    shelf.redis.hset(keys.account(ACCOUNT), "retention_days", retention)
    shelf.turn(ANSWERED, DELIVERED)
    for key in (keys.turns_of_lead(ACCOUNT, 7), keys.turns_of_contact(ACCOUNT, "contact-1")):
        assert days * DAY - 10 < shelf.redis.ttl(key) <= days * DAY


def test_a_list_that_came_to_its_end_while_a_turn_was_open_has_that_turn_afterwards(shelf: Shelf) -> None:
    shelf.turn(ANSWERED, DELIVERED)
    shelf.store.clock.seconds += 40 * DAY
    client_lists = (keys.turns_of_lead(ACCOUNT, 7), keys.turns_of_contact(ACCOUNT, "contact-1"))
    new = shelf.store.accept(ACCOUNT)
    shelf.redis.delete(*client_lists)
    taken = shelf.store.take(new)
    shelf.store.advance(taken, ANSWERED)
    shelf.store.advance(taken, DELIVERED)
    assert [shelf.redis.zrange(key, 0, -1) for key in client_lists] == [[new.request_id.encode()]] * 2
    assert all(shelf.redis.ttl(key) > 0 for key in client_lists)


def test_a_turn_that_is_kept_no_longer_is_not_shown(shelf: Shelf) -> None:
    gone, there = shelf.turn(), shelf.turn()
    shelf.redis.delete(keys.turn(gone))
    assert shelf.found() == shelf.found(lead_id=7) == [there]
    assert shelf.search.one(gone) is None
    one = shelf.search.one(there)
    assert one is not None
    assert (one.account_id, one.lead_id, one.line) == (ACCOUNT, 7, "contact-1")


def test_what_was_accepted_before_there_were_lists_is_found_by_its_account(shelf: Shelf) -> None:
    turn = shelf.turn(ANSWERED, DELIVERED)
    for key in lists(shelf):
        shelf.redis.delete(key)
    assert shelf.found(account_id=ACCOUNT) == [turn]
    assert shelf.found() == shelf.found(lead_id=7) == []


# --- what it costs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    [
        lambda _: Wanted(),
        lambda _: Wanted(account_id=ACCOUNT, ending=Ending.FAILED),
        lambda _: Wanted(ending=Ending.ANSWERED),
        lambda middle: Wanted(until=middle),
    ],
    ids=["all", "failed of one", "answered", "before"],
)
def test_a_page_costs_what_it_shows_however_many_turns_there_are(shelf: Shelf, wanted: Callable[[int], Wanted]) -> None:
    middle = shelf.store.clock.milliseconds + 150_000
    for number in range(300):
        shelf.turn(*((FAILED, DELIVERED) if number % 2 else (ANSWERED, DELIVERED)))
    before = shelf.redis.info("commandstats")["cmdstat_hmget"]["calls"]
    assert len(shelf.search.page(wanted(middle), None, 20).turns) == 20
    assert shelf.redis.info("commandstats")["cmdstat_hmget"]["calls"] - before <= turn_search.AT_ONCE
