"""ByteGPT's worker beside RQ, Celery, Dramatiq and the floor, in one run on the same Redis and the same partners.

Every system brings the same turns to their end: a streamed answer of two seconds, one continue call. The peers and the
floors do these two calls and nothing else; ByteGPT also records, charges and paces each turn.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from bench import loads as under
from bench.measuring import check_platform
from bench.replaying import TOTAL
from bench.stage import PIECES, Stage
from bench.systems import System, check_peers, systems
from bench.tables import Goal, at_least, at_most, ratio, save, show, show_goals

LOADS = (10, 100, 500)
# How long each load lasts, in seconds, without the time it takes to build up. At saturation turns end in waves of an
# answer's length: a whole number of them is counted.
SECONDS = {10: 5.0, 100: 4.0, 500: 4.0}
SATURATION_SECONDS = 3 * TOTAL
# More slots than any of the systems can keep busy: with fewer the quick ones would all stand at the same limit.
SLOTS, PROCESSES = 900, 120
QUICK_LOADS, QUICK_SECONDS, QUICK_SLOTS, QUICK_PROCESSES = (10, 100), 2 * TOTAL, 200, 30

STEADY = "100"

Row = dict[str, Any]


def measured(stage: Stage, system: System, quick: bool) -> Row:
    """Everything about one system."""
    stage.stack.redis.flushall()
    click.echo(f"{system.name}: ", nl=False)
    running = system.start(stage, system.slots)
    try:
        under.warm_up(stage, system, running)
        loads = {}
        for load in system.loads:
            click.echo(f"{load} in flight … ", nl=False)
            loads[str(load)] = under.paced(stage, running, load, QUICK_SECONDS if quick else SECONDS[load])
        click.echo("saturated … ", nl=False)
        full = under.saturated(stage, system, running, QUICK_SECONDS if quick else SATURATION_SECONDS)
    finally:
        running.stop()
    starved = " (not fed fast enough: it could do more)" if full["fewest_open"] < system.slots else ""
    click.echo(f"{full['turns_per_second']} turns/s{starved}")
    return {"key": system.key, "name": system.name, "slots": system.slots, "loads": loads, "saturated": full}


def table(rows: Sequence[Row], loads: Sequence[int]) -> None:
    """Print it."""
    by_key = {row["key"]: row for row in rows}
    columns = ["", "slots", "turns/s", "x RQ", "in flight", "RSS MiB/turn", "÷ RQ", "PSS MiB/turn", "CPU ms/turn"]
    columns += ["x floor", "CPU at 100", "x floor", *(f"added at {load}" for load in loads), "others"]
    show(columns, [_cells(row, by_key, loads) for row in rows])
    click.echo(
        "CPU: milliseconds a turn, at saturation and at 100 in flight. RQ: its forking pool. floor: bare threads.\n"
        "added: milliseconds beyond the simulated OpenAI's own time, p50 / p99.\n"
        "others: the most of the machine that processes without a part in this used meanwhile."
    )


def _cells(row: Row, by_key: dict[str, Row], loads: Sequence[int]) -> list[Any]:
    full = row["saturated"]
    return [
        row["name"],
        row["slots"],
        full["turns_per_second"],
        _over(row, by_key.get("rq_fork"), "turns_per_second"),
        full["in_flight"],
        full["rss_mib_per_turn"],
        _over(row, by_key.get("rq_fork"), "rss_mib_per_turn"),
        full["pss_mib_per_turn"],
        full["cpu_ms_per_turn"],
        _over(row, by_key.get("floor_threads"), "cpu_ms_per_turn"),
        row["loads"].get(STEADY, {}).get("cpu_ms_per_turn"),
        _steady_cpu(row, by_key.get("floor_threads")),
        *(_latency(row["loads"].get(str(load))) for load in loads),
        f"{_others(row):.0%}",
    ]


def _others(row: Row) -> float:
    shares: list[float] = [load["others_share"] for load in (*row["loads"].values(), row["saturated"])]
    return max(shares)


def _latency(load: Row | None) -> str:
    if load is None:
        return "not run"
    if load["p50_ms"] is None:
        return "none done"
    return f"{load['p50_ms']:,.0f} / {load['p99_ms']:,.0f}"


def _over(row: Row, other: Row | None, name: str) -> float | None:
    return ratio(row["saturated"][name], other["saturated"][name], 3) if other else None


def _steady_cpu(row: Row, floor: Row | None) -> float | None:
    """CPU per turn over the floor's, at the load that none of them finds hard."""
    if floor is None or STEADY not in row["loads"]:
        return None
    return ratio(row["loads"][STEADY]["cpu_ms_per_turn"], floor["loads"][STEADY]["cpu_ms_per_turn"], 3)


