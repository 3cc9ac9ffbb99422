"""The door: requests a second, latency and CPU of the webhook, beside Flask's hello world and one trip to Redis.

Two real gunicorns run under our configuration: ours, and one with what it is compared with. Short rounds of every kind
alternate in one run, and each is held against hello world's in the same moment, for the machine's mood changes within
seconds: the ratio is the median of these. The CPU of the web processes per request is the steady figure. Nothing takes
the turns that are accepted. Needs Linux: CPU times come from /proc.
"""

import json
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import click

from app.storage import keys
from bench.acknowledging import webhooks
from bench.door_load import LoadGenerator, Round, request
from bench.door_servers import cpu_ms, free_port, gunicorn
from sandbox.stack import DOOR, Company, Stack

CONCURRENT = (10, 50, 100)
REQUESTS = 1000
ROUNDS = 15
WARM_UP = 500
# One account takes 12,000 webhooks a minute (app/storage/turns.py); what goes beyond would be refused, and cost less.
COMPANIES = 20
GOAL_AT = 50
GOAL_RATIO = 0.5
GOAL_P99_MS = 50.0
RESULTS = Path("bench/results/door.json")
WEBHOOK, HELLO = "POST /kommo/salesbot", "Flask hello world"


@dataclass(frozen=True, slots=True)
class Subject:
    """One kind of request. server: the process id of its gunicorn's master. requests: those that are still unsent."""

    name: str
    port: int
    server: int
    requests: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Sample:
    """One round of one subject. web_ms: CPU of its web processes, redis_ms: of Redis; both per request."""

    done: Round
    web_ms: float
    redis_ms: float


def webhook_requests(companies: Sequence[Company], door: str, count: int) -> Iterator[bytes]:
    """Signed webhooks, each of a client and a bot run of its own; neighbours are of different accounts."""
    bodies = [webhooks(company, door, count // len(companies) + 1) for company in companies]
    for neighbours in zip(*bodies, strict=True):
        for body in neighbours:
            yield request("POST", DOOR, body, "application/x-www-form-urlencoded")


def sampled(load: LoadGenerator, subject: Subject, redis: int, count: int, concurrent: int) -> Sample:
    """One round."""
    requests = list(islice(subject.requests, count))
    web, store = cpu_ms(subject.server), cpu_ms(redis)
    done = load.run(subject.port, requests, concurrent)
    return Sample(done, (cpu_ms(subject.server) - web) / count, (cpu_ms(redis) - store) / count)


def per_second(sample: Sample) -> float:
    """Requests a second in one round."""
    return len(sample.done.latencies) / sample.done.seconds


def ratio(ours: Sequence[Sample], others: Sequence[Sample]) -> float:
    """Our requests a second over those of others in the same rounds, the median."""
    return round(
        statistics.median(per_second(one) / per_second(other) for one, other in zip(ours, others, strict=True)), 2
    )


def row(name: str, concurrent: int, samples: Sequence[Sample]) -> dict[str, Any]:
    """One line of the table: medians over the rounds."""
    quantiles = [statistics.quantiles(sample.done.latencies, n=100) for sample in samples]
    return {
        "what": name,
        "concurrent": concurrent,
        "per_second": round(statistics.median(map(per_second, samples))),
        "p50_ms": round(statistics.median(one[49] for one in quantiles) * 1000, 1),
        "p99_ms": round(statistics.median(one[98] for one in quantiles) * 1000, 1),
        "longest_ms": round(max(max(one.done.latencies) for one in samples) * 1000, 1),
        "web_cpu_ms": round(statistics.median(one.web_ms for one in samples), 3),
        "redis_cpu_ms": round(statistics.median(one.redis_ms for one in samples), 3),
        "not_200": sum(one.done.not_200 for one in samples),
    }


def measured(
    load: LoadGenerator, subjects: Sequence[Subject], redis: int, count: int, rounds: int
) -> list[dict[str, Any]]:
    """Every subject at every concurrency, in alternating rounds."""
    for subject in subjects:
        sampled(load, subject, redis, WARM_UP, GOAL_AT)
    rows = []
    for concurrent in CONCURRENT:
        samples: dict[str, list[Sample]] = {subject.name: [] for subject in subjects}
        for _ in range(rounds):
            for subject in subjects:
                samples[subject.name].append(sampled(load, subject, redis, count, concurrent))
        for name, ours in samples.items():
            rows.append({**row(name, concurrent, ours), "of_hello": ratio(ours, samples[HELLO])})
            click.echo("  ".join(f"{column} {value}" for column, value in rows[-1].items()))
    return rows


def charged(stack: Stack, companies: Iterable[Company]) -> int:
    """The webhooks that were accepted and reserved a request."""
    months = (
        month
        for company in companies
        for month in stack.redis.scan_iter(keys.quota(company.account.account_id, "*"), count=10_000)
    )
    return sum(int(stack.redis.hget(month, "reserved") or 0) for month in months)


def goals(rows: Sequence[dict[str, Any]], uncharged: int) -> list[dict[str, Any]]:
    """What was promised, what came out, and whether that is enough."""
    (at_goal,) = [one for one in rows if (one["what"], one["concurrent"]) == (WEBHOOK, GOAL_AT)]
    share, p99 = at_goal["of_hello"], at_goal["p99_ms"]
    return [
        {"goal": f"requests/s at {GOAL_AT} / hello world's >= {GOAL_RATIO}", "got": share, "met": share >= GOAL_RATIO},
        {"goal": f"p99 at {GOAL_AT} concurrent < {GOAL_P99_MS:.0f} ms", "got": p99, "met": p99 < GOAL_P99_MS},
        {"goal": "webhooks that were not accepted and charged: 0", "got": uncharged, "met": uncharged == 0},
    ]


@click.command()
@click.option("--requests", "count", default=REQUESTS, help="Requests a round.")
@click.option("--rounds", default=ROUNDS, help="Rounds of every kind.")
def main(count: int, rounds: int) -> None:
    """Measure and print; write JSON beside."""
    total = WARM_UP + count * rounds * len(CONCURRENT)
    reference_port = free_port()
    with (
        tempfile.TemporaryDirectory() as directory,
        Stack(Path(directory), settings={"WEB_PROCESSES": "2"}) as stack,
        gunicorn(stack, "app.web.wsgi:create()", stack.port) as ours,
        gunicorn(stack, "bench.door_apps:create()", reference_port) as reference,
        LoadGenerator() as load,
    ):
        stack.add_plan("bench", 1_000_000)
        companies = [stack.add_company(f"Bench {number}", plan="bench") for number in range(COMPANIES)]
        subjects = [
            Subject(WEBHOOK, stack.port, ours, webhook_requests(companies, stack.door, total)),
            Subject(HELLO, reference_port, reference, repeat(request("GET", "/hello"))),
            Subject("one trip to Redis", reference_port, reference, repeat(request("GET", "/redis"))),
            Subject("GET /healthz", stack.port, ours, repeat(request("GET", "/healthz"))),
        ]
        click.echo(f"{rounds} rounds of {count} requests each, medians …")
        rows = measured(load, subjects, stack.server.pid, count, rounds)
        met = goals(rows, total - charged(stack, companies))
    for goal in met:
        click.echo("  ".join(f"{name} {value}" for name, value in goal.items()))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"rows": rows, "goals": met}, indent=2) + "\n")


if __name__ == "__main__":
    main()
