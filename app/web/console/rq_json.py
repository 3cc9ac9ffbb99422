"""What rq-dashboard tells scripts, in its own shape; of jobs it tells ids, times and kinds of error."""

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

from flask import Blueprint, Response, jsonify, url_for
from rq_dashboard import web as upstream
from werkzeug.exceptions import NotFound

from app.jobpanel.panel import JobPanel, JobUnknown
from app.jobpanel.shown import ShownJob, ShownWorker
from app.storage.availability import availability
from app.web.errors import error_response


def add_json(dashboard: Blueprint, panel: JobPanel) -> None:
    """Add the routes to the dashboard's blueprint. Their arguments are checked before each request (rq.py)."""

    @dashboard.get("/<int:instance_number>/data/queues.json")
    def list_queues(instance_number: int) -> Any:
        with availability():
            return upstream.list_queues(instance_number=instance_number)

    @dashboard.get("/<int:instance_number>/data/jobs/<queue_name>/<registry_name>/<per_page>/<order>/<page>.json")
    def list_jobs(
        instance_number: int, queue_name: str, registry_name: str, per_page: str, order: str, page: str
    ) -> Response:
        size, number = int(per_page), int(page)

        def address(of_page: int) -> str:
            return url_for(
                ".jobs_overview",
                instance_number=instance_number,
                queue_name=queue_name,
                registry_name=registry_name,
                per_page=size,
                order=order,
                page=of_page,
            )

        with availability():
            total = panel.count(queue_name, registry_name)
            jobs = panel.jobs(
                queue_name, registry_name, first=(number - 1) * size, most=size, newest_first=order == "dsc"
            )
        return jsonify(
            name=queue_name,
            registry_name=registry_name,
            jobs=[_listed(job) for job in jobs],
            pagination=_pagination(total, number, size, address),
        )

    @dashboard.get("/<int:instance_number>/data/job/<job_id>.json")
    def job_info(instance_number: int, job_id: str) -> Response:  # noqa: ARG001 - there is one
        try:
            with availability():
                job, waits_for = panel.job(job_id), panel.dependencies(job_id)
        except JobUnknown:
            return error_response(NotFound.code)
        return jsonify(_told(job, waits_for))

    @dashboard.get("/<int:instance_number>/data/workers.json")
    def list_workers(instance_number: int) -> Response:  # noqa: ARG001 - there is one
        with availability():
            workers = panel.workers()
        return jsonify(workers=[_worker(worker) for worker in workers])


def _listed(job: ShownJob) -> dict[str, Any]:
    return {
        "id": job.job_id,
        "created_at": upstream.serialize_date(job.created_at),
        "started_at": upstream.serialize_date(job.started_at),
        "ended_at": upstream.serialize_date(job.ended_at),
        "exc_info": job.error,
        "description": job.name,
    }


def _told(job: ShownJob, waits_for: Mapping[str, bool]) -> dict[str, Any]:
    told = {
        **_listed(job),
        "enqueued_at": upstream.serialize_date(job.enqueued_at),
        "origin": job.queue,
        "status": job.status,
        # rq-dashboard tells them; they may hold anything.
        "result": None,
        "metadata": "{}",
    }
    if waits_for:
        told["depends_on"] = list(waits_for)
        told["depends_on_status"] = ["active" if there else "expired" for there in waits_for.values()]
    return told


def _worker(worker: ShownWorker) -> dict[str, Any]:
    current = {"job_id": worker.jobs[0], "description": worker.jobs[0], "call_string": ""} if worker.jobs else "idle"
    return {
        "name": worker.name,
        "pid": worker.pid,
        "queues": list(worker.queues),
        "state": worker.state,
        "current_job": current,
        "current_jobs": worker.running,
        "last_heartbeat": upstream.serialize_date(worker.heard_at),
        "birth_date": upstream.serialize_date(worker.born_at),
        "successful_job_count": worker.done,
        "failed_job_count": worker.failed,
        "total_working_time": worker.working_seconds,
        "version": worker.rq_version,
        "python_version": worker.python_version,
    }


def _pagination(total: int, page: int, per_page: int, address: Callable[[int], str]) -> dict[str, Any]:
    last = ceil(total / per_page)
    told = {
        "current_page": page,
        "num_pages": last,
        "pages_in_window": [
            {"number": one, "url": address(one)} for one in upstream.pagination_window(total, page, per_page)
        ],
        "first_page": {"url": address(1)},
        "last_page": {"url": address(max(1, last))},
    }
    if page > 1:
        told["prev_page"] = {"url": address(page - 1)}
    if page < last:
        told["next_page"] = {"url": address(page + 1)}
    return told
