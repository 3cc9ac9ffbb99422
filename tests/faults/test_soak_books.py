"""What the books of the soak say of a turn that something has happened to."""

from collections.abc import Callable, Iterator
from random import Random

import pytest
import requests

from app.storage import keys
from sandbox.stack import Stack
from tests.faults.soak.books import NOTHING
from tests.faults.soak.load import Said
from tests.faults.soak.scene import Scene, kommo, openai, service
from tests.waiting import wait_until

RATE = 10.0


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A service to which nothing happens."""
    with (
        Stack(tmp_path_factory.mktemp("scene"), kommo=kommo(), openai=openai()) as stack,
        service(stack, RATE, workers=1) as scene,
    ):
        yield scene


def has_vanished(scene: Scene, said: Said, turn: str) -> None:
    scene.stack.redis.delete(keys.turn(turn))


def is_still_open(scene: Scene, said: Said, turn: str) -> None:
    scene.stack.redis.hset(keys.turn(turn), "status", "asking")


def is_told_something_else(scene: Scene, said: Said, turn: str) -> None:
    (call,) = scene.stack.kommo.continues_of(said.webhook.return_url)
    other = {**call.body, "data": {**call.body["data"], "reply": "Outra coisa"}}
    requests.post(said.webhook.return_url, json=other, headers={"Authorization": f"Bearer {call.token}"}, timeout=10)


def is_charged_twice(scene: Scene, said: Said, turn: str) -> None:
    ledger = keys.ledger(said.company.account.account_id, scene.books.period_of(said.company))
    scene.stack.redis.xadd(ledger, {"turn": turn, "kind": "settle", "requests": 0, "at": 0, "reason": ""})


@pytest.mark.parametrize(
    ("spoilt", "counts"),
    [
        (has_vanished, (1, 0, 1)),
        (is_still_open, (1, 0, 0)),
        (is_told_something_else, (0, 1, 0)),
        (is_charged_twice, (0, 0, 1)),
    ],
    ids=lambda case: case.__name__ if callable(case) else "",
)
def test_the_books_notice_a_turn_that(
    scene: Scene, spoilt: Callable[[Scene, Said, str], None], counts: tuple[int, int, int]
) -> None:
    with scene.under_load(Random(1)) as load:
        scene.mark()
        wait_until(lambda: load.answered_since(scene.marks[0].at))
    wait_until(lambda: not scene.books.open_turns())
    said = load.said[0]
    spoilt(scene, said, said.webhook.json()["request_id"])
    tally = scene.books.look(load.said, scene.marks, NOTHING)
    assert tally.breaches
    assert (tally.lost, tally.doubled, tally.mischarged >= 1) == (counts[0], counts[1], counts[2] >= 1)
