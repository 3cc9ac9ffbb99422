"""Scripts that several callers on one thread have run: all are asked in one trip, and each hears its own answer."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import NoScriptError, ResponseError

from app.storage import keys
from app.storage.connection import connect
from app.storage.embedded import EmbeddedRedis
from app.storage.lines import Told, connections_of
from app.storage.scripts import StoredScript, collect_answers
from app.storage.trips import PATIENCE
from app.together import Together, Trip, WouldWait
from tests.sentinels import Family, Member
from tests.waiting import wait_until

SAY = "return ARGV[1]"
APPEND = "redis.call('RPUSH', KEYS[1], ARGV[1]) return ARGV[1]"
REFUSE = "return redis.error_reply('REFUSED ' .. ARGV[1])"


class Wire:
    """The socket of a connection; writes: what was written to it, each time."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.writes: list[bytes] = []

    def sendall(self, data: bytes) -> None:
        self.writes.append(data)
        self._sock.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class Asker:
    """A client as the door has it, with scripts that its server has already, and one connection for them."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self.say = StoredScript(client, SAY)
        self.append = StoredScript(client, APPEND)
        self.refuse = StoredScript(client, REFUSE)
        self.heard: list[Any] = []
        self.say(args=["warm"])
        self.append(["warm"], ["up"])
        with pytest.raises(ResponseError):
            self.refuse(args=["warm"])

    @property
    def connection(self) -> Any:
        """The one that scripts use, and nobody does now."""
        (line,) = connections_of(self.client)._idle
        return line._connection

    def connect(self, count: int) -> None:
        """Have so many connections for scripts."""
        connections = connections_of(self.client)
        lines = [connections.taken() for _ in range(count)]
        for line in lines:
            line.ask(lambda line: line.send(("PING",)))
            assert line.read() == b"PONG"
            connections.back(line)

    @contextmanager
    def wire(self) -> Iterator[Wire]:
        """What is written to the connection meanwhile."""
        connection = self.connection
        wire = Wire(connection._sock)
        connection._sock = wire
        yield wire
        if connection._sock is wire:
            connection._sock = wire._sock

    def appending(self, word: str) -> Callable[[], Any]:
        return partial(self.append, ["appended"], [word])

    def saying(self, word: str) -> Callable[[], Any]:
        return partial(self.say, args=[word])

    def refusing(self, word: str) -> Callable[[], Any]:
        return partial(self.refuse, args=[word])

    def tell(self, word: str) -> None:
        self.append.tell(["told"], [word], self.heard.append)

    def words(self, key: str = "appended") -> list[bytes]:
        """What has come about, as somebody else sees it."""
        return cast("list[bytes]", self.client.lrange(key, 0, -1))

    def runs(self) -> int:
        """How many scripts the server has run so far."""
        commands = cast("dict[str, dict[str, int]]", self.client.info("commandstats"))
        return sum(commands.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("eval", "evalsha"))


def readable(trip: Trip, seconds: float = 10.0) -> bool:
    """Whether something came for it in so many seconds."""
    fileno = trip.asked.fileno()
    return fileno is not None and bool(select.select([fileno], [], [], max(0.0, seconds))[0])


def end(trip: Trip) -> None:
    """As whoever watches sockets does (app/web/gunicorn_worker.py): look when something came, and give up in time."""
    answers = None
    while answers is None:
        came = readable(trip, trip.asked.until - time.monotonic())
        answers = trip.asked.answers() if came else trip.asked.give_up()
    trip.end(answers)


class Callers:
    """Several that ask together. brought: what each has got, or what it met."""

    def __init__(self, *questions: Callable[[], Any]) -> None:
        self.brought: list[Any] = [None] * len(questions)
        self._together = Together()
        for place, question in enumerate(questions):
            self._together.start(partial(self._ask, place, question))

    def set_out(self) -> Trip:
        """The only trip that is needed."""
        (trip,) = self._together.set_out()
        return trip

    def end_all(self) -> list[Any]:
        """Whatever is needed until nobody asks any more."""
        while trips := self._together.set_out():
            for trip in trips:
                end(trip)
        return self.brought

    def _ask(self, place: int, question: Callable[[], Any]) -> None:
        try:
            self.brought[place] = question()
        except (redis.RedisError, WouldWait) as error:
            self.brought[place] = error


def together(questions: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each of them brings, or meets, when they are asked together."""
    return Callers(*questions).end_all()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A server of this module's own, to kill and to freeze."""
    with EmbeddedRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def asker(server: EmbeddedRedis) -> Iterator[Asker]:
    with connect(server.url, for_web=True, max_connections=4) as client:
        client.flushall()
        yield Asker(client)


