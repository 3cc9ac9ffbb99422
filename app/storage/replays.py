"""Running closed turns again, each in one atomic step (lua/replay.lua)."""

import json
import secrets
from collections.abc import Iterator, Sequence
from typing import Any, cast

from redis import Redis

from app.domain.replays import EndedBadly, Replay, ReplayStatus, ended_badly_at
from app.domain.turn import CLOSED, Charge, Status, Timing
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
                lasting=True,
            )
        return ReplayStatus(found.decode())

    def badly_ended(self, account_id: int, since: int, until: int, most: int | None = None) -> list[tuple[int, str]]:
        """Those of a span of acceptances that failed or could not be delivered, oldest first: acceptance and id."""
        lists = [keys.ended_turns_of(account_id, kind) for kind in (Ending.FAILED, Ending.UNDELIVERABLE)]
        first = None if most is None else 0
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            for key in lists:
                pipeline.zrangebyscore(key, since, until, first, most, withscores=True)
            answers = cast("list[list[tuple[bytes, float]]]", pipeline.execute())
        # One whose failure could not be told stands in both.
        return sorted({(int(at), turn_id.decode()) for answer in answers for turn_id, at in answer})[:most]

    def ends_of(self, request_ids: Sequence[str], *, untold: bool) -> Iterator[EndedBadly]:
        """When these ended badly; without those that did not or were refused, and told ones if only untold count."""
        for begin in range(0, len(request_ids), AT_ONCE):
            some = self._runnable(request_ids[begin : begin + AT_ONCE])
            yield from self._with_ends([one for one in some if not (untold and one[1])])

    def _runnable(self, request_ids: Sequence[str]) -> Iterator[tuple[str, bool]]:
        """Those that may be run again, and whether their bot was told the failure."""
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            for request_id in request_ids:
                pipeline.hmget(keys.turn(request_id), "status", "error_code", "charge")
            answers = cast("list[list[bytes | None]]", pipeline.execute())
        for request_id, (status, error_code, charge) in zip(request_ids, answers, strict=True):
            # Its record has ended, or it was run again in this very moment.
            if status is None or Status(status.decode()) not in CLOSED:
                continue
            # Of one that was refused at the door nothing is stored that could be asked.
            if charge is not None and charge.decode() != Charge.NONE:
                yield request_id, error_code is not None and status.decode() == Status.DELIVERED

    def _with_ends(self, turns: Sequence[tuple[str, bool]]) -> Iterator[EndedBadly]:
        with availability():
            pipeline = self._redis.pipeline(transaction=False)
            for request_id, _ in turns:
                pipeline.lrange(keys.turn_steps(request_id), 0, -1)
            answers = cast("list[list[bytes]]", pipeline.execute())
        for (request_id, told), steps in zip(turns, answers, strict=True):
            at = ended_badly_at(json.loads(step) for step in steps)
            if at is not None:
                yield EndedBadly(request_id, at, told)
