"""Which turns may be run again, and what stands in the way of the others."""

from typing import Any

import pytest

from app.domain.failures import OPENAI_FAILURES, Failure
from app.domain.replays import (
    Again,
    NotReplayable,
    Obstacle,
    ended_badly_at,
    failure_was_told,
    looks_first,
    obstacle_at,
    what_again,
)
from app.domain.turn import CLOSED, Charge, Status
from tests.builders import an_account
from tests.unit.services.ports_in_memory import a_turn

FAILURES = sorted({*OPENAI_FAILURES, Failure.BUSY})
REFUSALS = sorted(set(Failure) - OPENAI_FAILURES)


@pytest.mark.parametrize("status", CLOSED)
@pytest.mark.parametrize("failure", FAILURES)
def test_what_failed_is_asked_again_whatever_became_of_its_continue_call(failure: Failure, status: Status) -> None:
    turn = a_turn(status=status, error_code=failure, charge=Charge.RELEASED)
    assert what_again(turn) is Again.ANSWER
    assert failure_was_told(turn) is (status is Status.DELIVERED)


def test_an_answer_that_was_not_delivered_is_only_offered_again() -> None:
    turn = a_turn(status=Status.UNDELIVERABLE, charge=Charge.SETTLED, answer="Custa 5 reais.")
    assert what_again(turn) is Again.DELIVERY
    assert not failure_was_told(turn)


@pytest.mark.parametrize(
    ("obstacle", "fields"),
    [
        *((Obstacle.OPEN, {"status": status}) for status in Status if status not in CLOSED),
        (Obstacle.DELIVERED, {"status": Status.DELIVERED, "charge": Charge.SETTLED, "answer": "Oi"}),
        (Obstacle.NOT_WAITING, {"status": Status.NOT_WAITING, "charge": Charge.SETTLED, "answer": "Oi"}),
        (Obstacle.TEXTS_GONE, {"status": Status.UNDELIVERABLE, "charge": Charge.SETTLED}),
        (
            Obstacle.TEXTS_GONE,
            {"status": Status.DELIVERED, "charge": Charge.RELEASED, "error_code": Failure.BUSY, "message": ""},
        ),
        *(
            (Obstacle.REFUSED, {"status": status, "charge": Charge.NONE, "error_code": code, "message": ""})
            for status in CLOSED
            for code in REFUSALS
        ),
    ],
)
def test_nothing_else_is_run_again(obstacle: Obstacle, fields: dict[str, Any]) -> None:
    with pytest.raises(NotReplayable, match=r"turn r1 cannot be run again: .{20}") as refused:
        what_again(a_turn(**fields))
    assert refused.value.obstacle is obstacle


@pytest.mark.parametrize(
    ("fields", "asked_again", "delivered_again"),
    [
        ({}, None, None),
        ({"paused": True}, Obstacle.PAUSED, None),
        ({"access": "lost"}, Obstacle.ACCESS_LOST, Obstacle.ACCESS_LOST),
        ({"access": "revoked"}, Obstacle.NOT_INSTALLED, Obstacle.NOT_INSTALLED),
        ({"removing": True}, Obstacle.NOT_INSTALLED, Obstacle.NOT_INSTALLED),
        (None, Obstacle.NOT_INSTALLED, Obstacle.NOT_INSTALLED),
    ],
)
def test_the_account_must_be_able_to_answer(
    fields: dict[str, Any] | None, asked_again: Obstacle | None, delivered_again: Obstacle | None
) -> None:
    account = None if fields is None else an_account(**fields)
    assert obstacle_at(account, Again.ANSWER) is asked_again
    assert obstacle_at(account, Again.DELIVERY) is delivered_again


@pytest.mark.parametrize(
    ("fields", "looks"),
    [
        ({"asked": False}, False),
        ({"asked": True, "error_code": Failure.OPENAI_TIMEOUT}, True),
        ({"asked": True, "error_code": Failure.OPENAI_CONNECTION}, True),
        ({"asked": True, "error_code": Failure.OPENAI_UNEXPECTED}, False),
    ],
)
def test_what_the_failed_run_left_is_looked_for_where_it_can_be_of_use(fields: dict[str, Any], looks: bool) -> None:
    assert looks_first(a_turn(**fields)) is looks


def test_a_turn_ended_badly_when_it_did_so_last() -> None:
    steps = [
        {"at": at, "step": step} for at, step in enumerate(["accepted", "failed", "replayed", "undeliverable", "x"])
    ]
    assert ended_badly_at(steps) == 3
    assert ended_badly_at(steps[:1]) is None
