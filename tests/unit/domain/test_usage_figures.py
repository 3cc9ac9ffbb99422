"""What the figures say when they are read again."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from app.domain.usage import ONE_REQUEST
from app.domain.usage_figures import DayFigures, Minute, ModelFigures, day_figures, minutes_of, summed

FIELDS = {
    "o|answered": 7,
    "o|openai_timeout": 2,
    "o|busy": 1,
    "o|plan_quota": 3,
    "o|no_message": 1,
    "t|00": 4,
    "t|14": 5,
    "h|": 1,
    "h|ai|reply": 8,
    "#h": 2,
    "h+|": 4,
    "c|contact-1": 6,
    "c|": 2,
    "#c": 2,
    "c+|": 1,
    "mx|gpt-x@start": 3,
    "mx|gpt-x@start|i": 100,
    "mx|gpt-x@start|k": 40,
    "mx|gpt-x@start|w": 30,
    "mx|gpt-x@start|o": 20,
    "mx|gpt-x@start|r": 10,
    "mx|gpt-x@start|$": 5000,
    "me|gpt-x@2026-11-01=gpt-x-0613": 1,
    "mu|gpt-z": 2,
    "mu|gpt-z|i": 9,
    "mx+|": 1,
    "mx+||i": 11,
    "mx+||$": 77,
    "#mx": 50,
}


def test_every_field_is_read() -> None:
    assert day_figures("2026-11-21", FIELDS) == DayFigures(
        "2026-11-21",
        outcomes={"answered": 7, "openai_timeout": 2, "busy": 1, "plan_quota": 3, "no_message": 1},
        hours={0: 4, 14: 5},
        handlers={"": 1, "ai|reply": 8},
        other_handlers=4,
        contacts={"contact-1": 6, "": 2},
        other_contacts=1,
        models=(
            ModelFigures("gpt-x", "gpt-x@start", "exact", 3, 100, 40, 30, 20, 10, 5000),
            ModelFigures(None, None, "exact", 1, 11, nano_dollars=77),
            ModelFigures("gpt-x-0613", "gpt-x@2026-11-01", "estimated", 1),
            ModelFigures("gpt-z", None, "unknown", 2, 9),
        ),
    )


def test_turns_are_answered_failed_or_refused() -> None:
    day = day_figures("2026-11-21", FIELDS)
    assert (day.answers, day.failed, day.refused, day.requests) == (7, 3, 4, 9)


def test_a_day_without_figures_is_empty() -> None:
    day = day_figures("2026-11-21", {})
    assert (day.answers, day.failed, day.refused, day.requests, day.models) == (0, 0, 0, 0, ())


def test_contacts_do_not_stand_in_a_repr() -> None:
    assert "contact-1" not in repr(day_figures("2026-11-21", FIELDS))


figures = st.builds(
    ModelFigures,
    model=st.sampled_from(["a", "b", None]),
    price_id=st.sampled_from(["a@start", "a@2026-11-22", None]),
    grade=st.sampled_from(["exact", "estimated", "unknown"]),
    answers=st.integers(1, 100),
    input=st.integers(0, 1000),
    cached=st.integers(0, 1000),
    written=st.integers(0, 1000),
    output=st.integers(0, 1000),
    reasoning=st.integers(0, 1000),
    nano_dollars=st.integers(0, 10**12),
)


@given(st.lists(figures, max_size=30))
def test_summing_loses_nothing_and_keeps_prices_apart(models: list[ModelFigures]) -> None:
    total = summed(models)
    for name in ("answers", "input", "cached", "written", "output", "reasoning", "nano_dollars"):
        assert sum(getattr(one, name) for one in total) == sum(getattr(one, name) for one in models)
    keys = [(one.model, one.price_id, one.grade) for one in total]
    assert len(keys) == len(set(keys))
    assert set(keys) == {(one.model, one.price_id, one.grade) for one in models}
    assert [one.nano_dollars for one in total] == sorted((one.nano_dollars for one in total), reverse=True)


def test_minutes_are_read_in_order_and_the_sums_of_the_day_are_not_among_them() -> None:
    day = datetime(2026, 11, 21, tzinfo=UTC)
    fields = {
        "1439|gpt-x": 2 * ONE_REQUEST + 30,
        "541|gpt-y": 5,
        "541|gpt-x": ONE_REQUEST,
        "541+|": ONE_REQUEST + 1,
        "r|gpt-x": 3 * ONE_REQUEST + 30,
        "r+|": ONE_REQUEST + 1,
        "#r": 2,
    }
    assert minutes_of(day, fields) == [
        Minute(datetime(2026, 11, 21, 9, 1, tzinfo=UTC), None, 1, 1),
        Minute(datetime(2026, 11, 21, 9, 1, tzinfo=UTC), "gpt-x", 1, 0),
        Minute(datetime(2026, 11, 21, 9, 1, tzinfo=UTC), "gpt-y", 0, 5),
        Minute(datetime(2026, 11, 21, 23, 59, tzinfo=UTC), "gpt-x", 2, 30),
    ]
