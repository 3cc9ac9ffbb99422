"""The counting itself: every request in the row of its route, every failure found, the sum over processes right."""

import threading
import time
from collections.abc import Callable

import pytest
from flask import Flask

from tests.hostile import recorder
from tests.hostile.campaign.table import drawn
from tests.hostile.recorder import ASIDE, TRACEBACK, Broken, Recorder
from tests.hostile.tally import NO_INPUT, NO_ROUTE, REPLIES, Tally

# Seconds that a test of what hangs would take if it were not ended.
HANGS = 60.0


@pytest.fixture
def tally(monkeypatch: pytest.MonkeyPatch) -> Tally:
    """One of its own; that of the run is left alone."""
    own = Tally()
    monkeypatch.setattr(recorder, "TALLY", own)
    return own


def an_app(answer: Callable[[], str] = lambda: "well") -> Flask:
    app = Flask("counted", static_folder=None)
    app.add_url_rule("/things/<int:thing_id>", "thing", lambda thing_id: answer(), methods=["GET", "PUT"])
    app.add_url_rule("/folder/", "folder", answer)
    app.wsgi_app = Recorder(app)  # type: ignore[method-assign] # where Flask takes WSGI middleware
    return app


@pytest.mark.parametrize(
    ("method", "path", "row", "wrong_method"),
    [
        ("GET", "/things/7", "GET /things/{thing_id}", 0),
        ("HEAD", "/things/7", "GET /things/{thing_id}", 0),
        ("PUT", "/things/7", "PUT /things/{thing_id}", 0),
        ("PATCH", "/things/7", "GET /things/{thing_id}", 1),
        ("X", "/things/7", "GET /things/{thing_id}", 1),
        ("GET", "/things/seven", NO_ROUTE, 0),
        ("GET", "/things/7/%ff%00", NO_ROUTE, 0),
        ("GET", "/folder", "GET /folder/", 0),
        ("DELETE", "/folder/", "GET /folder/", 1),
    ],
)
def test_a_request_counts_under_its_route_however_it_is_written(
    tally: Tally, method: str, path: str, row: str, wrong_method: int
) -> None:
    answer = an_app().test_client().open(path, method=method)
    assert list(tally.rows) == [row]
    counted = tally.rows[row]
    assert (counted.inputs, counted.wrong_method) == (1, wrong_method)
    assert counted.answers == {f"{answer.status_code // 100}xx": 1}


def test_what_is_no_attack_is_not_counted(tally: Tally) -> None:
    assert an_app().test_client().get("/folder/", environ_base={ASIDE: True}).status_code == 200
    assert tally.rows == {}


def never() -> str:
    threading.Event().wait(HANGS)
    return "late"


def raising() -> str:
    raise RuntimeError("a fault of ours")


@pytest.mark.parametrize(
    ("answer", "said"), [(raising, "500"), (TRACEBACK.decode, "traceback")], ids=["a 500", "a traceback"]
)
def test_an_answer_that_nobody_may_get_is_found(tally: Tally, answer: Callable[[], str], said: str) -> None:
    with pytest.raises(Broken, match=said):
        an_app(answer).test_client().get("/things/7")
    assert tally.rows["GET /things/{thing_id}"].inputs == 1


def test_a_request_that_hangs_is_found(tally: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "LONGEST", 0.05)
    began = time.monotonic()
    with pytest.raises(Broken):
        an_app(never).test_client().get("/things/7")
    assert time.monotonic() - began < HANGS
    assert tally.inputs == 1


def test_a_failure_is_put_down_to_the_input_before_it(tally: Tally) -> None:
    tally.failed("test_nothing_was_sent")
    tally.began("GET /a")
    tally.began(REPLIES)
    tally.failed("test_a")
    tally.forget_last()
    tally.failed("test_b")
    assert {name: row.failures for name, row in tally.rows.items()} == {
        NO_INPUT: {"test_nothing_was_sent", "test_b"},
        "GET /a": set(),
        REPLIES: {"test_a"},
    }


def test_what_processes_have_counted_is_summed_up() -> None:
    counted = []
    for number in (3, 4):
        tally = Tally()
        for _ in range(number):
            tally.began("GET /a").answers["2xx"] += 1
        tally.failed("test_a")
        counted.append(Tally.read(tally.written()))
    whole = Tally().add(counted)
    assert (whole.inputs, whole.failures) == (7, ["test_a"])
    assert whole.rows["GET /a"].answers == {"2xx": 7}
    assert "`GET /a`" in drawn(whole)
    (line,) = [line for line in drawn(whole).splitlines() if line.startswith("| all")]
    assert [cell.strip() for cell in line.strip("|").split("|")] == ["all", "7", "0", "0", "7", "0", "0", "0", "1"]
