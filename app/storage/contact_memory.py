"""What stands in Redis of one contact, and taking it away (contract 1, `contact forget`)."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import cast

from redis import Redis

from app.domain.forgetting import FORGOTTEN, Deletion, Forgotten, Remote, days_with_figures, spans_counted
from app.domain.usage import CONTACT, REST
from app.storage import keys
from app.storage.availability import availability
from app.storage.scripts import script
from app.storage.sealing import Sealer
from app.storage.turn_traces import deletions_in, open_turns_of, traces

# Turns that travel at once. A million of them are a thousand round trips.
AT_ONCE = 1000
# A contact that OpenAI does not let go of is known for as long as anything else of it may be.
KEPT_MS = 400 * 24 * 3600 * 1000
# The counters of texts live two minutes, from the minute of a turn's acceptance on (lua/accept.lua).
_TEXTS_COUNTED_MS = 180_000


class RedisContactMemory:
    """Fills the port ContactMemory."""

    def __init__(self, redis: "Redis", sealer: Sealer, clock: Callable[[], float] = time.time) -> None:
        """clock: seconds since the epoch."""
        self._redis = redis
        self._sealer = sealer
        self._clock = clock
        self._begin = script(redis, "forget_begin")
        self._erase_turns = script(redis, "forget_turns")
        self._erase_counters = script(redis, "forget_counters")

    def open_turns(self, account_id: int, line: str) -> int:
        """How many turns of the contact are not closed."""
        with availability():
            found = open_turns_of(self._redis, account_id)
        return sum(1 for fields in found.values() if fields == line.encode())

    def begin(self, account_id: int, line: str) -> bool:
        """Take its conversation away, so that the next message begins another; False while a turn uses it."""
        with availability():
            done = self._begin(
                keys=[
                    keys.line(account_id, line),
                    keys.conversation(account_id, line),
                    keys.past_conversations(account_id, line),
                    keys.forgetting(account_id, line),
                ],
                args=[self._now(), KEPT_MS],
            )
        return bool(done)

    def turns(self, account_id: int, line: str) -> Iterator[tuple[list[str], int, int]]:
        """Ids of its turns, page by page, with how many turns of the account were looked at, and of how many."""
        key, cursor, looked_at = keys.turns_of(account_id), 0, 0
        while True:
            with availability():
                total = self._redis.zcard(key)
                cursor, some = self._redis.zscan(key, cursor, count=AT_ONCE)
                ids = [turn_id.decode() for turn_id, _ in cast("list[tuple[bytes, float]]", some)]
                pipeline = self._redis.pipeline(transaction=False)
                for turn_id in ids:
                    pipeline.hget(keys.turn(turn_id), "line")
                lines = pipeline.execute()
            looked_at += len(ids)
            found = [turn_id for turn_id, its in zip(ids, lines, strict=True) if its == line.encode()]
            yield found, min(looked_at, total), total
            if cursor == 0:
                return

    def erase_turns(self, account_id: int, line: str, request_ids: Sequence[str]) -> None:
        """Take texts, and all that leads to the contact, out of these turns where they are closed."""
        if not request_ids:
            return
        with availability():
            left = traces(self._redis, request_ids)
            self._erase_counters_of_texts(account_id, request_ids)
            told = [[turn_id, json.dumps([_name(remote) for remote in left[turn_id]])] for turn_id in request_ids]
            self._erase_turns(
                keys=[
                    keys.forgetting(account_id, line),
                    keys.open_turns(),
                    keys.conversation(account_id, line),
                    *(key for turn_id in request_ids for key in (keys.turn(turn_id), keys.turn_steps(turn_id))),
                ],
                args=[
                    line,
                    json.dumps({"at": self._now(), "step": FORGOTTEN}),
                    *(part for pair in told for part in pair),
                ],
            )

    def _erase_counters_of_texts(self, account_id: int, request_ids: Sequence[str]) -> None:
        """Delete the counters of the last minutes that were made of these turns' texts (lua/accept.lua)."""
        fields = ("accepted_at", "note_lead_id", "line", "sealed")
        pipeline = self._redis.pipeline(transaction=False)
        for turn_id in request_ids:
            pipeline.hmget(keys.turn(turn_id), fields)
        for accepted_at, lead, line, sealed in pipeline.execute():
            if sealed is None or int(accepted_at) < self._now() - _TEXTS_COUNTED_MS:
                continue
            message = json.loads(self._sealer.unseal(sealed))["message"]
            text = f"{int(lead) if lead else None} {line.decode() if line else None} {message}"
            self._redis.delete(keys.text_minute(account_id, int(accepted_at) // 60_000, text))

    def erase_counters(self, account_id: int, line: str) -> None:
        """Delete what counts its requests for limits, and count it among all others in the figures of usage."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        days = [keys.usage_day(account_id, day) for day in days_with_figures(now)]
        spans = [keys.contact_span(account_id, line, span) for span in spans_counted(now)]
        with availability():
            self._erase_counters(
                keys=[keys.forgetting(account_id, line), *days, *spans],
                args=[f"{CONTACT}|{line}", f"{CONTACT}{REST}|", f"#{CONTACT}", len(days), account_id, line],
            )

    def record(self, account_id: int, line: str, deletion: Deletion) -> None:
        """Write down what became of something at OpenAI."""
        told = f"{deletion.fate}:{deletion.reason}" if deletion.reason else deletion.fate
        with availability():
            self._redis.hset(keys.forgetting(account_id, line), f"openai:{_name(deletion.remote)}", told)

    def forgotten(self, account_id: int, line: str) -> Forgotten:
        """How far it is forgotten by now."""
        with availability():
            found = cast("dict[bytes, bytes]", self._redis.hgetall(keys.forgetting(account_id, line)))
        counts = {
            name.decode().partition(":")[2]: int(value) for name, value in found.items() if name.startswith(b"here:")
        }
        return Forgotten(int(found.get(b"begun_at", self._now())), counts, deletions_in(found))

    def end(self, account_id: int, line: str) -> None:
        """Nothing is left to do."""
        with availability():
            self._redis.delete(keys.forgetting(account_id, line))

    def _now(self) -> int:
        return int(self._clock() * 1000)


def _name(remote: Remote) -> str:
    return f"{remote.kind}:{remote.id}"
