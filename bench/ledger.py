"""What the books of a company cost in memory: the ledger, the figures of usage, the records of turns.

Turns are accepted, answered and settled by the real worker, and every key they leave is weighed with MEMORY USAGE. The
figures of usage are weighed apart, on days that are as full and as spread out as those of a company with 100,000
requests a month. What a kind of key costs at rest follows from how long its keys live, which Redis is asked too.
"""

import json
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import click
from redis import Redis

from app.domain.answers import Answer, Usage
from app.domain.usage import Figures, Place, answered, attempted
from app.storage import keys
from app.storage.usage import usage_arguments
from bench.measuring import MIB
from bench.processes import PATIENCE
from bench.stage import Stage
from bench.tables import save, show
from config.prices import read_prices

MONTHLY = 100_000
DAYS_A_MONTH = 365.25 / 12
A_DAY = round(MONTHLY / DAYS_A_MONTH)
CLIENTS_A_DAY = 800
# When people write: from 8 to 22 o'clock.
FIRST_HOUR, HOURS = 8, 14
USAGE_DAYS = 3
SECONDS, QUICK_SECONDS = 20.0, 6.0
SLOTS = 100
ANSWER_SECONDS = 0.2
MOST_TURNS = 100_000
MODEL = "gpt-6-luna"
DAY_MS = 24 * 3600 * 1000
# Has no time to live: each acceptance cuts off what is older than a turn is kept, and a day (app/storage/turns.py).
TRIMMED = {"turns": 31.0}
# One key for many turns: weighed apart, or a constant.
PER_DAY_OR_MONTH = ("usage", "minutes", "quota")


def run(quick: bool) -> None:
    """Measure, print, and write JSON."""
    seconds = QUICK_SECONDS if quick else SECONDS
    click.echo(f"ledger: turns of one company for {seconds:.0f} s …")
    with tempfile.TemporaryDirectory() as directory, Stage(Path(directory)) as stage:
        turns, account_id, grown = _brought_to_their_end(stage, seconds)
        entries, known = _entries(stage.stack.redis, account_id), _of_a_client(stage.stack.redis, account_id)
        rows = [*_weighed(stage.stack.redis, turns), *_usage(stage.stack.redis)]
    at_rest = sum(row["mib_at_rest"] for row in rows)
    show(
        ("kind of key", "bytes a request", "kept for days", f"MiB at {MONTHLY:,} a month", "MiB at rest"),
        [(row["kind"], row["bytes_per_turn"], row["days"], row["mib_a_month"], row["mib_at_rest"]) for row in rows],
    )
    ledger = next(row for row in rows if row["kind"] == "ledger")
    per_entry = round(ledger["bytes_per_turn"] * turns / entries, 1)
    a_year = round(ledger["mib_a_month"] * 12, 1)
    click.echo(
        f"{turns:,} turns, {entries:,} ledger entries of {per_entry} bytes; the ledger of a year: {a_year} MiB.\n"
        f"Everything of such a company at rest: {at_rest:.0f} MiB, and {known:.0f} bytes for each client it knows.\n"
        f"Cross-check: Redis grew by {grown / turns:,.0f} bytes a turn, its own tables and what soon ends included."
    )
    result = {"turns": turns, "entries": entries, "bytes_per_entry": per_entry, "ledger_mib_a_year": a_year}
    save("ledger", {**result, "mib_at_rest": round(at_rest, 1), "kinds": rows}, [])


def _brought_to_their_end(stage: Stage, seconds: float) -> tuple[int, int, int]:
    """As many turns as fit into the time: how many, of which account, and by how many bytes Redis grew."""
    redis = stage.stack.redis
    stage.openai.set_pace(ANSWER_SECONDS)
    (company,) = stage.companies(1)
    stage.stack.environment["WORKER_CONCURRENCY"] = str(SLOTS)
    (worker,) = stage.stack.start("worker")
    feeder = stage.acceptances([company], CLIENTS_A_DAY)
    before = int(redis.info("memory")["used_memory"])
    feeder.order(
        first=stage.begin(MOST_TURNS), outstanding=SLOTS, build_up=1.0, seconds=seconds, done_url=stage.kommo.url
    )
    turns = len(feeder.sent())
    stage.wait_until_done(turns, PATIENCE)
    # It closes what it holds before it ends.
    worker.send_signal(signal.SIGTERM)
    worker.wait(PATIENCE)
    feeder.stop()
    # RQ forgets them within minutes.
    for job in redis.scan_iter("rq:*", count=10_000):
        redis.delete(job)
    return turns, company.account.account_id, int(redis.info("memory")["used_memory"]) - before


