"""A worker erases texts whose time is over."""

import signal

from app.storage import keys
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop, request_id
from tests.waiting import wait_until

TWO_DAYS_MS = 2 * 24 * 3600 * 1000


def test_a_worker_erases_the_texts_whose_time_is_over(service: Stack) -> None:
    shop = Shop(service, "Esquece", retention_days=1)
    old, new = shop.asked("há dois dias"), shop.asked("agora")
    for webhook in (old, new):
        shop.turn(webhook)
    service.redis.zincrby(keys.turns_of(shop.kommo.account_id), -TWO_DAYS_MS, request_id(old))
    # It makes its round when it starts, and every hour.
    (worker,) = service.start("worker")
    wait_until(lambda: not service.redis.hexists(keys.turn(request_id(old)), "sealed"), PATIENCE)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE)
    assert shop.turn(old)["steps"][-1]["step"] == "texts_erased"
    assert service.redis.hmget(keys.turn(request_id(new)), "sealed", "answer") != [None, None]
