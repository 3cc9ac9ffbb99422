"""What rests in Redis and stands in logs after answers and failures: no secret, no word of client or assistant.

The service logs all it can: LOG_LEVEL is DEBUG.
"""

import base64
import binascii
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest
from redis import Redis

from app.storage import keys
from sandbox.flows import recommended_flow
from sandbox.kommo_accounts import ADMIN_USER
from sandbox.kommo_faults import Route, reset, status
from sandbox.kommo_jwt import TokenStyle
from sandbox.kommo_webhook import SentWebhook, WebhookStyle
from sandbox.openai_answers import Asked
from sandbox.openai_server import OpenAISimulator
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, REDIRECT_URI, Shop, accepted, request_id
from tests.redis_contents import everything_in
from tests.waiting import wait_until

CLIENT_NAME = "Zebedeu-Quaresma"
STEP_INSTRUCTIONS = "instrucoes-do-passo-7261"
FAULTS_AT_OPENAI = (
    "unauthorized",
    "credit_exhausted",
    "server_error_500",
    "not_json",
    "reset",
    "cut_midway",
    "context_too_long",
    "nested_error_event",
    "function_call_output",
)
FAULTS_AT_KOMMO = (status(400), status(401), status(403), status(404), status(500), reset(after_effect=True))


def backwards(asked: Asked) -> str:
    """Answer with what the client did not write."""
    return asked.message[::-1]


@dataclass
class Evening:
    """A service that has seen all kinds of turns, and what must not be found anywhere.

    secrets: by a name for each. said: what clients wrote. answered: what assistants answered.
    refused: webhooks that the door turned away.
    """

    stack: Stack
    secrets: dict[str, str]
    said: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    webhooks: list[SentWebhook] = field(default_factory=list)
    refused: list[SentWebhook] = field(default_factory=list)

    def say(self, shop: Shop, *what: str) -> None:
        """Let clients write something with a mark in it, and wait until their turns are over."""
        texts = [f"segredo-{one} do cliente" for one in what]
        webhooks = [shop.asked(text, shop.client(CLIENT_NAME)) for text in texts]
        for webhook in webhooks:
            shop.turn(webhook)
        self.said += texts
        self.answered += [text[::-1] for text in texts]
        self.webhooks += webhooks

    def keep(self, name: str, shop: Shop) -> None:
        """Remember the secrets of a company."""
        found = {
            "key": shop.key,
            "access token": shop.secrets.access_token,
            "refresh token": shop.secrets.refresh_token,
            "client secret": shop.kommo.integration.secret,
        }
        self.secrets |= {f"{name}, {kind} {len(self.secrets)}": text for kind, text in found.items() if text}

    def never(self, place: str, found: bytes) -> None:
        """Check that nothing of it stands there."""
        for name, text in self.secrets.items():
            assert text.encode() not in found, f"{name} in {place}"
        for webhook in (*self.webhooks, *self.refused):
            assert webhook.token.encode() not in found, f"a token of a webhook in {place}"
        for text in (*self.said, *self.answered, CLIENT_NAME, STEP_INSTRUCTIONS):
            assert text.encode() not in found, f"{text} in {place}"
        # Not as a part of something longer, or written otherwise, either.
        for part in (b"segredo-", b"-oderges", b"do cliente", b"etneilc od", b"do%20cliente", b"do+cliente"):
            assert part not in found, f"{part!r} in {place}"


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    directory: Path = tmp_path_factory.mktemp("secrecy")
    settings = {"LOG_LEVEL": "DEBUG", "TURN_DEADLINE": "5", "KOMMO_REDIRECT_URI": REDIRECT_URI}
    with Stack(directory, settings=settings, openai=OpenAISimulator(answerer=backwards)) as stack:
        stack.start("web", "worker")
        environment = ("SECRET_KEY", "ENCRYPTION_KEYS")
        seen = Evening(stack, {name: stack.environment[name] for name in environment})
        flow = recommended_flow(stack.door, instructions=STEP_INSTRUCTIONS)
        shop = Shop(stack, "Discreta", design=flow)
        assistant = Shop(stack, "Discreta2", design=flow, assistant_id="asst_discreta", profile=None)
        seen.keep("a company", shop)
        seen.keep("another company", assistant)
        stack.wait_until_ready()
        seen.say(shop, "respondido")
        seen.say(assistant, "respondido-tambem")
        for fault in FAULTS_AT_OPENAI:
            shop.fault(fault, message=fault, times=1)
        seen.say(shop, *FAULTS_AT_OPENAI)
        for trouble in FAULTS_AT_KOMMO:
            shop.kommo.faults.add(trouble, Route.CONTINUE)
        seen.say(shop, *(f"kommo-{number}" for number, _ in enumerate(FAULTS_AT_KOMMO)))
        renewed(seen, shop)
        broken(seen)
        refused(seen, shop)
        yield seen


