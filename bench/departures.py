"""Continue calls that become ready together: Kommo takes seven a second from one address, and nobody may wait in vain.

Three worker processes on one Redis, at the rate of production; the simulated Kommo counts and keeps its limit. Turns of
three companies, some of them failed so that there are notes to write, are held back until all are decided.
"""

import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from app.storage import keys
from bench.measuring import check_platform
from bench.tables import Goal, at_most, save, show, show_goals
from sandbox.kommo_faults import Route
from sandbox.kommo_server import KommoSimulator
from sandbox.kommo_webhook import SentWebhook
from sandbox.stack import Company, Stack

TURNS, QUICK_TURNS = 300, 60
COMPANIES, WORKERS = 3, 3
LIMIT, RATE = 7, 6
# Every so many turns one fails, and leaves a note.
FAILED_EACH = 10
# Seconds for which no call leaves, said again until all are decided.
HELD_BACK = 2.0
PATIENCE = 60.0
ADDRESSES = {"one": {"default": "127.0.0.1"}, "two": {"first": "127.0.0.1", "second": "127.0.0.2"}}


def measured(directory: Path, addresses: Mapping[str, str], turns: int) -> dict[str, Any]:
    """Let so many turns become ready together, and watch them leave."""
    settings = {"KOMMO_RATE": str(RATE), "KOMMO_ACCOUNT_RATE": "100", "DELIVERY_PATIENCE": "600"}
    if len(addresses) > 1:
        settings["KOMMO_EGRESS"] = ",".join(f"{name}={address}" for name, address in addresses.items())
    with Stack(directory, settings=settings, kommo=KommoSimulator(rate=LIMIT, webhook_timeout=10)) as stack:
        stack.add_plan("bench", 1_000_000)
        companies = [stack.add_company(f"Company-{number}", plan="bench") for number in range(COMPANIES)]
        for company in companies:
            stack.openai.fault("unauthorized", message="fail", key=company.account.secrets.openai_api_key)
        stack.start("web", *["worker"] * WORKERS)
        stack.wait_until_ready()
        sent = _accepted(stack, companies, addresses, turns)
        _wait_until(lambda: _ready(stack) == turns, lambda: _hold_back(stack, addresses))
        ready_at = time.monotonic()
        _wait_until(lambda: len(stack.kommo.continues) >= turns, lambda: None, turns / RATE * 2)
        notes = turns // FAILED_EACH
        _wait_until(lambda: sum(len(company.kommo.notes) for company in companies) >= notes, lambda: None)
        return _seen(stack, sent, ready_at, list(addresses.values()))


def _accepted(
    stack: Stack, companies: Sequence[Company], addresses: Mapping[str, str], turns: int
) -> list[list[SentWebhook]]:
    """The webhooks of each company, in order of acceptance."""
    sent: list[list[SentWebhook]] = [[] for _ in companies]
    for number in range(turns):
        _hold_back(stack, addresses)
        place = number % len(companies)
        text = f"fail {number}" if number % FAILED_EACH == 0 else f"question {number}"
        webhook = companies[place].kommo.send_webhook(
            stack.door, {"message": text, "contact_id": str(number), "lead_id": str(5000 + number)}
        )
        webhook.wait(PATIENCE)
        sent[place].append(webhook)
    return sent


def _hold_back(stack: Stack, addresses: Mapping[str, str]) -> None:
    seconds, microseconds = stack.redis.time()
    now = seconds * 1_000_000 + microseconds
    for name in addresses:
        stack.redis.set(keys.pace_of_egress(name), f"{now + int(HELD_BACK * 1e6)} {now}", px=int(HELD_BACK * 1000))


def _ready(stack: Stack) -> int:
    return sum(int(stack.redis.zcard(key)) for key in stack.redis.scan_iter(f"{keys.ready()}:3*"))


def _wait_until(condition: Any, meanwhile: Any, seconds: float = PATIENCE) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends_at:
            raise TimeoutError("the turns did not come so far")
        meanwhile()
        time.sleep(0.2)


def _seen(
    stack: Stack, sent: Sequence[Sequence[SentWebhook]], ready_at: float, addresses: Sequence[str]
) -> dict[str, Any]:
    kommo = stack.kommo
    order = [call.return_url for call in kommo.continues]
    delivered = [len(kommo.accepted_continues(webhook.return_url)) for webhooks in sent for webhook in webhooks]
    last = max(call.moment for call in kommo.continues)
    notes = [call.moment for call in kommo.calls if call.route is Route.NOTE]
    seconds = last - min(call.moment for call in kommo.continues)
    return {
        "turns": len(delivered),
        "seconds": round(seconds, 1),
        "calls_a_second": round((len(order) - 1) / seconds, 2),
        "busiest_second_of_an_address": max(kommo.busiest_second(source=address) for address in addresses),
        "busiest_second": kommo.busiest_second(),
        "refused_429": sum(call.status == 429 for call in kommo.calls),
        "not_delivered_once": sum(times != 1 for times in delivered),
        "out_of_order": sum(_out_of_order(order, [webhook.return_url for webhook in webhooks]) for webhooks in sent),
        "notes": len(notes),
        "notes_before_the_last_call": sum(moment < last - 0.2 for moment in notes),
        "first_after_s": round(min(call.moment for call in kommo.continues) - ready_at, 2),
    }


def _out_of_order(order: Sequence[str], wanted: Sequence[str]) -> int:
    """How many calls of one company left before one that was accepted earlier."""
    left = [wanted.index(url) for url in order if url in wanted]
    return sum(later < earlier for earlier, later in pairwise(left))


def _goals(rows: Mapping[str, dict[str, Any]]) -> list[Goal]:
    worst = {name: max(row[name] for row in rows.values()) for name in rows["one"]}
    return [
        at_most("calls in any second from one address: at most 7", worst["busiest_second_of_an_address"], LIMIT),
        at_most("calls that Kommo refused for their number: 0", worst["refused_429"], 0),
        at_most("turns that were not delivered exactly once: 0", worst["not_delivered_once"], 0),
        at_most("calls of a company that left out of order: 0", worst["out_of_order"], 0),
        at_most("notes written while continue calls waited: 0", worst["notes_before_the_last_call"], 0),
        at_most("two addresses: of the time with one", round(rows["two"]["seconds"] / rows["one"]["seconds"], 2), 0.55),
    ]


def run(quick: bool) -> None:
    """Measure, print, and write JSON."""
    check_platform()
    turns = QUICK_TURNS if quick else TURNS
    rows = {}
    for name, addresses in ADDRESSES.items():
        click.echo(f"departures: {turns} turns ready together, {len(addresses)} source address(es) …")
        with tempfile.TemporaryDirectory() as directory:
            rows[name] = measured(Path(directory), addresses, turns)
    show(
        ("addresses", *(column.replace("_", " ") for column in rows["one"])),
        [(name, *row.values()) for name, row in rows.items()],
    )
    goals = _goals(rows)
    show_goals(goals)
    save("departures", {"rows": rows}, goals)
