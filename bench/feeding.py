"""How turns come in: the side of a benchmark that hands them over, at a pace or as fast as they are finished.

Runs in a process of its own and obeys orders, one JSON object a line: `{"first", "count", "rate"}` sends so many turns
at so many a second, `{"first", "outstanding", "build_up", "seconds", "done_url"}` keeps so many unfinished for so long;
their number grows evenly during the build-up, or all turns would end at once, in waves. It answers each with the
moments, on the monotonic clock, at which it began to hand each turn over. Standard library only.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

Send = Callable[[int], object]
# Queues are written to over so many connections at once: on a busy machine one alone waits more than it writes.
THREADS = 4
# How often it is asked how many turns are finished, in seconds.
LOOK = 0.05


def serve(send: Send) -> None:
    """Obey until stdin ends. send: to a queue of another process; called by several threads."""
    with ThreadPoolExecutor(THREADS) as threads:
        for order in _orders():
            handed_over = [threads.submit(_handed_over, send, number) for number in _numbers(order)]
            _tell([one.result() for one in handed_over])


def serve_myself(send: Send) -> None:
    """Obey until stdin ends. send: to a queue in this very process, whose CPU is what is measured."""
    for order in _orders():
        _tell([_handed_over(send, number) for number in _numbers(order)])


def _orders() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


def _tell(moments: list[float]) -> None:
    print(json.dumps(moments), flush=True)


def _handed_over(send: Send, number: int) -> float:
    moment = time.monotonic()
    send(number)
    return moment


def _numbers(order: dict[str, Any]) -> Iterator[int]:
    """The turns of an order, each at its time."""
    return _paced(order) if "rate" in order else _kept_busy(order)


def _paced(order: dict[str, Any]) -> Iterator[int]:
    began = time.monotonic()
    for place in range(order["count"]):
        wait = began + place / order["rate"] - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        yield order["first"] + place


def _kept_busy(order: dict[str, Any]) -> Iterator[int]:
    place = urlsplit(order["done_url"])
    connection = HTTPConnection(place.hostname or "", place.port)
    before, given = _done(connection), 0
    began = time.monotonic()
    while (now := time.monotonic() - began) < order["seconds"]:
        wanted = _done(connection) - before + order["outstanding"] * min(1.0, now / order["build_up"])
        while given < wanted and time.monotonic() - began < order["seconds"]:
            yield order["first"] + given
            given += 1
        time.sleep(LOOK)
    connection.close()


def _done(connection: HTTPConnection) -> int:
    connection.request("GET", "/bench/state")
    return int(json.load(connection.getresponse())["done"])
