"""Gates of OpenAI keys: while a key is told to wait, no worker sends with it (contract 6)."""

import hashlib
import time
from collections.abc import Callable

from redis import Redis

from app.domain.failures import Failure
from app.domain.turn import GateClosed
from app.storage.availability import availability
from app.storage.scripts import script

# A longer wait is tried after this one: OpenAI names hours where a day's limit is spent, and limits are raised sooner.
LONGEST_SECONDS = 600.0


class RedisGates:
    """One gate for each API key; lua/gates.lua tells how it closes and opens. Raises StoreUnavailable.

    clock: seconds since the epoch; the service's.
    """

    def __init__(self, redis: "Redis", clock: Callable[[], float] = time.time) -> None:
        self._pass = script(redis, "pass_gate")
        self._close = script(redis, "close_gate")
        self._free = script(redis, "free_gate")
        self._clock = clock

    def name(self, api_key: str) -> str:
        """The fingerprint by which the gate of a key is known; nothing of the key can be had from it."""
        return hashlib.sha256(api_key.encode()).hexdigest()[:32]

    def enter(self, gate: str, request_id: str) -> bool:
        """Pass the gate with a turn that is to send something now. Returns whether the gate watches what comes of it.

        Raises GateClosed.
        """
        with availability():
            passed, said, reason = self._pass(args=[gate, request_id, self._now()])
        if not passed:
            raise GateClosed(said / 1000, Failure(reason.decode()))
        return bool(said)

    def close(self, gate: str, seconds: float, reason: Failure, account_id: int | None = None) -> None:
        """Let nobody pass for so many seconds, and then one at a time until OpenAI has begun to answer one.

        reason: what a turn is told that cannot wait so long. account_id: whose key it is, where that is known.
        """
        now = self._now()
        until = now + int(min(seconds, LONGEST_SECONDS) * 1000)
        with availability():
            self._close(args=[gate, now, until, reason.value, *([] if account_id is None else [account_id])])

    def free(self, gate: str, request_id: str) -> None:
        """A turn that passed tells nothing about the key: let the next one test the ground."""
        with availability():
            self._free(args=[gate, request_id, self._now()])

    def _now(self) -> int:
        return int(self._clock() * 1000)
