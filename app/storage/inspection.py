"""How the service stands now, read from Redis in two round trips: for `/metrics`, `bytegpt doctor` and pages."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from redis import Redis
from redis.exceptions import ResponseError

from app.domain.accounts import Access
from app.domain.service_state import RedisState, ServiceState, Work, WorkerLoad
from app.storage import keys
from app.storage.availability import availability
from app.storage.presence import SILENT_SECONDS

# RQ's list of jobs that wait (app/jobqueue.py, lua/queue.lua). A job's id begins with its turn's, and that with the
# milliseconds of its acceptance (domain/turn.py).
_QUEUE = "rq:queue:turns"
_JOB = re.compile(rb"([0-9a-f]{12})[0-9a-f]{16}-\d+")
# A worker looks after every open turn within seconds, and after every note within one.
UNATTENDED_SECONDS = 30.0
LATE_SECONDS = 60.0


class RedisInspection:
    """Looks, and changes nothing. Every method raises StoreUnavailable. clock: seconds since the epoch."""

    def __init__(self, redis: "Redis", clock: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._clock = clock

    def state(self) -> ServiceState:
        """All that can be seen now."""
        now = self._clock()
        with availability(), self._redis.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.info()
            pipe.zrangebyscore(keys.workers(), now - SILENT_SECONDS, "+inf")
            pipe.zrange(keys.ready(), 0, -1)
            pipe.hvals(keys.access_trouble())
            pipe.scard(keys.accounts())
            pipe.llen(_QUEUE)
            pipe.lindex(_QUEUE, 0)
            pipe.zcard(keys.open_turns())
            pipe.zcount(keys.open_turns(), "-inf", (now - UNATTENDED_SECONDS) * 1000)
            pipe.zcard(keys.gates())
            pipe.zcard(keys.notes())
            pipe.zcount(keys.notes(), "-inf", (now - LATE_SECONDS) * 1000)
            pipe.zcard(keys.unfinished_hooks())
            seconds, info, names, waiting, trouble, accounts, *counts = pipe.execute()
        # Our clock, in the middle of the question.
        ours = (now + self._clock()) / 2
        loads, ready = self._details(names, waiting)
        return ServiceState(
            redis=_redis_state(info, seconds[0] + seconds[1] / 1_000_000 - ours),
            work=_work(counts, ready, now),
            workers=tuple(_load(name.decode(), told) for name, told in zip(names, loads, strict=True)),
            access=_access(accounts, trouble),
        )

    def snapshots(self) -> bool | None:
        """Whether Redis writes its data out now and then (`save`); None where it does not tell, as managed ones do."""
        with availability():
            try:
                found = cast("Mapping[str, str]", self._redis.config_get("save"))
            except ResponseError:
                return None
        return bool(found.get("save"))

    def _details(self, names: Sequence[bytes], waiting: Sequence[bytes]) -> tuple[list[bytes | None], int]:
        """What living workers say of themselves, and how many turns wait in the lines of these accounts."""
        with availability(), self._redis.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.get(keys.worker(name.decode()))
            for account_id in waiting:
                pipe.zcard(keys.ready_of(int(account_id)))
            found = pipe.execute()
        return found[: len(names)], sum(found[len(names) :])


def _redis_state(info: Mapping[str, Any], ahead: float) -> RedisState:
    writes = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
    return RedisState(
        version=tuple(int(part) for part in re.findall(r"\d+", str(info["redis_version"]))[:3]),
        server=f"{info.get('server_name', 'redis')} {info.get('valkey_version', info['redis_version'])}",
        mode=str(info.get("redis_mode") or info.get("server_mode") or ""),
        role=str(info.get("role", "")),
        ahead=ahead,
        memory=int(info["used_memory"]),
        memory_limit=int(info.get("maxmemory", 0)) or None,
        memory_of_machine=int(info.get("total_system_memory", 0)) or None,
        eviction=str(info.get("maxmemory_policy", "")),
        evicted=int(info.get("evicted_keys", 0)),
        clients=int(info.get("connected_clients", 0)),
        append_only=bool(info.get("aof_enabled")),
        writes_kept=all(info.get(write, "ok") == "ok" for write in writes),
    )


def _work(counts: Sequence[Any], ready: int, now: float) -> Work:
    queued, first, unfinished, unattended, gates, notes, late, hooks = counts
    job = _JOB.fullmatch(first or b"")
    return Work(
        queued=queued,
        oldest=max(0.0, now - int(job[1], 16) / 1000) if job else None,
        ready=ready,
        open=unfinished,
        unattended=unattended,
        gates_closed=gates,
        notes=notes,
        notes_late=late,
        hooks=hooks,
    )


def _load(name: str, told: bytes | None) -> WorkerLoad:
    return WorkerLoad(name, **json.loads(told)) if told else WorkerLoad(name)


def _access(accounts: int, trouble: Sequence[bytes]) -> Mapping[Access, int]:
    found = Counter(cast("Access", access.decode()) for access in trouble)
    return {"granted": accounts - found.total(), "lost": found["lost"], "revoked": found["revoked"]}
