"""What a turn spent its time on."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.domain.answers import Usage
from app.domain.turn_story import STEPS, Answered, Phase, Span, answered, runs

ROOT = Path(__file__).parents[3]
NOW = 100_000


def story(*steps: Any) -> list[dict[str, Any]]:
    return [{"at": step[0], "step": step[1], **(step[2] if len(step) == 3 else {})} for step in steps]


def spans(*steps: Any) -> list[tuple[str, int]]:
    return [(span.phase.value, span.length) for run in runs(story(*steps), NOW) for span in run.spans]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (
            [
                (0, "accepted"),
                (5, "taken"),
                (9, "asking"),
                (300, "answer_begun"),
                (900, "answered"),
                (900, "continue_call"),
                (950, "delivered"),
            ],
            [("queue", 5), ("work", 4), ("asked", 291), ("answering", 600), ("kommo", 50)],
        ),
        (
            [
                (0, "accepted"),
                (0, "waiting"),
                (700, "woken"),
                (702, "taken"),
                (703, "asking"),
                (800, "failed"),
                (800, "waiting_to_leave"),
                (1000, "continue_call"),
                (1010, "not_waiting"),
            ],
            [("line", 700), ("queue", 2), ("work", 1), ("asked", 97), ("leaving", 200), ("kommo", 10)],
        ),
        (
            [
                (0, "accepted"),
                (1, "taken"),
                (1, "asking"),
                (50, "retry"),
                (1050, "asking"),
                (1100, "retry"),
                (1100, "waiting_for_key"),
                (3000, "key_may_be_used"),
                (3001, "taken"),
                (3001, "asking"),
                (3500, "answered"),
                (3500, "continue_call"),
                (4000, "retry_continue"),
                (6000, "continue_call"),
                (6100, "undeliverable"),
                (9000, "note_written"),
            ],
            [
                ("queue", 1),
                ("asked", 49),
                ("retry", 1000),
                ("asked", 50),
                ("key", 1900),
                ("queue", 1),
                ("asked", 499),
                ("kommo", 500),
                ("kommo_retry", 2000),
                ("kommo", 100),
            ],
        ),
        (
            [(0, "refused"), (3, "taken"), (4, "continue_call"), (9, "delivered")],
            [("queue", 3), ("work", 1), ("kommo", 5)],
        ),
    ],
    ids=["answered", "in line", "retried", "refused"],
)
def test_the_time_of_a_turn_is_told_by_what_it_waited_for(steps: list[Any], expected: list[tuple[str, int]]) -> None:
    assert spans(*steps) == expected


def test_a_turn_that_is_open_waits_until_now() -> None:
    (run,) = runs(story((0, "accepted"), (40, "taken"), (50, "asking")), NOW)
    assert run.spans[-1] == Span(Phase.ASKED, 50, NOW, open=True)
    assert (run.ended, run.length) == (None, NOW)
    (just_now,) = runs(story((0, "accepted")), 0)
    assert [(span.length, span.open) for span in just_now.spans] == [(0, True)]


def test_every_replay_is_a_run_of_its_own() -> None:
    first = [(0, "accepted"), (5, "failed"), (5, "continue_call"), (9, "undeliverable")]
    second = [(5000, "replayed", {"again": "answer"}), (5001, "taken"), (5009, "answered"), (5009, "continue_call")]
    third = [
        (8000, "replayed", {"again": "delivery"}),
        (8200, "continue_call"),
        (8210, "delivered"),
        (9999, "forgotten"),
    ]
    found = runs(story(*first, *second, (5020, "undeliverable"), *third), NOW)
    assert [(run.began, run.ended, run.length) for run in found] == [(0, 9, 9), (5000, 5020, 20), (8000, 8210, 210)]
    assert [(span.phase.value, span.length) for span in found[2].spans] == [("leaving", 200), ("kommo", 10)]
    assert [step["step"] for step in found[2].steps][-1] == "forgotten"


def test_a_turn_without_steps_has_no_run() -> None:
    assert runs([], NOW) == []


@example([(0, "accepted"), (0, "accepted")])
@given(st.lists(st.tuples(st.integers(0, 500), st.sampled_from(sorted(STEPS))), min_size=1, max_size=30))
def test_whatever_happened_the_spans_follow_each_other_and_add_up(events: list[tuple[int, str]]) -> None:
    at, steps = 0, []
    for apart, step in events:
        at += apart
        steps.append({"at": at, "step": step})
    for run in runs(steps, at):
        assert all(span.length >= 0 for span in run.spans)
        assert all(one.until <= two.since for one, two in zip(run.spans, run.spans[1:], strict=False))
        assert sum(span.open for span in run.spans) <= 1


def test_every_step_that_is_written_anywhere_is_known() -> None:
    told = re.compile(
        r"""add_step\([^,]+, [^,]+, '(\w+)'|steps=\(\("(\w+)"|\.told\("(\w+)"|"step": "(\w+)\"|\.end\(note, "(\w+)\""""
    )
    sources = [*(ROOT / "app").rglob("*.py"), *(ROOT / "app").rglob("*.lua")]
    found = {name for path in sources for names in told.findall(path.read_text()) for name in names if name}
    assert len(found) > 15
    assert found <= STEPS


def test_what_openai_told_of_the_last_answer() -> None:
    tokens = {"tokens_input": 10, "tokens_cached": 4, "tokens_output": 7, "tokens_reasoning": 2, "tokens_written": 1}
    steps = story((1, "answered", {"characters": 3}), (5, "answered", {"characters": 90, "model": "gpt-x", **tokens}))
    assert answered(steps) == Answered(5, 90, "gpt-x", Usage(10, 4, 7, 2, 1))
    assert answered(steps[:1]) == Answered(1, 3, None, None)
    assert answered([]) is None
