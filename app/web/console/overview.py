"""The first page: whether the service works now, and if not, why."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Blueprint, Response

from app.domain.service_state import ServiceState
from app.jobqueue import QUEUE
from app.storage.availability import availability
from app.web.console.pages import page
from app.web.console.rooms import Room

# Of Redis' memory, from which it is worth a warning.
_MEMORY_MARK = 0.8


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that an operator has to see to. key: of the text that says what is wrong and what to do."""

    key: str
    tone: str


def add_overview(console: Blueprint, room: Room) -> None:
    """Add the routes to the console's blueprint."""

    @console.get("/")
    def overview() -> Response:
        state = room.state()
        with availability():
            jobs = {place: room.flows.jobs.count(QUEUE, place) for place in ("started", "failed")}
        return page("console/overview.html", state=state, jobs=jobs, findings=list(_findings(state)))


def _findings(state: ServiceState) -> Iterator[Finding]:
    redis = state.redis
    if not state.workers:
        yield Finding("overview.no_worker", "bad")
    if state.work.unattended:
        yield Finding("overview.unattended", "bad")
    if not redis.writes_kept:
        yield Finding("overview.redis_cannot_write", "bad")
    if redis.eviction != "noeviction":
        yield Finding("overview.redis_evicts", "bad")
    if not redis.append_only:
        yield Finding("overview.redis_forgets", "warn")
    if (redis.memory_share or 0) >= _MEMORY_MARK:
        yield Finding("overview.redis_nearly_full", "warn")
