"""Scripts whose answers nobody waits for, on connections that break, beside those whose answers somebody wants."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from app.storage.connection import connect
from app.storage.embedded import EmbeddedRedis
from app.storage.lines import ANSWERS_WITHIN, MOST_OWED, Told, connections_of
from app.storage.scripts import StoredScript, collect_answers
from tests.waiting import wait_until

SAY = "return ARGV[1]"
APPEND = "redis.call('RPUSH', KEYS[1], ARGV[1]) return ARGV[1]"
REFUSE = "return redis.error_reply('REFUSED ' .. ARGV[1])"


class Teller:
    """A client with three scripts, and the answers to those that it did not wait for."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.say = StoredScript(client, SAY)
        self.append = StoredScript(client, APPEND)
        self.refuse = StoredScript(client, REFUSE)
        self.heard: list[Any] = []
        self.append(["warm"], ["up"])  # from now on it is known to be there

    def tell(self, word: str) -> None:
        self.append.tell(["told"], [word], self.heard.append)

    def told(self) -> list[bytes]:
        """What has come about, as somebody else sees it."""
        return cast("list[bytes]", self.client.lrange("told", 0, -1))

    def break_off(self) -> None:
        """Let the server close the connections of scripts, and wait until it has."""
        self.client.client_kill_filter(skipme=True, _type="normal")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A server of this module's own, to kill and to freeze."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def teller(server: EmbeddedRedis) -> Iterator[Teller]:
    with connect(server.url, for_web=False, max_connections=4) as client:
        client.flushall()
        yield Teller(client)


def test_what_is_told_comes_about_and_is_heard_by_whoever_asks_next(teller: Teller) -> None:
    teller.tell("one")
    assert teller.heard == []
    assert teller.say(args=["two"]) == b"two"
    assert teller.heard == [b"one"]
    assert teller.told() == [b"one"]


def test_a_script_that_may_not_be_there_yet_is_waited_for(teller: Teller) -> None:
    other = StoredScript(teller.client, APPEND + " -- another one")
    other.tell(["told"], ["one"], teller.heard.append)
    assert teller.heard == [b"one"]


def test_answers_are_heard_though_nobody_asks_anything(teller: Teller) -> None:
    teller.tell("one")
    teller.tell("two")
    collect_answers(teller.client)
    assert teller.heard == [b"one", b"two"]
    collect_answers(teller.client)
    assert teller.heard == [b"one", b"two"]


def test_a_refusal_is_heard_and_is_not_whoever_comes_nexts(teller: Teller) -> None:
    with pytest.raises(ResponseError):
        teller.refuse(args=["asked"])
    teller.refuse.tell([], ["told"], teller.heard.append)
    collect_answers(teller.client)
    teller.refuse.tell([], ["told"], teller.heard.append)
    assert teller.say(args=["two"]) == b"two"
    assert [str(refusal) for refusal in teller.heard] == ["REFUSED told"] * 2
    assert all(isinstance(refusal, ResponseError) for refusal in teller.heard)


def test_what_a_broken_connection_lost_is_told_again(teller: Teller, server: EmbeddedRedis) -> None:
    os.kill(server.pid, signal.SIGSTOP)  # what is sent now, it never reads
    try:
        teller.tell("one")
    finally:
        os.kill(server.pid, signal.SIGKILL)
    server.stop()
    server.start()
    assert teller.told() == []
    collect_answers(teller.client)
    assert (teller.told(), teller.heard) == ([b"one"], [b"one"])


def test_telling_does_not_wait_for_a_server_that_hangs(teller: Teller, server: EmbeddedRedis) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        teller.tell("one")
        assert time.monotonic() - began < 1.0
    finally:
        os.kill(server.pid, signal.SIGCONT)
    wait_until(lambda: teller.told() == [b"one"])


class Firewall:
    """Between a client and a server; what it has forgotten goes nowhere any more, and nobody is told."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._known: list[bool] = []
        self._ends: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def forget(self) -> None:
        """All connections that there are."""
        self._known[:] = [False] * len(self._known)

    def close(self) -> None:
        """End everything."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._server))
            self._known.append(True)
            self._ends += [near, far]
            for ends in ((near, far), (far, near)):
                self._threads.append(threading.Thread(target=self._pass_on, args=(*ends, len(self._known) - 1)))
                self._threads[-1].start()

    def _pass_on(self, source: socket.socket, target: socket.socket, number: int) -> None:
        with suppress(OSError):
            while passing := source.recv(65536):
                if self._known[number]:
                    target.sendall(passing)


def test_dead_connections_are_not_waited_for_one_after_the_other(tmp_path: Path) -> None:
    words = [b"0", b"1", b"2", b"3"]
    with EmbeddedRedis(tmp_path / "redis", tcp=True) as server, ExitStack() as context:
        port = urlsplit(server.url).port or 0
        firewall = Firewall(port)
        context.callback(firewall.close)
        url = server.url.replace(f":{port}", f":{firewall.port}")
        teller = Teller(context.enter_context(connect(url, for_web=False, max_connections=4)))
        connections = connections_of(teller.client)
        lines = [connections.taken() for _ in words]
        for line in lines:
            line.ask(lambda line: line.send(("PING",)))
            assert line.read() == b"PONG"
        firewall.forget()
        for line, word in zip(lines, words, strict=True):
            line.tell(Told(teller.append, (1, "told", word), teller.heard.append))
        for line in lines:
            connections.back(line)
        began = time.monotonic()
        collect_answers(teller.client)
        assert time.monotonic() - began < ANSWERS_WITHIN + 2.0
        assert sorted(teller.heard) == words


def test_no_connection_owes_more_than_so_many_answers(teller: Teller) -> None:
    for number in range(MOST_OWED + 1):
        teller.tell(str(number))
    assert len(teller.heard) == MOST_OWED


@given(steps=st.lists(st.sampled_from(["tell", "ask", "collect", "break off", "forget", "refuse"]), max_size=12))
def test_whatever_happens_in_between_every_answer_goes_to_who_asked(server: EmbeddedRedis, steps: list[str]) -> None:
    with connect(server.url, for_web=False, max_connections=4) as client:
        client.flushall()
        teller, told = Teller(client), []
        for number, step in enumerate(steps):
            match step:
                case "tell":
                    teller.tell(str(number))
                    told.append(str(number).encode())
                case "ask":
                    assert teller.say(args=[number]) == str(number).encode()
                case "collect":
                    collect_answers(client)
                case "break off":
                    teller.break_off()
                case "forget":
                    client.script_flush()
                case "refuse":
                    with pytest.raises(ResponseError, match=f"REFUSED {number}"):
                        teller.refuse(args=[number])
        collect_answers(client)
        assert teller.heard == told
        assert set(teller.told()) == set(told), "told once, or again because its answer was lost"


@pytest.mark.parametrize("tcp", [False, True], ids=["on this machine", "over TCP"])
def test_a_script_gives_up_on_a_hung_server_in_little_more_than_a_second(tmp_path: Path, *, tcp: bool) -> None:
    with (
        EmbeddedRedis(tmp_path / "redis", tcp=tcp) as hung,
        connect(hung.url, for_web=True, max_connections=2) as client,
    ):
        say = StoredScript(client, SAY)
        assert say(args=["before"]) == b"before"
        os.kill(hung.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(redis.ConnectionError):
                say(args=["meanwhile"])
            assert time.monotonic() - began < 1.8
        finally:
            os.kill(hung.pid, signal.SIGCONT)
        assert say(args=["after"]) == b"after"
