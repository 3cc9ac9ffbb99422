"""Notes that leads are due: an outbox, written in the step that makes them due."""

import json
import time
from collections.abc import Callable
from typing import Any

from redis import Redis

from app.domain.notes import DueNote
from app.storage import keys
from app.storage.availability import availability
from app.storage.scripts import script

# After a worker was killed over a note, another one tries it again.
TAKEN_MS = 60_000


class RedisNotes:
    """The notes of all accounts. Every method raises StoreUnavailable when Redis is away."""

    def __init__(self, redis: "Redis", clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._take = script(redis, "take_note")
        self._clock = clock

    def take(self) -> DueNote | None:
        """A note that is due, None when there is none."""
        now = int(self._clock() * 1000)
        with availability():
            found = self._take(keys=[keys.notes()], args=[now, now + TAKEN_MS])
        return DueNote.read(found.decode()) if found else None

    def postpone(self, note: DueNote, seconds: float) -> None:
        """Try this note again in so many seconds."""
        with availability():
            self._redis.zadd(keys.notes(), {note.name: int((self._clock() + seconds) * 1000)}, xx=True)

    def end(self, note: DueNote, step: str, **details: Any) -> None:
        """Forget the note and tell in the turn's steps what became of it."""
        told = json.dumps({"at": int(self._clock() * 1000), "step": step, **details})
        with availability():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.zrem(keys.notes(), note.name)
            pipeline.rpushx(keys.turn_steps(note.request_id), told)
            pipeline.execute()
