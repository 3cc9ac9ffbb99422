"""Batches of turns that are run again, so that a process that ends in the middle of one loses nothing."""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import cast

from redis import Redis

from app.domain.batches import Batch
from app.storage import keys
from app.storage.availability import availability

KEPT_MS = 7 * 24 * 3600 * 1000
# Of all batches of the service one is worked on at a time.
LOCK = "batches"

_COUNT = "became:"
_PROLONG = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0"
# Whatever is written goes to a batch that still stands: else what was removed with its account, or has had its time,
# would come back without an end.
_STANDS = "if redis.call('HEXISTS', KEYS[1], 'total') == 0 then return 0 end "
_SET = _STANDS + "return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])"
_COUNT_TAKING = _STANDS + "return redis.call('HINCRBY', KEYS[1], 'takings', 1)"
# A client of Redis that lost our answer records the same again.
_RECORD = (
    _STANDS
    + "if redis.call('LPOS', KEYS[2], ARGV[1]) then return 0 end "
    + "redis.call('RPUSH', KEYS[2], ARGV[1]) redis.call('PEXPIRE', KEYS[2], ARGV[2]) "
    + "return redis.call('HINCRBY', KEYS[1], ARGV[3], 1)"
)
_RELEASE = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"


class RedisBatches:
    """Fills the port Batches. Every method raises StoreUnavailable."""

    def __init__(self, redis: "Redis", clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since the epoch."""
        self._redis = redis
        self._clock = clock
        self._prolong = redis.register_script(_PROLONG)
        self._release = redis.register_script(_RELEASE)
        self._set = redis.register_script(_SET)
        self._count_taking = redis.register_script(_COUNT_TAKING)
        self._record = redis.register_script(_RECORD)

    def add(
        self, account_id: int, since: int, until: int, request_ids: Sequence[str], by: str, *, untold: bool
    ) -> Batch:
        """Keep a wish; whoever takes it next begins with it."""
        now = int(self._clock() * 1000)
        batch = Batch(secrets.token_hex(6), account_id, since, until, untold, by, now, len(request_ids))
        key, name = keys.batch(account_id, batch.batch_id), _name(batch)
        told: dict[str, str | int] = {
            "since": since,
            "until": until,
            "untold": int(untold),
            "by": by,
            "begun_at": now,
            "total": batch.total,
        }
        with availability():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.hset(key, items=[part for pair in told.items() for part in pair])
            pipeline.pexpire(key, KEPT_MS)
            pipeline.rpush(keys.batch_turns(account_id, batch.batch_id), *request_ids)
            pipeline.pexpire(keys.batch_turns(account_id, batch.batch_id), KEPT_MS)
            pipeline.zremrangebyscore(keys.batches(), "-inf", now - KEPT_MS)
            pipeline.zadd(keys.batches(), {name: now})
            pipeline.zadd(keys.open_batches(), {name: now})
            pipeline.execute()
        return batch

    def get(self, account_id: int, batch_id: str) -> Batch | None:
        """The batch as it stands, None when it is unknown or kept no longer."""
        with availability():
            found = cast("dict[bytes, bytes]", self._redis.hgetall(keys.batch(account_id, batch_id)))
        return _batch(account_id, batch_id, found) if b"total" in found else None

    def newest(self, most: int) -> list[Batch]:
        """The last ones that were begun."""
        with availability():
            names = cast("list[bytes]", self._redis.zrevrange(keys.batches(), 0, most - 1))
        found = (self.get(*_parts(name)) for name in names)
        return [batch for batch in found if batch is not None]

    def results(self, batch: Batch, most: int) -> list[tuple[str, str]]:
        """The last results that are known, the newest first: id of a turn, and what it became."""
        with availability():
            raw = cast("list[bytes]", self._redis.lrange(keys.batch_results(*_place(batch)), -most, -1))
        return [(request_id, became) for request_id, _, became in (one.decode().partition(" ") for one in raw[::-1])]

    def ask_to_stop(self, batch: Batch) -> None:
        """Let no further turn of it be begun."""
        with availability():
            self._set(keys=[keys.batch(*_place(batch))], args=["stopping", 1])

    def take(self, token: str, seconds: float) -> Batch | None:
        """The batch that is to be worked on, for so many seconds; None where there is none, or others work on it."""
        with availability():
            names = cast("list[bytes]", self._redis.zrange(keys.open_batches(), 0, 0))
            if not names or not self._redis.set(keys.lock(LOCK), token, nx=True, px=int(seconds * 1000)):
                return None
            account_id, batch_id = _parts(names[0])
            self._count_taking(keys=[keys.batch(account_id, batch_id)])
            batch = self.get(account_id, batch_id)
            if batch is None or batch.ended_at is not None:
                # Its time ended while nobody worked on it, or it was over when its process ended.
                self._redis.zrem(keys.open_batches(), names[0])
                self.release(token)
                return None
        return batch

    def prolong(self, token: str, seconds: float) -> bool:
        """Go on for so many seconds; False where somebody else works on it by now."""
        with availability():
            return bool(self._prolong(keys=[keys.lock(LOCK)], args=[token, int(seconds * 1000)]))

    def release(self, token: str) -> None:
        """Let others take it."""
        with availability():
            self._release(keys=[keys.lock(LOCK)], args=[token])

    def left(self, batch: Batch) -> list[str]:
        """Ids of its turns of which no result is known, in their order."""
        with availability():
            ids = cast("list[bytes]", self._redis.lrange(keys.batch_turns(*_place(batch)), 0, -1))
            results = cast("list[bytes]", self._redis.lrange(keys.batch_results(*_place(batch)), 0, -1))
        known = {result.partition(b" ")[0] for result in results}
        return [turn_id.decode() for turn_id in ids if turn_id not in known]

    def record(self, batch: Batch, request_id: str, became: str) -> None:
        """Write down what became of a turn."""
        with availability():
            self._record(
                keys=[keys.batch(*_place(batch)), keys.batch_results(*_place(batch))],
                args=[f"{request_id} {became}", KEPT_MS, f"{_COUNT}{became}"],
            )

    def end(self, batch: Batch) -> None:
        """It is over."""
        with availability():
            self._set(keys=[keys.batch(*_place(batch))], args=["ended_at", int(self._clock() * 1000)])
            self._redis.zrem(keys.open_batches(), _name(batch))


def _place(batch: Batch) -> tuple[int, str]:
    return batch.account_id, batch.batch_id


def _name(batch: Batch) -> str:
    return f"{batch.account_id}:{batch.batch_id}"


def _parts(name: bytes) -> tuple[int, str]:
    account_id, _, batch_id = name.decode().partition(":")
    return int(account_id), batch_id


def _batch(account_id: int, batch_id: str, found: dict[bytes, bytes]) -> Batch:
    told = {name.decode(): value.decode() for name, value in found.items()}
    return Batch(
        batch_id=batch_id,
        account_id=account_id,
        since=int(told["since"]),
        until=int(told["until"]),
        untold=told["untold"] == "1",
        by=told["by"],
        begun_at=int(told["begun_at"]),
        total=int(told["total"]),
        counts={name.removeprefix(_COUNT): int(count) for name, count in told.items() if name.startswith(_COUNT)},
        takings=int(told.get("takings", 0)),
        ended_at=int(told["ended_at"]) if "ended_at" in told else None,
        stopping="stopping" in told,
    )
