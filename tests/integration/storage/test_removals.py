"""Taking an account out of a real Redis: all of it, nothing else, and from wherever it was interrupted."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import redis

from app.domain.accounts import AccountExists, AccountUnknown
from app.domain.answers import Conversation
from app.domain.assistants import Api
from app.domain.forgetting import Deletion, Fate, Kind, Remote
from app.domain.quota import ContactLimit
from app.domain.turn import AcceptStatus
from app.storage import keys
from app.storage.accounts import RedisAccounts
from app.storage.batches import RedisBatches
from app.storage.boosts import RedisBoosts
from app.storage.removals import AT_ONCE, KINDS, RedisRemovals, kind_of
from app.storage.token_checks import RedisTokenChecks
from app.storage.widget_use import RedisWidgetUse
from tests.builders import a_new_turn
from tests.integration.storage.test_contact_memory import House
from tests.integration.turn_store import ANSWERED
from tests.redis_contents import everything_in

ACCOUNT, OTHER = 31000001, 31000002
# Of all keys that hang on an account, those that need not be in KINDS: it is removed itself, or they are gone when no
# turn is open, or within seconds.
BY_OTHER_MEANS = {"account", "removal", "queued_of", "ready_of", "pace_of_account"}
# What arguments of storage/keys.py may be called, all of them so that they look like an account's id.
VALUES = {"account_id": ACCOUNT, "minute": ACCOUNT}


def functions_of_keys() -> list[Any]:
    found = inspect.getmembers(keys, inspect.isfunction)
    return [pytest.param(function, id=name) for name, function in found]


def a_key(function: Callable[..., str]) -> str:
    names = inspect.signature(function).parameters
    return function(**{name: VALUES.get(name, str(ACCOUNT)) for name in names})


@pytest.mark.parametrize("function", functions_of_keys())
def test_every_key_that_hangs_on_an_account_goes_with_it_and_no_other(function: Callable[..., str]) -> None:
    of_account = "account_id" in inspect.signature(function).parameters
    expected = of_account and function.__name__ not in BY_OTHER_MEANS
    assert (kind_of(a_key(function).encode(), ACCOUNT) is not None) == expected
    assert kind_of(a_key(function).encode(), ACCOUNT // 10) is None


def test_there_is_no_kind_that_no_key_has() -> None:
    found = {kind_of(a_key(param.values[0]).encode(), ACCOUNT) for param in functions_of_keys()}
    assert found - {None} == KINDS


class Company(House):
    """A house with everything that an account can have."""

    def __init__(self, client: redis.Redis) -> None:
        super().__init__(client)
        self.removals = RedisRemovals(client, self.store.accounts, self.store.clock)

    def live(self) -> None:
        """Let all kinds of things happen in it, and as much in another company."""
        self.answered("contact-1")
        self.answered("contact-2", Conversation(Api.ASSISTANTS, "thread_2"))
        self.failed("contact-2", weight=2)
        client, account = self.redis, self.store.account
        RedisBoosts(client, self.store.clock).add(account, "natal", 10, None)
        use = RedisWidgetUse(client, self.store.clock)
        use.first(ACCOUNT, "token", self.store.clock() + 600)
        use.seconds_to_wait(ACCOUNT, "save", 5)
        RedisTokenChecks(client, self.store.clock).enlist([ACCOUNT, OTHER], 60.0)
        client.sadd(keys.past_conversations(ACCOUNT, "contact-1"), "responses conv_old")
        client.hset(keys.texts_erased(), mapping={str(ACCOUNT): 1, str(OTHER): 1})
        client.set(keys.unfinished_hook(f"revoked-{ACCOUNT}"), "sealed", ex=600)
        client.zadd(keys.unfinished_hooks(), {f"revoked-{ACCOUNT}": 1, f"revoked-{OTHER}": 1})
        other = self.store.accept(OTHER, line="contact-1", contact_limits=(ContactLimit("2025-11", 9, 40),))
        self.store.finish(other)
        batches = RedisBatches(client, self.store.clock)
        for account_id in (ACCOUNT, OTHER):
            batch = batches.add(account_id, 1, 2, ["turn"], "ana", untold=True)
            batches.record(batch, "turn", "delivered")
        turn = next(iter(self.ids()))
        client.zadd(keys.notes(), {turn: 1, f"{turn}:80:8:10": 1, f"{other.request_id}:80:8:10": 1})

    def ids(self) -> list[str]:
        return [turn for page, _ in self.removals.turns(ACCOUNT) for turn in page]

    def remove(self) -> dict[str, int]:
        """All steps."""
        self.removals.begin(ACCOUNT)
        for page, _ in self.removals.turns(ACCOUNT):
            self.removals.remove_turns(ACCOUNT, page)
        list(self.removals.remove_rest(ACCOUNT))
        return dict(self.removals.finish(ACCOUNT))


@pytest.fixture
def company(redis_client: redis.Redis) -> Company:
    return Company(redis_client)


def left_of(client: redis.Redis, words: str) -> list[bytes]:
    """Where something stands that should be gone; not among RQ's jobs, nor where it is gone within seconds."""
    lines = everything_in(client).split(b"\n")
    return [line for line in lines if words.encode() in line and not line.startswith((b"rq:", b"bytegpt:pace:"))]


