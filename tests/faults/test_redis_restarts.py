"""Redis is killed and comes back: the worker lives on, and what was accepted is answered once."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from sandbox.flows import recommended_flow
from sandbox.kommo_webhook import SentWebhook
from sandbox.stack import Company, Stack

ROUNDS = 4
PATIENCE = 30.0


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, settings={"TURN_DEADLINE": "20"}) as stack:
        stack.openai.configure(total=0.2)
        yield stack


def send(stack: Stack, company: Company, number: int) -> SentWebhook:
    data = {"message": f"pergunta {number}", "contact_id": str(number), "origin": "whatsapp"}
    return company.kommo.send_webhook(stack.door, data)


def test_a_worker_outlives_redis_and_every_accepted_turn_is_answered_once(stack: Stack) -> None:
    company = stack.add_company("Padaria")
    company.kommo.add_bot(recommended_flow(stack.door))
    worker = stack.start("web", "worker")[1]
    stack.wait_until_ready()
    accepted: list[SentWebhook] = []
    for number in range(ROUNDS):
        sent = [send(stack, company, 100 * number + place) for place in range(20)]
        stack.server.kill()
        stack.server.start()
        sent += [send(stack, company, 100 * number + 50 + place) for place in range(5)]
        accepted += [webhook for webhook in sent if webhook.wait(PATIENCE).accepted]
        client = company.kommo.client(f"cliente {number}")
        stack.wait_until_ready()
        assert client.ask("Bom dia", PATIENCE) == ["[Padaria] Mensagem 1: Bom dia"]
        assert worker.returncode is None
    assert accepted
    for webhook in accepted:
        stack.kommo.wait_for(partial(stack.kommo.accepted_continues, webhook.return_url), PATIENCE)
        (call,) = stack.kommo.accepted_continues(webhook.return_url)
        assert call.body["data"]["status"] == "success"
