"""Sealing anew, with the first of ENCRYPTION_KEYS, whatever an older one has sealed, while the service runs."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from redis import Redis

from app.storage import keys
from app.storage.availability import availability
from app.storage.sealing import NoKeyFits, Sealer

# Keys of a scan that travel at once.
AT_ONCE = 1000
# Every key that holds something sealed: what it is, and its sealed fields; a string has one without a name.
_SEALED: tuple[tuple[str, re.Pattern[bytes], tuple[str, ...]], ...] = (
    ("account", re.compile(rf"{keys.PREFIX}account:[0-9]+".encode()), ("secrets",)),
    ("turn", re.compile(rf"{keys.PREFIX}turn:[^:]+".encode()), ("sealed", "answer")),
    ("integration", re.compile(rf"{keys.PREFIX}integration:[^:]+".encode()), ("",)),
    ("hook", re.compile(rf"{keys.PREFIX}hook:[^:]+".encode()), ("",)),
)
FIRST_KEY, NO_KEY = 1, 0

# Only where it still is what was opened: whoever has written it anew has sealed it with the first key. It keeps the
# time that it has left to live.
# KEYS: what holds it   ARGV: field or '', what it is, what it becomes
_EXCHANGE = """
if ARGV[1] ~= '' then
  if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
    return 0
  end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
  return 1
end
if redis.call('GET', KEYS[1]) ~= ARGV[2] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[3], 'KEEPTTL')
return 1
"""


@dataclass(slots=True)
class Resealed:
    """What a look at everything has found so far.

    looked_at, total: keys of Redis. by_key: how many sealed values of each kind a key has sealed, by its position in
    ENCRYPTION_KEYS, 0 where none opens it. resealed: how many of them were sealed anew. unreadable: where those stand
    that no key opens.
    """

    looked_at: int = 0
    total: int = 0
    by_key: Counter[tuple[str, int]] = field(default_factory=Counter)
    resealed: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)

    @property
    def older(self) -> int:
        """How many values an older key has sealed, or had sealed until now."""
        return sum(count for (_, position), count in self.by_key.items() if position not in (FIRST_KEY, NO_KEY))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something sealed may stand. field: of a hash, "" of a string."""

    kind: str
    key: bytes
    field: str


@dataclass(frozen=True, slots=True)
class _Value:
    place: _Place
    sealed: bytes


class RedisResealing:
    """Looks at every key once, page by page. Raises StoreUnavailable."""

    def __init__(self, redis: "Redis", sealer: Sealer) -> None:
        self._redis = redis
        self._sealer = sealer
        self._exchange = redis.register_script(_EXCHANGE)

    def run(self, *, change: bool) -> Iterator[Resealed]:
        """What was found, told after every page, the last time with all of it. change: seal anew what is older.

        May be interrupted and repeated at any time. What a process still seals that knows only the older keys is
        found the next time.
        """
        found, cursor = Resealed(), 0
        while True:
            with availability():
                found.total = self._redis.dbsize()
                cursor, answer = self._redis.scan(cursor, count=AT_ONCE)
            some = cast("list[bytes]", answer)
            found.looked_at += len(some)
            self._page(some, found, change)
            yield found
            if cursor == 0:
                return

    def _page(self, some: list[bytes], found: Resealed, change: bool) -> None:
        values = self._read([_Place(*one) for key in some for one in _sealed_in(key)])
        while values:
            older = [value for value in values if self._position(value, found) > FIRST_KEY]
            # Where somebody has written anew, or erased, what was read a moment ago, it is looked at once more.
            values = self._read(self._exchanged(older, found)) if change else []

    def _position(self, value: _Value, found: Resealed) -> int:
        """The position of the key that has sealed it; it is counted."""
        try:
            position = self._sealer.key_of(value.sealed)
        except NoKeyFits:
            position = NO_KEY
            found.unreadable.append(f"{value.place.key.decode(errors='replace')} {value.place.field}".strip())
        found.by_key[value.place.kind, position] += 1
        return position

    def _read(self, places: list[_Place]) -> list[_Value]:
        """What is sealed in these places, as far as there is anything."""
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            for place in places:
                if place.field:
                    pipeline.hget(place.key, place.field)
                else:
                    pipeline.get(place.key)
            answers = pipeline.execute()
        return [_Value(place, sealed) for place, sealed in zip(places, answers, strict=True) if sealed is not None]

    def _exchanged(self, older: list[_Value], found: Resealed) -> list[_Place]:
        """Seal these anew. Returns the places in which something else stood by then."""
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            for value in older:
                anew = self._sealer.seal(self._sealer.unseal(value.sealed))
                self._exchange(keys=[value.place.key], args=[value.place.field, value.sealed, anew], client=pipeline)
            answers = pipeline.execute()
        overtaken = []
        for value, done in zip(older, answers, strict=True):
            if done:
                found.resealed[value.place.kind] += 1
            else:
                found.by_key[value.place.kind, self._sealer.key_of(value.sealed)] -= 1
                overtaken.append(value.place)
        return overtaken


def _sealed_in(key: bytes) -> Iterator[tuple[str, bytes, str]]:
    """Kind, key and field of everything sealed that a key may hold."""
    for kind, pattern, fields in _SEALED:
        if pattern.fullmatch(key):
            yield from ((kind, key, field) for field in fields)