@contextmanager
def frozen(server: EmbeddedRedis) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@pytest.mark.parametrize("count", [1, 2, 64])
def test_all_questions_go_to_the_server_in_one_write(asker: Asker, count: int) -> None:
    words = [str(number) for number in range(count)]
    with asker.wire() as wire:
        assert together([asker.appending(word) for word in words]) == [word.encode() for word in words]
    assert [write.count(b"EVALSHA") for write in wire.writes] == [count]
    assert asker.words() == [word.encode() for word in words]


def test_different_scripts_of_one_client_go_in_one_write(asker: Asker) -> None:
    with asker.wire() as wire:
        answers = together([asker.saying("a"), asker.appending("b"), asker.saying("c")])
    assert answers == [b"a", b"b", b"c"]
    assert [write.count(b"EVALSHA") for write in wire.writes] == [3]


def test_each_further_question_of_the_callers_is_one_more_write(asker: Asker) -> None:
    def asking(word: str) -> list[Any]:
        return [asker.say(args=[word + str(number)]) for number in range(3)]

    with asker.wire() as wire:
        answers = together([partial(asking, "a"), partial(asking, "b")])
    assert answers == [[b"a0", b"a1", b"a2"], [b"b0", b"b1", b"b2"]]
    assert [write.count(b"EVALSHA") for write in wire.writes] == [2, 2, 2]


def test_questions_to_two_servers_are_each_answered_by_their_own(asker: Asker, redis_client: redis.Redis) -> None:
    redis_client.set("here", "the other")
    other = StoredScript(redis_client, "return redis.call('GET', 'here')")
    assert other() == b"the other"
    assert together([asker.saying("a"), other, asker.saying("b"), other]) == [b"a", b"the other", b"b", b"the other"]


def test_an_answer_of_nothing_is_one(asker: Asker) -> None:
    nothing = StoredScript(asker.client, "return false")
    assert together([nothing, asker.saying("a"), nothing]) == [None, b"a", None]


def test_who_asks_alone_afterwards_hears_its_own_answer(asker: Asker) -> None:
    together([asker.saying("a"), asker.refusing("b"), asker.saying("c")])
    assert asker.say(args=["d"]) == b"d"


def test_scripts_that_the_server_forgot_are_given_to_it_again(asker: Asker) -> None:
    asker.client.script_flush()
    answers = together([asker.saying("a"), asker.appending("b"), asker.saying("c"), asker.appending("d")])
    assert answers == [b"a", b"b", b"c", b"d"]
    assert sorted(asker.words()) == [b"b", b"d"]
    with asker.wire() as wire:
        assert together([asker.saying("a"), asker.appending("b")]) == [b"a", b"b"]
    assert len(wire.writes) == 1, "from now on the server has them"


def test_a_script_that_was_asked_together_may_be_told(asker: Asker) -> None:
    appending = StoredScript(asker.client, APPEND + " -- another one")
    together([partial(appending, ["told"], ["one"])])
    appending.tell(["told"], ["two"], asker.heard.append)
    assert asker.heard == []
    assert asker.say(args=["a"]) == b"a"
    assert (asker.heard, asker.words("told")) == ([b"two"], [b"one", b"two"])


def test_a_refusal_is_raised_where_it_was_asked_and_nowhere_else(asker: Asker) -> None:
    answers = together([asker.saying("a"), asker.refusing("b"), asker.appending("c"), asker.refusing("d")])
    assert (answers[0], answers[2]) == (b"a", b"c")
    for place, word in ((1, "b"), (3, "d")):
        assert isinstance(answers[place], ResponseError)
        assert str(answers[place]) == f"REFUSED {word}"


def test_a_forgotten_script_that_refuses_does_so_only_to_its_asker(asker: Asker) -> None:
    asker.client.script_flush()
    one, refusal, other = together([asker.saying("a"), asker.refusing("b"), asker.saying("c")])
    assert (one, other) == (b"a", b"c")
    assert not isinstance(refusal, NoScriptError)
    assert str(refusal) == "REFUSED b"


