"""Running closed turns again, each in one atomic step (lua/replay.lua)."""

import json
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, cast

from redis import Redis

from app.domain.replays import EndedBadly, Replay, ReplayStatus, ended_badly_at
from app.domain.turn import CLOSED, Status, Timing
from app.domain.turn_search import Ending
from app.storage import keys
from app.storage.availability import availability
from app.storage.scripts import script
from app.storage.turns import contact_spans, iso

# Turns that are read at once.
AT_ONCE = 500


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

    def ended_badly(self, account_id: int, since: int, until: int) -> Iterator[EndedBadly]:
        """Those of a span of acceptances that failed or could not be delivered, oldest first."""
        lists = [keys.ended_turns_of(account_id, kind) for kind in (Ending.FAILED, Ending.UNDELIVERABLE)]
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            for key in lists:
                pipeline.zrangebyscore(key, since, until, withscores=True)
            answers = cast("list[list[tuple[bytes, float]]]", pipeline.execute())
        # One whose failure could not be told stands in both.
        places = sorted({(at, turn_id) for answer in answers for turn_id, at in answer})
        for begin in range(0, len(places), AT_ONCE):
            yield from self._bad_of([turn_id.decode() for _, turn_id in places[begin : begin + AT_ONCE]])

    def _bad_of(self, request_ids: Sequence[str]) -> Iterator[EndedBadly]:
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            for request_id in request_ids:
                pipeline.hmget(keys.turn(request_id), "status", "error_code")
                pipeline.lrange(keys.turn_steps(request_id), 0, -1)
            answers = pipeline.execute()
        for request_id, (status, error_code), steps in zip(request_ids, answers[::2], answers[1::2], strict=True):
            at = ended_badly_at(json.loads(step) for step in steps)
            # Its record has ended, or it was run again in this very moment.
            if status is not None and at is not None and Status(status.decode()) in CLOSED:
                told = error_code is not None and status.decode() == Status.DELIVERED
                yield EndedBadly(request_id, at, told)
