"""What an answer costs that comes in many pieces, as a model really sends them, beside the floor's cost of the same."""

import tempfile
from pathlib import Path
from typing import Any

import click

from bench.loads import paced, warm_up
from bench.measuring import check_platform
from bench.stage import Stage
from bench.systems import System, check_peers, systems
from bench.tables import at_most, ratio, save, show, show_goals

# About as many as an answer of this length has tokens.
PIECES = 75
IN_FLIGHT = 100
SLOTS = 200
SECONDS, QUICK_SECONDS = 6.0, 3.0
COMPARED = ("floor_threads", "floor_asyncio", "ours")


def measured(stage: Stage, system: System, seconds: float) -> dict[str, Any]:
    """One system under an even load."""
    stage.stack.redis.flushall()
    click.echo(f"{system.name} … ", nl=False)
    running = system.start(stage, system.slots)
    try:
        warm_up(stage, system, running)
        return {"key": system.key, "name": system.name, **paced(stage, running, IN_FLIGHT, seconds)}
    finally:
        running.stop()


def run(quick: bool) -> None:
    """Measure, print, and write JSON."""
    check_platform()
    check_peers()
    click.echo(f"answers in {PIECES} pieces, {IN_FLIGHT} in flight: ", nl=False)
    chosen = [system for system in systems(SLOTS, 1, (IN_FLIGHT,)) if system.key in COMPARED]
    with tempfile.TemporaryDirectory() as directory, Stage(Path(directory), PIECES) as stage:
        rows = [measured(stage, system, QUICK_SECONDS if quick else SECONDS) for system in chosen]
    click.echo("done")
    floor = next(row for row in rows if row["key"] == "floor_threads")["cpu_ms_per_turn"]
    show(
        ("", "CPU ms/turn", "x floor", "added p50 ms", "p99 ms", "others"),
        [
            (
                row["name"],
                row["cpu_ms_per_turn"],
                ratio(row["cpu_ms_per_turn"], floor),
                row["p50_ms"],
                row["p99_ms"],
                f"{row['others_share']:.0%}",
            )
            for row in rows
        ],
    )
    ours = next(row for row in rows if row["key"] == "ours")
    goals = [at_most("CPU per turn ≤ 1.5 x bare threads", ratio(ours["cpu_ms_per_turn"], floor), 1.5)]
    show_goals(goals)
    save("pieces", {"pieces": PIECES, "in_flight": IN_FLIGHT, "systems": rows}, goals)