def test_a_frozen_server_raises_for_all_after_one_try(asker: Asker, server: EmbeddedRedis) -> None:
    runs = asker.runs()
    with frozen(server):
        began = time.monotonic()
        answers = together([asker.appending("a"), asker.saying("b"), asker.appending("c")])
        took = time.monotonic() - began
    assert [type(answer) for answer in answers] == [redis.TimeoutError] * 3
    assert PATIENCE * 0.9 < took < PATIENCE * 2, "twice the patience would be another try"
    wait_until(lambda: asker.runs() == runs + 3)
    assert asker.words() == [b"a", b"c"], "it carries out what was sent to it, once"


def test_nobody_waits_at_a_frozen_server_while_it_is_asked(asker: Asker, server: EmbeddedRedis) -> None:
    with frozen(server):
        began = time.monotonic()
        callers = Callers(asker.saying("a"), asker.appending("b"))
        trip = callers.set_out()
        assert not readable(trip, 0.0)
        assert time.monotonic() - began < PATIENCE
    end(trip)
    assert callers.brought == [b"a", b"b"]


def test_answers_that_are_still_missing_are_not_waited_for(asker: Asker, server: EmbeddedRedis) -> None:
    asker.client.script_flush()
    callers = Callers(asker.saying("a"), asker.appending("b"), asker.refusing("c"))
    trip = callers.set_out()
    assert readable(trip)
    with frozen(server):  # after it has said that it knows none of them
        wait_until(lambda: trip.asked.answers() is None)
        assert callers.brought == [None] * 3
    end(trip)
    assert (callers.brought[:2], str(callers.brought[2])) == ([b"a", b"b"], "REFUSED c")


def test_what_is_given_up_half_way_raises_for_those_without_an_answer(asker: Asker, server: EmbeddedRedis) -> None:
    unknown = StoredScript(asker.client, SAY + " -- and nobody has run it")
    callers = Callers(partial(unknown, args=["a"]), asker.saying("b"))
    trip = callers.set_out()
    assert readable(trip)
    with frozen(server):
        wait_until(lambda: trip.asked.answers() is None)
        trip.end(trip.asked.give_up())
    assert (type(callers.brought[0]), callers.brought[1]) == (redis.TimeoutError, b"b")
    assert asker.say(args=["c"]) == b"c"
    assert together([asker.saying("d"), asker.saying("e")]) == [b"d", b"e"]


def test_trips_that_are_under_way_at_once_bring_everybody_its_own(asker: Asker) -> None:
    asker.connect(3)
    one, other = Callers(asker.saying("a"), asker.appending("b")), Callers(asker.saying("c"), asker.refusing("d"))
    first, second = one.set_out(), other.set_out()
    assert first.asked.fileno() != second.asked.fileno()
    assert asker.say(args=["alone"]) == b"alone"
    end(second)
    end(first)
    assert one.brought == [b"a", b"b"]
    assert (other.brought[0], str(other.brought[1])) == (b"c", "REFUSED d")


def test_no_connection_is_made_for_those_who_must_not_wait_for_one(asker: Asker) -> None:
    under_way = Callers(asker.saying("a"))
    trip = under_way.set_out()
    assert list(map(type, together([asker.appending("b"), asker.saying("c")]))) == [WouldWait, WouldWait]
    end(trip)
    assert under_way.brought == [b"a"]
    assert together([asker.appending("d")]) == [b"d"]
    assert asker.words() == [b"d"]


def test_a_connection_that_stands_is_found_behind_those_that_do_not(asker: Asker) -> None:
    asker.connect(3)
    lines = connections_of(asker.client)._idle
    lines[-1].drop()
    lines[-2].tell(Told(asker.append, (1, "told", "one"), asker.heard.append))
    assert together([asker.saying("a"), asker.saying("b")]) == [b"a", b"b"]
    assert asker.heard == []
    collect_answers(asker.client)
    assert asker.heard == [b"one"]


def test_a_connection_is_used_again_when_its_trip_has_ended(asker: Asker) -> None:
    before = asker.connection
    for word in ("a", "b"):
        assert together([asker.saying(word), asker.refusing(word)])[0] == word.encode()
        assert asker.connection is before


def test_no_late_answer_of_a_server_that_was_frozen_is_taken_for_anothers(asker: Asker, server: EmbeddedRedis) -> None:
    with frozen(server):
        together([asker.saying("late"), asker.saying("later")])
    assert asker.say(args=["a"]) == b"a"
    assert together([asker.saying("b"), asker.saying("c")]) == [b"b", b"c"]


