"""Webhooks that gunicorn's loop answers itself, beside those that its threads do (app/web/gunicorn_worker.py).

Nobody can tell from an answer which way it went. Where it matters every thread is held by others: what is answered then
was answered by the loop. It does so for companies that are remembered, for some seconds after a thread has answered
one. Without a worker nothing but the door changes what is looked at.
"""

import json
import os
import re
import select
import signal
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from app.childprocess import ChildProcess
from app.web.salesbot import THREADS_ONLY_SECONDS
from sandbox.stack import READY_SECONDS, Stack, free_port
from tests.functional.shop import PATIENCE, Shop
from tests.functional.wire import Answer, Post, Wire, a_form, a_post
from tests.hostile.recorder import TRACEBACK
from tests.waiting import wait_until
from tests.webhooks import ABSENT

# Of each process (config/gunicorn.py, which reads settings as it is loaded).
THREADS, KEPT_SECONDS, STOP_SECONDS = 8, 5.0, 10.0
# After which a request that stops in the middle is ended (app/web/gunicorn_worker.py).
WHOLE_REQUEST = 3.0
# A machine that others keep busy.
AT_ONCE, LEEWAY = 1.5, 2.5
HALF = b"POST /kommo/salesbot HTTP/1.1\r\nHost: x\r\nContent-Le"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
PLAN = 100_000


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One web process for the whole module, which must have lost no connection by the end."""
    with Stack(tmp_path_factory.mktemp("at-once")) as stack:
        stack.add_plan("sem-fim", PLAN)
        (process,) = stack.start("web")
        wait_until(lambda: is_alive(stack.url), READY_SECONDS)
        yield stack
        wait_until(lambda: not open_sockets(stack.port), PATIENCE)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE)
        # A connection that was miscounted as still there would have been waited for.
        assert seconds_to_end(lines_of(stack)) < STOP_SECONDS / 2
        assert TRACEBACK not in log_of(stack).read_bytes()


@pytest.fixture
def shop(web: Stack, request: pytest.FixtureRequest) -> Shop:
    return Shop(web, re.sub(r"\W", "-", request.node.name)[:50], plan="sem-fim")


@pytest.fixture
def wire(web: Stack) -> Iterator[Wire]:
    with Wire(web.port) as wire:
        yield wire


def is_alive(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthz", timeout=PATIENCE).status_code == 200
    except requests.RequestException:
        return False


def log_of(stack: Stack) -> Path:
    (log,) = (path for path in stack.log_files if path.stem.endswith("-web"))
    return log


def lines_of(stack: Stack, event: str = "") -> list[dict[str, Any]]:
    """What the process has told, of one kind of event unless of all."""
    lines = [json.loads(line) for line in log_of(stack).read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if event in ("", line["event"])]


def seconds_to_end(lines: Iterable[Mapping[str, Any]]) -> float:
    """From the signal until nobody was to be served any more; what Python does to end is not in it."""
    at = {line["event"].partition(" (")[0]: datetime.fromisoformat(line["timestamp"]) for line in lines}
    return (at["Worker exiting"] - at["Handling signal: term"]).total_seconds()


def outcomes_of(stack: Stack, *posts: Post) -> list[str]:
    """What was told of these, in their order and as soon as it was; each must have one line."""
    ids = {post.request_id for post in posts}

    def found() -> list[dict[str, Any]]:
        return [line for line in lines_of(stack, "webhook") if line["http_request_id"] in ids]

    wait_until(lambda: len(found()) >= len(ids), PATIENCE)
    outcomes = {line["http_request_id"]: line["outcome"] for line in found()}
    assert len(found()) == len(outcomes) == len(posts)
    return [outcomes[post.request_id] for post in posts]


def figures(stack: Stack) -> dict[tuple[str, ...], int]:
    """What the door has counted: webhooks by outcome, requests by the first digit of their answers, and turns."""
    wanted = {"bytegpt_webhook_duration_seconds_count", "bytegpt_http_requests_total", "bytegpt_turns_accepted_total"}
    text = requests.get(f"{stack.url}/metrics", timeout=PATIENCE).text
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name in wanted and sample.labels.get("route", "/kommo/salesbot") == "/kommo/salesbot"
    }


def open_sockets(port: int) -> list[str]:
    """The states of this port's connections, at its own end, that have not been hung up on."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[3] for row in rows if int(row[1].rpartition(":")[2], 16) == port and row[3] in ("01", "08")]


