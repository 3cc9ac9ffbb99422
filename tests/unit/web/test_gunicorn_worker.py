"""gunicorn's loop with webhooks of its own, one look at a time, by a clock that only the test moves."""

import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from selectors import DefaultSelector
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from app.together import answer_for
from app.web import gunicorn_worker
from app.web.at_once import Answer, Whole
from app.web.gunicorn_worker import Worker

FORM = b"a=b"
WEBHOOK = (
    b"POST /kommo/salesbot HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    b"Content-Length: 3\r\n\r\n" + FORM
)
KEPT_SECONDS = 5


@dataclass
class Loop:
    """A worker that serves nobody but the connections of a test, with an application that says what it is told to.

    answer: of the application. given_to_threads: connections, in their order. told: in the log.
    """

    now: float = 1000.0
    answer: Callable[[], Answer | None] = lambda: Answer(b"{}", "id")
    given_to_threads: list[TConn] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    conns: list[TConn] = field(default_factory=list)
    ours: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        config = Config()
        config.set("keepalive", KEPT_SECONDS)
        self.worker = Worker(1, 1, [], None, 30, config, SimpleNamespace(error=self._tell))
        self.worker.poller = DefaultSelector()
        self.worker.tpool = SimpleNamespace(submit=self._submit)
        self.worker._at_once = SimpleNamespace(answer=self._answered)

    def _answered(self, _webhook: Whole) -> Answer | None:
        return self.answer()

    def _submit(self, _handle: object, conn: TConn) -> "Future[None]":
        self.given_to_threads.append(conn)
        return Future()

    def _tell(self, text: str, *values: object) -> None:
        self.told.append(text % values)

    def connected(self) -> socket.socket:
        """One more connection; the sender's end."""
        here, there = socket.socketpair()
        here.setblocking(False)
        self.ours.append(here)
        self.conns.append(TConn(self.worker.cfg, there, ("127.0.0.1", 1), ("127.0.0.1", 2)))
        self.worker.nr_conns += 1
        self.worker.enqueue_req(self.conns[-1])
        return here

    def look(self) -> None:
        """One round, as ThreadWorker.run() makes it."""
        self.worker.wait_for_and_dispatch_events(0.0)
        self.worker.murder_keepalived()
        self.worker.murder_pending()

    def close(self) -> None:
        """Let go of everything."""
        for each in (*self.ours, *(conn.sock for conn in self.conns)):
            each.close()
        self.worker.poller.close()
        self.worker.tmp.close()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    loop = Loop()
    clock = SimpleNamespace(monotonic=lambda: loop.now)
    monkeypatch.setattr(gunicorn_worker, "time", clock)
    monkeypatch.setattr("gunicorn.workers.gthread.time", clock)
    yield loop
    loop.close()


def received(sock: socket.socket) -> bytes | None:
    """What has come; None for nothing."""
    try:
        return sock.recv(1_000_000)
    except BlockingIOError:
        return None


def test_each_webhook_is_answered_and_its_connection_kept(loop: Loop) -> None:
    senders = [loop.connected() for _ in range(3)]
    for _ in range(2):
        for sender in senders:
            sender.sendall(WEBHOOK)
        loop.look()
        assert [(received(sender) or b"")[:15] for sender in senders] == [b"HTTP/1.1 200 OK"] * 3
    assert (loop.given_to_threads, loop.worker.nr_conns) == ([], 3)
    loop.now += KEPT_SECONDS + 0.1
    loop.look()
    assert [received(sender) for sender in senders] == [b""] * 3
    assert loop.worker.nr_conns == 0


