"""Secrets are changed while they are in use: of an integration, of a company at OpenAI, and of ByteGPT itself."""

import json
import signal
import threading
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from app.childprocess import ChildProcess
from app.storage import keys
from app.storage.sealing import Sealer
from app.storage.turns import RedisTurns
from sandbox.kommo_jwt import TokenStyle
from sandbox.kommo_webhook import SentWebhook, WebhookStyle
from sandbox.stack import Stack
from tests.builders import TIMING
from tests.functional.commands import bytegpt, printed, set_account
from tests.functional.shop import PATIENCE, Shop, request_id, say
from tests.waiting import wait_until


def signed_with(shop: Shop, secret: str) -> SentWebhook:
    """A webhook whose token was signed with this secret, as soon as the door has answered it."""
    style = WebhookStyle(token=TokenStyle(secret=secret))
    data = {"message": say("recebido"), "contact_id": "1"}
    return shop.kommo.send_webhook(shop.stack.door, data, style).wait(PATIENCE)


def test_the_old_secret_of_an_integration_counts_until_the_next_change(service: Stack) -> None:
    shop = Shop(service, "Chaveiro")
    account_id, integration = shop.kommo.account_id, shop.kommo.integration
    secrets = [integration.secret]
    assert signed_with(shop, secrets[0]).status == 200
    for _ in range(2):
        # Kommo makes a new one, which revokes the tokens; until ByteGPT is told, it knows nothing of it.
        shop.kommo.change_private_secret()
        assert signed_with(shop, integration.secret).status == 401
        secrets.append(integration.secret)
        set_account(service, account_id, client_secret=integration.secret, access_token=shop.kommo.long_lived_token())
        new = signed_with(shop, integration.secret)
        assert new.status == 200
        assert shop.told(new)["data"]["reply"] == "recebido"
        # What was signed before is still on its way.
        before = signed_with(shop, secrets[-2])
        assert before.status == 200
        assert shop.told(before)["data"]["reply"] == "recebido"
    wait_until(lambda: signed_with(shop, secrets[0]).status == 401, PATIENCE)


@pytest.mark.parametrize("project", ["the same", "another"])
def test_a_key_of_openai_is_changed_while_it_is_in_use(service: Stack, project: str) -> None:
    shop = Shop(service, f"Troca{project.replace(' ', '')}")
    client, other = shop.client(), shop.client("Bia")
    shop.turn(shop.asked(say("antes"), client))
    old, new = shop.key, f"sk-{project.replace(' ', '-')}-0123456789"
    service.openai.add_key(new, shop.company.project if project == "the same" else project)
    shop.fault("slow", message="durante", first_byte=1.5)
    during = shop.asked(say("durante"), other)
    wait_until(lambda: shop.reporting.turn(request_id(during))["status"] == "asking", PATIENCE)
    set_account(service, shop.kommo.account_id, openai_api_key=new)
    after = shop.asked(say("depois"), client)
    assert shop.told(after)["data"]["reply"] == "depois"
    # Whoever asked with the old key has the answer; then it may be revoked.
    assert shop.told(during)["data"]["reply"] == "durante"
    service.openai.remove_key(old)
    assert shop.told(shop.asked(say("revogada"), other))["data"]["reply"] == "revogada"
    fresh = shop.steps(after, "fresh_conversation")
    assert [step["why"] for step in fresh] == ([] if project == "the same" else ["lost"])
    assert printed(service, "account", "show", str(shop.kommo.account_id))["openai_api_key"] == "sk-…6789"


class Restarted:
    """A service of its own whose ENCRYPTION_KEYS change from start to start."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._running: list[ChildProcess] = []

    def with_keys(self, *encryption_keys: str) -> None:
        """Stop what runs, in order, and start it with these."""
        for child in self._running:
            child.send_signal(signal.SIGTERM)
        for child in self._running:
            assert child.wait(PATIENCE)
        self.stack.environment["ENCRYPTION_KEYS"] = ",".join(encryption_keys)
        self._running = self.stack.start("web", "worker")
        self.stack.wait_until_ready()


def test_encryption_keys_are_changed_under_load_and_the_old_one_is_dropped(tmp_path: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    with Stack(tmp_path, settings={"ENCRYPTION_KEYS": old}) as stack:
        service = Restarted(stack)
        service.with_keys(old)
        stack.add_plan("grande", 1_000_000)
        shop = Shop(stack, "Cofre", plan="grande")
        early = [shop.asked(f"cedo {number}") for number in range(10)]
        told = {webhook: shop.told(webhook)["data"]["reply"] for webhook in early}
        code, output, _ = bytegpt(stack, "secrets", "rotate", "--check", "--json")
        assert (code, json.loads(output)["next"]) == (0, "There is one key, and everything is sealed with it.")
        service.with_keys(new, old)
        code, output, _ = bytegpt(stack, "secrets", "rotate", "--check", "--json")
        assert (code, json.loads(output)["old_keys_can_be_dropped"]) == (1, False)
        written: list[SentWebhook] = []
        stop = threading.Event()

        def write() -> None:
            client = shop.client()
            while not stop.is_set():
                written.append(shop.asked(f"durante {len(written)}", client))
                shop.told(written[-1])

        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()

        def wait_until_written(number: int) -> None:
            wait_until(lambda: len(written) > number, PATIENCE)

        for enough in (8, 16, 24):
            wait_until_written(enough)
            assert printed(stack, "secrets", "rotate")["old_keys_can_be_dropped"] is True
        stop.set()
        for writer in writers:
            writer.join(PATIENCE)
        names = [keys.turn(request_id(webhook)) for webhook in written]
        wait_until(lambda: {stack.redis.hget(name, "status") for name in names} == {b"delivered"}, PATIENCE)
        code, output, _ = bytegpt(stack, "secrets", "rotate", "--check", "--json")
        found = json.loads(output)
        assert (code, found["need_an_older_key"], found["unreadable"]) == (0, 0, [])
        assert {row["kind"]: row["key_2"] for row in found["sealed"]} == {"account": 0, "integration": 0, "turn": 0}
        service.with_keys(new)
        assert shop.told(shop.asked("depois"))["data"]["status"] == "success"
        archive = RedisTurns(stack.redis, Sealer([new]), TIMING)
        for webhook, reply in told.items():
            turn = archive.read(webhook.json()["request_id"])
            assert turn is not None
            assert turn.answer == reply


def test_a_key_that_was_dropped_too_early_is_told_and_nothing_is_touched(tmp_path: Path) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    with Stack(tmp_path, settings={"ENCRYPTION_KEYS": old}) as stack:
        shop = Shop(stack, "Perdida")
        stack.environment["ENCRYPTION_KEYS"] = new
        code, output, errors = bytegpt(stack, "secrets", "rotate")
        assert (code, errors) == (1, "")
        assert f"unreadable: bytegpt:account:{shop.kommo.account_id} secrets" in output
        assert "put the key back" in output
        stack.environment["ENCRYPTION_KEYS"] = f"{new},{old}"
        code, output, _ = bytegpt(stack, "secrets", "rotate")
        assert code == 0
        assert "Nothing needs the older keys any more" in output
