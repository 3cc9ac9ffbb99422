from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.forgetting import Kind, Remote, days_with_figures, left_by_turn, spans_counted
from app.domain.quota import contact_limits, day_of

CONVERSATION, THREAD = Remote(Kind.CONVERSATION, "conv_1"), Remote(Kind.THREAD, "thread_1")
ASKED = {"step": "asking", "attempt": 1, "api": "responses"}
ZONES = st.sampled_from([ZoneInfo(name) for name in ("Pacific/Kiritimati", "America/Sao_Paulo", "Pacific/Niue")])
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis' way


def responses(*ids: str) -> tuple[Remote, ...]:
    return tuple(Remote(Kind.RESPONSE, one) for one in ids)


@pytest.mark.parametrize(
    ("record", "steps", "left"),
    [
        ((None, None, None), [{"step": "refused"}], ()),
        (("responses", "conv_1", None), [ASKED], (CONVERSATION,)),
        (
            ("responses", "conv_1", "resp_2"),
            [
                ASKED,
                {"step": "answer_begun", "answer_id": "resp_1"},
                ASKED,
                {"step": "answer_begun", "answer_id": "resp_2"},
            ],
            (CONVERSATION, *responses("resp_1", "resp_2")),
        ),
        (("responses", "conv_1", ""), [ASKED, {"step": "answer_begun", "answer_id": ""}], (CONVERSATION,)),
        (("responses", "conv_1", "msg_9"), [ASKED, {"step": "found", "answer_id": "msg_9"}], (CONVERSATION,)),
        (
            ("assistants", "thread_1", "run_1"),
            [{**ASKED, "api": "assistants"}, {"step": "answer_begun", "answer_id": "run_1"}],
            (THREAD,),
        ),
        (
            ("responses", "conv_1", "resp_1"),
            [
                {**ASKED, "api": "assistants"},
                {"step": "answer_begun", "answer_id": "run_1"},
                {"step": "switched_to_profile"},
                ASKED,
                {"step": "answer_begun", "answer_id": "resp_1"},
            ],
            (CONVERSATION, *responses("resp_1")),
        ),
        ((None, None, None), [ASKED, {"step": "answer_begun", "answer_id": "resp_1"}, {"step": "forgotten"}], ()),
    ],
    ids=[
        "refused",
        "failed",
        "asked twice",
        "no answer yet",
        "found in its conversation",
        "a thread",
        "switched",
        "forgotten",
    ],
)
def test_what_a_turn_left_at_openai_is_read_from_its_record_and_its_steps(
    record: tuple[str | None, str | None, str | None], steps: list[dict[str, object]], left: tuple[Remote, ...]
) -> None:
    assert left_by_turn(*record, steps) == left


@given(now=MOMENTS, zone=ZONES, back=st.timedeltas(timedelta(), timedelta(days=400)))
def test_every_day_whose_figures_are_kept_is_known_wherever_the_account_lives(
    now: datetime, zone: ZoneInfo, back: timedelta
) -> None:
    days = days_with_figures(now)
    assert day_of(now - back, zone) in days
    assert len(days) == len(set(days)) < 410


@given(now=MOMENTS, zone=ZONES, data=st.data())
def test_every_span_whose_counter_is_kept_is_known(now: datetime, zone: ZoneInfo, data: st.DataObject) -> None:
    spans = spans_counted(now)
    for limit in contact_limits(now, zone, 1, 1, 1):
        back = data.draw(st.timedeltas(timedelta(), timedelta(days=limit.days_kept)))
        begun = {span.span for span in contact_limits(now - back, zone, 1, 1, 1) if span.days_kept == limit.days_kept}
        assert begun <= set(spans)
    assert len(spans) < 30
