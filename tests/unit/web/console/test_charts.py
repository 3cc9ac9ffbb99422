"""Charts as numbers."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web.console.charts import HEIGHT, WIDTH, Series, columns, lines

FIGURES = st.floats(min_value=0, max_value=1e12, allow_nan=False)


@given(st.lists(st.tuples(FIGURES, FIGURES), max_size=60))
def test_columns_stand_on_the_ground_and_within_the_frame(figures: list[tuple[float, float]]) -> None:
    labels = [str(at) for at in range(len(figures))]
    drawn = columns(labels, [Series("one", [one for one, _ in figures]), Series("two", [two for _, two in figures], 2)])
    for box in drawn.boxes:
        assert box.x >= 0
        assert box.x + box.width <= WIDTH + 0.02
        assert box.y >= -0.02
        assert box.y + box.height <= HEIGHT + 0.02
    heights: dict[float, float] = {}
    for box in drawn.boxes:
        heights[box.x] = heights.get(box.x, 0) + box.height
    for at, (one, two) in enumerate(figures):
        if one and two:
            x = round(WIDTH / len(figures) * (at + 0.1), 2)
            assert heights[x] == pytest.approx(HEIGHT * (one + two) / drawn.scale[0], abs=0.05)


@pytest.mark.parametrize(("most", "scale"), [(0, [1, 0]), (1, [1, 0]), (3, [3, 2, 1, 0]), (5, [8, 6, 4, 2, 0])])
def test_a_few_turns_are_counted_in_whole_ones(most: int, scale: list[int]) -> None:
    assert columns(["x"], [Series("one", [most])]).scale == scale


@given(FIGURES)
def test_the_scale_is_of_round_numbers_that_hold_the_greatest(most: float) -> None:
    scale = columns(["x"], [Series("one", [most])]).scale
    assert scale[0] >= most * (1 - 1e-9)
    assert scale[-1] == 0
    assert most <= 1 or scale[0] <= most * 2.6
    steps = [one - two for one, two in pairwise(scale)]
    assert steps == pytest.approx([steps[0]] * len(steps))
    assert re.fullmatch(r"(1|2|2\.5|5|10)(?:e[+-]\d+)?|0\.\d+|\d+", f"{steps[0]:.3g}")


def test_a_line_breaks_where_a_figure_is_not_known() -> None:
    drawn = lines(["a", "b", "c", "d"], [Series("one", [1, None, 3, 4])])
    assert drawn.scale == [4, 3, 2, 1, 0]
    assert drawn.lines[0].path == "M0.0 75.0 M666.67 25.0 L1000.0 0.0"


def test_the_lines_across_are_at_equal_distances() -> None:
    assert list(columns(["a"], [Series("one", [4])]).grid) == [0, 25, 50, 75, 100]


@pytest.mark.parametrize(
    ("labels", "ends"),
    [([], []), (["a"], ["a"]), (["a", "b"], ["a", "b"]), (["a", "b", "c", "d", "e"], ["a", "c", "e"])],
)
def test_the_labels_that_fit_are_the_first_the_middle_and_the_last(labels: list[str], ends: list[str]) -> None:
    assert list(columns(labels, []).ends) == ends


def test_nothing_is_drawn_of_nothing() -> None:
    assert columns(["a"], [Series("one", [0])]).boxes == []
    assert lines([], [Series("one", [])]).lines[0].path == ""
