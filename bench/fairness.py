"""One company's flood beside another's calm: how long the second waits for the first.

One worker process as it is delivered, Kommo's rates raised. One company sends 1,000 turns at once, each of a client of
its own, and another one turn a second meanwhile.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import click

from bench.measuring import check_platform
from bench.moments import latency, moments_of
from bench.processes import Feeder, end
from bench.replaying import TOTAL
from bench.stage import Stage
from bench.tables import at_most, save, show, show_goals
from config.settings import load_settings

FLOOD, QUICK_FLOOD = 1000, 300
CALM_CLIENTS = 1000
# Seconds for which only the calm company writes.
BEFORE = 2.0
# As fast as one process can accept, in turns a second.
AT_ONCE = 1_000_000.0
WARM_UP = 20
# The whole may take so many times as long as it takes with every slot at work.
PATIENCE = 6
GOAL_MS = 1000.0


def measured(stage: Stage, flood: int) -> dict[str, Any]:
    """Flood and watch."""
    noisy_company, calm_company = stage.companies(2)
    (worker,) = stage.stack.start("worker")
    noisy, calm = stage.acceptances([noisy_company], flood), stage.acceptances([calm_company], CALM_CLIENTS)
    try:
        for feeder in (noisy, calm):
            feeder.order(first=stage.begin(WARM_UP), count=WARM_UP, rate=AT_ONCE)
            feeder.sent()
            stage.wait_until_done(WARM_UP, PATIENCE * TOTAL)
        return _flooded(stage, noisy, calm, flood)
    finally:
        noisy.stop()
        calm.stop()
        end(worker)


def _flooded(stage: Stage, noisy: Feeder, calm: Feeder, flood: int) -> dict[str, Any]:
    slots = load_settings({}, dotenv=None).worker_concurrency
    shortest = flood / slots * TOTAL
    calm_turns = round(BEFORE + shortest)
    first = stage.begin(calm_turns + flood)
    calm.order(first=first, count=calm_turns, rate=1)
    time.sleep(BEFORE)
    began = time.monotonic()
    noisy.order(first=first + calm_turns, count=flood, rate=AT_ONCE)
    of_noisy = dict(enumerate(noisy.sent(), first + calm_turns))
    accepted = time.monotonic()
    of_calm = dict(enumerate(calm.sent(), first))
    stage.wait_until_done(calm_turns + flood, PATIENCE * shortest)
    flooding, calmly = moments_of(stage, of_noisy), moments_of(stage, of_calm)
    over = max((moment for number, moment in flooding.continued.items() if number in of_noisy), default=accepted)
    return {
        "flood": flood,
        "slots": slots,
        "accepted_within_s": round(accepted - began, 2),
        "over_after_s": round(over - began, 1),
        "calm_before": latency(calmly.added(0.0, began)),
        "calm": latency(calmly.added(began, over)),
        "unfinished": flooding.unfinished + calmly.unfinished,
    }


def run(quick: bool) -> None:
    """Measure, print, and write JSON."""
    check_platform()
    flood = QUICK_FLOOD if quick else FLOOD
    click.echo(f"fairness: {flood:,} turns of one company at once, one a second of another …")
    with tempfile.TemporaryDirectory() as directory, Stage(Path(directory)) as stage:
        found = measured(stage, flood)
    calm = found["calm"]
    show(
        ("flood", "slots", "accepted in s", "over after s", "calm turns", "added p50 ms", "p99 ms", "longest ms"),
        [
            (
                f"{flood:,} turns",
                found["slots"],
                found["accepted_within_s"],
                found["over_after_s"],
                *calm.values(),
            )
        ],
    )
    goals = [
        at_most("added to the calm company's turns, p99 < 1,000 ms", calm["p99_ms"], GOAL_MS),
        at_most("turns that did not come to an end: 0", found["unfinished"], 0),
    ]
    show_goals(goals)
    save("fairness", found, goals)
