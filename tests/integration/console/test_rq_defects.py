"""What rq-dashboard 0.9.0 does unsafely or wrongly, each of which this dashboard does not."""

import json
import re
import time
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from rq import Queue, SimpleWorker
from rq.executions import Execution
from rq.job import Job
from rq.registry import StartedJobRegistry
from rq.serializers import DefaultSerializer, JSONSerializer
from rq.worker import WorkerStatus
from rq_dashboard import web as upstream

from app.jobqueue import QUEUE, turn_queue
from app.storage.connection import connect
from app.storage.embedded import EmbeddedRedis
from tests.console_browser import Console
from tests.jobs_of_rq import fail, say, work_off

SCRIPT = "<img src=x onerror=alert(1)>"
SECRET = "sk-1234567890abcdef"
TEXT = "Quero falar com a Ana"
ROOT = Path(__file__).parents[3]
JSON = {"Accept": "application/json"}


def busy_worker(queue: Queue, *jobs: Job) -> SimpleWorker:
    """A worker that works on these jobs and never ends."""
    worker = SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer, name="busy-one")
    worker.register_birth()  # type: ignore[no-untyped-call]
    worker.set_state(WorkerStatus.BUSY)
    for job in jobs:
        with queue.connection.pipeline() as pipe:
            Execution.create(job, 60, pipe, worker.name)
            pipe.execute()
    return worker


def everything_told(console: Console, queue: str, job_ids: list[str]) -> str:
    """All that the dashboard says of a queue: its pages and its JSON."""
    places = ["queued", "started", "finished", "failed", "deferred", "scheduled", "canceled"]
    paths = ["/console/rq/", "/console/rq/0/view/workers", "/console/rq/0/data/workers.json"]
    paths += [f"/console/rq/0/view/jobs/{queue}/{place}/50/asc/1" for place in places]
    paths += [f"/console/rq/0/data/jobs/{queue}/{place}/50/asc/1.json" for place in places]
    paths += [f"/console/rq/0/view/job/{job_id}" for job_id in job_ids]
    paths += [f"/console/rq/0/data/job/{job_id}.json" for job_id in job_ids]
    answers = [console.get(path) for path in paths]
    assert [answer.status_code for answer in answers] == [200] * len(paths)
    return "\n".join(answer.text for answer in answers)


# --- what it brings along ----------------------------------------------------------------------------------------


def test_it_is_pinned_and_six_which_it_needs_and_does_not_name_is_named_by_us() -> None:
    assert version("rq-dashboard") == "0.9.0"
    declared = (ROOT / "pyproject.toml").read_text()
    assert '"rq-dashboard==0.9.0"' in declared
    assert re.search(r'^    "six', declared, re.MULTILINE)
    assert not [name for name in requires("rq-dashboard") or [] if name.lower().startswith("six")]


def test_a_newer_one_with_other_routes_would_be_noticed(console: Console) -> None:
    """It may have other defects, too: compare before the pin is changed."""
    theirs = Flask("theirs")
    theirs.register_blueprint(upstream.blueprint, url_prefix="/console/rq")

    def routes(app: Flask) -> set[tuple[str, str]]:
        rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("rq_dashboard.")]
        return {(rule.rule, method) for rule in rules for method in (rule.methods or set()) - {"OPTIONS"}}

    by_get = {("/console/rq/requeue/<queue_name>", "GET"), ("/console/rq/requeue/<queue_name>", "HEAD")}
    assert routes(theirs) - routes(console.app) == by_get
    assert routes(console.app) <= routes(theirs)


# --- scripts in jobs ---------------------------------------------------------------------------------------------


def test_no_job_runs_a_script_in_the_operators_browser(operator: Console, redis_client: redis.Redis) -> None:
    queue = Queue(SCRIPT, connection=redis_client, serializer=JSONSerializer)
    queue.enqueue(fail, SCRIPT, description=SCRIPT, job_id="failing", meta={"said": SCRIPT}, result_ttl=-1)
    queue.enqueue(say, SCRIPT, description=SCRIPT, job_id="saying", result_ttl=-1)
    work_off(queue)
    waiting = queue.enqueue(say, SCRIPT, description=SCRIPT, job_id="waiting")
    busy_worker(queue, waiting)
    redis_client.hset("rq:job:failing", "worker_name", SCRIPT)
    told = everything_told(operator, "x", ["failing", "saying", "waiting"])
    pages = [
        told,
        operator.get("/console/rq/0/view/jobs?queue_name=" + "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E").text,
        operator.get("/console/rq/0/view/jobs/%3Cimg%20src=x%20onerror=alert(1)%3E/failed/8/asc/1").text,
    ]
    assert "&lt;img src=x onerror=alert(1)&gt;" in pages[0]
    for page in pages:
        html = "\n".join(line for line in page.splitlines() if not line.startswith("{"))
        assert SCRIPT not in html


