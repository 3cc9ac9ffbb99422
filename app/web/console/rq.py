"""RQ's dashboard below /console/rq/: the addresses, the JSON and the files of rq-dashboard 0.9.0, under our guard.

What that version does unsafely or wrongly is done here instead. Its pages take what stands in a job for HTML and need
`eval`, and its JSON tells arguments; ours are rendered here, escaped, and tell ids (app/jobpanel). Its actions ask
for no token, and one takes GET; ours are POST, go through the console's guard, and stand in the audit log. It fails on
jobs that are JSON, gone or waiting for others, and opens a connection for every request; ours share one client.
"""

from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, redirect, request, url_for
from flask.blueprints import BlueprintSetupState
from rq_dashboard import web as upstream
from werkzeug.wrappers import Response as BaseResponse

from app.jobpanel.panel import REGISTRIES, JobPanel, JobUnknown
from app.jobqueue import QUEUE
from app.storage.availability import availability
from app.web.console.addresses import PREFIX
from app.web.console.failing import register_failures
from app.web.console.pages import page
from app.web.console.rooms import Room
from app.web.console.rq_actions import add_actions
from app.web.console.rq_json import add_json

ORDERS = ("asc", "dsc")
MOST_PER_PAGE = 200
_PER_PAGE = 25
_FILES_CACHE = "private, max-age=3600"


def rq_blueprint(room: Room) -> Blueprint:
    """A blueprint of the name and with the endpoints that rq-dashboard has, made anew for each application."""
    files = Path(upstream.blueprint.root_path) / "static"
    dashboard = Blueprint("rq_dashboard", __name__, url_prefix=f"{PREFIX}/rq", static_folder=str(files))
    register_failures(dashboard)

    @dashboard.record
    def bind_client(state: BlueprintSetupState) -> None:
        state.app.redis_conn = room.flows.jobs.connection  # type: ignore[attr-defined] # where rq-dashboard looks for it

    @dashboard.before_request
    def refuse_what_it_would_fail_on() -> None:
        _check(request.view_args or {})

    @dashboard.after_request
    def let_files_be_kept(response: Response) -> Response:
        if (request.endpoint or "").endswith(".static") and response.status_code in (200, 304):
            response.headers["Cache-Control"] = _FILES_CACHE
        return response

    _add_pages(dashboard, room.flows.jobs)
    add_json(dashboard, room.flows.jobs)
    add_actions(dashboard, room)
    return dashboard


def _check(told: dict[str, object]) -> None:
    """Raises NotFound for what names no instance, place, order or page."""
    known = (
        told.get("instance_number", 0) == 0,
        told.get("registry_name", REGISTRIES[0]) in REGISTRIES,
        told.get("order", ORDERS[0]) in ORDERS,
        _is_from(1, MOST_PER_PAGE, told.get("per_page", 1)),
        _is_from(1, 10**9, told.get("page", 1)),
    )
    if not all(known):
        abort(404)


def _is_from(least: int, most: int, number: object) -> bool:
    text = str(number)
    return text.isascii() and text.isdigit() and len(text) < 12 and least <= int(text) <= most


def _add_pages(dashboard: Blueprint, panel: JobPanel) -> None:
    @dashboard.get("/", defaults={"instance_number": 0}, strict_slashes=False)
    @dashboard.get("/<int:instance_number>/", strict_slashes=False)
    @dashboard.get("/<int:instance_number>/view")
    @dashboard.get("/<int:instance_number>/view/queues")
    def queues_overview(instance_number: int) -> Response:  # noqa: ARG001 - checked above
        with availability():
            counts = {queue: {place: panel.count(queue, place) for place in REGISTRIES} for queue in panel.queues()}
        return _page("queues", counts=counts, per_page=_PER_PAGE)

    @dashboard.get("/<int:instance_number>/view/workers")
    def workers_overview(instance_number: int) -> Response:  # noqa: ARG001 - checked above
        with availability():
            workers = panel.workers()
        return _page("workers", workers=workers)

    start: dict[str, Any] = {
        "queue_name": None,
        "registry_name": "queued",
        "per_page": _PER_PAGE,
        "order": "asc",
        "page": 1,
    }

    @dashboard.get("/<int:instance_number>/view/jobs", defaults=start)
    @dashboard.get("/<int:instance_number>/view/jobs/<queue_name>/<registry_name>/<int:per_page>/<order>/<int:page>")
    def jobs_overview(
        instance_number: int,  # noqa: ARG001 - checked above
        queue_name: str | None,
        registry_name: str,
        per_page: int,
        order: str,
        page: int,
    ) -> BaseResponse:
        if chosen := request.args.get("queue_name"):  # a form cannot put its fields into a path
            fields = {name: request.args.get(name, start[name]) for name in ("registry_name", "per_page", "order")}
            _check(fields)
            return redirect(url_for(".jobs_overview", instance_number=0, queue_name=chosen, page=1, **fields))
        queue, newest_first = queue_name or QUEUE, order == "dsc"
        with availability():
            total = panel.count(queue, registry_name)
            first = (page - 1) * per_page
            jobs = panel.jobs(queue, registry_name, first=first, most=per_page, newest_first=newest_first)
            queues = sorted({*panel.queues(), queue})
        shown = {"queue": queue, "registry": registry_name, "order": order, "per_page": per_page, "page": page}
        return _page("jobs", **shown, total=total, jobs=jobs, queues=queues)

    @dashboard.get("/<int:instance_number>/view/job/<job_id>")
    def job_view(instance_number: int, job_id: str) -> Response:  # noqa: ARG001 - checked above
        try:
            with availability():
                job, waits_for = panel.job(job_id), panel.dependencies(job_id)
        except JobUnknown:
            abort(404)
        return _page("job", job=job, waits_for=waits_for)

    dashboard.add_url_rule("/favicon.ico", "favicon", upstream.favicon)


def _page(name: str, **context: object) -> Response:
    return page(f"console/rq/{name}.html", registries=REGISTRIES, tab=name, versions=_VERSIONS, **context)


_VERSIONS = {"rq_dashboard": upstream.rq_dashboard_version, "rq": upstream.rq_version}