@contextmanager
def every_thread_held(port: int) -> Iterator[list[Wire]]:
    """By connections on which a request stops in the middle, for WHOLE_REQUEST seconds."""
    with ExitStack() as stack:
        held = [stack.enter_context(Wire(port)) for _ in range(THREADS)]
        for wire in held:
            wire.send(HALF)
        with Wire(port) as health:
            health.send(HEALTH)
            health.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                health.answer()
        yield held


def assert_booked(shop: Shop, accepted: int) -> None:
    assert shop.used_and_reserved() == (0, accepted)
    assert [entry[:2] for entry in shop.ledger()] == [("grant", PLAN), *[("reserve", -1)] * accepted]


# --- two ways ---------------------------------------------------------------------------------------------------------


def test_what_is_whole_needs_no_thread_and_what_is_not_is_answered_alike(web: Stack, shop: Shop) -> None:
    first, whole, in_two = a_post(shop), a_post(shop), a_post(shop)
    with Wire(web.port) as quick, Wire(web.port) as slow:
        assert slow.ask(first).status == 200
        with every_thread_held(web.port) as held:
            slow.send(in_two.sent[:-20])
            at_once = quick.ask(whole)
            assert all(wire.is_open for wire in held)
            slow.send(in_two.sent[-20:])
            later = slow.answer()
            assert not all(wire.is_open for wire in held), "a thread was free before one was let go"
        for answer, post in ((at_once, whole), (later, in_two)):
            assert answer.status == 200
            assert answer.told.keys() == {"status", "request_id"}
            assert answer.told["status"] == "accepted"
            assert answer.headers["X-Request-Id"] == post.request_id
            assert answer.headers["Connection"] == "keep-alive"
            assert abs(parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()) < PATIENCE
        assert alike(at_once) == alike(later)
    assert outcomes_of(web, first, whole, in_two) == ["accepted"] * 3
    assert_booked(shop, 3)


def alike(answer: Answer) -> str:
    """The head of an answer, without what differs between any two."""
    return re.sub(r"(Date|X-Request-Id): .*", r"\1", answer.head)


def test_kept_connections_change_their_way_with_each_webhook(web: Stack, shop: Shop, wire: Wire) -> None:
    posts = [a_post(shop) for _ in range(12)]
    for place, post in enumerate(posts):
        if place % 3 == 2:
            wire.send(HEALTH)
            assert wire.answer().status == 200
        cut = (len(post.sent), 30, len(post.sent) - 5)[place % 3]
        wire.send(post.sent[:cut])
        if post.sent[cut:]:
            wire.send(post.sent[cut:])
        assert wire.answer().headers["X-Request-Id"] == post.request_id
    assert outcomes_of(web, *posts) == ["accepted"] * len(posts)
    assert_booked(shop, len(posts))


# --- many at once -----------------------------------------------------------------------------------------------------

CONNECTIONS, ROUNDS = 100, 8
STATUSES = {
    "accepted": 200,
    "repeated": 200,
    "in chunks": 200,
    "bad token": 401,
    "unknown account": 404,
    "missing field": 400,
    "wrong address": 403,
    "oversized": 413,
}
OUTCOMES = {401: "unauthorized", 404: "not_found", 400: "invalid_request", 403: "forbidden", 413: "too_large"}


def of_kind(kind: str, shop: Shop, last: Post | None) -> Post:
    """last: the one that was accepted before, if any."""
    match kind:
        case "repeated" if last:
            return Post(last.body)
        case "in chunks":
            body = a_form(shop)
            pieces = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:100], body[100:]))
            return Post(pieces + b"0\r\n\r\n", headers={"Transfer-Encoding": "chunked"})
        case "bad token":
            return Post(a_form(shop, token="a.b.c"))
        case "unknown account":
            return Post(a_form(shop, claims={"account_id": 999_999_999}))
        case "missing field":
            return Post(a_form(shop, return_url=ABSENT))
        case "wrong address":
            return Post(a_form(shop, return_url="https://evil.example/api/v4/salesbot/1/continue/1"))
        case "oversized":
            return Post(a_form(shop, data__message="a" * 70_000))
        case _:
            return a_post(shop)