def test_no_page_of_it_needs_eval_or_a_template_in_the_browser(operator: Console) -> None:
    for path in ("/console/rq/", "/console/rq/0/view/jobs", "/console/rq/0/view/workers"):
        page = operator.get(path)
        assert re.findall(r"<script[^>]*>", page.text) == re.findall(
            r'<script src="/console/static/console\.js\?v=\w+" defer>', page.text
        )
        assert "unsafe" not in page.headers["Content-Security-Policy"]


# --- secrets -----------------------------------------------------------------------------------------------------


def test_of_jobs_nothing_but_ids_times_and_kinds_is_told(operator: Console, redis_client: redis.Redis) -> None:
    queue = Queue("others", connection=redis_client, serializer=JSONSerializer)
    for number, function in enumerate((fail, say)):
        queue.enqueue(function, SECRET, TEXT, token=SECRET, job_id=f"job-{number}", meta={"note": TEXT}, result_ttl=-1)
    work_off(queue)
    waiting = queue.enqueue(say, SECRET, token=TEXT, job_id="job-2")
    busy_worker(queue, waiting)
    told = everything_told(operator, "others", ["job-0", "job-1", "job-2"])
    for secret in (SECRET, TEXT, "Ana", "client's text", "could not say"):
        assert secret not in told
    assert "tests.jobs_of_rq.fail" in told
    assert "RuntimeError" in told


def test_where_a_job_failed_is_told(operator: Console, redis_client: redis.Redis) -> None:
    queue = Queue("others", connection=redis_client, serializer=JSONSerializer)
    queue.enqueue(fail, TEXT, job_id="job-0")
    work_off(queue)
    told = operator.get("/console/rq/0/data/job/job-0.json").get_json()
    assert re.search(r'  File "[^"]+/jobs_of_rq\.py", line \d+, in fail\nRuntimeError$', told["exc_info"])
    assert told["status"] == "failed"


# --- jobs that are JSON ------------------------------------------------------------------------------------------


def test_the_workers_page_holds_while_workers_are_busy(operator: Console, redis_client: redis.Redis) -> None:
    queue = turn_queue(redis_client)
    jobs = [queue.enqueue("workers.jobs.answer", f"turn-{number}", job_id=f"turn-{number}-1") for number in range(7)]
    busy_worker(queue, *jobs)
    (worker,) = operator.get("/console/rq/0/data/workers.json").get_json()["workers"]
    assert (worker["name"], worker["state"], worker["current_jobs"]) == ("busy-one", "busy", 7)
    assert worker["current_job"]["job_id"] == "turn-0-1"
    page = operator.get("/console/rq/0/view/workers").text
    assert "7 jobs" in page
    assert 'href="/console/rq/0/view/job/turn-0-1"' in page
    assert "ocupado" in page


def test_neither_page_nor_json_ever_unpickles(operator: Console, redis_client: redis.Redis) -> None:
    queue = Queue("pickled", connection=redis_client, serializer=DefaultSerializer)
    job = queue.enqueue(say, SECRET, job_id="pickled-1", description="", meta={"x": SECRET})
    # Whoever unpickles this writes a key.
    redis_client.hset(job.key, "data", b"cposix\nsystem\n(S'touch /tmp/unpickled-by-the-dashboard'\ntR.")
    Path("/tmp/unpickled-by-the-dashboard").unlink(missing_ok=True)  # noqa: S108 - must not come to be
    told = everything_told(operator, "pickled", ["pickled-1"])
    assert not Path("/tmp/unpickled-by-the-dashboard").exists()  # noqa: S108 - see above
    assert SECRET not in told
    assert "pickled-1" in told


def test_results_that_are_no_json_are_passed_over(operator: Console, redis_client: redis.Redis) -> None:
    queue = Queue("others", connection=redis_client, serializer=JSONSerializer)
    queue.enqueue(fail, TEXT, job_id="job-0")
    work_off(queue)
    broken_ones: list[dict[Any, Any]] = [
        {"type": "2", "exc_string": "!!"},
        {"type": "2", "exc_string": "bm90IHppcHBlZA=="},
        {"type": "x"},
    ]
    for broken in broken_ones:
        redis_client.delete("rq:results:job-0")
        redis_client.xadd("rq:results:job-0", broken)
        answer = operator.get("/console/rq/0/view/job/job-0")
        assert answer.status_code == 200
        assert "O erro foi registrado sem nada que possa ser mostrado." in answer.text


# --- jobs that wait for others, are gone or cannot be read -------------------------------------------------------


