"""How long an operator stays logged in."""

import pytest

from app.domain.operator_sessions import IDLE_SECONDS, LONGEST_SECONDS, OperatorSession


@pytest.mark.parametrize(
    ("seen_at", "now", "left"),
    [
        pytest.param(0, 0, IDLE_SECONDS, id="just begun"),
        pytest.param(0, IDLE_SECONDS, 0, id="idle for too long"),
        pytest.param(1000, 1000, IDLE_SECONDS, id="used lately"),
        pytest.param(LONGEST_SECONDS - 60, LONGEST_SECONDS - 60, 60, id="used lately, and near the end of all"),
        pytest.param(LONGEST_SECONDS, LONGEST_SECONDS, 0, id="used to the last, and over all the same"),
    ],
)
def test_a_session_ends_when_it_is_idle_and_when_its_time_is_over(seen_at: float, now: float, left: float) -> None:
    assert OperatorSession("ana", 0, seen_at, "digest").seconds_left(now) == left
