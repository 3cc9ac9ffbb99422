"""What rq-dashboard promises, which holds here too: with jobs and workers of RQ itself, on a real Redis."""

import sys
from datetime import timedelta

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus
from werkzeug.test import TestResponse

from app.domain.audit_log import Operation, Outcome
from app.jobpanel.panel import REGISTRIES, JobPanel
from app.jobqueue import ALLOWED_JOBS, QUEUE, turn_queue
from app.storage.audit_log import RedisAuditLog
from tests.console_browser import Console
from tests.jobs_of_rq import fail, say, work_off

TURN = "019a" + "0" * 24


@pytest.fixture
def queue(redis_client: redis.Redis) -> Queue:
    return Queue("others", connection=redis_client, serializer=JSONSerializer)


def do(console: Console, path: str) -> TestResponse:
    """What a script sends."""
    headers = {"X-CSRFToken": console.token(), "Accept": "application/json"}
    return console.client.post(f"/console/rq{path}", headers=headers)


def jobs_at(console: Console, place: str, *, per_page: int = 50, order: str = "asc", page: int = 1) -> list[str]:
    answer = console.get(f"/console/rq/0/data/jobs/others/{place}/{per_page}/{order}/{page}.json")
    assert answer.status_code == 200
    return [job["id"] for job in answer.get_json()["jobs"]]


def one_job_in_each_place(queue: Queue) -> dict[str, str]:
    """The id of the one job that stands in each place."""
    queue.enqueue(fail, job_id="failed")
    queue.enqueue(say, job_id="finished", result_ttl=500)
    work_off(queue)
    waiting = queue.enqueue(say, job_id="queued")
    queue.enqueue(say, job_id="deferred", depends_on=waiting)
    queue.enqueue_in(timedelta(hours=1), say, job_id="scheduled")
    queue.enqueue(say, job_id="canceled").cancel()
    started = queue.enqueue(say, job_id="started")
    worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer)
    queue.remove(started)
    worker.prepare_execution(started)
    started.set_status(JobStatus.STARTED)
    return {place: place for place in REGISTRIES}


# --- what is shown -----------------------------------------------------------------------------------------------


def test_queues_are_listed_with_how_many_jobs_stand_where(operator: Console, queue: Queue) -> None:
    one_job_in_each_place(queue)
    turn_queue(queue.connection).enqueue("workers.jobs.answer", TURN)
    listed = operator.get("/console/rq/0/data/queues.json").get_json()["queues"]
    assert [one["name"] for one in listed] == ["others", "turns"]
    others = listed[0]
    assert {others[f"{place}_job_registry_count"] for place in REGISTRIES[1:]} == {1}
    assert others["count"] == 1
    page = operator.get("/console/rq/").text
    for place in REGISTRIES:
        assert f'href="/console/rq/0/view/jobs/others/{place}/25/asc/1"' in page
        assert operator.get(others[f"{place}_url"]).status_code == 200


@pytest.mark.parametrize("place", REGISTRIES)
def test_the_jobs_of_every_place_are_listed(operator: Console, queue: Queue, place: str) -> None:
    one_job_in_each_place(queue)
    assert jobs_at(operator, place) == [place]
    page = operator.get(f"/console/rq/0/view/jobs/others/{place}/25/asc/1").text
    assert f'<a href="/console/rq/0/view/job/{place}">{place}</a>' in page
    assert "1 job neste lugar." in page


@pytest.mark.parametrize("place", REGISTRIES)
def test_a_job_of_every_place_is_shown(operator: Console, queue: Queue, place: str) -> None:
    one_job_in_each_place(queue)
    told = operator.get(f"/console/rq/0/data/job/{place}.json").get_json()
    assert (told["id"], told["status"], told["origin"]) == (place, place, "others")
    assert told["created_at"].endswith("+00:00")
    assert place in operator.get(f"/console/rq/0/view/job/{place}").text


def test_of_our_jobs_the_turn_is_told(operator: Console, redis_client: redis.Redis) -> None:
    (function,) = ALLOWED_JOBS
    turn_queue(redis_client).enqueue(function, TURN, description=TURN, job_id=f"{TURN}-1")
    assert operator.get(f"/console/rq/0/data/job/{TURN}-1.json").get_json()["description"] == TURN
    assert operator.get("/console/rq/0/view/jobs").text.count(TURN) >= 2


def test_an_empty_redis_is_shown_as_such(operator: Console) -> None:
    assert "O RQ ainda não conhece nenhuma fila" in operator.get("/console/rq/").text
    assert "Não há jobs aqui." in operator.get("/console/rq/0/view/jobs").text
    assert "O RQ não conhece nenhum worker." in operator.get("/console/rq/0/view/workers").text