def test_a_job_that_waits_for_others_is_shown(operator: Console, redis_client: redis.Redis) -> None:
    queue = Queue("others", connection=redis_client, serializer=JSONSerializer)
    first, gone = (queue.enqueue(say, job_id=job_id) for job_id in ("first", "gone"))
    queue.enqueue(say, job_id="second", depends_on=[first, gone])
    redis_client.delete(gone.key)
    told = operator.get("/console/rq/0/data/job/second.json").get_json()
    assert (told["depends_on"], told["depends_on_status"]) == (["first", "gone"], ["active", "expired"])
    page = operator.get("/console/rq/0/view/job/second").text
    assert '<a href="/console/rq/0/view/job/first">first</a>' in page
    assert re.search(r"<li>gone .*expirado", page)


GONE = [
    ("GET", "/console/rq/0/view/job/none"),
    ("GET", "/console/rq/0/data/job/none.json"),
    ("GET", "/console/rq/0/view/job/not%20an%20id"),
    ("GET", "/console/rq/0/data/job/%00.json"),
    ("POST", "/console/rq/job/none/delete"),
    ("POST", "/console/rq/job/none/requeue"),
    ("POST", "/console/rq/job/not%20an%20id/requeue"),
    ("GET", "/console/rq/1/view/queues"),
    ("GET", "/console/rq/99/data/queues.json"),
    ("GET", "/console/rq/0/view/jobs/turns/nowhere/8/asc/1"),
    ("GET", "/console/rq/0/view/jobs/turns/queued/8/sideways/1"),
    ("GET", "/console/rq/0/view/jobs/turns/queued/0/asc/1"),
    ("GET", "/console/rq/0/view/jobs/turns/queued/201/asc/1"),
    ("GET", "/console/rq/0/view/jobs/turns/queued/8/asc/0"),
    ("GET", "/console/rq/0/view/jobs?queue_name=turns&per_page=x"),
    ("GET", "/console/rq/0/view/jobs?queue_name=turns&registry_name=nowhere"),
    ("GET", "/console/rq/0/data/jobs/turns/nowhere/8/asc/1.json"),
    ("GET", "/console/rq/0/data/jobs/turns/queued/x/asc/1.json"),
    ("GET", "/console/rq/0/data/jobs/turns/queued/-1/asc/1.json"),
    ("GET", "/console/rq/0/data/jobs/turns/queued/8/asc/1e3.json"),
    ("GET", "/console/rq/0/data/jobs/turns/queued/8/asc/99999999999999999999.json"),
    ("POST", "/console/rq/queue/turns/nowhere/empty"),
]


@pytest.mark.parametrize(("method", "path"), GONE, ids=[path for _, path in GONE])
def test_what_is_not_there_is_404(operator: Console, method: str, path: str) -> None:
    headers = {"X-CSRFToken": operator.token(), **JSON}
    answer = operator.client.open(path, method=method, headers=headers)
    assert (answer.status_code, answer.get_json()) == (404, {"error": {"code": "not_found"}})


def test_a_page_far_beyond_the_end_is_empty(operator: Console) -> None:
    answer = operator.get("/console/rq/0/data/jobs/turns/failed/8/dsc/1000000000.json")
    assert (answer.status_code, answer.get_json()["jobs"]) == (200, [])


@pytest.mark.parametrize(
    "broken",
    [{"data": "x", "status": "nonsense"}, {"created_at": "x", "data": "x"}, {"data": "x", "timeout": "x"}, {"x": "y"}],
)
def test_a_job_that_rq_itself_could_not_read_does_not_hide_the_others(
    operator: Console, redis_client: redis.Redis, broken: dict[Any, Any]
) -> None:
    queue = Queue("others", connection=redis_client, serializer=JSONSerializer)
    queue.enqueue(say, job_id="whole")
    redis_client.hset("rq:job:broken", mapping=broken)
    redis_client.rpush(queue.key, "broken", "gone", "not an id")
    told = operator.get("/console/rq/0/data/jobs/others/queued/8/asc/1.json").get_json()
    assert [job["id"] for job in told["jobs"]] == ["whole"]
    assert operator.get("/console/rq/0/view/job/broken").status_code == 404


# --- forms, and what is asked for by GET -------------------------------------------------------------------------


def test_an_image_on_another_site_does_not_requeue(operator: Console, redis_client: redis.Redis) -> None:
    queue = Queue("others", connection=redis_client, serializer=JSONSerializer)
    queue.enqueue(fail, job_id="job-0")
    work_off(queue)
    for method in ("GET", "HEAD"):
        answer = operator.client.open("/console/rq/requeue/others", method=method)
        assert answer.status_code == 405
        assert "GET" not in answer.headers["Allow"]
    assert queue.count == 0
    assert queue.failed_job_registry.count == 1


