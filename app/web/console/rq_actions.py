"""What an operator can do to jobs on RQ's dashboard. Each ends on a page, or in JSON for scripts, and in the log."""

from collections.abc import Callable

from flask import Blueprint, url_for
from werkzeug.wrappers import Response as BaseResponse

from app.domain.audit_log import Operation
from app.jobpanel.panel import Changed, JobNotFailed, JobUnknown
from app.jobpanel.shown import turn_of
from app.storage.availability import availability
from app.web.console.guard import wants_page
from app.web.console.pages import ActionRefused, Witness, back, remark
from app.web.console.rooms import Room
from app.web.console.texts import t, tn
from app.web.errors import error_response, json_response

_REFUSALS: dict[type[Exception], tuple[int, str]] = {
    JobUnknown: (404, "rq.job_unknown"),
    JobNotFailed: (409, "rq.job_not_failed"),
}


def add_actions(dashboard: Blueprint, room: Room) -> None:
    """Add the routes to the dashboard's blueprint. What they are given is checked before each request (rq.py)."""
    panel, witness = room.flows.jobs, room.witness

    @dashboard.post("/job/<job_id>/delete")
    def delete_job_view(job_id: str) -> BaseResponse:
        return _to_one(witness, Operation.JOB_DELETED, job_id, panel.delete)

    @dashboard.post("/job/<job_id>/requeue")
    def requeue_job_view(job_id: str) -> BaseResponse:
        return _to_one(witness, Operation.JOB_REQUEUED, job_id, panel.requeue)

    @dashboard.post("/requeue/<queue_name>")
    def requeue_all(queue_name: str) -> BaseResponse:
        return _to_many(
            witness, Operation.JOBS_REQUEUED, f"{queue_name}/failed", lambda: panel.requeue_failed(queue_name)
        )

    @dashboard.post("/queue/<queue_name>/<registry_name>/empty")
    def empty_queue(queue_name: str, registry_name: str) -> BaseResponse:
        return _to_many(
            witness,
            Operation.QUEUE_EMPTIED,
            f"{queue_name}/{registry_name}",
            lambda: panel.empty(queue_name, registry_name),
        )

    @dashboard.post("/queue/<queue_name>/compact")
    def compact_queue(queue_name: str) -> BaseResponse:
        return _to_many(witness, Operation.QUEUE_COMPACTED, queue_name, lambda: panel.compact(queue_name))


def _to_one(witness: Witness, operation: Operation, job_id: str, change: Callable[[str], None]) -> BaseResponse:
    status, key, tone = 200, f"rq.done.{operation}", "ok"
    try:
        with witness.watching(operation, request_id=turn_of(job_id), detail=job_id), availability():
            try:
                change(job_id)
            except tuple(_REFUSALS) as error:
                status, key = _REFUSALS[type(error)]
                raise ActionRefused(key) from None
    except ActionRefused:
        tone = "warn"
    if not wants_page():
        return json_response({"status": "OK"}) if status == 200 else error_response(status)
    remark(t(key, job=job_id), tone)
    return _back()


def _to_many(witness: Witness, operation: Operation, place: str, change: Callable[[], Changed]) -> BaseResponse:
    with witness.watching(operation, detail=place), availability():
        changed = change()
    if not wants_page():
        return json_response({"status": "OK", "count": changed.jobs, "left": changed.left})
    remark(tn(f"rq.done.{operation}", changed.jobs))
    if changed.left:
        remark(t("rq.left"), "warn")
    return _back()


def _back() -> BaseResponse:
    return back(url_for("rq_dashboard.queues_overview", instance_number=0))