def test_nothing_of_the_account_is_left_and_the_other_one_is_untouched(
    company: Company, redis_client: redis.Redis
) -> None:
    company.live()
    turns = company.ids()
    removed = company.remove()
    for words in (str(ACCOUNT), *turns):
        assert left_of(redis_client, words) == []
    assert removed == {
        "batch": 3,
        "boost": 1,
        "boost_left": 1,
        "boosts": 1,
        "contact": 2,
        "contact_span": 6,
        "conversation": 2,
        "ended": 1,
        "lead": 1,
        "ledger": 1,
        "minute": 3,
        "minutes": 1,
        "notes": 2,
        "open_month": 1,
        "past_conversations": 1,
        "quota": 1,
        "return_url": 3,
        "turns": 3,
        "usage": 1,
        "widget_minute": 1,
        "widget_token": 1,
    }
    assert company.store.accounts.get(OTHER) is not None
    ledger = list(company.store.ledger.entries(OTHER, "2025-11"))
    assert [entry.kind for entry in ledger] == ["grant", "reserve", "settle"]
    assert redis_client.zcard(keys.batches()) == redis_client.zcard(keys.open_batches()) == 1
    assert redis_client.zcard(keys.turns()) == redis_client.zcard(keys.turns_of_lead(OTHER, 7)) == 1
    assert redis_client.zcard(keys.notes()) == redis_client.zcard(keys.unfinished_hooks()) == 1
    assert redis_client.hkeys(keys.texts_erased()) == [str(OTHER).encode()]


def test_an_account_that_is_being_removed_counts_as_not_installed_at_once(company: Company) -> None:
    known = company.store.account
    open_one = company.begin("contact-1")
    assert company.removals.begin(ACCOUNT) == company.store.clock.milliseconds
    company.store.clock.seconds += 60
    assert company.removals.begin(ACCOUNT) == company.store.clock.milliseconds - 60_000
    assert company.store.turns.accept(a_new_turn(known)).status is AcceptStatus.STALE
    now = company.store.accounts.get(ACCOUNT)
    assert now is not None
    assert now.removing
    assert company.removals.open_turns(ACCOUNT) == 1
    assert company.removals.open_turns(OTHER) == 0
    # Its open turn is answered with it, and its token may be renewed for that.
    assert company.store.accounts.replace(now, now.version).removing
    company.store.advance(open_one, ANSWERED)


def test_until_it_is_removed_it_cannot_be_added_anew(company: Company) -> None:
    company.removals.begin(ACCOUNT)
    with pytest.raises(AccountExists, match="is being removed"):
        company.store.accounts.add(company.store.account)
    company.remove()
    assert not company.store.accounts.add(company.store.account).removing


def test_what_is_not_there_cannot_be_removed(company: Company) -> None:
    with pytest.raises(AccountUnknown):
        company.removals.begin(99)


@pytest.mark.parametrize("interrupted_after", range(6))
def test_an_interrupted_removal_goes_on_and_counts_everything_once(
    company: Company, redis_client: redis.Redis, interrupted_after: int
) -> None:
    company.live()
    steps: list[Callable[[], object]] = [
        lambda: company.removals.begin(ACCOUNT),
        lambda: company.removals.remove_turns(ACCOUNT, company.ids()[:1]),
        lambda: company.removals.remove_turns(ACCOUNT, company.ids()),
        lambda: company.removals.count(ACCOUNT, [Deletion(Remote(Kind.ITEM, "msg_1"), Fate.DELETED)]),
        lambda: company.removals.remove_conversations(ACCOUNT, "contact-1"),
        lambda: list(company.removals.remove_rest(ACCOUNT)),
    ]
    for step in steps[: interrupted_after + 1]:
        step()
    removed = company.remove()
    expected = {"turns": 3, "notes": 2, "conversation": 2, "past_conversations": 1, "ledger": 1, "return_url": 3}
    assert {kind: removed[kind] for kind in expected} == expected
    assert removed.get("openai:item deleted", 0) == (1 if interrupted_after >= 3 else 0)
    assert left_of(redis_client, str(ACCOUNT)) == []


def test_conversations_and_what_turns_left_at_openai_are_known(company: Company) -> None:
    company.live()
    found = dict(company.removals.conversations(ACCOUNT))
    assert found == {
        "contact-1": (Remote(Kind.CONVERSATION, "conv_old"), Remote(Kind.CONVERSATION, "conv_contact-1")),
        "contact-2": (Remote(Kind.THREAD, "thread_2"),),
    }
    left = company.removals.left_at_openai(company.ids())
    assert set(left.values()) == {
        (),
        (Remote(Kind.CONVERSATION, "conv_contact-1"), Remote(Kind.RESPONSE, "resp_1")),
        (Remote(Kind.THREAD, "thread_2"),),
    }


def test_a_great_many_turns_go_page_by_page(company: Company, redis_client: redis.Redis) -> None:
    count = 3 * AT_ONCE + 7
    pipeline = redis_client.pipeline()
    for number in range(count):
        turn = f"{number:028x}"
        pipeline.zadd(keys.turns_of(ACCOUNT), {turn: number})
        pipeline.hset(keys.turn(turn), "account_id", ACCOUNT)
        pipeline.rpush(keys.turn_steps(turn), "{}")
    pipeline.execute()
    assert company.remove()["turns"] == count
    assert redis_client.keys("bytegpt:turn*") == []


def test_the_secret_of_its_integration_stays_for_some_days_and_only_where_nobody_else_uses_it(
    company: Company, redis_client: redis.Redis
) -> None:
    accounts = RedisAccounts(redis_client, company.store.sealer)
    account = accounts.get(ACCOUNT)
    assert account is not None
    accounts.replace(account.__class__(ACCOUNT, "acme", client_id="private"), account.version, "secret")
    company.remove()
    assert 6 < redis_client.ttl(keys.integration("private")) / 86400 <= 7