def test_nobody_waits_for_a_dead_server_and_it_is_asked_again_once_somebody_has_connected(
    asker: Asker, server: EmbeddedRedis
) -> None:
    server.kill()
    for _ in ("a connection that broke", "none that can be made"):
        began = time.monotonic()
        answers = together([asker.appending("a"), asker.saying("b")])
        assert time.monotonic() - began < PATIENCE
        assert list(map(type, answers)) == [WouldWait, WouldWait]
    server.start()
    assert list(map(type, together([asker.appending("a")]))) == [WouldWait]
    assert asker.say(args=["alone"]) == b"alone"
    assert together([asker.appending("c"), asker.saying("d")]) == [b"c", b"d"]
    assert asker.words() == [b"c"]


def test_a_server_that_dies_while_it_is_asked_raises_for_all(asker: Asker, server: EmbeddedRedis) -> None:
    with frozen(server):
        callers = Callers(asker.appending("a"), asker.saying("b"))
        trip = callers.set_out()
        server.kill()
        end(trip)
        server.start()
    assert [isinstance(answer, redis.ConnectionError) for answer in callers.brought] == [True, True]
    assert asker.say(args=["alone"]) == b"alone"
    assert together([asker.saying("c")]) == [b"c"]


def test_a_connection_that_the_server_closed_is_not_asked_and_none_is_made(asker: Asker) -> None:
    asker.client.client_kill_filter(skipme=True, _type="normal")
    assert list(map(type, together([asker.appending("a"), asker.appending("b")]))) == [WouldWait, WouldWait]
    assert asker.append(["appended"], ["alone"]) == b"alone"
    assert together([asker.appending("c"), asker.appending("d")]) == [b"c", b"d"]
    assert asker.words() == [b"alone", b"c", b"d"]


def test_a_connection_that_owes_answers_is_left_to_those_who_may_wait_for_them(asker: Asker) -> None:
    asker.tell("one")
    assert list(map(type, together([asker.saying("a"), asker.refusing("b")]))) == [WouldWait, WouldWait]
    assert asker.heard == []
    assert asker.say(args=["c"]) == b"c"
    assert (asker.heard, asker.words("told")) == ([b"one"], [b"one"])
    assert together([asker.saying("d")]) == [b"d"]


@given(
    steps=st.lists(
        st.one_of(
            st.sampled_from(["tell", "break off", "forget", "alone", "collect"]),
            st.lists(st.sampled_from(["say", "append", "refuse"]), min_size=1, max_size=5),
        ),
        max_size=10,
    )
)
def test_whatever_happens_in_between_everybody_hears_its_own_answer(
    server: EmbeddedRedis, steps: list[str | list[str]]
) -> None:
    with connect(server.url, for_web=True, max_connections=4) as client:
        client.flushall()
        asker, told, appended = Asker(client), [], []
        stands = True
        for number, step in enumerate(steps):
            match step:
                case "tell":
                    asker.tell(str(number))
                    told.append(str(number).encode())
                    stands = False
                case "break off":
                    client.client_kill_filter(skipme=True, _type="normal")
                    stands = False
                case "forget":
                    client.script_flush()
                case "alone":
                    assert asker.say(args=[number]) == str(number).encode()
                case "collect":
                    collect_answers(client)
                    asker.connect(1)
                    stands = True
                case _:
                    words = [f"{number}.{place}" for place in range(len(step))]
                    acts = {"say": asker.saying, "append": asker.appending, "refuse": asker.refusing}
                    answers = together([acts[act](word) for act, word in zip(step, words, strict=True)])
                    if isinstance(answers[0], WouldWait):
                        assert not stands
                        assert len(set(answers)) == 1
                    else:
                        wanted = [f"REFUSED {w}" if act == "refuse" else w for act, w in zip(step, words, strict=True)]
                        got = [str(one) if isinstance(one, ResponseError) else one.decode() for one in answers]
                        assert got == wanted
                        appended += [w.encode() for act, w in zip(step, words, strict=True) if act == "append"]
        collect_answers(client)
        assert asker.heard == told
        assert set(asker.words("told")) == set(told), "told once, or again because its answer was lost"
        assert sorted(asker.words()) == sorted(appended)


def test_without_sentinels_no_replica_is_waited_for(asker: Asker) -> None:
    with asker.wire() as wire:
        assert together([partial(asker.say, args=["a"], lasting=True), asker.saying("b")]) == [b"a", b"b"]
    assert b"WAIT" not in b"".join(wire.writes)


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    with Family(tmp_path) as family:
        yield family


