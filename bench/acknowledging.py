"""How quickly webhooks are acknowledged while OpenAI hangs: Kommo waits two seconds (kommo.md 2.1).

`make bench` runs it. One run measures the door and, beside it, Flask's plain /healthz under the same gunicorn, so that
the figures can be told from the machine's mood. Requests are bounded in number and go to this machine only.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import click

from sandbox.kommo_jwt import TokenStyle, styled_token
from sandbox.stack import Company, Stack

CONCURRENT = 30
REQUESTS = 1500
WARM_UP = 150
RESULTS = Path("bench/results/acknowledging.json")


def webhooks(company: Company, door: str, count: int) -> list[bytes]:
    """Signed bodies, each of a client of its own, made before anything is measured."""
    kommo = company.kommo
    now = time.time()
    bodies = []
    for number in range(count):
        claims = {
            "iss": kommo.url,
            "account_id": kommo.account_id,
            "subdomain": kommo.subdomain,
            "client_uuid": kommo.integration.client_id,
            "entity_type": "2",
            "entity_id": number,
            "bot_type": "salesbot",
        }
        token = styled_token(claims, door, kommo.integration.secret, "HS512", TokenStyle(), now)
        fields = {
            "token": token,
            "data[message]": f"pergunta {number}",
            "data[contact_id]": str(number),
            "data[origin]": "whatsapp",
            "return_url": f"{kommo.url}/api/v4/salesbot/1/continue/{number}",
        }
        bodies.append(urlencode(fields).encode())
    return bodies


async def measured(url: str, bodies: Sequence[bytes | None], concurrent: int) -> tuple[list[float], float, int]:
    """Send everything with so many at a time. Returns each latency, the whole time, and how many were not 200."""
    latencies: list[float] = []
    refused = 0
    queue = iter(bodies)

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal refused
        for body in queue:
            began = time.perf_counter()
            request = session.get(url) if body is None else session.post(url, data=body, headers=HEADERS)
            async with request as answer:
                await answer.read()
                refused += answer.status != 200
            latencies.append(time.perf_counter() - began)

    connector = aiohttp.TCPConnector(limit=concurrent)
    async with aiohttp.ClientSession(connector=connector) as session:
        began = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(concurrent)))
        return latencies, time.perf_counter() - began, refused


HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


def row(what: str, latencies: list[float], seconds: float, refused: int) -> dict[str, Any]:
    """One line of the table."""
    quantiles = statistics.quantiles(latencies, n=100)
    return {
        "what": what,
        "requests": len(latencies),
        "not_200": refused,
        "per_second": round(len(latencies) / seconds),
        "p50_ms": round(quantiles[49] * 1000, 1),
        "p99_ms": round(quantiles[98] * 1000, 1),
        "longest_ms": round(max(latencies) * 1000, 1),
    }


@click.command()
@click.option("--requests", "count", default=REQUESTS, help="How many webhooks.")
@click.option("--concurrent", default=CONCURRENT, help="How many at a time.")
def main(count: int, concurrent: int) -> None:
    """Measure and print; write JSON beside."""
    settings = {"WEB_PROCESSES": "2", "LOG_LEVEL": "WARNING"}
    with tempfile.TemporaryDirectory() as directory, Stack(Path(directory), settings=settings) as stack:
        stack.add_plan("bench", 1_000_000)
        company = stack.add_company("Bench", plan="bench")
        stack.openai.fault("hang")
        stack.start("web", "worker")
        stack.wait_until_ready()
        bodies = webhooks(company, stack.door, WARM_UP + count)
        click.echo(f"{count} webhooks, {concurrent} at a time, while OpenAI hangs …")
        asyncio.run(measured(stack.door, bodies[:WARM_UP], concurrent))
        rows = [
            row("POST /kommo/salesbot", *asyncio.run(measured(stack.door, bodies[WARM_UP:], concurrent))),
            row("GET /healthz", *asyncio.run(measured(f"{stack.url}/healthz", [None] * count, concurrent))),
        ]
    for line in rows:
        click.echo("  ".join(f"{name} {value}" for name, value in line.items()))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
