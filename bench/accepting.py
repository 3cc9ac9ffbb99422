"""What one acceptance costs at Redis: at 0 to 100 boosts, untouched and being burnt, and among 1 or 10,000 accounts.

One round trip each; the time is what a client sees on a unix socket, and stands beside a bare PING of the same run.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from cryptography.fernet import Fernet
from redis import Redis

from app.domain.accounts import Account
from app.domain.plans import Plan
from app.domain.quota import day_of, period_of
from app.domain.turn import NewTurn, Timing, new_request_id
from app.storage.accounts import RedisAccounts
from app.storage.boosts import RedisBoosts
from app.storage.connection import connect
from app.storage.embedded import EmbeddedRedis
from app.storage.plans import RedisPlans
from app.storage.sealing import Sealer
from app.storage.turns import RedisTurns

ACCEPTANCES = 2000
RESULTS = Path("bench/results/accepting.json")
# boosts, whether the plan is used up so that every acceptance burns one, accounts
CASES = [(0, False, 1), (1, False, 1), (100, False, 1), (1, True, 1), (10, True, 1), (100, True, 1), (10, True, 10_000)]


def median_us(action: Callable[[int], object], count: int) -> float:
    """The median time of an action, in microseconds."""
    times = []
    for number in range(count):
        began = time.perf_counter()
        action(number)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1_000_000


def a_turn(account: Account, number: int) -> NewTurn:
    """A turn of a client of its own, now."""
    now = int(time.time() * 1000)
    request_id = new_request_id(now)
    moment = datetime.fromtimestamp(now / 1000, account.zone)
    return NewTurn(
        request_id=request_id,
        account_id=account.account_id,
        account_version=account.version,
        accepted_at=now,
        deadline_at=now + 50_000,
        period=period_of(moment, account.zone),
        day=day_of(moment, account.zone),
        hour=moment.hour,
        weight=1,
        return_url=f"https://bench.kommo.com/api/v4/salesbot/1/continue/{number}",
        line=f"contact-{number}",
        message=f"pergunta {number}",
    )


def measured(client: Redis, boosts: int, burning: bool, accounts: int) -> dict[str, Any]:
    """One case, on an empty Redis."""
    client.flushall()
    sealer = Sealer([Fernet.generate_key().decode()])
    store = RedisAccounts(client, sealer)
    RedisPlans(client).set(Plan("bench", 0 if burning else 1_000_000))
    first = Account(1, "bench", plan="bench")
    for number in range(2, accounts + 1):
        store.add(replace(first, account_id=number))
    account = store.add(first)
    for number in range(boosts):
        RedisBoosts(client).add(account, f"boost-{number}", 1_000_000, None)
    turns = RedisTurns(client, sealer, Timing(50.0, 120.0))
    accepted = median_us(lambda number: turns.accept(a_turn(account, number)), ACCEPTANCES)
    ping = median_us(lambda _: client.ping(), ACCEPTANCES)
    return {
        "boosts": boosts,
        "burning": burning,
        "accounts": accounts,
        "acceptance_us": round(accepted),
        "ping_us": round(ping),
        "ratio": round(accepted / ping, 1),
    }


def main() -> None:
    """Measure every case and print it; write JSON beside."""
    rows = []
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedRedis(Path(directory)) as server,
        connect(server.url, for_web=True, max_connections=4) as client,
    ):
        click.echo(f"{ACCEPTANCES} acceptances a case, median of each …")
        for case in CASES:
            rows.append(measured(client, *case))
            click.echo("  ".join(f"{name} {value}" for name, value in rows[-1].items()))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
