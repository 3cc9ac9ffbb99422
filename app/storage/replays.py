"""Running closed turns again, each in one atomic step (lua/replay.lua)."""

import json
import secrets
from collections.abc import Iterator
from typing import Any, cast

from redis import Redis

from app.domain.replays import Replay, ReplayStatus
from app.domain.turn import Timing
from app.storage import keys
from app.storage.availability import availability
from app.storage.scripts import script
from app.storage.turns import contact_spans, iso


class RedisReplays:
    """Fills the port Replays. Every method raises StoreUnavailable."""

    def __init__(self, redis: "Redis", timing: Timing) -> None:
        self._redis = redis
        self._timing = timing
        self._replay = script(redis, "replay")

    def replay(self, replay: Replay) -> ReplayStatus:
        """Run it again; what was judged is compared with what stands there in the same step."""
        turn, account_id, line = replay.turn, replay.turn.account_id, replay.turn.line or ""
        parameters: dict[str, Any] = {
            "turn_id": turn.request_id,
            "replay": secrets.token_hex(8),
            "again": replay.again,
            "by": replay.by,
            "status": turn.status,
            "replays": turn.replays,
            "version": str(replay.account_version),
            "account": str(account_id),
            "now": replay.at,
            "now_iso": iso(replay.at),
            "deadline_at": replay.deadline_at,
            "wake_at": replay.deadline_at - int(self._timing.reserve * 1000),
            "lease_until": replay.at + int(self._timing.lease * 1000),
            "period": replay.period,
            "day": replay.day,
            "hour": replay.hour,
            "contact_spans": contact_spans(account_id, turn.line, replay.contact_limits),
            "look_first": replay.look_first,
        }
        if turn.line is not None:
            parameters["line"] = turn.line
        with availability():
            found = self._replay(
                keys=[
                    keys.account(account_id),
                    keys.plans(),
                    keys.turn(turn.request_id),
                    keys.line(account_id, line),
                    keys.conversation(account_id, line),
                    keys.past_conversations(account_id, line),
                    keys.forgetting(account_id, line),
                ],
                args=[json.dumps(parameters)],
            )
        return ReplayStatus(found.decode())

    def accepted_between(self, account_id: int, since: int, until: int) -> Iterator[str]:
        """Ids by the time of acceptance, as they stand when this begins: 40 bytes each."""
        with availability():
            found = cast("list[bytes]", self._redis.zrangebyscore(keys.turns_of(account_id), since, until))
        yield from (turn_id.decode() for turn_id in found)