@pytest.mark.parametrize("place", ["queued", "failed"])
def test_pages_join_without_a_gap_in_either_order(operator: Console, queue: Queue, place: str) -> None:
    ids = [f"job-{number:02}" for number in range(10)]
    for job_id in ids:
        queue.enqueue(fail, job_id=job_id)
    if place == "failed":
        work_off(queue)
        # In the order of their ids, as the registry orders them by when they expire.
        queue.connection.zadd(queue.failed_job_registry.key, dict.fromkeys(ids, 1))
    pages = [jobs_at(operator, place, per_page=4, page=number) for number in (1, 2, 3, 4)]
    assert pages == [ids[:4], ids[4:8], ids[8:], []]
    backwards = [jobs_at(operator, place, per_page=4, order="dsc", page=number) for number in (1, 2, 3, 4)]
    assert backwards == [ids[:5:-1], ids[5:1:-1], ids[1::-1], []]


def test_the_list_says_where_its_other_pages_are(operator: Console, queue: Queue) -> None:
    for number in range(10):
        queue.enqueue(say, job_id=f"job-{number}")
    told = operator.get("/console/rq/0/data/jobs/others/queued/4/asc/2.json").get_json()["pagination"]
    address = "/console/rq/0/view/jobs/others/queued/4/asc/{}".format
    assert told["num_pages"] == 3
    assert [page["number"] for page in told["pages_in_window"]] == [1, 2, 3]
    assert {name: told[name]["url"] for name in ("first_page", "prev_page", "next_page", "last_page")} == {
        "first_page": address(1),
        "prev_page": address(1),
        "next_page": address(3),
        "last_page": address(3),
    }
    page = operator.get(address(2)).text
    assert f'<a href="{address(1)}" rel="prev">' in page
    assert f'<a href="{address(3)}" rel="next">' in page


def test_the_form_above_the_list_leads_to_what_was_chosen(operator: Console) -> None:
    answer = operator.get("/console/rq/0/view/jobs?queue_name=others&registry_name=failed&order=dsc&per_page=8")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/console/rq/0/view/jobs/others/failed/8/dsc/1")


def test_a_worker_is_told_with_its_versions(operator: Console, queue: Queue) -> None:
    worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer, name="one")
    worker.register_birth()  # type: ignore[no-untyped-call]
    worker.set_state(WorkerStatus.IDLE)
    (told,) = operator.get("/console/rq/0/data/workers.json").get_json()["workers"]
    assert (told["name"], told["queues"], told["state"], told["current_job"]) == ("one", ["others"], "idle", "idle")
    assert told["version"] == worker.version
    assert sys.version.startswith(told["python_version"])
    page = operator.get("/console/rq/0/view/workers").text
    assert f"RQ {worker.version}" in page
    worker.register_death()  # type: ignore[no-untyped-call]
    assert operator.get("/console/rq/0/data/workers.json").get_json() == {"workers": []}


def test_its_files_are_served(operator: Console) -> None:
    for path in ("static/css/main.css", "static/js/jquery-3.5.1.min.js", "favicon.ico"):
        assert operator.get(f"/console/rq/{path}").status_code == 200


# --- what is done ------------------------------------------------------------------------------------------------


def test_a_failed_job_is_requeued_and_runs_again_with_what_it_carries(operator: Console, queue: Queue) -> None:
    job = queue.enqueue(fail, "a text", named="x", job_id="job-0")
    work_off(queue)
    data = queue.connection.hget(job.key, "data")
    answer = do(operator, "/job/job-0/requeue")
    assert (answer.status_code, answer.get_json()) == (200, {"status": "OK"})
    assert (queue.job_ids, queue.failed_job_registry.get_job_ids(cleanup=False)) == (["job-0"], [])
    assert queue.connection.hget(job.key, "data") == data
    work_off(queue)
    assert queue.failed_job_registry.get_job_ids(cleanup=False) == ["job-0"]
    assert queue.connection.xlen("rq:results:job-0") == 2


def test_all_failed_jobs_are_requeued(operator: Console, queue: Queue) -> None:
    for number in range(3):
        queue.enqueue(fail, job_id=f"job-{number}")
    work_off(queue)
    answer = do(operator, "/requeue/others")
    assert answer.get_json() == {"status": "OK", "count": 3, "left": False}
    assert sorted(queue.job_ids) == ["job-0", "job-1", "job-2"]
    assert queue.failed_job_registry.count == 0


def test_a_job_that_has_not_failed_is_not_requeued(operator: Console, queue: Queue) -> None:
    queue.enqueue(say, job_id="job-0")
    answer = do(operator, "/job/job-0/requeue")
    assert (answer.status_code, answer.get_json()) == (409, {"error": {"code": "conflict"}})
    assert queue.job_ids == ["job-0"]


@pytest.mark.parametrize("place", REGISTRIES)
def test_a_job_is_deleted_wherever_it_stands(operator: Console, queue: Queue, place: str) -> None:
    one_job_in_each_place(queue)
    assert do(operator, f"/job/{place}/delete").get_json() == {"status": "OK"}
    assert not Job.exists(place, queue.connection)
    assert jobs_at(operator, place) == []


@pytest.mark.parametrize("place", REGISTRIES)
def test_a_place_is_emptied_and_no_other(operator: Console, queue: Queue, place: str) -> None:
    one_job_in_each_place(queue)
    assert do(operator, f"/queue/others/{place}/empty").get_json() == {"status": "OK", "count": 1, "left": False}
    assert {other for other in REGISTRIES if jobs_at(operator, other)} == set(REGISTRIES) - {place}
    assert not Job.exists(place, queue.connection)


