"""The first page: whether the service works now, and if not, why."""

from collections.abc import Sequence

from flask import Blueprint, Response

from app.domain.checkup import MEMORY_WARNING
from app.domain.failures import TEXTS, Failure
from app.domain.help_pages import help_path
from app.domain.service_minutes import Span
from app.jobqueue import QUEUE
from app.storage.availability import availability
from app.web.console.health import RECENT_MINUTES, findings, tone_of
from app.web.console.hour_charts import has_times, percentiles, times_chart, turns_chart
from app.web.console.look import look
from app.web.console.pages import page
from app.web.console.rooms import Room

# Rows of keys that wait, and of accounts near their limit.
_MOST_KEYS = 20
_MOST_ACCOUNTS = 20


def add_overview(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""
    flows = room.flows.overview

    @console.get("/", strict_slashes=False)
    def overview() -> Response:
        state, hour = room.state(), flows.last_hour()
        with availability():
            jobs = {place: room.flows.jobs.count(QUEUE, place) for place in ("started", "failed")}
        found = findings(state, hour, flows.turn_deadline)
        waiting = flows.waiting_keys(_MOST_KEYS)
        return page(
            "console/overview.html",
            state=state,
            jobs=jobs,
            findings=found,
            tone=tone_of(found),
            hour=hour,
            whole=hour.whole,
            recent=hour.last(RECENT_MINUTES),
            recent_minutes=RECENT_MINUTES,
            turns_chart=turns_chart(hour, room.flows.zone),
            times_chart=times_chart(hour, room.flows.zone) if has_times(hour) else None,
            percentiles=percentiles(hour.whole),
            lost=lost_turns(hour.whole),
            waiting=waiting,
            hosts=room.hosts_of(key.account_id for key in waiting),
            near=flows.months.near_limit(_MOST_ACCOUNTS),
            failure_texts=TEXTS,
            memory_mark=MEMORY_WARNING,
        )


def lost_turns(span: Span) -> Sequence[tuple[Failure, int, str]]:
    """Turns that failed or were refused, by why: how many, and where the page stands that explains it. Most first."""
    counted: dict[Failure, int] = {}
    for code, number in (*span.failed.items(), *span.refused.items()):
        if code in TEXTS:
            counted[Failure(code)] = counted.get(Failure(code), 0) + number
    return [
        (failure, number, help_path(failure, look().locale))
        for failure, number in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
