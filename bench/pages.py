"""The console with many turns stored: its pages, the lists by which turns are found, and the door while operators look.

Pages are asked for one at a time over a kept connection, as a client on this machine sees them. The door is measured in
alternating rounds, with and without a browser that loads pages as often as some ten open ones refresh.
"""

import re
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from werkzeug.security import generate_password_hash

from bench.console_browser import PASSWORD, USERNAME, Browser
from bench.door import Subject, row, sampled, webhook_requests
from bench.door_load import LoadGenerator
from bench.door_servers import gunicorn
from bench.listing import costs
from bench.measuring import check_platform
from bench.moments import percentile
from bench.storing import Stored, stored
from bench.tables import Goal, at_least, at_most, ratio, save, show, show_goals
from sandbox.stack import Stack

TURNS, QUICK_TURNS = 100_000, 5_000
LOOKS, QUICK_LOOKS = 60, 10
ROUNDS, QUICK_ROUNDS = 7, 2
REQUESTS, QUICK_REQUESTS = 1000, 300
WARM_UP = 500
CONCURRENT = 50
COMPANIES = 20
GOAL_MS = 300.0
GOAL_DOOR = 0.9
# Five a second: ten open pages that refresh every two seconds.
BETWEEN_LOOKS = 0.2


def addresses(browser: Browser, found: Stored) -> dict[str, str]:
    """One page of every kind."""
    account = found.company.account.account_id
    _, second = browser.look("/console/turns")
    older = re.search(r'<a href="([^"]+)" rel="next">', second)
    if older is None:
        raise RuntimeError("the list of turns has one page")
    middle = found.turns[len(found.turns) // 2]
    return {
        "overview": "/console/",
        "accounts": "/console/accounts",
        "account": f"/console/accounts/{account}",
        "turns": "/console/turns",
        "turns, second page": older[1].replace("&amp;", "&"),
        "turns, from the middle": f"/console/turns?older_than={int(middle[:12], 16)}-{middle}",
        "turns of an account that failed": f"/console/turns?account={account}&ending=failed",
        "turns of a lead": f"/console/turns?account={account}&lead={found.lead}",
        "turns of a lead in any account": f"/console/turns?lead={found.lead}",
        "turns of an account, answered": f"/console/turns?account={account}&ending=answered",
        "turn": f"/console/turns/{found.failed}",
        "replays, counted": f"/console/replays?account={account}&since={quote(_day(0))}&until={quote(_day(32))}",
        "log": "/console/log",
    }


def measured(browser: Browser, pages: dict[str, str], looks: int) -> list[dict[str, Any]]:
    """How long each page takes."""
    rows = []
    for name, path in pages.items():
        browser.look(path)
        times = [browser.look(path) for _ in range(looks)]
        seconds = [took for took, _ in times]
        rows.append(
            {
                "page": name,
                "p50_ms": round((percentile(seconds, 50) or 0) * 1000, 1),
                "p95_ms": round((percentile(seconds, 95) or 0) * 1000, 1),
                "kib": round(statistics.median(len(page) for _, page in times) / 1024, 1),
            }
        )
    return rows


@contextmanager
def looked_at(port: int) -> Iterator[list[float]]:
    """Load pages again and again while the context is open; how long each took."""
    ended = threading.Event()
    times: list[float] = []

    def look() -> None:
        browser = Browser(port).log_in()
        while not ended.is_set():
            for path in ("/console/", "/console/turns"):
                times.append(browser.look(path)[0])
                ended.wait(BETWEEN_LOOKS)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield times
    finally:
        ended.set()
        thread.join()


def door(stack: Stack, server: int, requests: Iterator[bytes], count: int, rounds: int) -> list[dict[str, Any]]:
    """The door without and with operators who look, in alternating rounds."""
    subject = Subject("", stack.port, server, requests)
    samples: dict[str, list[Any]] = {"console closed": [], "console open": []}
    with LoadGenerator() as load:
        sampled(load, subject, stack.server.pid, WARM_UP, CONCURRENT)
        for _ in range(rounds):
            samples["console closed"].append(sampled(load, subject, stack.server.pid, count, CONCURRENT))
            with looked_at(stack.port):
                samples["console open"].append(sampled(load, subject, stack.server.pid, count, CONCURRENT))
    return [row(name, CONCURRENT, ours) for name, ours in samples.items()]


def goals_of(pages: Sequence[dict[str, Any]], doors: Sequence[dict[str, Any]]) -> list[Goal]:
    """What was promised."""
    closed, opened = doors
    slowest = max(pages, key=lambda page: page["p95_ms"])
    return [
        at_most(f"p95 of the slowest page ({slowest['page']}), ms", slowest["p95_ms"], GOAL_MS),
        at_least(
            "requests/s at the door, console open over closed",
            ratio(opened["per_second"], closed["per_second"]),
            GOAL_DOOR,
        ),
        at_most("webhooks that were not accepted", closed["not_200"] + opened["not_200"], 0),
    ]


def run(quick: bool) -> None:
    """Measure, print, and write JSON."""
    check_platform()
    turns, looks = (QUICK_TURNS, QUICK_LOOKS) if quick else (TURNS, LOOKS)
    count, rounds = (QUICK_REQUESTS, QUICK_ROUNDS) if quick else (REQUESTS, ROUNDS)
    settings = {
        "WEB_PROCESSES": "2",
        "ADMIN_USERNAME": USERNAME,
        "ADMIN_PASSWORD_HASH": generate_password_hash(PASSWORD, method="pbkdf2:sha256:1"),
    }
    with tempfile.TemporaryDirectory() as directory, Stack(Path(directory), settings=settings) as stack:
        stack.add_plan("bench", 1_000_000)
        companies = [stack.add_company(f"Bench {number}", plan="bench") for number in range(COMPANIES)]
        click.echo(f"storing {turns:,} turns … ", nl=False)
        began = time.monotonic()
        found = stored(stack, companies, turns)
        click.echo(f"{time.monotonic() - began:.0f} s")
        spent = costs(stack.redis, turns)
        with gunicorn(stack, "app.web.wsgi:create()", stack.port) as server:
            browser = Browser(stack.port).log_in()
            pages = measured(browser, addresses(browser, found), looks)
            total = WARM_UP + 2 * count * rounds
            doors = door(stack, server, webhook_requests(companies, stack.door, total), count, rounds)
    show(("page", "p50 ms", "p95 ms", "KiB"), [tuple(page.values()) for page in pages])
    click.echo()
    show(("bytes of a turn in", ""), list(spent["bytes_a_turn"].items()))
    show(("", ""), [(name, value) for name, value in spent.items() if name != "bytes_a_turn"])
    click.echo()
    columns = ("what", "per_second", "p50_ms", "p99_ms", "longest_ms", "web_cpu_ms", "redis_cpu_ms")
    show(columns, [tuple(one[column] for column in columns) for one in doors])
    goals = goals_of(pages, doors)
    show_goals(goals)
    save("pages", {"turns": turns, "pages": pages, "lists": spent, "door": doors}, goals)


def _day(days: int) -> str:
    """A moment of the last month, as browsers write it."""
    return time.strftime("%Y-%m-%dT%H:%M", time.localtime(time.time() - (31 - days) * 24 * 3600))
