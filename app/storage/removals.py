"""Taking an account out of Redis, so that an interruption at any moment does no harm (services/removing.py)."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from redis import Redis

from app.domain.accounts import AccountUnknown
from app.domain.forgetting import Deletion, Kind, Remote, conversation_at
from app.storage import keys
from app.storage.accounts import RedisAccounts
from app.storage.availability import availability
from app.storage.scripts import script
from app.storage.turn_traces import deletions_in, open_turns_of, traces

# Turns, and keys of a scan, that travel at once.
AT_ONCE = 500
SCANNED_AT_ONCE = 1000
# Kinds of keys whose second part is an account's id: all of storage/keys.py that hangs on an account, but for what is
# removed otherwise (the account and its turns), for queues of open turns, and for what lives for seconds.
KINDS = frozenset(
    (
        "batch",
        "boost",
        "boost_left",
        "boosts",
        "contact",
        "contact_span",
        "conversation",
        "ended",
        "forgetting",
        "lead",
        "ledger",
        "line",
        "minute",
        "minutes",
        "open_month",
        "past_conversations",
        "quota",
        "return_url",
        "turns",
        "usage",
        "widget_minute",
        "widget_token",
    )
)
# Those of them, by the contact, from which ids at OpenAI are known.
_LEADING_TO_OPENAI = ("conversation", "past_conversations", "forgetting")
_KEY = re.compile(rf"{keys.PREFIX}([a-z_]+):([0-9]+)(?::.*)?", re.DOTALL)


class RedisRemovals:
    """Fills the port Removals."""

    def __init__(self, redis: "Redis", accounts: RedisAccounts, clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since the epoch."""
        self._redis = redis
        self._accounts = accounts
        self._clock = clock
        self._begin = script(redis, "remove_begin")
        self._remove_turns = script(redis, "remove_turns")
        self._remove_keys = script(redis, "remove_keys")

    def begin(self, account_id: int) -> int:
        """Let the account count as not installed from now on; when that was, in milliseconds. Raises AccountUnknown."""
        with availability():
            since = self._begin(keys=[keys.account(account_id)], args=[int(self._clock() * 1000)])
        if since is None:
            raise AccountUnknown(account_id)
        return int(since)

    def open_turns(self, account_id: int) -> int:
        """How many of its turns are not closed."""
        with availability():
            return len(open_turns_of(self._redis, account_id))

    def conversations(self, account_id: int) -> Iterator[tuple[str, tuple[Remote, ...]]]:
        """What is known at OpenAI of one contact at a time, by its conversation key, beside what its turns left."""
        for found, _, _ in self._scanned(account_id):
            lines = {key.decode().split(":", 3)[3] for key, kind in found if kind in _LEADING_TO_OPENAI}
            for line in sorted(lines):
                yield line, self._conversations_of(account_id, line)

    def _conversations_of(self, account_id: int, line: str) -> tuple[Remote, ...]:
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.hmget(keys.conversation(account_id, line), "api", "conversation_id")
            pipeline.smembers(keys.past_conversations(account_id, line))
            pipeline.hgetall(keys.forgetting(account_id, line))
            (api, conversation_id), past, forgetting = pipeline.execute()
        found = [tuple(member.decode().split(" ", 1)) for member in sorted(past)]
        if conversation_id:
            found.append((api.decode(), conversation_id.decode()))
        being_forgotten = (one.remote for one in deletions_in(forgetting) if not one.done)
        return (
            *(conversation_at(*one) for one in found),
            *(remote for remote in being_forgotten if remote.kind is not Kind.ITEM),
        )

    def remove_conversations(self, account_id: int, line: str) -> None:
        """Forget what `conversations` has told of one contact."""
        self._remove(
            account_id,
            [
                (keys.conversation(account_id, line).encode(), "conversation"),
                (keys.past_conversations(account_id, line).encode(), "past_conversations"),
                (keys.forgetting(account_id, line).encode(), "forgetting"),
            ],
        )

    def turns(self, account_id: int) -> Iterator[tuple[list[str], int]]:
        """Ids of its turns, page by page; and how many of them there are still."""
        key, cursor = keys.turns_of(account_id), 0
        while True:
            with availability():
                left = self._redis.zcard(key)
                cursor, some = self._redis.zscan(key, cursor, count=AT_ONCE)
            if some:
                yield [turn_id.decode() for turn_id, _ in cast("list[tuple[bytes, float]]", some)], left
            if cursor == 0:
                return

    def left_at_openai(self, request_ids: Sequence[str]) -> dict[str, tuple[Remote, ...]]:
        """What each of these turns has left at OpenAI."""
        with availability():
            return traces(self._redis, request_ids)

    def remove_turns(self, account_id: int, request_ids: Sequence[str]) -> None:
        """Delete these turns, with the notes that they are due."""
        turns = [key for turn_id in request_ids for key in (keys.turn(turn_id), keys.turn_steps(turn_id))]
        with availability():
            self._remove_turns(
                keys=[keys.removal(account_id), keys.turns_of(account_id), keys.notes(), *turns], args=request_ids
            )

    def count(self, account_id: int, deletions: Sequence[Deletion]) -> None:
        """Count what is gone at OpenAI."""
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            for one in deletions:
                pipeline.hincrby(keys.removal(account_id), f"openai:{one.remote.kind} {one.fate}")
            pipeline.execute()

    def remove_rest(self, account_id: int) -> Iterator[tuple[int, int]]:
        """Delete everything else but the account itself; how many keys of all were looked at, and of how many.

        Looks at every key of Redis once: some of what hangs on an account can be found in no other way.
        """
        for found, looked_at, total in self._scanned(account_id):
            self._remove(account_id, found)
            yield looked_at, total

    def finish(self, account_id: int) -> Mapping[str, int]:
        """Delete the account itself. Returns what was removed in all, by kind."""
        revoked = f"revoked-{account_id}"
        with availability():
            listed = cast("list[bytes]", self._redis.zrange(keys.batches(), 0, -1))
            pipeline = self._redis.pipeline(transaction=True)
            for name in (name for name in listed if name.startswith(b"%d:" % account_id)):
                pipeline.zrem(keys.batches(), name)
                pipeline.zrem(keys.open_batches(), name)
            pipeline.zrem(keys.token_checks(), str(account_id))
            pipeline.hdel(keys.texts_erased(), str(account_id))
            pipeline.zrem(keys.unfinished_hooks(), revoked)
            pipeline.delete(keys.unfinished_hook(revoked))
            pipeline.hgetall(keys.removal(account_id))
            removed = cast("dict[bytes, bytes]", pipeline.execute()[-1])
        self._accounts.remove(account_id)
        return {kind.decode(): int(count) for kind, count in removed.items()}

    def _scanned(self, account_id: int) -> Iterator[tuple[list[tuple[bytes, str]], int, int]]:
        """What hangs on the account, page by page, each key with its kind; keys looked at, and how many there are."""
        cursor, looked_at = 0, 0
        while True:
            with availability():
                total = self._redis.dbsize()
                cursor, answer = self._redis.scan(cursor, count=SCANNED_AT_ONCE)
            some = cast("list[bytes]", answer)
            looked_at += len(some)
            found = [(key, kind) for key in some if (kind := kind_of(key, account_id))]
            yield found, min(looked_at, total), total
            if cursor == 0:
                return

    def _remove(self, account_id: int, found: Sequence[tuple[bytes, str]]) -> None:
        if found:
            with availability():
                self._remove_keys(
                    keys=[keys.removal(account_id), *(key.decode() for key, _ in found)],
                    args=[kind for _, kind in found],
                )


def kind_of(key: bytes, account_id: int) -> str | None:
    """The kind of a key that hangs on this account and goes with it; None for all others."""
    found = _KEY.fullmatch(key.decode(errors="replace"))
    return found[1] if found and found[1] in KINDS and found[2] == str(account_id) else None