def renewed(seen: Evening, shop: Shop) -> None:
    """A token that is refreshed on the way, and one that cannot be."""
    kommo = shop.kommo
    kommo.integration.redirect_uri = REDIRECT_URI
    access, refresh = kommo.tokens.exchange_code(
        kommo.tokens.issue_code(kommo.integration, ADMIN_USER, True), kommo.integration.client_id
    )
    shop.with_secrets(access_token=access, refresh_token=refresh)
    seen.keep("before the refresh", shop)
    kommo.tokens.expire_access()
    seen.say(shop, "renovado")
    seen.keep("after the refresh", shop)
    kommo.tokens.revoke(kommo.integration.client_id)
    seen.say(shop, "revogado")


def broken(seen: Evening) -> None:
    """A key that is no key at all, and a turn that ends in an error of ours: its record is damaged for a while."""
    shop = Shop(seen.stack, "Danificada")
    shop.fault("slow", message="devagar", first_byte=0.3)
    redis = seen.stack.redis
    client = shop.client(CLIENT_NAME)
    texts = [f"segredo-{what} do cliente" for what in ("devagar", "danificado")]
    data = [{"message": text, "contact_id": str(client.contact_id)} for text in texts]
    webhooks = [accepted(shop.kommo.send_webhook(seen.stack.door, one)) for one in data]
    # It waits in line, so that nobody has read it yet.
    damaged = keys.turn(request_id(webhooks[1]))
    whole = redis.hget(damaged, "sealed")
    redis.hset(damaged, "sealed", "estragado")
    wait_until(lambda: redis.zcard("rq:failed:turns"), PATIENCE)
    redis.hset(damaged, "sealed", whole)
    assert [shop.turn(webhook)["status"] for webhook in webhooks] == ["delivered", "delivered"]
    seen.said += texts
    seen.answered += [text[::-1] for text in texts]
    seen.webhooks += webhooks
    shop.with_secrets(openai_api_key="sk-com espaço\ne quebra-9913")
    seen.keep("a company with a malformed key", shop)
    seen.say(shop, "chave-torta")


def refused(seen: Evening, shop: Shop) -> None:
    """Webhooks that the door turns away."""
    forged = replace(TokenStyle(), secret="x" * 64)
    expired = replace(TokenStyle(), lifetime=-3600.0)
    elsewhere = {"return_url": "https://segredo-de-ninguem.example/api/v4/salesbot/1/continue/1"}
    styles = (
        WebhookStyle(token=forged),
        WebhookStyle(token=expired),
        WebhookStyle(fields=elsewhere),
        WebhookStyle(without_fields=frozenset({"return_url"})),
        WebhookStyle(body=b"token=segredo-&data=segredo-&return_url=segredo-"),
    )
    for style in styles:
        shop.kommo.style = style
        client = shop.client(CLIENT_NAME)
        client.say("segredo-recusado do cliente")
        seen.refused.append(client.webhooks[0].wait(PATIENCE))


