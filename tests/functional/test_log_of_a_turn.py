"""One turn in the logs of all processes: from the webhook's id to the continue call, without a word that was said."""

import http.client
import json
import re
from typing import Any

import pytest

from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop, request_id
from tests.waiting import wait_until

WORDS = "Quero o segredo do bolo de fubá"


def lines_of(stack: Stack, turn_id: str) -> dict[str, list[dict[str, Any]]]:
    """What web and worker have written of a turn, by process."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in stack.log_files:
        process = path.stem.partition("-")[2]
        lines = [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{")]
        found[process] = [line for line in lines if line.get("turn_id") == turn_id]
    return found


@pytest.mark.parametrize(
    ("text", "fault", "ends"),
    [
        (WORDS, None, {"status": "delivered", "error_code": None}),
        (WORDS, "credit_exhausted", {"status": "delivered", "error_code": "openai_quota"}),
        ("", None, {"status": "delivered", "error_code": "no_message"}),
    ],
    ids=["answered", "failed", "refused"],
)
def test_a_turn_is_followed_by_its_id_through_web_and_worker(
    service: Stack, text: str, fault: str | None, ends: dict[str, str | None]
) -> None:
    shop = Shop(service, "Registrada")
    if fault:
        shop.fault(fault)
    webhook = shop.asked(text)
    turn_id = request_id(webhook)
    shop.turn(webhook)
    wait_until(lambda: any(line["event"] == "turn_closed" for line in lines_of(service, turn_id)["worker"]), PATIENCE)
    found = lines_of(service, turn_id)
    (arrived,) = found["web"]
    assert (arrived["event"], arrived["outcome"], arrived["account_id"]) == (
        "webhook",
        "accepted",
        shop.kommo.account_id,
    )
    (closed,) = [line for line in found["worker"] if line["event"] == "turn_closed"]
    assert {name: closed[name] for name in ends} == ends
    assert arrived["timestamp"] <= closed["timestamp"]
    (told,) = service.kommo.accepted_continues(webhook.return_url)
    assert told.body["data"]["request_id"] == turn_id
    for line in (*found["web"], *found["worker"]):
        for said in (WORDS, "segredo", shop.key, shop.kommo.subdomain):
            assert said not in json.dumps(line, ensure_ascii=False)


def test_the_id_that_a_proxy_gave_stands_in_the_line_and_in_the_answer(service: Stack) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
    try:
        connection.request("POST", "/kommo/salesbot", headers={"X-Request-Id": "from-the-proxy"})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["X-Request-Id"]) == (401, "from-the-proxy")
    finally:
        connection.close()
    (log,) = (path for path in service.log_files if path.stem.endswith("-web"))
    wait_until(lambda: "from-the-proxy" in log.read_text())
    (line,) = (json.loads(line) for line in log.read_text().splitlines() if "from-the-proxy" in line)
    assert (line["event"], line["outcome"], line["turn_id"]) == ("webhook", "unauthorized", None)


def test_without_one_the_line_has_an_id_of_ours(service: Stack) -> None:
    shop = Shop(service, "Encaminhada")
    webhook = shop.asked("oi")
    shop.turn(webhook)
    (line,) = lines_of(service, request_id(webhook))["web"]
    assert re.fullmatch(r"[0-9a-f]{32}", line["http_request_id"])