def test_each_of_a_hundred_connections_gets_its_own_answers_in_order(web: Stack, shop: Shop) -> None:
    kinds = list(STATUSES)
    outcomes: Counter[str] = Counter()
    last: dict[int, tuple[Post, str]] = {}
    posts: list[Post] = []
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(web.port)) for _ in range(CONNECTIONS)]
        for number in range(ROUNDS):
            sent = []
            for place, wire in enumerate(wires):
                kind = kinds[(place + number) % len(kinds)]
                known = last[place][0] if place in last else None
                post = of_kind(kind, shop, known)
                wire.send(post)
                sent.append((kind, known, post))
            for place, (kind, known, post) in enumerate(sent):
                answer = wires[place].answer()
                assert (answer.status, answer.headers["X-Request-Id"]) == (STATUSES[kind], post.request_id), kind
                if kind == "repeated" and known:
                    assert answer.told == {"status": "duplicate", "request_id": last[place][1]}
                elif answer.status == 200:
                    assert answer.told["status"] == "accepted"
                    if kind != "in chunks":
                        last[place] = post, answer.told["request_id"]
                outcomes[answer.told.get("status") or OUTCOMES[answer.status]] += 1
                if answer.headers["Connection"] == "close" or kind == "oversized":
                    wires[place].socket.close()
                    wires[place] = stack.enter_context(Wire(web.port))
                posts.append(post)
    assert Counter(outcomes_of(web, *posts)) == outcomes
    assert_booked(shop, outcomes["accepted"])


# --- what a connection may do -----------------------------------------------------------------------------------------


def test_webhooks_that_come_in_one_piece_are_answered_in_their_order(web: Stack, shop: Shop, wire: Wire) -> None:
    posts = [a_post(shop) for _ in range(20)]
    wire.send(*posts)
    assert [wire.answer().headers["X-Request-Id"] for _ in posts] == [post.request_id for post in posts]
    first, second, third = a_post(shop), a_post(shop), a_post(shop)
    wire.send(first, second.sent[:40])
    assert wire.answer().headers["X-Request-Id"] == first.request_id
    wire.send(second.sent[40:], third.sent[:-3])
    assert wire.answer().headers["X-Request-Id"] == second.request_id
    wire.send(third.sent[-3:])
    assert wire.answer().headers["X-Request-Id"] == third.request_id
    assert set(outcomes_of(web, *posts, first, second, third)) == {"accepted"}
    assert_booked(shop, 23)


