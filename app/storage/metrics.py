"""What all processes have counted: one hash of whole numbers that only grow (domain/metrics.py), and the last minutes.

A minute is a small hash of its own (domain/service_minutes.py), to which a batch of counts is added in the same step;
it goes an hour later. A batch counts in the minute in which it comes, up to five seconds after what it counts.
Measured: the fullest minute has 53 fields in 1.3 KiB, so the hour takes 80 KiB at the most.
"""

import time
from collections.abc import Callable, Mapping
from typing import cast

from redis import Redis

from app.domain.service_minutes import MINUTES_SHOWN, LastHour, Partner, minute_fields, span_of_fields, succeeded
from app.storage import keys
from app.storage.availability import availability

# A process that has heard nothing of its batch for longer sends it again and may be counted twice.
_NUMBER_KEPT_MS = 3_600_000
_MINUTE_KEPT_MS = (MINUTES_SHOWN + 5) * 60_000

# KEYS: the metrics, the source's last number, the minute, the last successes.
# ARGV: number, how long to keep it, how long to keep the minute, now, then three times: how many words follow, and the
# words themselves: fields of the metrics and what they grow by, the same for the minute, partners that took a call.
_ADD = """
if tonumber(redis.call('GET', KEYS[2]) or 0) >= tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
local at = 5
local function each(step, work)
  local words = tonumber(ARGV[at])
  for i = at + 1, at + words, step do
    work(ARGV[i], ARGV[i + 1])
  end
  at = at + 1 + words
  return words > 0
end
each(2, function(field, grown) redis.call('HINCRBY', KEYS[1], field, grown) end)
if each(2, function(field, grown) redis.call('HINCRBY', KEYS[3], field, grown) end) then
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end
each(1, function(partner) redis.call('HSET', KEYS[4], partner, ARGV[4]) end)
return 1
"""


class RedisMetrics:
    """Fills the port MetricStore. clock: seconds since the epoch."""

    def __init__(self, redis: "Redis", clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock
        self._add = redis.register_script(_ADD)

    def add(self, source: str, number: int, counted: Mapping[str, int]) -> None:
        """Add what a process has counted. number: of this batch of the source; one that was added is passed over."""
        now = self._clock()
        of_minute = minute_fields(counted)
        lists = (_words(counted), _words(of_minute), [partner.value for partner in succeeded(of_minute)])
        with availability():
            self._add(
                keys=[
                    keys.metrics(),
                    keys.metrics_of(source),
                    keys.metrics_minute(int(now // 60)),
                    keys.last_success(),
                ],
                args=[
                    number,
                    _NUMBER_KEPT_MS,
                    _MINUTE_KEPT_MS,
                    int(now * 1000),
                    *(word for words in lists for word in (len(words), *words)),
                ],
            )

    def totals(self) -> dict[str, int]:
        """All that was counted, by the fields of domain/metrics.py."""
        with availability():
            found = cast("dict[bytes, bytes]", self._redis.hgetall(keys.metrics()))
        return _numbers(found)

    def last_hour(self) -> LastHour:
        """The last 60 minutes. One round trip that reads at most 60 hashes of some sixty fields."""
        latest = int(self._clock() // 60)
        numbers = range(latest - MINUTES_SHOWN + 1, latest + 1)
        with availability(), self._redis.pipeline(transaction=False) as pipe:
            for minute in numbers:
                pipe.hgetall(keys.metrics_minute(minute))
            pipe.hgetall(keys.last_success())
            *minutes, successes = pipe.execute()
        known = _numbers(successes)
        return LastHour(
            [(number, span_of_fields(_numbers(found))) for number, found in zip(numbers, minutes, strict=True)],
            {partner: known[partner] for partner in Partner if partner in known},
        )


def _words(fields: Mapping[str, int]) -> list[str | int]:
    return [word for field in fields.items() for word in field]


def _numbers(found: Mapping[bytes, bytes]) -> dict[str, int]:
    return {field.decode(): int(value) for field, value in found.items()}
