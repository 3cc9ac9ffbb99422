"""What all processes have counted: one hash of whole numbers that only grow (domain/metrics.py)."""

from collections.abc import Mapping
from typing import cast

from redis import Redis

from app.storage import keys
from app.storage.availability import availability

# A process that has heard nothing of its batch for longer sends it again and may be counted twice.
_NUMBER_KEPT_MS = 3_600_000

# KEYS: the metrics, the source's last number.  ARGV: number, how long to keep it, then fields and what they grow by.
_ADD = """
if tonumber(redis.call('GET', KEYS[2]) or 0) >= tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
for i = 3, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
end
return 1
"""


class RedisMetrics:
    """Fills the port MetricStore."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._add = redis.register_script(_ADD)

    def add(self, source: str, number: int, counted: Mapping[str, int]) -> None:
        """Add what a process has counted. number: of this batch of the source; one that was added is passed over."""
        grown = [part for field in counted.items() for part in field]
        with availability():
            self._add(keys=[keys.metrics(), keys.metrics_of(source)], args=[number, _NUMBER_KEPT_MS, *grown])

    def totals(self) -> dict[str, int]:
        """All that was counted, by the fields of domain/metrics.py."""
        with availability():
            found = cast("dict[bytes, bytes]", self._redis.hgetall(keys.metrics()))
        return {field.decode(): int(value) for field, value in found.items()}