@pytest.fixture
def replicated(family: Family) -> Iterator[Asker]:
    """Its server is a master with replicas, that sentinels have named."""
    with connect(family.url, for_web=True, max_connections=4) as client:
        yield Asker(client)


def lasting(asker: Asker, word: str) -> Callable[[], Any]:
    return partial(asker.append, ["appended"], [word], lasting=True)


def words_at(member: Member) -> list[bytes]:
    return cast("list[bytes]", member.client.lrange("appended", 0, -1))


def test_a_replica_has_what_lasting_answers_rest_on_and_is_asked_once_for_all(
    family: Family, replicated: Asker
) -> None:
    with replicated.wire() as wire:
        assert together([lasting(replicated, word) for word in "abc"]) == [b"a", b"b", b"c"]
    assert any(words_at(replica) == [b"a", b"b", b"c"] for replica in family.replicas)
    assert [write.count(b"EVALSHA") for write in wire.writes] == [3, 0]
    assert [write.count(b"WAIT") for write in wire.writes] == [0, 1]
    assert [write.count(keys.replicated().encode()) for write in wire.writes] == [0, 1]


def test_a_refusal_among_lasting_answers_is_raised_only_where_it_was_asked(replicated: Asker) -> None:
    refused = partial(replicated.refuse, args=["b"], lasting=True)
    one, refusal, other = together([lasting(replicated, "a"), refused, lasting(replicated, "c")])
    assert (one, other, str(refusal)) == (b"a", b"c", "REFUSED b")


def test_scripts_that_a_master_forgot_last_too_when_they_are_given_to_it_again(
    family: Family, replicated: Asker
) -> None:
    family.master.client.script_flush()
    assert together([lasting(replicated, word) for word in "ab"]) == [b"a", b"b"]
    assert any(words_at(replica) == [b"a", b"b"] for replica in family.replicas)


def test_nobody_waits_for_a_replica_while_it_is_asked(family: Family, replicated: Asker) -> None:
    for replica in family.replicas:
        replica.freeze()
    trip = Callers(lasting(replicated, "a")).set_out()
    assert readable(trip)
    assert trip.asked.answers() is None, "the replica cannot have said yes or no yet"
    for replica in family.replicas:
        replica.thaw()
    end(trip)


def test_lasting_answers_that_rest_on_what_no_replica_has_count_for_nobody(family: Family, replicated: Asker) -> None:
    for replica in family.replicas:
        replica.freeze()
    answers = together([lasting(replicated, "a"), replicated.appending("b"), lasting(replicated, "c")])
    assert [type(answer) for answer in answers] == [redis.TimeoutError] * 3
    assert words_at(family.master) == [b"a", b"b", b"c"], "tried only once"
    for replica in family.replicas:
        replica.thaw()
    assert lasting(replicated, "alone")() == b"alone"
    assert together([lasting(replicated, "d"), replicated.appending("e")]) == [b"d", b"e"]


def test_a_refusal_too_counts_only_when_a_replica_has_what_it_rests_on(family: Family, replicated: Asker) -> None:
    for replica in family.replicas:
        replica.freeze()
    refused = partial(replicated.refuse, args=["b"], lasting=True)
    assert list(map(type, together([lasting(replicated, "a"), refused]))) == [redis.TimeoutError] * 2


def test_answers_that_need_not_last_wait_for_no_replica(family: Family, replicated: Asker) -> None:
    for replica in family.replicas:
        replica.freeze()
    with replicated.wire() as wire:
        assert together([replicated.appending("a"), replicated.appending("b")]) == [b"a", b"b"]
    assert b"WAIT" not in b"".join(wire.writes)


def test_what_a_replaced_master_carries_out_late_counts_for_nobody_and_the_new_one_is_asked_next(
    family: Family, replicated: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.storage.trips.PATIENCE", 60.0)
    wait_until(lambda: all(replica.client.exists("warm") for replica in family.replicas))
    old = family.master
    old.freeze()
    callers = Callers(lasting(replicated, "a"), lasting(replicated, "b"))
    trip = callers.set_out()
    new = family.replace_master()
    old.thaw()
    end(trip)
    assert words_at(old) == [b"a", b"b"], "it did carry them out"
    assert [isinstance(answer, redis.RedisError) for answer in callers.brought] == [True, True]
    assert words_at(new) == []
    assert lasting(replicated, "alone")() == b"alone"
    assert together([lasting(replicated, "a"), lasting(replicated, "b")]) == [b"a", b"b"]
    assert words_at(new) == [b"alone", b"a", b"b"]
