"""What `/metrics` shows of the service at this moment."""

from collections.abc import Iterator

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from app.domain.service_state import RedisState, ServiceState, Work, WorkerLoad


def gauges(state: ServiceState) -> Iterator[Family]:
    """Every one of them. One that is not known is left out."""
    yield from _of_work(state.work)
    yield from _of_workers(state.workers)
    access = GaugeMetricFamily("bytegpt_accounts", "Accounts by the access that Kommo gives.", labels=["access"])
    for name, number in state.access.items():
        access.add_metric([name], number)
    yield access
    yield from _of_redis(state.redis)


def _of_work(work: Work) -> Iterator[Family]:
    yield _gauge("queue_turns", "Turns that wait for a worker.", work.queued)
    yield _gauge(
        "queue_oldest_seconds", "Since the acceptance of the turn that is next in the queue.", work.oldest or 0.0
    )
    yield _gauge("ready_turns", "Turns whose continue call waits for its moment.", work.ready)
    yield _gauge("open_turns", "Turns that are not over.", work.open)
    yield _gauge("unattended_turns", "Open turns that no worker looks after.", work.unattended)
    yield _gauge("gates_closed", "OpenAI keys that are told to wait.", work.gates_closed)
    yield _gauge("notes_waiting", "Notes on leads that are due.", work.notes)
    yield _gauge("notes_late", "Notes on leads that should have been written by now.", work.notes_late)
    yield _gauge("hooks_waiting", "Hooks of Kommo that are not worked off.", work.hooks)


def _of_workers(workers: tuple[WorkerLoad, ...]) -> Iterator[Family]:
    yield _gauge("workers", "Worker processes that live.", len(workers))
    yield _gauge("worker_threads", "Turns that all workers can hold at once.", sum(one.threads or 0 for one in workers))
    yield _gauge("worker_threads_busy", "Turns that workers hold now.", sum(one.busy or 0 for one in workers))


def _of_redis(redis: RedisState) -> Iterator[Family]:
    yield _gauge("redis_memory_bytes", "Memory that Redis uses.", redis.memory)
    if redis.memory_limit:
        yield _gauge("redis_memory_limit_bytes", "Memory that Redis may use.", redis.memory_limit)
    if redis.memory_share is not None:
        yield _gauge("redis_memory_share", "Used memory of what Redis may use, or its machine has.", redis.memory_share)
    yield _gauge("redis_append_only", "Whether Redis keeps an append-only file.", float(redis.append_only))
    yield _gauge("redis_writes_kept", "Whether Redis could last write to its disk.", float(redis.writes_kept))
    yield _gauge("redis_clients", "Connections to Redis.", redis.clients)
    yield _gauge("redis_ahead_seconds", "By how much the clock of Redis is ahead of ours.", redis.ahead)
    yield CounterMetricFamily(
        "bytegpt_redis_evicted_keys", "Keys that Redis has thrown away for want of memory.", redis.evicted
    )


def _gauge(name: str, meaning: str, value: float) -> Family:
    return GaugeMetricFamily(f"bytegpt_{name}", meaning, value)