@pytest.mark.parametrize("kept_before", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize(
    ("headers", "version", "ends"),
    [
        ({"Connection": "close"}, "1.1", True),
        ({"Connection": "keep-alive"}, "1.1", False),
        ({}, "1.0", True),
    ],
    ids=["close", "keep-alive", "HTTP/1.0"],
)
def test_a_connection_ends_when_its_sender_wants_it(
    shop: Shop, wire: Wire, headers: dict[str, str], version: str, ends: bool, kept_before: bool
) -> None:
    if kept_before:
        assert wire.ask(a_post(shop)).headers["Connection"] == "keep-alive"
    answer = wire.ask(Post(a_form(shop), headers=headers, version=version))
    assert (answer.status, answer.told["status"]) == (200, "accepted")
    assert answer.headers["Connection"] == ("close" if ends else "keep-alive")
    assert wire.ends() if ends else wire.is_open


def test_who_waits_to_be_told_to_go_on_is_told_so(shop: Shop, wire: Wire) -> None:
    post = a_post(shop, Expect="100-continue")
    head = post.sent.index(b"\r\n\r\n") + 4
    wire.send(post.sent[:head])
    assert wire.answer().status == 100
    wire.send(post.sent[head:])
    assert wire.answer().told["status"] == "accepted"


@pytest.mark.parametrize("kept_before", [False, True], ids=["new", "kept"])
@pytest.mark.parametrize("how", ["hangs up", "resets", "ends its side"])
def test_who_leaves_right_after_sending_was_heard(web: Stack, shop: Shop, kept_before: bool, how: str) -> None:
    post = a_post(shop)
    with Wire(web.port) as wire:
        if kept_before:
            wire.ask(a_post(shop))
        wire.send(post)
        if how == "ends its side":
            wire.socket.shutdown(socket.SHUT_WR)
            assert wire.answer().told["status"] == "accepted"
            assert wire.ends()
        elif how == "resets":
            # A reset throws away what was not read yet.
            wait_until(lambda: shop.used_and_reserved()[1] == 1 + kept_before, PATIENCE)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert outcomes_of(web, post) == ["accepted"]
    wait_until(lambda: not open_sockets(web.port), PATIENCE)
    assert_booked(shop, 1 + kept_before)


def test_who_never_reads_an_answer_holds_nobody_up(web: Stack, shop: Shop, wire: Wire) -> None:
    with ExitStack() as stack:
        deaf = [stack.enter_context(Wire(web.port)) for _ in range(2 * THREADS)]
        posts = [a_post(shop) for _ in range(20 * len(deaf))]
        for place, post in enumerate(posts):
            deaf[place % len(deaf)].send(post)
        began = time.monotonic()
        assert wire.ask(a_post(shop)).status == 200
        assert time.monotonic() - began < AT_ONCE
        assert set(outcomes_of(web, *posts)) == {"accepted"}
    assert_booked(shop, len(posts) + 1)


# --- how long a connection may be silent ------------------------------------------------------------------------------


def test_connections_that_are_silent_or_slow_are_ended_and_hold_no_webhook_up(web: Stack, shop: Shop) -> None:
    stopped = a_post(shop).sent
    began = {
        "silent from the first": (b"", KEPT_SECONDS),
        "silent after a webhook": (a_post(shop).sent, KEPT_SECONDS),
        "silent after its threads' answer": (HEALTH, KEPT_SECONDS),
        "stopped in the head": (stopped[:60], WHOLE_REQUEST),
        "stopped in the body": (stopped[:-1], WHOLE_REQUEST),
    }
    with ExitStack() as stack:
        wires = {name: stack.enter_context(Wire(web.port)) for name in began}
        start = time.monotonic()
        for name, wire in wires.items():
            wire.send(began[name][0])
            if name.startswith("silent after"):
                assert wire.answer().status == 200
        ended: dict[str, float] = {}
        with Wire(web.port) as other:
            while len(ended) < len(wires):
                asked = time.monotonic()
                assert other.ask(a_post(shop)).told["status"] == "accepted"
                assert time.monotonic() - asked < AT_ONCE
                assert time.monotonic() - start < KEPT_SECONDS + LEEWAY, ended
                silent = {wires[name].socket: name for name in wires if name not in ended}
                for sock in select.select(list(silent), [], [], 0.02)[0]:
                    if is_over(wires[silent[sock]]):
                        ended[silent[sock]] = time.monotonic() - start
    for name, seconds in ended.items():
        assert began[name][1] - 0.1 < seconds < began[name][1] + LEEWAY, (name, seconds)


def is_over(wire: Wire) -> bool:
    """Whether the other side has hung up, whatever it has said before."""
    wire.socket.setblocking(False)
    try:
        return wire.socket.recv(65536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


# --- without Redis, and at the end ------------------------------------------------------------------------------------


def test_every_webhook_of_this_module_was_counted_once(web: Stack, wire: Wire, shop: Shop) -> None:
    for post in (a_post(shop), Post(a_form(shop, return_url=ABSENT))):
        wire.ask(post)
    wire.send(a_post(shop), a_post(shop))
    assert [wire.answer().status for _ in range(2)] == [200, 200]
    outcomes = Counter(line["outcome"] for line in lines_of(web, "webhook"))
    served = outcomes["accepted"] + outcomes["duplicate"]
    expected: dict[tuple[str, ...], int] = {
        **{("bytegpt_webhook_duration_seconds_count", name): times for name, times in outcomes.items()},
        ("bytegpt_turns_accepted_total",): outcomes["accepted"],
        ("bytegpt_http_requests_total", "/kommo/salesbot", "2xx"): served,
        ("bytegpt_http_requests_total", "/kommo/salesbot", "4xx"): outcomes.total() - served,
    }
    wait_until(lambda: figures(web) == expected, PATIENCE)


def redis_hangs(stack: Stack) -> Callable[[], None]:
    os.kill(stack.server.pid, signal.SIGSTOP)
    return lambda: os.kill(stack.server.pid, signal.SIGCONT)


def redis_is_killed(stack: Stack) -> Callable[[], None]:
    stack.server.kill()
    return stack.server.start


@pytest.mark.parametrize("trouble", [redis_hangs, redis_is_killed])
def test_without_redis_everybody_is_told_soon_and_nothing_is_accepted_twice(
    web: Stack, shop: Shop, trouble: Callable[[Stack], Callable[[], None]]
) -> None:
    with ExitStack() as stack:
        wires = [stack.enter_context(Wire(web.port)) for _ in range(6)]
        assert [wire.ask(a_post(shop)).status for wire in wires] == [200] * len(wires)
        bring_back = trouble(web)
        posts = [a_post(shop) for _ in wires]
        try:
            for patience in (2 * AT_ONCE, AT_ONCE):
                began = time.monotonic()
                for wire, post in zip(wires, posts, strict=True):
                    wire.send(post)
                assert is_alive(web.url)
                for answer in [wire.answer() for wire in wires]:
                    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
                    assert answer.told == {"error": {"code": "unavailable"}}
                assert time.monotonic() - began < patience
        finally:
            bring_back()
        back = time.monotonic()
        for wire, post in zip(wires, posts, strict=True):
            wait_until(lambda wire=wire, post=post: wire.ask(post).status == 200, THREADS_ONLY_SECONDS)  # type: ignore[misc]
        again = [wire.ask(post) for wire, post in zip(wires, posts, strict=True)]
        assert {answer.told["status"] for answer in again} == {"duplicate"}
        assert time.monotonic() - back < THREADS_ONLY_SECONDS
    assert_booked(shop, 2 * len(posts))


def test_what_redis_accepts_late_is_no_duplicate_for_whoever_sent_it_once(web: Stack, shop: Shop, wire: Wire) -> None:
    assert wire.ask(a_post(shop)).status == 200
    bring_back = redis_hangs(web)
    later = threading.Timer(0.7, bring_back)  # after the loop has given up, and before a thread does
    later.start()
    post = a_post(shop)
    answer = wire.ask(post)
    later.join()
    assert (answer.status, answer.told["status"]) == (200, "accepted")
    assert wire.ask(Post(post.body)).told == {"status": "duplicate", "request_id": answer.told["request_id"]}
    assert_booked(shop, 2)


def test_the_loop_answers_again_some_seconds_after_redis_has_come_back(web: Stack, shop: Shop, wire: Wire) -> None:
    assert wire.ask(a_post(shop)).status == 200
    bring_back = redis_hangs(web)
    try:
        assert wire.ask(a_post(shop)).status == 503
    finally:
        bring_back()
    back = time.monotonic()
    wait_until(lambda: time.monotonic() > back + THREADS_ONLY_SECONDS, PATIENCE)
    with Wire(web.port) as other:
        assert other.ask(a_post(shop)).status == 200
        with every_thread_held(web.port) as held:
            assert other.ask(a_post(shop)).status == 200
            assert all(each.is_open for each in held)


def test_who_writes_while_the_process_ends_is_answered_and_told_to_go(web: Stack, shop: Shop) -> None:
    port = free_port()
    with (web.directory / "ending.out").open("wb") as output:
        ending = ChildProcess(web.argv("web"), environment={**web.environment, "PORT": str(port)}, output=output)
    told_to_stop = threading.Event()
    answered: list[str] = []
    sent: list[Post] = []

    def write(wire: Wire, pause: float) -> None:
        while True:
            sent.append(post := a_post(shop))
            answer = wire.ask(post)
            assert (answer.status, answer.headers["X-Request-Id"]) == (200, post.request_id)
            answered.append(answer.told["request_id"])
            if answer.headers["Connection"] == "close":
                assert told_to_stop.is_set()
                assert wire.ends()
                return
            told_to_stop.wait(pause)

    try:
        wait_until(lambda: is_alive(f"http://127.0.0.1:{port}"), READY_SECONDS)
        with ExitStack() as stack, ThreadPoolExecutor(16) as pool:
            silent = [stack.enter_context(Wire(port)) for _ in range(4)]
            wires = [stack.enter_context(Wire(port)) for _ in range(12)]
            writing = [pool.submit(write, wire, 0.02 * (place % 4)) for place, wire in enumerate(wires)]
            wait_until(lambda: len(answered) > 200, PATIENCE)
            told_to_stop.set()
            ending.send_signal(signal.SIGTERM)
            writing += [pool.submit(write, wire, 0.0) for wire in silent]
            for one in writing:
                one.result(PATIENCE)
        assert ending.wait(PATIENCE)
        assert ending.returncode == 0
    finally:
        ending.kill_group()
    assert len(set(answered)) == len(sent)
    assert_booked(shop, len(sent))
