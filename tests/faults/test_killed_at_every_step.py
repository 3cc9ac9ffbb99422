"""Killing the worker between any two steps of a turn, and starting one again, changes nothing.

Each kind of turn is walked through: one worker is killed at its first moment, another at its second, and so on, until
workers are found that come to the end of the turn alive. The moments are those of mortal_worker.py. All these turns
run at the same time, each with a client of its own; then an ordinary worker takes over what the killed ones left.

In some walks the worker that takes over is killed too, at each of its moments. In others workers are frozen for longer
than their lease, and go on when another one has brought their turns to an end.
"""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import pytest

from app.domain.turn import Charge
from tests.faults.ground import Ground
from tests.faults.walk import Scenario, Walked

PROFILE: dict[str, Any] = {}
ASSISTANT: dict[str, Any] = {"assistant_id": "asst_walk", "profile": None}
PROMPT: dict[str, Any] = {"assistant_id": "pmpt_walk", "profile": None}

TOLD = (
    "before POST /api/v4/salesbot/…/continue/…",
    "during POST /api/v4/salesbot/…/continue/…",
    "after POST /api/v4/salesbot/…/continue/…",
    "before advance delivered",
)
ASKED = ("before advance asking", "before begun", "before advance answered")
OPENED = ("before pass_gate", "during POST /v1/conversations", "during POST /v1/responses")
RESPONSES = (*OPENED, *ASKED, *TOLD)
RUNS = ("before pass_gate", "during POST /v1/threads", "during POST /v1/threads/…/runs", *ASKED, *TOLD)

# Pieces come over half a second. A response goes down with its connection, a run does not.
SLOW = {"name": "slow", "first_byte": 0.1, "total": 0.5}

SCENARIOS = {
    "profile": Scenario(account=PROFILE, moments=("after take", *RESPONSES)),
    # The conversation stays locked for a while after the response was cut off.
    "profile, cut off": Scenario(account=PROFILE, fault=SLOW, lock_linger=1.0, thin=True, moments=RESPONSES),
    "assistant": Scenario(account=ASSISTANT, moments=RUNS),
    # It is still at work when the turn is taken over.
    "assistant, run goes on": Scenario(account=ASSISTANT, fault={**SLOW, "total": 3.5}, thin=True, moments=RUNS),
    "stored prompt": Scenario(account=PROMPT, thin=True, moments=RESPONSES),
    "refused": Scenario(
        account={"failure_text": "Já volto a falar com você."},
        fault={"name": "unauthorized", "route": "POST /responses"},
        moments=("during POST /v1/responses", "before advance failed", *TOLD),
    ),
    "another in line": Scenario(account=PROFILE, line=True, thin=True, moments=RESPONSES),
    "profile, killed twice": Scenario(
        account=PROFILE,
        thin=True,
        before="before advance answered",
        moments=("after GET /v1/responses/…", "before advance found", *TOLD),
    ),
    "profile, cut off, killed twice": Scenario(
        account=PROFILE,
        # Long enough for OpenAI to notice that many connections are gone.
        fault={**SLOW, "total": 1.5},
        thin=True,
        before="before begun",
        moments=("after GET /v1/conversations/…/items", "after POST /v1/responses", *TOLD),
    ),
    "assistant, killed twice": Scenario(
        account=ASSISTANT,
        thin=True,
        before="before begun",
        moments=("after GET /v1/threads/…/runs", "after GET /v1/threads/…/messages", "before advance found", *TOLD),
    ),
    "its key is told to wait": Scenario(
        account=PROFILE,
        waits="key",
        workers=10,
        moments=("after take", "before pass_gate", "before advance waiting_for_key", "after advance waiting_for_key"),
    ),
    "its call must wait": Scenario(
        account=PROFILE,
        waits="moment",
        workers=20,
        moments=("after take", *OPENED, *ASKED, "after advance answered"),
    ),
    "its call leaves later": Scenario(
        account=PROFILE,
        waits="moment",
        source="calls",
        workers=10,
        moments=("after depart", *TOLD, "after advance delivered"),
    ),
    "its call leaves later, frozen": Scenario(
        account=PROFILE, waits="moment", source="calls", workers=10, fate="frozen", moments=("after depart", *TOLD)
    ),
    "profile, frozen": Scenario(
        account=PROFILE, thin=True, fate="frozen", sent_after_all="before POST /v1/responses", moments=RESPONSES
    ),
    "assistant, frozen": Scenario(
        account=ASSISTANT, thin=True, fate="frozen", sent_after_all="before POST /v1/threads/…/runs", moments=RUNS
    ),
}

Walks = Mapping[str, Future[Walked]]


@pytest.fixture(scope="module")
def walks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walks]:
    """The walks that the tests of this run ask for, on their way: two at once, as each mostly waits for leases."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function)]
    names = {test.callspec.params["name"] for test in tests if "walks" in test.fixturenames}
    asked_for = {name: scenario for name, scenario in SCENARIOS.items() if name in names}
    with ExitStack() as context:
        grounds = {
            seconds: context.enter_context(Ground(tmp_path_factory.mktemp("ground"), seconds))
            for seconds in {scenario.turn_seconds for scenario in asked_for.values()}
        }
        yield {name: grounds[scenario.turn_seconds].later(scenario) for name, scenario in asked_for.items()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_worker_that_ends_at_any_step_leaves_one_reply_and_one_charge(walks: Walks, name: str) -> None:
    walked = walks[name].result()
    assert [str(found) for found in walked.found if found.end != found.right] == []
    settled = sum(found.right.charge == Charge.SETTLED for found in walked.found) + len(walked.next_replies)
    assert walked.used_and_reserved == (settled, 0)
    assert (walked.open_turns, walked.left_behind) == (0, [])
    assert set(walked.exits) == {0}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_next_message_is_answered_in_the_same_conversation(walks: Walks, name: str) -> None:
    walked = walks[name].result()
    assert [(said, right) for said, right in walked.next_replies if said != right] == []
    assert len(walked.next_replies) == len(walked.lives)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_walk_has_missed_no_step(walks: Walks, name: str) -> None:
    walked, scenario = walks[name].result(), SCENARIOS[name]
    whole = walked.survivors[0].trail
    assert set(scenario.moments) <= set(whole)
    ended = [life.moment for life in walked.lives if life.ended == scenario.fate]
    assert ended == list(range(1, len(whole) + 1))
    assert [life for life in walked.lives if life.trail != whole[: len(life.trail)]] == []
    before = ("killed", scenario.before) if scenario.before else ("in peace", "after advance answered")
    assert {(life.ended, life.trail[-1]) for life in walked.before} <= {before}
