"""What a minute keeps of the service's counts, and what it says when it is read again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.assistants import Api
from app.domain.delivery import Verdict
from app.domain.failures import Failure
from app.domain.service_metrics import ADDED_LATENCY, ANSWERED, GIVEN_UP
from app.domain.service_minutes import (
    Calls,
    LastHour,
    Partner,
    Span,
    minute_fields,
    span_of_fields,
    succeeded,
    together,
)
from app.services.metering import Counting


def busy() -> Counting:
    """Some of everything that is counted."""
    counting = Counting()
    for _ in range(3):
        counting.accepted(None)
    counting.accepted(Failure.PLAN_QUOTA)
    counting.answered()
    counting.answered()
    counting.failed(Failure.OPENAI_TIMEOUT)
    counting.called_first(2.0, 0.02)
    counting.called_first(200.0, 130.0)
    for api in Api:
        counting.asked(api, "ask", ANSWERED, 1.0)
        counting.asked(api, "find", ANSWERED, 0.1)
    counting.asked(Api.RESPONSES, "ask", Failure.OPENAI_TIMEOUT, 20.0)
    counting.asked(Api.RESPONSES, "ask", GIVEN_UP, 20.0)
    counting.continued(Verdict.ACCEPTED, 0.1)
    counting.continued(Verdict.NOT_WAITING, 0.1)
    counting.continued(Verdict.TRY_LATER, 20.0)
    counting.webhook("accepted", 0.002)
    counting.request("/kommo/salesbot", 200)
    return counting


def test_a_minute_keeps_what_the_overview_shows_and_nothing_else() -> None:
    assert minute_fields(busy().taken()) == {
        "accepted": 3,
        "answered": 2,
        "refused|plan_quota": 1,
        "failed|openai_timeout": 1,
        "openai|ok": 4,
        "openai|openai_timeout": 1,
        "openai|given_up": 1,
        "kommo|accepted": 1,
        "kommo|not_waiting": 1,
        "kommo|try_later": 1,
        "added|0.025": 1,
        "added|inf": 1,
    }
    assert minute_fields({}) == {}


def test_a_minute_has_a_bounded_number_of_fields() -> None:
    counting = Counting()
    for failure in Failure:
        counting.accepted(failure)
        counting.failed(failure)
        counting.asked(Api.RESPONSES, "ask", failure, 1.0)
    for verdict in Verdict:
        counting.continued(verdict, 1.0)
    for bound in (*ADDED_LATENCY.buckets, 1000.0):
        counting.called_first(1.0, bound)
    assert len(minute_fields(counting.taken())) < 60


def test_what_is_read_again_is_what_was_counted() -> None:
    span = span_of_fields(minute_fields(busy().taken()))
    assert (span.came, span.accepted, span.answered, span.failures) == (4, 3, 2, 1)
    assert (span.refused, span.failed) == ({"plan_quota": 1}, {"openai_timeout": 1})
    assert (span.openai.judged, span.openai.failed) == (5, 1)
    assert (span.kommo.judged, span.kommo.failed) == (3, 1)
    assert sum(span.added) == 2


def test_fields_of_another_version_are_passed_over_or_counted_above() -> None:
    span = span_of_fields({"accepted": 1, "new": 4, "new|field": 2, "added|0.03": 5})
    assert span.accepted == 1
    assert span.added[ADDED_LATENCY.buckets.index(0.05)] == 5


@pytest.mark.parametrize(
    ("fields", "partners"),
    [
        pytest.param({"openai|ok": 1}, [Partner.OPENAI], id="an answer"),
        pytest.param({"kommo|accepted": 1}, [Partner.KOMMO], id="a continue call"),
        pytest.param({"kommo|not_waiting": 1}, [Partner.KOMMO], id="nobody waits, which Kommo says"),
        pytest.param({"openai|openai_timeout": 3, "openai|given_up": 1, "kommo|try_later": 2}, [], id="failures"),
        pytest.param({"openai|ok": 0, "accepted": 5}, [], id="nothing of them"),
    ],
)
def test_who_has_taken_a_call(fields: dict[str, int], partners: list[Partner]) -> None:
    assert succeeded(fields) == partners


@pytest.mark.parametrize(
    ("calls", "error_rate", "outage_rate"),
    [
        pytest.param(Calls(Partner.OPENAI), None, None, id="no call"),
        pytest.param(Calls(Partner.OPENAI, {GIVEN_UP: 5}), None, None, id="given up by us"),
        pytest.param(Calls(Partner.OPENAI, {ANSWERED: 3, "openai_timeout": 1}), 0.25, 0.25, id="OpenAI is slow"),
        pytest.param(Calls(Partner.OPENAI, {ANSWERED: 3, "openai_authentication": 1}), 0.25, 0.0, id="a wrong key"),
        pytest.param(Calls(Partner.KOMMO, {"accepted": 1, "try_later": 1}), 0.5, 0.5, id="Kommo is away"),
        pytest.param(Calls(Partner.KOMMO, {"not_waiting": 1, "token_refused": 1}), 0.5, 0.0, id="a token"),
    ],
)
def test_error_rates_tell_an_outage_from_the_trouble_of_an_account(
    calls: Calls, error_rate: float | None, outage_rate: float | None
) -> None:
    assert (calls.error_rate, calls.outage_rate) == (error_rate, outage_rate)


def test_errors_are_listed_most_first_without_what_is_none() -> None:
    calls = Calls(Partner.OPENAI, {ANSWERED: 9, GIVEN_UP: 2, "openai_quota": 1, "openai_timeout": 4, "busy": 1})
    assert list(calls.errors.items()) == [("openai_timeout", 4), ("busy", 1), ("openai_quota", 1)]


def with_added(**counts: int) -> Span:
    """A span with so many turns below each bound, `b0_05` for 0.05 seconds."""
    return span_of_fields({f"added|{bound[1:].replace('_', '.')}": count for bound, count in counts.items()})


@pytest.mark.parametrize(
    ("span", "share", "seconds"),
    [
        pytest.param(Span(), 0.5, None, id="no turn"),
        pytest.param(with_added(b0_005=10), 0.5, 0.0025, id="in the middle of the first bucket"),
        pytest.param(with_added(b0_005=10), 1.0, 0.005, id="at its end"),
        pytest.param(with_added(b0_005=5, b0_01=5), 0.75, 0.0075, id="in the second"),
        pytest.param(with_added(b0_005=1, binf=99), 0.5, 120.0, id="above the highest bound"),
    ],
)
def test_a_quantile_is_read_within_its_bucket(span: Span, share: float, seconds: float | None) -> None:
    assert span.added_quantile(share) == pytest.approx(seconds)


@given(st.lists(st.integers(0, 50), min_size=len(ADDED_LATENCY.buckets) + 1, max_size=len(ADDED_LATENCY.buckets) + 1))
def test_quantiles_rise(counts: list[int]) -> None:
    span = Span(added=tuple(counts))
    found = [span.added_quantile(share) for share in (0.5, 0.95, 0.99)]
    if sum(counts):
        known = [seconds for seconds in found if seconds is not None]
        assert known == sorted(known)
        assert len(known) == 3
    else:
        assert found == [None] * 3


def test_spans_add_up() -> None:
    one = span_of_fields(minute_fields(busy().taken()))
    both = together([one, one])
    assert (both.came, both.answered, both.failures) == (8, 4, 2)
    assert (both.openai.judged, both.kommo.judged, sum(both.added)) == (10, 6, 4)
    assert together([]) == Span()


def test_the_last_minutes_hold_the_one_that_is_not_over_and_their_mean_does_not() -> None:
    hour = LastHour([(number, Span(accepted=number)) for number in range(1, 61)])
    assert hour.last(5).accepted == 56 + 57 + 58 + 59 + 60
    assert hour.rate(5) == 57
    assert hour.whole.accepted == sum(range(1, 61))
