"""A company under test: its account, a bot, its clients, and what can be seen of its turns from outside."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from app.domain.accounts import Account, Secrets
from app.domain.turn import CLOSED
from app.services.reporting import Reporting
from app.services.usage_reporting import UsageReporting
from app.storage.ledger import RedisLedger
from app.storage.turns import RedisTurns
from app.storage.usage import RedisUsage
from sandbox.flows import recommended_flow
from sandbox.kommo_chat import Client, WhilePaused
from sandbox.kommo_design import Design
from sandbox.kommo_webhook import SentWebhook
from sandbox.openai_answers import Asked, answer
from sandbox.openai_faults import GENERATION, matches
from sandbox.openai_state import Call
from sandbox.stack import Stack
from tests.builders import TIMING
from tests.waiting import wait_until

Json = dict[str, Any]

# Long enough for a machine that others keep busy; nothing waits so long when all is well.
PATIENCE = 20.0
# Of every integration that can be installed by OAuth.
REDIRECT_URI = "https://bot.example.com/kommo/oauth/callback"
_SAY = "DIGA "


def say(text: str) -> str:
    """A message that an obedient assistant answers with this text; no bot fills anything in on its way there."""
    return _SAY + json.dumps(text).replace("{", r"\u007b").replace("}", r"\u007d")


def obedient(asked: Asked) -> str:
    """A model that says what it is told to say."""
    if not asked.message.startswith(_SAY):
        return answer(asked)
    told: str = json.loads(asked.message.removeprefix(_SAY))
    return told


class Shop:
    """A company with one bot. Its name stands in every answer of its assistant."""

    def __init__(
        self,
        stack: Stack,
        name: str,
        *,
        design: Design | None = None,
        while_paused: WhilePaused = "lost",
        **fields: Any,
    ) -> None:
        """fields: of the account, see Stack.add_company."""
        self.stack = stack
        self.company = stack.add_company(name, **fields)
        self.kommo = self.company.kommo
        self.bot = self.kommo.add_bot(design or recommended_flow(stack.door), while_paused=while_paused)
        turns = RedisTurns(stack.redis, stack.sealer, TIMING)
        figures = UsageReporting(RedisUsage(stack.redis), b"key of the tests")
        self.reporting = Reporting(stack.accounts, RedisLedger(stack.redis), turns, figures)

    # --- its account --------------------------------------------------------------------------------------------

    @property
    def account(self) -> Account:
        """As it stands in Redis now."""
        found = self.stack.accounts.get(self.kommo.account_id)
        assert found is not None
        return found

    @property
    def secrets(self) -> Secrets:
        """As they stand in Redis now."""
        return self.account.secrets

    @property
    def key(self) -> str:
        """Its key at OpenAI."""
        return self.secrets.openai_api_key or ""

    def change(self, **fields: Any) -> None:
        """Change its account."""
        account = self.account
        self.stack.accounts.replace(replace(account, **fields), account.version)

    def with_secrets(self, **secrets: str | None) -> None:
        """Change some of its account's secrets."""
        self.change(secrets=replace(self.secrets, **secrets))

    # --- its clients --------------------------------------------------------------------------------------------

    def client(self, name: str = "Ana", origin: str = "whatsapp", **options: Any) -> Client:
        """A new client, who writes to its bot."""
        return self.kommo.client(name, origin, **options)

    def asked(self, text: str, client: Client | None = None) -> SentWebhook:
        """Let a client write, a new one where none is given; the webhook that came of it, accepted."""
        writer = client or self.client()
        writer.say(text)
        return accepted(writer.webhooks[-1])

    # --- what became of a turn ----------------------------------------------------------------------------------

    def told(self, webhook: SentWebhook) -> Json:
        """The body of the continue call that continued the bot."""
        kommo = self.stack.kommo
        (call,) = kommo.wait_for(lambda: kommo.accepted_continues(webhook.return_url), PATIENCE)
        body: Json = call.body
        return body

    def statuses(self, webhook: SentWebhook) -> list[int | None]:
        """What Kommo answered to its continue calls, the first one first; None where it answered nothing."""
        return [call.status for call in self.stack.kommo.continues_of(webhook.return_url)]

    def turn(self, webhook: SentWebhook) -> Json:
        """The turn as `turn show` tells it, as soon as it is over."""
        request_id = webhook.wait().json()["request_id"]
        wait_until(lambda: self.reporting.turn(request_id)["status"] in CLOSED, PATIENCE)
        return self.reporting.turn(request_id)

    def steps(self, webhook: SentWebhook, name: str) -> list[Json]:
        """Its steps of one name, as soon as it is over."""
        return [step for step in self.turn(webhook)["steps"] if step["step"] == name]

    # --- its books ----------------------------------------------------------------------------------------------

    def usage(self) -> Json:
        """Its figures of this month."""
        return self.reporting.usage(self.kommo.account_id, None)

    def used_and_reserved(self) -> tuple[int, int]:
        """What its turns have cost, and may still cost."""
        figures = self.usage()
        return figures["used"], figures["reserved"]

    def ledger(self) -> list[tuple[str, int, str]]:
        """Kind, requests and reason of the entries of this month, oldest first."""
        entries = self.reporting.entries(self.kommo.account_id, None)
        return [(entry["kind"], entry["requests"], entry["reason"]) for entry in entries]

    # --- what OpenAI saw ----------------------------------------------------------------------------------------

    def fault(self, name: str, **options: Any) -> None:
        """Let something go wrong at OpenAI for this company alone."""
        self.stack.openai.fault(name, key=self.key, **options)

    def calls(self, routes: Iterable[str] = GENERATION) -> list[Call]:
        """The requests that came with its key, oldest first; those that ask for an answer unless others are named."""
        patterns = tuple(routes)
        return [
            call
            for call in self.stack.openai.calls
            if call.key == self.key and matches(f"{call.method} {call.path}", patterns)
        ]


def accepted(webhook: SentWebhook) -> SentWebhook:
    """The webhook, as soon as it was answered with 200."""
    webhook.wait(PATIENCE)
    assert webhook.status == 200, (webhook.status, webhook.answer, webhook.error)
    return webhook


def request_id(webhook: SentWebhook) -> str:
    """The id that the webhook was answered with."""
    found: str = accepted(webhook).json()["request_id"]
    return found


def assistant_fields(kind: str, name: str) -> Mapping[str, Any]:
    """Fields of a company that is asked in this way: `profile`, `prompt` or `assistant`."""
    return {
        "profile": {},
        "prompt": {"assistant_id": f"pmpt_{name}", "profile": None},
        "assistant": {"assistant_id": f"asst_{name}", "profile": None},
    }[kind]