def test_a_form_of_another_site_does_not_delete(operator: Console, redis_client: redis.Redis) -> None:
    queue = Queue("others", connection=redis_client, serializer=JSONSerializer)
    queue.enqueue(say, job_id="job-0")
    for path in ("/console/rq/job/job-0/delete", "/console/rq/queue/others/queued/empty"):
        answer = operator.client.post(path, headers={"Origin": "https://evil.example", "Accept": "text/html"})
        assert answer.status_code == 400
    assert Job.exists("job-0", redis_client)


# --- long work ---------------------------------------------------------------------------------------------------


def test_an_empty_queue_is_compact(operator: Console) -> None:
    answer = operator.client.post("/console/rq/queue/none/compact", headers={"X-CSRFToken": operator.token(), **JSON})
    assert (answer.status_code, answer.get_json()) == (200, {"status": "OK", "count": 0, "left": False})


def test_while_a_queue_is_compacted_no_job_is_out_of_it(operator: Console, redis_client: redis.Redis) -> None:
    queue = Queue("others", connection=redis_client, serializer=JSONSerializer)
    for number in range(5):
        queue.enqueue(say, job_id=f"job-{number}")
    redis_client.lpush(queue.key, "gone-1")
    redis_client.rpush(queue.key, "gone-2")
    with redis_client.monitor() as monitor:  # type: ignore[no-untyped-call]
        operator.post("/console/rq/queue/others/compact")
        seen = [command["command"] for command in until(monitor, "LREM rq:queue:others 0 gone-2")]
    assert not [command for command in seen if re.match(r"(RENAME|LPOP|RPUSH|DEL) .*others", command)]
    assert queue.job_ids == [f"job-{number}" for number in range(5)]


def until(monitor: Any, last: str) -> list[dict[str, Any]]:
    found = []
    for command in monitor.listen():
        found.append(command)
        if command["command"] == last:
            return found
    raise AssertionError("Redis has gone away")


def test_ids_in_a_registry_whose_jobs_are_gone_stop_nothing(operator: Console, redis_client: redis.Redis) -> None:
    queue = Queue("others", connection=redis_client, serializer=JSONSerializer)
    queue.enqueue(fail, job_id="job-0")
    work_off(queue)
    failed = queue.failed_job_registry
    redis_client.zadd(failed.key, {"gone": 1})
    token = {"X-CSRFToken": operator.token(), **JSON}
    assert operator.client.post("/console/rq/requeue/others", headers=token).get_json()["count"] == 1
    assert (queue.job_ids, failed.get_job_ids(cleanup=False)) == (["job-0"], [])


# --- connections -------------------------------------------------------------------------------------------------


def test_a_hundred_looks_open_no_connection(operator: Console, redis_client: redis.Redis) -> None:
    queue = Queue("others", connection=redis_client, serializer=JSONSerializer)
    queue.enqueue(say, job_id="job-0")
    everything_told(operator, "others", ["job-0"])
    before = redis_client.info("stats")["total_connections_received"]
    for _ in range(5):
        everything_told(operator, "others", ["job-0"])
    assert redis_client.info("stats")["total_connections_received"] == before
    assert operator.app.redis_conn is redis_client  # type: ignore[attr-defined] # what rq-dashboard's own views use


def test_a_look_at_the_workers_does_not_make_webhooks_wait_for_redis(redis_server: EmbeddedRedis) -> None:
    """RQ sets the longest wait of the client that it is given to seven minutes, and the door has half a second."""
    client = connect(redis_server.url, for_web=True, max_connections=4)
    client.flushall()
    console = Console(client).logged_in()
    with redis.Redis.from_url(redis_server.url) as its_own:
        busy_worker(turn_queue(its_own))
    before = dict(client.connection_pool.connection_kwargs)
    everything_told(console, QUEUE, [])
    assert len(console.get("/console/rq/0/data/workers.json").get_json()["workers"]) == 1
    assert client.connection_pool.connection_kwargs == before
    assert before["socket_timeout"] == 0.5
    client.close()


def test_the_dashboard_never_cleans_registries_up(operator: Console, redis_client: redis.Redis) -> None:
    """RQ's clean-up runs callbacks and needs signals, which threads do not have; the workers do it."""
    queue = turn_queue(redis_client)
    job = queue.enqueue("workers.jobs.answer", "turn", job_id="turn-1")
    redis_client.zadd(StartedJobRegistry(QUEUE, connection=redis_client).key, {f"{job.id}:lost": time.time() - 1000})
    redis_client.zadd(queue.finished_job_registry.key, {"long-over": 1})
    everything_told(operator, QUEUE, ["turn-1"])
    assert redis_client.zcard("rq:wip:turns") == redis_client.zcard("rq:finished:turns") == 1


def test_json_is_json(operator: Console) -> None:
    for name in ("queues", "workers"):
        answer = operator.get(f"/console/rq/0/data/{name}.json")
        assert (answer.content_type, json.loads(answer.text)) == ("application/json", {name: []})
