"""Many turns of many companies while both partners misbehave at random: whatever happens, the books are right."""

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.kommo_faults import Fault, Route, reset, status
from sandbox.kommo_webhook import SentWebhook
from sandbox.openai_faults import KINDS
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop, accepted, assistant_fields
from tests.waiting import wait_until

COMPANIES = 8
MESSAGES = 8
# The default read timeout is half a minute: what hangs has tests of its own (test_failures.py).
HANGING = frozenset({"hang", "hang_midway", "trickle"})
# What says nothing about whether OpenAI acted on the request (openai.md 6.2).
UNKNOWN_OUTCOME = ("server_error_500", "bad_gateway_html_502", "reset", "cut_midway", "reset_midway")
AT_KOMMO = (
    status(500),
    status(502),
    status(429, retry_after=1),
    status(503, after_effect=True),
    status(400),
    reset(),
    reset(after_effect=True),
)


@dataclass(frozen=True)
class Message:
    """One message of a client."""

    shop: Shop
    webhook: SentWebhook


@pytest.fixture(scope="module", params=[1])
def messages(request: pytest.FixtureRequest, service: Stack) -> list[Message]:
    """All of them sent, and every turn over. The parameter is the seed."""
    chance = random.Random(request.param)
    shops = []
    for number in range(COMPANIES):
        name = f"tudo-{request.param}-{number}"
        shop = Shop(service, name, **assistant_fields(chance.choice(["profile", "prompt", "assistant"]), name))
        shops.append(shop)
        for _ in range(4):
            spoil(shop, chance)
        for _ in range(3):
            fault: Fault = chance.choice(AT_KOMMO)
            shop.kommo.faults.add(fault, Route.CONTINUE)
    sent = []
    for number in range(MESSAGES):
        for shop in shops:
            data = {"message": f"mensagem-{number}", "contact_id": str(chance.randint(1, 3)), "handler": "ai_reply"}
            sent.append(Message(shop, shop.kommo.send_webhook(service.door, data)))
    for message in sent:
        message.shop.turn(accepted(message.webhook))
    return sent


def spoil(shop: Shop, chance: random.Random) -> None:
    """Let something go wrong at OpenAI, once or twice."""
    name = chance.choice(sorted(KINDS.keys() - HANGING))
    options: dict[str, Any] = {"times": chance.choice([1, 2])}
    if name in ("rate_limit", "slow_down"):
        options["retry_after_ms"] = chance.choice([10, 300])
    if name in UNKNOWN_OUTCOME:
        options["after_effect"] = chance.random() < 0.5
    shop.fault(name, **options)


def test_every_webhook_is_continued_once_or_said_not_to_be(messages: list[Message]) -> None:
    for message in messages:
        turn = message.shop.turn(message.webhook)
        calls = message.shop.stack.kommo.accepted_continues(message.webhook.return_url)
        # Two refusals in a row are all that makes a turn undeliverable here.
        assert len(calls) == (0 if turn["status"] == "undeliverable" else 1), turn
        assert turn["status"] in ("delivered", "undeliverable")
        for call in calls:
            data = call.body["data"]
            assert (data["status"] == "success") is (turn["error_code"] is None)
            assert data["request_id"] == turn["request_id"]
            assert all(isinstance(value, str) and value for value in data.values())


def test_the_books_of_every_company_add_up(messages: list[Message]) -> None:
    for shop in {message.shop.kommo.account_id: message.shop for message in messages}.values():
        turns = [shop.turn(message.webhook) for message in messages if message.shop is shop]
        answered = sum(turn["error_code"] is None for turn in turns)
        wait_until(lambda shop=shop: shop.usage()["reserved"] == 0, PATIENCE)  # type: ignore[misc]
        assert shop.used_and_reserved() == (answered, 0)
        kinds = Counter(kind for kind, _, _ in shop.ledger())
        assert kinds == +Counter(
            {"grant": 1, "reserve": len(turns), "settle": answered, "release": len(turns) - answered}
        )
        moved = [requests for kind, requests, _ in shop.ledger() if kind in ("reserve", "settle", "release")]
        assert sum(moved) == -answered


def test_no_message_stands_twice_in_a_conversation(messages: list[Message]) -> None:
    openai = messages[0].shop.stack.openai
    wanted = {message.shop.company.project for message in messages}
    seen = 0
    for conversation in openai.conversation_ids():
        said = [item for item in openai.conversation_items(conversation) if item["type"] == "message"]
        asked = [item["content"][0]["text"] for item in said if item["role"] == "user"]
        told = " ".join(str(item["content"]) for item in said if item["role"] == "assistant")
        if any(f"[{project}]" in told for project in wanted):
            assert len(set(asked)) == len(asked), asked
            seen += 1
    for thread in openai.thread_ids():
        told_in_thread = openai.thread_messages(thread)
        asked = [message["content"][0]["text"]["value"] for message in told_in_thread if message["role"] == "user"]
        assert len(set(asked)) == len(asked) or not asked[0].startswith("mensagem-"), asked
        seen += bool(asked) and asked[0].startswith("mensagem-")
    assert seen >= COMPANIES
