"""Who is logged in to the console, and how often wrong passwords were tried, for all web processes together."""

import hashlib
import json
import math
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import cast

from redis import Redis

from app.domain.operator_sessions import OperatorSession
from app.services.ports import Attempt, AttemptCounter
from app.storage import keys
from app.storage.availability import availability

# Seconds for which an attempt is counted, and for which too many of them lock the login.
COUNTED_SECONDS = 15 * 60
LOCKED_SECONDS = 5 * 60


class RedisOperatorSessions:
    """Every method raises StoreUnavailable. Ids are stored as hashes: who reads Redis cannot use them."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock

    def add(self, session: OperatorSession) -> str:
        """Begin a session and return its id, which nobody can guess."""
        session_id = secrets.token_urlsafe(32)
        with availability():
            self._redis.set(_key(session_id), _text(session), ex=self._lifetime(session))
        return session_id

    def get(self, session_id: str) -> OperatorSession | None:
        """The session, None when it was ended or is unknown."""
        with availability():
            found = cast("bytes | None", self._redis.get(_key(session_id)))
        return None if found is None else OperatorSession(**json.loads(found))

    def keep(self, session_id: str, session: OperatorSession) -> None:
        """Store what has changed of a session, unless it was ended meanwhile."""
        with availability():
            self._redis.set(_key(session_id), _text(session), ex=self._lifetime(session), xx=True)

    def end(self, session_id: str) -> None:
        """Forget the session."""
        with availability():
            self._redis.delete(_key(session_id))

    def _lifetime(self, session: OperatorSession) -> int:
        return max(1, math.ceil(session.seconds_left(self._clock())))


class RedisLoginAttempts:
    """Every method raises StoreUnavailable. Redis' own clock says when a lock ends."""

    locks_for = LOCKED_SECONDS

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def begin(self, counters: Sequence[AttemptCounter]) -> Attempt:
        """Count one more attempt in each of these; of attempts at the same time none is left out."""
        names = [keys.login_attempts(counter.kind, counter.whose) for counter in counters]
        with availability(), self._redis.pipeline() as pipe:
            for name in names:
                pipe.set(name, 0, ex=COUNTED_SECONDS, nx=True)
                pipe.incr(name)
                pipe.pttl(name)
            answers = cast("list[int]", pipe.execute())
            counts, lifetimes = answers[1::3], answers[2::3]
            told = list(zip(counters, names, counts, lifetimes, strict=True))
            locked = [left / 1000 for counter, _, count, left in told if count > counter.most]
            if locked:
                return Attempt(max(*locked, 1.0), last=True)
            full = [name for counter, name, count, _ in told if count == counter.most]
            for name in full:
                self._redis.expire(name, LOCKED_SECONDS)
        return Attempt(0.0, last=bool(full))

    def forget(self, counters: Sequence[AttemptCounter]) -> None:
        """Count from nothing again."""
        with availability():
            self._redis.delete(*(keys.login_attempts(counter.kind, counter.whose) for counter in counters))


def _key(session_id: str) -> str:
    return keys.operator_session(hashlib.sha256(session_id.encode()).hexdigest()[:32])


def _text(session: OperatorSession) -> str:
    return json.dumps(asdict(session))
