"""500 turns in flight in one worker process: what it holds in memory.

Answers take ten seconds here, so that the turns really are in flight together; they come in waves, and what counts is
the most that was ever held.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import click

from bench.measuring import MIB, check_platform, memory, peak_rss
from bench.processes import end
from bench.stage import Stage
from bench.systems import COMPANIES
from bench.tables import at_least, at_most, save, show, show_goals

IN_FLIGHT = 500
SLOTS = 600
ANSWER_SECONDS = 10.0
WAVES, QUICK_WAVES = 2, 1
ACCEPTED_A_SECOND = 500
CLIENTS = 1000
GOAL_MIB = 150.0
LOOK = 0.5


def measured(stage: Stage, waves: int) -> dict[str, Any]:
    """Hold as many turns as wanted, several times."""
    stage.openai.set_pace(ANSWER_SECONDS)
    feeder = stage.acceptances(stage.companies(COMPANIES), CLIENTS)
    stage.stack.environment["WORKER_CONCURRENCY"] = str(SLOTS)
    (worker,) = stage.stack.start("worker")
    looks = []
    try:
        for wave in range(waves):
            click.echo(f"wave {wave + 1} of {waves} … ", nl=False)
            feeder.order(first=stage.begin(IN_FLIGHT), count=IN_FLIGHT, rate=ACCEPTED_A_SECOND)
            feeder.sent()
            deadline = time.monotonic() + 5 * ANSWER_SECONDS
            while stage.kommo.state()["done"] < IN_FLIGHT and time.monotonic() < deadline:
                held = memory(worker.pid)
                looks.append({"in_flight": stage.openai.state()["in_flight"], "rss": held.rss, "pss": held.pss})
                time.sleep(LOOK)
        peak = peak_rss(worker.pid)
    finally:
        feeder.stop()
        end(worker)
    click.echo("done")
    most = max(looks, key=lambda look: look["in_flight"])
    return {
        "in_flight": most["in_flight"],
        "rss_mib": round(most["rss"] / MIB, 1),
        "pss_mib": round(most["pss"] / MIB, 1),
        "peak_rss_mib": round(peak / MIB, 1),
        "waves": waves,
    }


def run(quick: bool) -> None:
    """Measure, print, and write JSON."""
    check_platform()
    click.echo(f"memory: {IN_FLIGHT} turns in flight in one process: ", nl=False)
    with tempfile.TemporaryDirectory() as directory, Stage(Path(directory)) as stage:
        found = measured(stage, QUICK_WAVES if quick else WAVES)
    show(
        ("", "in flight", "RSS MiB", "PSS MiB", "most RSS ever, MiB"),
        [("ByteGPT worker", *(found[name] for name in ("in_flight", "rss_mib", "pss_mib", "peak_rss_mib")))],
    )
    goals = [
        at_least("turns in flight at once", found["in_flight"], IN_FLIGHT),
        at_most("most RSS ever, MiB, < 150", found["peak_rss_mib"], GOAL_MIB),
    ]
    show_goals(goals)
    save("memory", found, goals)
