"""Callers on one thread, whose questions are sent together."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.contextvars import bind_contextvars, clear_contextvars, get_contextvars, reset_contextvars

from app.together import Together, Trip, WouldWait, answer_for, is_served_together, no_waiting_together


class Refused(Exception):
    """Stands in place of an answer."""


class Prepared:
    """Questions whose answers are there. until: nobody waits for them."""

    until = 0.0

    def __init__(self, answers: list[Any]) -> None:
        self._answers = answers

    def fileno(self) -> int | None:
        return None

    def answers(self) -> list[Any] | None:
        return self._answers

    def give_up(self) -> list[Any]:
        return self._answers


class Oracle:
    """Answers what it is told to, else with the question. sent: the questions that were sent, each time."""

    def __init__(self, answers: dict[Any, Any] | None = None) -> None:
        self.sent: list[list[Any]] = []
        self._answers = answers or {}

    def ask(self, questions: Sequence[Any]) -> Prepared:
        self.sent.append(list(questions))
        return Prepared([self._answers.get(question, f"re {question}") for question in questions])


def end(trip: Trip) -> None:
    """With the answers that it was sent for."""
    trip.end(trip.asked.give_up())


def serve(*callers: Callable[[], None]) -> None:
    """Run callers to their ends."""
    together = Together()
    for caller in callers:
        together.start(caller)
    while trips := together.set_out():
        for trip in trips:
            end(trip)


def asking(oracle: Oracle, heard: list[Any], *questions: Any) -> Callable[[], None]:
    """A caller that asks one after the other."""

    def caller() -> None:
        heard.extend(answer_for(oracle.ask, question) for question in questions)

    return caller


def test_a_caller_runs_until_it_asks_and_goes_on_when_its_trip_ends() -> None:
    oracle, together = Oracle(), Together()
    told: list[str] = []

    def caller(name: str) -> None:
        told.append(f"{name} asks")
        told.append(f"{name} hears {answer_for(oracle.ask, name)}")

    together.start(partial(caller, "a"))
    together.start(partial(caller, "b"))
    assert (told, oracle.sent) == (["a asks", "b asks"], [])
    (trip,) = together.set_out()
    assert (told, oracle.sent) == (["a asks", "b asks"], [["a", "b"]])
    end(trip)
    assert told == ["a asks", "b asks", "a hears re a", "b hears re b"]


def test_questions_are_counted_until_they_are_sent() -> None:
    one, other, together = Oracle(), Oracle(), Together()
    assert together.questions == 0
    for number, oracle in enumerate([one, other, one]):
        together.start(asking(oracle, [], "a", "b"))
        assert together.questions == number + 1
    trips = together.set_out()
    assert together.questions == 0
    end(trips[0])
    assert together.questions == 2
    end(trips[1])
    assert together.questions == 3


def test_what_was_sent_is_not_sent_again() -> None:
    oracle, together = Oracle(), Together()
    heard: list[Any] = []
    together.start(asking(oracle, heard, "a"))
    (first,) = together.set_out()
    assert together.set_out() == []
    together.start(asking(oracle, heard, "b"))
    (second,) = together.set_out()
    assert oracle.sent == [["a"], ["b"]]
    end(second)
    assert heard == ["re b"]
    end(first)
    assert heard == ["re b", "re a"]


@given(rounds=st.lists(st.integers(0, 4), max_size=6))
def test_a_caller_asks_as_often_as_it_likes_and_all_that_ask_then_go_along(rounds: list[int]) -> None:
    oracle = Oracle()
    heard: list[list[Any]] = [[] for _ in rounds]
    questions = [[(number, question) for question in range(asked)] for number, asked in enumerate(rounds)]
    serve(*(asking(oracle, heard[number], *asked) for number, asked in enumerate(questions)))
    assert heard == [[f"re {question}" for question in asked] for asked in questions]
    assert oracle.sent == [
        [asked[trip] for asked in questions if len(asked) > trip] for trip in range(max(rounds, default=0))
    ]


@given(data=st.data(), rounds=st.lists(st.integers(0, 4), max_size=6))
def test_in_whatever_order_trips_end_everybody_hears_its_own(data: st.DataObject, rounds: list[int]) -> None:
    oracle, together = Oracle(), Together()
    heard: list[list[Any]] = [[] for _ in rounds]
    questions = [[(number, question) for question in range(asked)] for number, asked in enumerate(rounds)]
    waiting = [asking(oracle, heard[number], *asked) for number, asked in enumerate(questions)]
    under_way: list[Trip] = []
    while waiting or under_way:
        step: str = data.draw(st.sampled_from(["start"] * bool(waiting) + ["end"] * bool(under_way)))
        if step == "start":
            together.start(waiting.pop())
        else:
            end(under_way.pop(data.draw(st.integers(0, len(under_way) - 1))))
        if not waiting or data.draw(st.sampled_from([True, False])):
            under_way += together.set_out()
    assert heard == [[f"re {question}" for question in asked] for asked in questions]
    assert sorted(chain.from_iterable(oracle.sent)) == sorted(chain.from_iterable(questions))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_callers_that_ask_nothing_are_run_and_nothing_is_sent(count: int) -> None:
    together, ran = Together(), list[int]()
    for number in range(count):
        together.start(partial(ran.append, number))
    assert ran == list(range(count))
    assert together.set_out() == []


def test_questions_to_different_places_make_a_trip_to_each() -> None:
    one, other, heard = Oracle(), Oracle(), list[Any]()
    serve(asking(one, heard, "a"), asking(other, heard, "b"), asking(one, heard, "c"))
    assert (one.sent, other.sent) == ([["a", "c"]], [["b"]])
    assert sorted(heard) == ["re a", "re b", "re c"]


@pytest.mark.parametrize("answer", [None, False, 0, "", [], Refused], ids=repr)
def test_any_answer_is_handed_over_as_it_is(answer: Any) -> None:
    heard: list[Any] = []
    serve(asking(Oracle({"a": answer}), heard, "a"))
    assert heard == [answer]


def test_an_exception_for_an_answer_is_raised_where_it_was_asked_and_nowhere_else() -> None:
    error = Refused("b")
    oracle = Oracle({"b": error})
    heard: dict[str, Any] = {}

    def caller(name: str) -> None:
        try:
            heard[name] = answer_for(oracle.ask, name)
        except Refused as refused:
            heard[name] = refused

    serve(*(partial(caller, name) for name in "abc"))
    assert heard == {"a": "re a", "b": error, "c": "re c"}


def test_what_a_caller_is_handling_while_it_asks_is_not_the_others() -> None:
    oracle = Oracle({"b": Refused("b")})
    contexts: list[BaseException | None] = []

    def handling() -> None:
        try:
            int("no number")
        except ValueError:
            answer_for(oracle.ask, "a")

    def refused() -> None:
        with pytest.raises(Refused) as raised:
            answer_for(oracle.ask, "b")
        contexts.append(raised.value.__context__)

    serve(handling, refused, handling)
    assert contexts == [None]


def test_the_context_of_a_caller_is_its_own() -> None:
    oracle = Oracle()
    variable: ContextVar[str] = ContextVar("variable")
    seen: dict[str, Any] = {}

    def caller(name: str) -> None:
        variable.set(name)
        bound = bind_contextvars(http_request_id=name, **{f"only_{name}": True})
        answer_for(oracle.ask, name)
        seen[name] = (variable.get(), get_contextvars())
        reset_contextvars(**bound)
        answer_for(oracle.ask, name)
        seen[f"{name} later"] = get_contextvars().get("http_request_id")

    clear_contextvars()
    serve(*(partial(caller, name) for name in "abc"))
    for name in "abc":
        assert seen[name] == (name, {"http_request_id": name, f"only_{name}": True})
        assert seen[f"{name} later"] is None
    assert variable.get("none") == "none"
    assert get_contextvars() == {}


@pytest.mark.parametrize("error", [Refused("a"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_what_a_caller_raises_comes_out_of_what_lets_it_go_on(error: BaseException) -> None:
    oracle, together = Oracle({"refused": error}), Together()

    def raising() -> None:
        raise error

    def asking_and_raising() -> None:
        answer_for(oracle.ask, "a")
        raise error

    with pytest.raises(type(error)) as raised:
        together.start(raising)
    assert raised.value is error
    for caller in (asking_and_raising, asking(oracle, [], "refused")):
        together.start(caller)
        (trip,) = together.set_out()
        with pytest.raises(type(error)) as raised:
            end(trip)
        assert raised.value is error


def test_who_is_turned_back_meets_the_error_and_may_ask_again() -> None:
    oracle, together = Oracle(), Together()
    heard: list[Any] = []
    error = Refused("turned back")

    def caller(name: str) -> None:
        with pytest.raises(Refused) as raised:
            answer_for(oracle.ask, name)
        assert raised.value is error
        heard.append(answer_for(oracle.ask, f"{name} again"))

    for name in "ab":
        together.start(partial(caller, name))
    together.turn_back(error)
    assert (oracle.sent, together.questions) == ([], 2)
    (trip,) = together.set_out()
    end(trip)
    assert oracle.sent == [["a again", "b again"]]
    assert heard == ["re a again", "re b again"]


def test_only_who_is_served_together_may_not_wait() -> None:
    no_waiting_together()
    met: list[type[Exception]] = []

    def caller() -> None:
        with pytest.raises(WouldWait) as raised:
            no_waiting_together()
        met.append(raised.type)

    serve(caller, caller)
    assert met == [WouldWait] * 2
    no_waiting_together()


def test_whoever_starts_callers_goes_on_after_one_that_raised() -> None:
    oracle, together = Oracle(), Together()
    heard: list[Any] = []
    together.start(asking(oracle, heard, "a"))
    with pytest.raises(ZeroDivisionError):
        together.start(lambda: heard.append(1 // 0))
    together.start(asking(oracle, heard, "b"))
    (trip,) = together.set_out()
    end(trip)
    assert heard == ["re a", "re b"]


@pytest.mark.parametrize("answers", [[], ["a", "b"]], ids=["too few", "too many"])
def test_as_many_answers_as_questions_are_wanted(answers: list[str]) -> None:
    with pytest.raises(ValueError, match="zip"):
        serve(lambda: answer_for(lambda questions: Prepared(answers), "a"))


def test_only_the_callers_are_served_together() -> None:
    seen: list[bool] = []

    def ask(questions: Sequence[Any]) -> Prepared:
        seen.append(is_served_together())
        return Prepared(list(questions))

    def caller() -> None:
        seen.append(is_served_together())
        answer_for(ask, "a")
        seen.append(is_served_together())

    assert not is_served_together()
    serve(caller)
    assert seen == [True, False, True]
    assert not is_served_together()


def test_callers_of_several_threads_do_not_meet() -> None:
    oracles = [Oracle() for _ in range(4)]
    heard: list[list[Any]] = [[] for _ in oracles]
    with ThreadPoolExecutor(len(oracles)) as threads:
        for number, oracle in enumerate(oracles):
            questions = [(number, question) for question in range(50)]
            threads.submit(serve, asking(oracle, heard[number], *questions), asking(oracle, [], *questions))
    assert heard == [[f"re {(number, question)}" for question in range(50)] for number in range(len(oracles))]
    assert all(len(sent) == 2 for oracle in oracles for sent in oracle.sent)