def test_a_large_queue_is_emptied_in_short_steps(operator: Console, queue: Queue) -> None:
    with queue.connection.pipeline() as pipe:
        for number in range(1234):
            pipe.hset(f"rq:job:job-{number}", "data", "[]")
            pipe.rpush(queue.key, f"job-{number}")
        pipe.execute()
    assert do(operator, "/queue/others/queued/empty").get_json() == {"status": "OK", "count": 1234, "left": False}
    assert queue.count == 0
    assert not queue.connection.keys("rq:job:*")


def test_what_takes_too_long_for_one_request_is_left_and_said(redis_client: redis.Redis, queue: Queue) -> None:
    """A clock by which every look costs four seconds of the ten that there are."""
    for number in range(9):
        queue.enqueue(fail, job_id=f"job-{number}")
    work_off(queue)
    now = iter(range(0, 1000, 4))
    panel = JobPanel(redis_client, lambda: float(next(now)))
    changed = panel.requeue_failed("others")
    assert (changed.jobs, changed.left) == (2, True)
    assert queue.failed_job_registry.count == 7
    emptied = panel.empty("others", "failed")
    assert (emptied.jobs, emptied.left) == (2, True)
    with queue.connection.pipeline() as pipe:
        for number in range(2000):
            pipe.rpush(queue.key, f"gone-{number}")
        pipe.execute()
    assert panel.empty("others", "queued").left
    assert queue.count > 0
    assert panel.compact("others").left


def test_a_queue_is_freed_of_ids_whose_jobs_are_gone(operator: Console, queue: Queue) -> None:
    queue.enqueue(say, job_id="job-0")
    queue.connection.rpush(queue.key, "gone-1", "gone-2")
    assert do(operator, "/queue/others/compact").get_json() == {"status": "OK", "count": 2, "left": False}
    assert queue.job_ids == ["job-0"]


# --- for people, and in the log ----------------------------------------------------------------------------------


def test_a_button_leads_back_and_says_what_was_done(operator: Console, queue: Queue) -> None:
    queue.enqueue(fail, job_id="job-0")
    work_off(queue)
    here = "/console/rq/0/view/jobs/others/failed/25/asc/1"
    page = operator.get(here).text
    assert 'action="/console/rq/job/job-0/requeue"' in page
    assert f'<input type="hidden" name="next" value="{here}">' in page
    answer = operator.post("/console/rq/job/job-0/requeue", {"next": here})
    assert (answer.status_code, answer.headers["Location"]) == (303, here)
    assert "O job job-0 está de novo na fila." in operator.get(here).text
    again = operator.post("/console/rq/job/job-0/requeue", {"next": "https://evil.example/"})
    assert again.headers["Location"] == "/console/"
    assert "O job job-0 não está com falha, por isso não foi recolocado na fila." in operator.get(here).text
    operator.post("/console/rq/queue/others/queued/empty")
    assert "1 job foi apagado." in operator.get(here).text


def test_everything_that_is_done_stands_in_the_log(operator: Console, queue: Queue) -> None:
    queue.enqueue(fail, job_id=f"{TURN}-1")
    queue.enqueue(fail, job_id="job-0")
    work_off(queue)
    for path in (
        f"/job/{TURN}-1/requeue",
        "/job/job-0/delete",
        "/job/job-0/delete",
        "/requeue/others",
        "/queue/others/queued/empty",
        "/queue/others/compact",
    ):
        do(operator, path)
    entries = RedisAuditLog(queue.connection).page(None, 6).entries[::-1]
    assert [(entry.operation, entry.outcome, entry.request_id, entry.detail) for entry in entries] == [
        (Operation.JOB_REQUEUED, Outcome.DONE, TURN, f"{TURN}-1"),
        (Operation.JOB_DELETED, Outcome.DONE, None, "job-0"),
        (Operation.JOB_DELETED, Outcome.REFUSED, None, "job-0"),
        (Operation.JOBS_REQUEUED, Outcome.DONE, None, "others/failed"),
        (Operation.QUEUE_EMPTIED, Outcome.DONE, None, "others/queued"),
        (Operation.QUEUE_COMPACTED, Outcome.DONE, None, "others"),
    ]
    assert {(entry.operator, entry.address) for entry in entries} == {("ana", "127.0.0.1")}


def test_a_stray_in_the_queue_of_turns_is_what_a_requeue_makes(operator: Console, redis_client: redis.Redis) -> None:
    """RQ's own means put the id into RQ's own queue; the worker finds it there."""
    turns = turn_queue(redis_client)
    turns.enqueue("workers.jobs.answer", TURN, job_id=f"{TURN}-1")
    job = turns.fetch_job(f"{TURN}-1")
    assert job is not None
    redis_client.delete(turns.key)
    turns.failed_job_registry.add(job, ttl=60)
    assert do(operator, f"/job/{TURN}-1/requeue").status_code == 200
    assert redis_client.lrange(f"rq:queue:{QUEUE}", 0, -1) == [f"{TURN}-1".encode()]
