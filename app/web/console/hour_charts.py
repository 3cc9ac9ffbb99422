"""The last hour as charts: turns by minute, and how long ByteGPT itself took."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from app.domain.service_minutes import LastHour, Span, together
from app.web.console import charts
from app.web.console.charts import Chart, Series
from app.web.console.texts import t

# Minutes that one point of the chart of times stands for: fewer turns make no percentile.
MINUTES_A_POINT = 5
PERCENTILES = (50, 95, 99)


def turns_chart(hour: LastHour, zone: ZoneInfo) -> Chart:
    """Turns of each minute by how they went on."""
    spans = [span for _, span in hour.minutes]
    series = [
        Series(t("overview.answered"), [span.answered for span in spans], 3),
        Series(t("overview.failed"), [span.failures for span in spans], 2),
        Series(t("overview.refused"), [sum(span.refused.values()) for span in spans], 6),
    ]
    return charts.columns([_clock(minute, zone) for minute, _ in hour.minutes], series)


def times_chart(hour: LastHour, zone: ZoneInfo) -> Chart:
    """Milliseconds that ByteGPT itself took, for each five minutes."""
    starts = range(0, len(hour.minutes), MINUTES_A_POINT)
    spans = [together(span for _, span in hour.minutes[start : start + MINUTES_A_POINT]) for start in starts]
    labels = [_clock(hour.minutes[start][0], zone) for start in starts]
    return charts.lines(
        labels,
        [
            Series(f"p{percent}", [added_ms(span, percent) for span in spans], tone)
            for percent, tone in zip(PERCENTILES, (1, 5, 2), strict=True)
        ],
    )


def added_ms(span: Span, percent: int) -> float | None:
    """Milliseconds that ByteGPT itself took for so many per cent of the turns; None where there were none."""
    seconds = span.added_quantile(percent / 100)
    return None if seconds is None else 1000 * seconds


def has_times(hour: LastHour) -> bool:
    """Whether there is anything to draw of them."""
    return any(hour.whole.added)


def percentiles(span: Span) -> Sequence[tuple[int, float | None]]:
    """Each percentile that is shown, with its milliseconds."""
    return [(percent, added_ms(span, percent)) for percent in PERCENTILES]


def _clock(minute: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(60 * minute, zone).strftime("%H:%M")
