"""Erasing what clients and assistants wrote when its time is over (LGPD, article 15)."""

import json
import time
from collections.abc import Callable, Iterator
from typing import cast

from redis import Redis

from app.domain.retention import DEFAULT_DAYS, ended_before
from app.domain.turn_search import LISTED
from app.storage import keys
from app.storage.availability import availability
from app.storage.scripts import script

AT_ONCE = 500


class RedisTexts:
    """Fills the port Texts. Every method raises StoreUnavailable."""

    def __init__(self, redis: "Redis", clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since the epoch."""
        self._redis = redis
        self._clock = clock
        self._erase = script(redis, "erase_texts")

    def retention(self) -> Iterator[tuple[int, int]]:
        """Every account by its id, and for how many days it keeps texts."""
        with availability():
            ids = sorted(int(member) for member in cast("set[bytes]", self._redis.smembers(keys.accounts())))
        for begin in range(0, len(ids), AT_ONCE):
            some = ids[begin : begin + AT_ONCE]
            with availability():
                pipeline = self._redis.pipeline(transaction=False)
                for account_id in some:
                    pipeline.hget(keys.account(account_id), "retention_days")
                found = pipeline.execute()
            yield from ((known, int(days or DEFAULT_DAYS)) for known, days in zip(some, found, strict=True))

    def erase(self, account_id: int, before: int) -> int:
        """Erase the texts of turns accepted before a moment, in milliseconds; returns in how many turns.

        Looks only at turns that came due since the last time, and at those behind one that was open then.
        """
        with availability():
            known = cast("bytes | None", self._redis.hget(keys.texts_erased(), str(account_id)))
        after, erased, all_closed, more = int(known or 0), 0, True, True
        while more:
            ids, after, more = self._due(account_id, after, before)
            count, left_open = self._erased(ids)
            erased += count
            all_closed = all_closed and not left_open
            if all_closed:
                with availability():
                    self._redis.hset(keys.texts_erased(), str(account_id), after)
        return erased

    def unlist(self, account_id: int, before: int) -> None:
        """List no turns any more that were accepted before a moment, in milliseconds, as far as texts are erased."""
        with availability():
            known = cast("bytes | None", self._redis.hget(keys.texts_erased(), str(account_id)))
            older = f"({min(before, int(known or 0))}"
            pipeline = self._redis.pipeline(transaction=False)
            for key in (keys.turns_of(account_id), *(keys.ended_turns_of(account_id, kind) for kind in LISTED)):
                pipeline.zremrangebyscore(key, "-inf", older)
            pipeline.execute()

    def unlist_everywhere(self, before: int) -> None:
        """Take turns that were accepted before a moment, in milliseconds, off the lists of all accounts together."""
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            for key in (keys.turns(), *(keys.ended_turns(kind) for kind in LISTED)):
                pipeline.zremrangebyscore(key, "-inf", f"({before}")
            pipeline.execute()

    def _due(self, account_id: int, after: int, before: int) -> tuple[list[str], int, bool]:
        """Some turns that are due, up to which acceptance they are all that are, and whether there are more."""
        key = keys.turns_of(account_id)
        with availability():
            found = cast(
                "list[tuple[bytes, float]]",
                self._redis.zrangebyscore(key, f"({after}", f"({before}", 0, AT_ONCE, withscores=True),
            )
            if len(found) < AT_ONCE:
                return [turn_id.decode() for turn_id, _ in found], max(after, before - 1), False
            last = found[-1][1]
            together = cast("list[bytes]", self._redis.zrangebyscore(key, last, last))
        ids = dict.fromkeys([*(turn_id for turn_id, _ in found), *together])
        return [turn_id.decode() for turn_id in ids], int(last), True

    def _erased(self, ids: list[str]) -> tuple[int, int]:
        """In how many of these turns texts were erased, and how many of them are open."""
        if not ids:
            return 0, 0
        now = int(self._clock() * 1000)
        told = json.dumps({"at": now, "step": "texts_erased"})
        turns = [key for turn_id in ids for key in (keys.turn(turn_id), keys.turn_steps(turn_id))]
        with availability():
            count, left_open = self._erase(keys=[keys.open_turns(), *turns], args=[told, ended_before(now), *ids])
        return int(count), int(left_open)