def goals(rows: Sequence[Row]) -> list[Goal]:
    """What the worker must show, of what was measured."""
    by_key = {row["key"]: row for row in rows}
    ours = by_key.get("ours")
    if ours is None:
        return []
    floor, stock = by_key.get("floor_threads"), by_key.get("rq_fork")
    found = []
    if floor:
        saturated = _over(ours, floor, "cpu_ms_per_turn")
        found.append(at_most("CPU per turn ≤ 1.5 x bare threads, at 100 in flight", _steady_cpu(ours, floor), 1.5))
        found.append(at_most("CPU per turn ≤ 1.5 x bare threads, at saturation", saturated, 1.5))
    if stock:
        found.append(at_least("turns/s ≥ 4 x RQ's forking pool", _over(ours, stock, "turns_per_second"), 4.0))
        memory = _over(ours, stock, "rss_mib_per_turn")
        found.append(at_most("RSS per turn in flight ≤ 1/20 of RQ's forking pool", memory, 1 / 20))
    for key in ("celery_gevent", "celery_threads", "dramatiq"):
        if key in by_key:
            name = by_key[key]["name"]
            found.append(at_least(f"turns/s ≥ {name}", _over(ours, by_key[key], "turns_per_second"), 1.0))
    at_100 = ours["loads"].get(STEADY, {})
    found.append(at_most("added at 100 in flight, p50 < 20 ms", at_100.get("p50_ms"), 20.0))
    found.append(at_most("added at 100 in flight, p99 < 100 ms", at_100.get("p99_ms"), 100.0))
    mixed_up = sum(load["twice"] + load["wrong"] for load in (*ours["loads"].values(), ours["saturated"]))
    found.append(at_most("continue calls too many, or with another turn's answer: 0", mixed_up, 0))
    return found


def run(quick: bool, only: Sequence[str] = (), pieces: int = PIECES) -> None:
    """Measure, print, and write JSON. only: keys of the systems, all where none is named."""
    check_platform()
    check_peers()
    loads = QUICK_LOADS if quick else LOADS
    chosen = systems(*((QUICK_SLOTS, QUICK_PROCESSES) if quick else (SLOTS, PROCESSES)), loads)
    with tempfile.TemporaryDirectory() as directory, Stage(Path(directory), pieces) as stage:
        rows = [measured(stage, system, quick) for system in chosen if not only or system.key in only]
    click.echo()
    table(rows, loads)
    kept = goals(rows)
    show_goals(kept)
    save("workers", {"answer_seconds": TOTAL, "answer_pieces": pieces, "systems": rows}, kept)


@click.command()
@click.option("--quick", is_flag=True, help="Smaller and shorter.")
@click.option("--only", multiple=True, help="Key of a system; may be repeated.")
@click.option("--pieces", default=PIECES, help="In how many pieces an answer's text is streamed.")
def main(quick: bool, only: tuple[str, ...], pieces: int) -> None:
    """Compare the workers."""
    run(quick, only, pieces)


if __name__ == "__main__":
    main()