def test_the_evening_was_as_it_should_be(evening: Evening) -> None:
    codes = {evening.stack.redis.hget(keys.turn(request_id(webhook)), "error_code") for webhook in evening.webhooks}
    assert codes >= {None, b"openai_authentication", b"openai_quota", b"openai_unexpected"}
    assert [webhook.status for webhook in evening.refused] == [401, 401, 403, 400, 400]
    assert len(evening.secrets) >= 10


def unpacked(redis: Redis) -> bytes:
    """What RQ keeps compressed, and in its streams of results in base64 besides."""
    packed: list[bytes] = []
    for job in redis.scan_iter("rq:job:*"):
        packed += job_fields(redis, job).values()
    for results in redis.scan_iter("rq:results:*"):
        entries = cast("list[tuple[bytes, dict[bytes, bytes]]]", redis.xrange(results))
        packed += [value for _, fields in entries for kept in fields.values() for value in (kept, *in_base64(kept))]
    return b"\n".join(text for value in packed for text in inflated(value))


def job_fields(redis: Redis, job: bytes) -> dict[bytes, bytes]:
    return cast("dict[bytes, bytes]", redis.hgetall(job))


def in_base64(value: bytes) -> list[bytes]:
    try:
        return [base64.b64decode(value, validate=True)]
    except binascii.Error:
        return []


def inflated(value: bytes) -> list[bytes]:
    try:
        return [zlib.decompress(value)]
    except zlib.error:
        return []


def test_redis_holds_no_secret_and_no_word_in_clear(evening: Evening) -> None:
    compressed = unpacked(evening.stack.redis)
    assert b"workers.jobs.answer" in compressed
    assert b"JobFailed: NoKeyFits" in compressed
    found = everything_in(evening.stack.redis) + compressed
    # What must be there is there, so what is not found would have been seen.
    assert request_id(evening.webhooks[0]).encode() in found
    sealed = evening.stack.redis.hgetall(keys.turn(request_id(evening.webhooks[0])))
    assert json.loads(evening.stack.sealer.unseal(sealed[b"sealed"]))["message"] == evening.said[0]
    assert evening.stack.sealer.unseal(sealed[b"answer"]) == evening.answered[0]
    evening.never("Redis", found)


def test_jobs_carry_the_id_of_a_turn_and_nothing_else(evening: Evening) -> None:
    redis = evening.stack.redis
    jobs = list(redis.scan_iter("rq:job:*"))
    assert len(jobs) >= len(evening.webhooks)
    known = {request_id(webhook) for webhook in evening.webhooks}
    for job in jobs:
        stored = job_fields(redis, job)
        turn_id = stored[b"description"].decode()
        assert turn_id in known
        (data,) = inflated(stored[b"data"]) or [stored[b"data"]]
        assert json.loads(data) == ["workers.jobs.answer", None, [turn_id], {}]
        assert stored.get(b"meta", b"{}") in (b"{}", b"")


def test_logs_hold_no_secret_and_no_word(evening: Evening) -> None:
    found = b"".join(log.read_bytes() for log in evening.stack.log_files)
    for webhook in evening.webhooks:
        assert request_id(webhook).encode() in found
    assert b'"level": "debug"' in found
    evening.never("the logs", found)


def test_no_answer_of_the_door_repeats_anything(evening: Evening) -> None:
    answers = [webhook.answer or "" for webhook in (*evening.webhooks, *evening.refused)]
    assert all(answers)
    evening.never("an answer of the door", "\n".join(answers).encode())


def test_no_secret_is_sent_to_the_wrong_partner(evening: Evening) -> None:
    told_openai = "".join(f"{call.path} {call.query} {call.headers} {call.body}" for call in evening.stack.openai.calls)
    told_kommo = "".join(f"{call.url} {call.token} {call.body}" for call in evening.stack.kommo.continues)
    assert evening.said[0] in told_openai
    for name, text in evening.secrets.items():
        assert text not in told_openai, name
        if "access token" not in name:
            assert text not in told_kommo, name
    assert CLIENT_NAME not in told_openai
