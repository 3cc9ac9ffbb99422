"""How workers come by the turns that they work on."""

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from redis import Redis

from app.domain.turn import Hold, Taken, Timing
from app.storage import keys
from app.storage.availability import availability
from app.storage.pacing import MICRO, KommoPace
from app.storage.scripts import Bell, script
from app.storage.sealing import Sealer
from app.storage.turn_record import conversation_of, turn_of
from app.storage.turns import iso

SWEPT_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class RawTurn:
    """A turn that was just taken and not yet read, as lua/holding.lua tells it.

    egress: the address from which its continue call leaves now; None where that is not yet decided.
    account_version: of its account's record, None where the account was removed.
    """

    hold: Hold
    egress: str | None
    account_version: int | None
    record: Mapping[bytes, bytes]
    conversation: Mapping[bytes, bytes]

    @property
    def account_id(self) -> int:
        """Whose turn it is."""
        return int(self.record[b"account_id"])

    @property
    def job(self) -> str | None:
        """The id of the RQ job that it was taken with, None where it came without one."""
        return self.record.get(b"job", b"").decode() or None


@dataclass(frozen=True, slots=True)
class Queued:
    """What came from the queue.

    stray: the id of a job that none of our scripts put there, None for none. more: turns are left in the queue.
    """

    turns: tuple[RawTurn, ...] = ()
    stray: str | None = None
    more: bool = False


@dataclass(frozen=True, slots=True)
class Departing:
    """Turns whose continue calls leave now. again_after: seconds until the next may, None where none waits."""

    turns: tuple[RawTurn, ...] = ()
    again_after: float | None = None


@dataclass(frozen=True, slots=True)
class Swept:
    """What the sweep found.

    moved: turns may wait elsewhere now. lost: ids of turns whose worker was lost. overdue: turns to tell about at once.
    gates: some gate is not known to be open.
    """

    moved: bool = False
    lost: tuple[str, ...] = ()
    overdue: tuple[RawTurn, ...] = ()
    gates: bool = False


class RedisTaking:
    """Takes turns for one worker process. Every method raises StoreUnavailable when Redis is away.

    worker: its name, as RQ knows it. clock: seconds since the epoch; the service's.
    crowded, everywhere: how many more turns an account may take of this process, for those where that is few.
    """

    def __init__(
        self,
        redis: "Redis",
        sealer: Sealer,
        timing: Timing,
        pace: KommoPace,
        worker: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._redis = redis
        self._sealer = sealer
        self._timing = timing
        self._pace = pace.arguments()
        self._worker = worker
        self._clock = clock
        self._bell = Bell(redis, keys.bell())
        self._take = script(redis, "take")
        self._claim = script(redis, "claim")
        self._depart = script(redis, "depart")
        self._sweep = script(redis, "sweep")
        self._wake = script(redis, "wake")

    def queued(self, most: int, crowded: Mapping[int, int]) -> Queued:
        """Take up to so many turns from the queue."""
        with availability():
            turns, stray, more = self._take(args=[self._parameters(most, crowded)])
        return Queued(_all(turns), stray.decode() if stray else None, bool(more))

    def wait_for_queued(self, seconds: float) -> None:
        """Return when something may have come into the queue, or so many seconds have passed."""
        with availability():
            self._bell.wait(seconds)

    def one(self, hold: Hold) -> RawTurn | None:
        """Take a certain turn; None when it is closed, unknown, or another worker holds it."""
        now = self._now()
        with availability():
            found = self._claim(
                keys=[keys.turn(hold.request_id)],
                args=[hold.request_id, hold.token, self._worker, now, now + self._lease_ms],
            )
        return _raw(found) if found else None

    def read(self, raw: RawTurn) -> Taken:
        """The turn with what its worker needs. Raises NoKeyFits."""
        return Taken(
            raw.hold,
            turn_of(raw.hold.request_id, raw.record, self._sealer),
            raw.account_version,
            conversation_of(raw.conversation),
            raw.egress,
        )

    def departing(self, most: int, crowded: Mapping[int, int]) -> Departing:
        """Take up to so many turns whose continue calls may leave now; their moments are used up by this."""
        with availability():
            soonest, turns = self._depart(
                args=[self._parameters(most, crowded, pace=self._pace)],
                lasting=True,
            )
        return Departing(_all(turns), soonest / MICRO if soonest >= 0 else None)

    def due(self, most: int) -> Swept:
        """Look after turns whose worker is lost or whose wait is over, and take up to so many that are overdue."""
        reserve = int(self._timing.reserve * 1000)
        with availability():
            looked_at, lost, overdue, gates = self._sweep(
                args=[self._parameters(most, {}, reserve=reserve, looked_at=SWEPT_AT_ONCE)]
            )
        return Swept(bool(looked_at), tuple(turn_id.decode() for turn_id in lost), _all(overdue), bool(gates))

    def any_ready(self) -> bool:
        """Whether continue calls wait for their moment."""
        with availability():
            return bool(self._redis.exists(keys.ready()))

    def wake(self) -> None:
        """Let those turns pass whose key may be used again."""
        now = self._now()
        with availability():
            self._wake(args=[now, iso(now), now + self._lease_ms])

    def _parameters(self, most: int, crowded: Mapping[int, int], **more: Any) -> str:
        now = self._now()
        random = secrets.token_hex(8 * most)
        return json.dumps(
            {
                "tokens": [random[place : place + 16] for place in range(0, len(random), 16)],
                "worker": self._worker,
                "now": now,
                "now_iso": iso(now),
                "lease_until": now + self._lease_ms,
                "crowded": {str(account_id): allowed for account_id, allowed in crowded.items()},
                **more,
            }
        )

    @property
    def _lease_ms(self) -> int:
        return int(self._timing.lease * 1000)

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _all(found: list[Any]) -> tuple[RawTurn, ...]:
    return tuple(_raw(told) for told in found)


def _raw(found: list[Any]) -> RawTurn:
    request_id, token, egress, version, record, conversation = found
    return RawTurn(
        hold=Hold(request_id.decode(), token.decode()),
        egress=egress.decode() or None,
        account_version=int(version) if version else None,
        record=_mapping(record),
        conversation=_mapping(conversation),
    )


def _mapping(flat: list[bytes]) -> dict[bytes, bytes]:
    parts = iter(flat)
    return dict(zip(parts, parts, strict=True))
