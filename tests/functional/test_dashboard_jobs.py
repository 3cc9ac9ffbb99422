"""Jobs that operators make on RQ's dashboard, or anybody who can write to Redis: run or refused, never in the way."""

from collections.abc import Callable
from pathlib import Path

import pytest
from rq.job import Job, JobStatus
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from app.jobqueue import QUEUE, turn_queue
from app.storage import keys
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop, accepted, request_id
from tests.waiting import wait_until


def fetch(stack: Stack, job_id: str) -> Job:
    return Job.fetch(job_id, connection=stack.redis, serializer=JSONSerializer)


def ended(stack: Stack, job_id: str, status: JobStatus) -> Job:
    """The job, as soon as it has come to this."""
    wait_until(lambda: fetch(stack, job_id).get_status() is status, PATIENCE)
    return fetch(stack, job_id)


def is_answered(shop: Shop, text: str) -> None:
    """Check that turns go on."""
    assert shop.client().ask(text) == [f"[{shop.company.project}] Mensagem 1: {text}"]


def test_a_failed_job_that_is_put_back_by_the_dashboard_does_nothing_twice(service: Stack) -> None:
    shop = Shop(service, "Requeue")
    shop.fault("slow", message="devagar", first_byte=0.3)
    contact = str(shop.client().contact_id)
    said = [{"message": text, "contact_id": contact} for text in ("devagar", "estragada")]
    first, broken = [accepted(shop.kommo.send_webhook(service.door, one)) for one in said]
    # The second one waits in line for the first, so that nobody has read it yet.
    record = keys.turn(request_id(broken))
    whole = service.redis.hget(record, "sealed")
    assert whole
    service.redis.hset(record, "sealed", "estragado")
    registry = FailedJobRegistry(QUEUE, connection=service.redis, serializer=JSONSerializer)

    def failed() -> list[str]:
        return [job for job in registry.get_job_ids() if job.startswith(request_id(broken))]

    wait_until(failed, PATIENCE)
    service.redis.hset(record, "sealed", whole)
    assert [shop.turn(webhook)["status"] for webhook in (first, broken)] == ["delivered", "delivered"]

    (job_id, *_) = failed()
    assert fetch(service, job_id).func_name == "workers.jobs.answer"
    registry.requeue(job_id)
    assert ended(service, job_id, JobStatus.FINISHED).return_value() == {"status": "nothing to do"}
    assert shop.statuses(broken) == [202]
    assert shop.used_and_reserved() == (2, 0)


def test_a_job_for_an_open_turn_is_one_more_way_to_it_and_no_second_one(service: Stack) -> None:
    shop = Shop(service, "Duas vezes")
    shop.fault("slow", message="devagar", first_byte=0.5)
    webhook = shop.asked("devagar")
    queue = turn_queue(service.redis)
    jobs = [queue.enqueue_call("workers.jobs.answer", args=[request_id(webhook)]) for _ in range(3)]
    assert shop.turn(webhook)["status"] == "delivered"
    for job in jobs:
        assert ended(service, job.id, JobStatus.FINISHED).return_value() == {"status": "nothing to do"}
    assert shop.statuses(webhook) == [202]
    assert len(shop.calls()) == 1


def test_a_waiting_turn_is_answered_by_the_job_that_asks_for_it(service: Stack) -> None:
    """An operator who makes a job for a turn that waits for its key only lets it try earlier."""
    shop = Shop(service, "Impaciente")
    shop.fault("rate_limit", times=1, retry_after=1)
    webhook = shop.asked("Oi")
    wait_until(lambda: "waiting_for_key" in str(shop.reporting.turn(request_id(webhook))), PATIENCE)
    job = turn_queue(service.redis).enqueue_call("workers.jobs.answer", args=[request_id(webhook)])
    assert shop.told(webhook)["data"]["status"] == "success"
    ended(service, job.id, JobStatus.FINISHED)
    assert shop.turn(webhook)["status"] == "delivered"
    assert shop.statuses(webhook) == [202]
    # The key was told to wait, and that held for this job too.
    refused, answered = shop.calls()
    assert answered.at - refused.at >= 1.0
    assert shop.used_and_reserved() == (1, 0)


@pytest.mark.parametrize(
    "function", ["os.getcwd", "subprocess.getoutput", "workers.jobs.nothing_here", "no.such.module"]
)
def test_a_job_of_another_function_is_refused_and_not_run(service: Stack, function: str, tmp_path: Path) -> None:
    shop = Shop(service, f"Alheia {function}")
    arguments = [f"touch {tmp_path / 'run'}"] if function == "subprocess.getoutput" else []
    job = turn_queue(service.redis).enqueue_call(function, args=arguments)
    result = ended(service, job.id, JobStatus.FAILED).latest_result()
    assert result is not None
    assert "JobNotAllowed" in (result.exc_string or "")
    assert list(tmp_path.iterdir()) == []
    is_answered(shop, "Oi")


def without_a_record(stack: Stack) -> str:
    stack.redis.rpush(f"rq:queue:{QUEUE}", "no-such-job")
    return "no-such-job"


def with_broken_data(stack: Stack) -> str:
    job = turn_queue(stack.redis).enqueue_call("workers.jobs.answer", args=["x"])
    stack.redis.hset(job.key, "data", b"\x80not json")
    return str(job.id)


def for_a_turn_that_is_not_there(stack: Stack) -> str:
    return str(turn_queue(stack.redis).enqueue_call("workers.jobs.answer", args=["0123456789abcdef"]).id)


def with_wrong_arguments(stack: Stack) -> str:
    return str(turn_queue(stack.redis).enqueue_call("workers.jobs.answer", args=[1, 2, 3]).id)


@pytest.mark.parametrize(
    "stray", [without_a_record, with_broken_data, for_a_turn_that_is_not_there, with_wrong_arguments]
)
def test_a_job_that_makes_no_sense_is_gone_from_the_queue_and_harms_nobody(
    service: Stack, stray: Callable[[Stack], str]
) -> None:
    shop = Shop(service, stray.__name__.replace("_", "-"))
    # So many that each thread of the worker has met one.
    for _ in range(110):
        stray(service)
    is_answered(shop, "Oi")
    wait_until(lambda: turn_queue(service.redis).count == 0, PATIENCE)
    is_answered(shop, "E agora?")
    assert shop.used_and_reserved() == (2, 0)


def test_turns_do_not_wait_behind_jobs_of_others(service: Stack) -> None:
    shop = Shop(service, "Depressa")
    queue = turn_queue(service.redis)
    jobs = [queue.enqueue_call("os.getcwd") for _ in range(300)]
    webhooks = [shop.asked("Oi", shop.client()) for _ in range(10)]
    for webhook in webhooks:
        assert shop.told(webhook)["data"]["status"] == "success"
    for job in jobs:
        ended(service, job.id, JobStatus.FAILED)