def _weighed(redis: Redis, turns: int) -> list[dict[str, Any]]:
    """The kinds of keys that grow with the turns and outlive the hour."""
    bytes_of, days_of = Counter[str](), dict(TRIMMED)
    for key in redis.scan_iter(f"{keys.PREFIX}*", count=10_000):
        kind = _kind(key.decode())
        bytes_of[kind] += redis.memory_usage(key, samples=0) or 0
        days_of.setdefault(kind, round(redis.pttl(key) / DAY_MS, 1))
    grow = [kind for kind, days in days_of.items() if days > 0.1 and kind not in PER_DAY_OR_MONTH]
    return [_row(kind, bytes_of[kind] / turns, days_of[kind]) for kind in sorted(grow)]


def _of_a_client(redis: Redis, account_id: int) -> float:
    """What is kept of each client for as long as the account is."""
    found = list(redis.scan_iter(keys.conversation(account_id, "*"), count=10_000))
    return sum(redis.memory_usage(key, samples=0) or 0 for key in found) / max(1, len(found))


def _kind(key: str) -> str:
    words = key.removeprefix(keys.PREFIX).split(":")
    return f"{words[0]} steps" if words[-1] == "steps" else words[0]


def _row(kind: str, per_turn: float, days: float) -> dict[str, Any]:
    """days: how long its keys live."""
    a_month = per_turn * MONTHLY / MIB
    return {
        "kind": kind,
        "bytes_per_turn": round(per_turn, 1),
        "days": days,
        "mib_a_month": round(a_month, 2),
        "mib_at_rest": round(a_month * days / DAYS_A_MONTH, 1),
    }


def _entries(redis: Redis, account_id: int) -> int:
    return sum(int(redis.xlen(key)) for key in redis.scan_iter(keys.ledger(account_id, "*"), count=10_000))


def _usage(redis: Redis) -> Iterator[dict[str, Any]]:
    """The figures of some full days, through the script's own part."""
    add = redis.register_script(
        (files("app.storage") / "lua" / "usage.lua").read_text() + "\nadd_usage(cjson.decode(ARGV[1]))\n"
    )
    redis.flushdb()
    began = datetime.now(UTC).replace(hour=FIRST_HOUR, minute=0, second=0, microsecond=0)
    for day in range(USAGE_DAYS):
        pipeline = redis.pipeline(transaction=False)
        for place in range(A_DAY):
            moment = began + timedelta(days=day, seconds=place * HOURS * 3600 / A_DAY)
            for figures in _figures(moment, place):
                arguments = usage_arguments(1, figures, int(moment.timestamp() * 1000))
                add(args=[json.dumps(arguments)], client=pipeline)
        pipeline.execute()
    for kind, pattern in (("usage", keys.usage_day(1, "*")), ("minutes", keys.usage_minutes(1, "*"))):
        found = list(redis.scan_iter(pattern, count=10_000))
        weight = sum(redis.memory_usage(key, samples=0) or 0 for key in found)
        yield _row(kind, weight / (A_DAY * USAGE_DAYS), round(redis.pttl(found[0]) / DAY_MS, 1))


def _figures(moment: datetime, place: int) -> Iterator[Figures]:
    """What one turn adds: its attempt, and its answer."""
    day = moment.date().isoformat()
    answer = Answer("…", "resp_1", model=MODEL, usage=Usage(input=1200, cached=600, output=90, reasoning=0))
    yield attempted(day, MODEL)
    client = f"contact-{11_000_000 + place % CLIENTS_A_DAY}"
    yield answered(Place(day, moment.hour, "ai_reply", client, 1), answer, read_prices(), moment)
