"""Which OpenAI keys are told to wait, for people who look. Of a key nothing is known here but its fingerprint."""

import time
from collections.abc import Callable, Sequence
from typing import cast

from redis import Redis

from app.domain.failures import Failure
from app.domain.service_state import WaitingKey
from app.storage import keys
from app.storage.availability import availability


class GateInspection:
    """Looks, and changes nothing. Raises StoreUnavailable. clock: seconds since the epoch."""

    def __init__(self, redis: "Redis", clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock

    def waiting_keys(self, most: int) -> Sequence[WaitingKey]:
        """The keys that are told to wait, the one that waits the longest first. Three round trips, however many."""
        with availability():
            found = cast("list[bytes]", self._redis.zrevrange(keys.gates(), 0, most - 1))
            names = [name.decode() for name in found]
            pipe = self._redis.pipeline(transaction=False)
            for name in names:
                pipe.hmget(keys.gate(name), "until", "reason", "account")
                pipe.zcard(keys.gate_line(name))
                pipe.zrange(keys.gate_line(name), 0, 0)
            told = pipe.execute()
            firsts = [line[0].decode() if line else None for line in told[2::3]]
            for first in firsts:
                pipe.hget(keys.turn(first or ""), "account_id")
            waiting = pipe.execute()
        return [
            _key(until, reason, account or of_first, in_line, self._clock())
            for (until, reason, account), in_line, of_first in zip(told[0::3], told[1::3], waiting, strict=True)
            if until is not None
        ]


def _key(until: bytes, reason: bytes, account: bytes | None, in_line: int, now: float) -> WaitingKey:
    ends = int(float(until))
    return WaitingKey(
        account_id=int(account) if account else None,
        reason=Failure(reason.decode()),
        until=ends if ends > now * 1000 else None,
        turns=in_line,
    )