def test_several_new_connections_are_taken_at_a_look_and_not_all(loop: Loop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        loop.ours += [socket.create_connection(listener.getsockname()) for _ in range(10)]
        loop.worker.accept(listener)
        assert loop.worker.nr_conns == 8
        loop.worker.accept(listener)
        assert loop.worker.nr_conns == 10
        loop.conns += loop.worker.pending_conns


def test_what_the_application_leaves_is_given_unread_to_a_thread(loop: Loop) -> None:
    loop.answer = lambda: None
    loop.connected().sendall(WEBHOOK)
    loop.look()
    assert loop.given_to_threads == loop.conns
    assert loop.conns[0].sock.recv(1000) == WEBHOOK
    assert not loop.worker.pending_conns
    assert not loop.worker.keepalived_conns


def test_who_does_not_read_answers_is_hung_up_on(loop: Loop) -> None:
    sender = loop.connected()
    with suppress(BlockingIOError):
        while True:
            loop.conns[0].sock.send(b"x" * 10_000)
    sender.sendall(WEBHOOK)
    loop.look()
    assert loop.worker.nr_conns == 0
    assert loop.conns[0].sock.fileno() == -1


def test_no_thread_waits_for_ever_for_who_reads_nothing(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunicorn_worker, "SOME_OF_THE_ANSWER_MS", 10)
    loop.connected()
    conn = loop.conns[0].sock
    conn.setblocking(True)
    with pytest.raises(BlockingIOError):
        conn.sendall(b"x" * 10_000_000)


def test_what_fails_is_told_without_a_word_of_it_and_given_to_a_thread(loop: Loop) -> None:
    def fail() -> Answer:
        raise ValueError("segredo")

    loop.answer = fail
    loop.connected().sendall(WEBHOOK)
    loop.look()
    assert loop.given_to_threads == loop.conns
    assert loop.told == ["a webhook is left to a thread after ValueError"]


@pytest.mark.parametrize("kept_before", [False, True], ids=["new", "kept"])
def test_who_writes_while_the_loop_is_held_up_is_not_taken_for_silent(loop: Loop, kept_before: bool) -> None:
    late, other = loop.connected(), loop.connected()
    if kept_before:
        late.sendall(WEBHOOK)
        loop.look()
        assert received(late)

    def held_up() -> Answer:
        loop.now += KEPT_SECONDS
        loop.answer = lambda: Answer(b"{}", "later")
        late.sendall(WEBHOOK)
        return Answer(b"{}", "id")

    loop.answer = held_up
    other.sendall(WEBHOOK)
    loop.look()
    assert b"later" in (received(late) or b"")


def test_where_no_connection_may_be_kept_a_thread_says_so(loop: Loop) -> None:
    loop.worker.max_keepalived = 1
    kept, one_more = loop.connected(), loop.connected()
    kept.sendall(WEBHOOK)
    loop.look()
    one_more.sendall(WEBHOOK)
    loop.look()
    assert received(kept)
    assert loop.given_to_threads == loop.conns[1:]


class _Asked:
    """Questions to a server that a test plays; it answers them with the bytes that it sends."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.server, self._line = socket.socketpair()
        self.given_up = False

    def __call__(self, questions: Sequence[Any]) -> "_Asked":
        self._questions = len(questions)
        return self

    def fileno(self) -> int:
        return self._line.fileno()

    def answers(self) -> list[bytes]:
        return [self._line.recv(1000)] * self._questions

    def give_up(self) -> list[Exception]:
        self.given_up = True
        return [TimeoutError()] * self._questions

    def close(self) -> None:
        self.server.close()
        self._line.close()


@pytest.fixture
def asked(loop: Loop) -> Iterator[_Asked]:
    asked = _Asked(loop.now + 0.5)

    def ask() -> Answer | None:
        try:
            return Answer(b"{}", answer_for(asked, "?").decode())
        except TimeoutError:
            return None

    loop.answer = ask
    yield asked
    asked.close()


def test_others_are_served_while_a_webhook_waits_for_redis(loop: Loop, asked: _Asked) -> None:
    waiting, other = loop.connected(), loop.connected()
    waiting.sendall(WEBHOOK)
    loop.look()
    loop.answer = lambda: Answer(b"{}", "other")
    other.sendall(WEBHOOK)
    loop.look()
    assert b"other" in (received(other) or b"")
    assert received(waiting) is None
    asked.server.sendall(b"told")
    loop.look()
    assert b"told" in (received(waiting) or b"")
    assert loop.worker.nr_conns == 2


def test_what_redis_does_not_answer_in_time_is_left_to_a_thread(loop: Loop, asked: _Asked) -> None:
    loop.connected().sendall(WEBHOOK)
    loop.look()
    assert loop.given_to_threads == []
    loop.now = asked.until + 0.01
    loop.look()
    assert asked.given_up
    assert loop.given_to_threads == loop.conns


def test_an_answer_that_came_while_the_loop_was_held_up_is_not_given_up(loop: Loop, asked: _Asked) -> None:
    waiting, other = loop.connected(), loop.connected()
    waiting.sendall(WEBHOOK)
    loop.look()

    def held_up() -> Answer:
        loop.now = asked.until + 1.0
        asked.server.sendall(b"told")
        return Answer(b"{}", "id")

    loop.answer = held_up
    other.sendall(WEBHOOK)
    loop.look()
    loop.look()
    assert not asked.given_up
    assert b"told" in (received(waiting) or b"")
