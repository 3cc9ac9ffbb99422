"""Every failure of contract 6, by every cause: what Kommo is told, what it costs, and what people read on the lead.

All cases are asked at once, of a service with short times; each has a company of its own.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import pytest

from sandbox.kommo_accounts import Note
from sandbox.kommo_webhook import SentWebhook
from sandbox.openai_faults import GENERATION, matches
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop, accepted, assistant_fields, request_id
from tests.waiting import wait_until

# The texts of contract 6, to the letter.
ERRORS = {
    "openai_timeout": "ERRO OpenAi Limite de tempo atingido. OpenAI está com lentidão",
    "openai_authentication": "Falha na Autenticação da API",
    "assistant_not_found": "Assistant ID Inválido",
    "openai_quota": "Limite de Quota Excedido",
    "openai_connection": "Erro de Conexão",
    "openai_unexpected": "Resposta Inesperada da OpenAI",
    "plan_quota": "Limite de requisições do plano ByteGPT atingido",
    "contact_limit": "Limite diário de requisições deste contato atingido",
    "no_message": "Mensagem sem texto",
    "busy": "ByteGPT sobrecarregado. Tente novamente",
    "account_paused": "ByteGPT pausado para esta conta",
}
# The six documented ones, and the first refusal of a month for the plan's sake (contract 5).
WITH_A_NOTE = frozenset(code for code in ERRORS if code.startswith(("openai_", "assistant_"))) | {"plan_quota"}
FAILURE_TEXT = "Já vamos te atender, um instante."
ONCE = range(1, 2)
NEVER = range(1)
# Retried, and 6 attempts at most.
AGAIN_AND_AGAIN = range(2, 7)


@dataclass(frozen=True)
class Case:
    """One cause of one failure.

    fault: at OpenAI, with its options. kind: how the assistant is asked. change: of the account's fields.
    asked: how often OpenAI may be asked for an answer.
    """

    code: str
    name: str
    fault: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    kind: str = "profile"
    change: dict[str, Any] = field(default_factory=dict)
    asked: range = ONCE
    message: str = "Oi"

    @property
    def reserves(self) -> bool:
        """Whether a request is reserved before it fails."""
        return self.code not in ("plan_quota", "contact_limit", "no_message", "account_paused")


def fails(code: str, fault: str, kind: str = "profile", *, asked: range = ONCE, **options: Any) -> Case:
    name = "-".join([fault, kind, *(f"{option}-{value}" for option, value in options.items())])
    return Case(code, name, fault, options, kind, asked=asked)


def becomes(code: str, name: str, *, asked: range = NEVER, message: str = "Oi", **change: Any) -> Case:
    return Case(code, name, change=change, asked=asked, message=message)


TIMEOUT = [
    fails("openai_timeout", "hang"),
    fails("openai_timeout", "hang", "assistant"),
    fails("openai_timeout", "hang", "prompt"),
    fails("openai_timeout", "hang", asked=NEVER, route="POST /conversations"),
    fails("openai_timeout", "hang_midway"),
    fails("openai_timeout", "hang_midway", "assistant"),
    fails("openai_timeout", "slow", first_byte=60.0),
    # A byte from time to time is no silence; the turn's own deadline ends it.
    fails("openai_timeout", "trickle"),
    fails("openai_timeout", "trickle", "assistant"),
    fails("openai_timeout", "run_expired", "assistant"),
]
AUTHENTICATION = [
    fails("openai_authentication", "unauthorized", asked=NEVER),
    fails("openai_authentication", "unauthorized", "assistant", asked=NEVER),
    fails("openai_authentication", "unauthorized", "prompt", route="POST /responses"),
    fails("openai_authentication", "forbidden_region", asked=NEVER),
    fails("openai_authentication", "forbidden_model"),
    fails("openai_authentication", "forbidden_model", "assistant"),
    becomes("openai_authentication", "a-key-openai-does-not-know", secrets={"openai_api_key": "sk-revoked-0123456789"}),
    becomes("openai_authentication", "no-key-saved", secrets={"openai_api_key": None}),
]
NOT_FOUND = [
    fails("assistant_not_found", "prompt_not_found", "prompt"),
    fails("assistant_not_found", "assistant_not_found", "assistant"),
    becomes("assistant_not_found", "an-assistant-nobody-has", asked=ONCE, assistant_id="asst_nobodys", profile=None),
    becomes("assistant_not_found", "a-prompt-nobody-has", asked=ONCE, assistant_id="pmpt_nobodys", profile=None),
    becomes("assistant_not_found", "no-id-saved", assistant_id=None, profile=None),
    becomes("assistant_not_found", "an-empty-id", assistant_id="", profile=None),
    becomes("assistant_not_found", "a-word-as-id", assistant_id="vendas", profile=None),
    becomes("assistant_not_found", "a-key-as-id", assistant_id="sk-0123456789abcdef", profile=None),
    becomes("assistant_not_found", "an-id-in-capitals", assistant_id="ASST_1", profile=None),
]
QUOTA = [
    fails("openai_quota", "credit_exhausted"),
    fails("openai_quota", "credit_exhausted", "assistant"),
    fails("openai_quota", "insufficient_quota", "prompt"),
    fails("openai_quota", "org_spend_limit"),
    fails("openai_quota", "project_spend_limit"),
    fails("openai_quota", "org_usage_limit"),
    fails("openai_quota", "billing_not_active"),
    fails("openai_quota", "billing_not_active", status=403),
    fails("openai_quota", "billing_hard_limit", status=400),
    fails("openai_quota", "billing_hard_limit", status=403),
    fails("openai_quota", "billing_hard_limit", "assistant", status=429),
    fails("openai_quota", "quota_error_event"),
    fails("openai_quota", "quota_error_event", "assistant"),
    fails("openai_quota", "response_failed_quota"),
    fails("openai_quota", "run_failed_quota", "assistant"),
    # OpenAI names 20 s, and the turn has 8.
    fails("openai_quota", "rate_limit"),
    fails("openai_quota", "rate_limit", retry_after=60),
    fails("openai_quota", "response_failed_rate"),
    fails("openai_quota", "run_failed_rate", "assistant"),
    fails("openai_quota", "rate_limit", asked=AGAIN_AND_AGAIN, retry_after_ms=100),
    fails("openai_quota", "rate_limit", "assistant", asked=AGAIN_AND_AGAIN, type="tokens", retry_after_ms=100),
    fails("openai_quota", "slow_down", asked=AGAIN_AND_AGAIN),
]
CONNECTION = [
    fails("openai_connection", "reset", asked=AGAIN_AND_AGAIN),
    fails("openai_connection", "reset", "assistant", asked=AGAIN_AND_AGAIN),
    fails("openai_connection", "reset", asked=NEVER, route="POST /conversations"),
]
UNEXPECTED = [
    fails("openai_unexpected", "server_error_500", asked=AGAIN_AND_AGAIN),
    fails("openai_unexpected", "server_error_500", "assistant", asked=AGAIN_AND_AGAIN),
    fails("openai_unexpected", "bad_gateway_html_502", asked=AGAIN_AND_AGAIN),
    fails("openai_unexpected", "overloaded_503", asked=AGAIN_AND_AGAIN),
    fails("openai_unexpected", "overloaded_503", retry_after=60),
    fails("openai_unexpected", "timeout_408", asked=AGAIN_AND_AGAIN),
    fails("openai_unexpected", "conflict_409", "assistant", asked=AGAIN_AND_AGAIN),
    fails("openai_unexpected", "nested_error_event", asked=AGAIN_AND_AGAIN),
    fails("openai_unexpected", "flat_error_event", asked=AGAIN_AND_AGAIN),
    fails("openai_unexpected", "response_failed_server_error", asked=AGAIN_AND_AGAIN),
    fails("openai_unexpected", "run_failed_server_error", "assistant", asked=AGAIN_AND_AGAIN),
    fails("openai_unexpected", "locked", asked=AGAIN_AND_AGAIN),
    # Once in the conversation and once in a fresh one.
    fails("openai_unexpected", "context_too_long", asked=range(2, 3)),
    fails("openai_unexpected", "not_json"),
    fails("openai_unexpected", "not_json", "assistant"),
    fails("openai_unexpected", "not_json", asked=NEVER, route="POST /conversations"),
    fails("openai_unexpected", "cut_midway"),
    fails("openai_unexpected", "cut_midway", "assistant", clean=False),
    fails("openai_unexpected", "reset_midway"),
    fails("openai_unexpected", "empty_answer"),
    fails("openai_unexpected", "empty_answer", with_message=False),
    fails("openai_unexpected", "empty_answer", "assistant"),
    fails("openai_unexpected", "incomplete_max_tokens", text=False),
    fails("openai_unexpected", "function_call_output"),
    fails("openai_unexpected", "run_requires_action", "assistant"),
    fails("openai_unexpected", "run_cancelled", "assistant"),
    fails("openai_unexpected", "run_incomplete", "assistant", text=False),
    fails("openai_unexpected", "model_not_found"),
    fails("openai_unexpected", "model_not_found", "assistant"),
    fails("openai_unexpected", "request_too_large"),
]
REFUSED = [
    becomes("plan_quota", "a-plan-of-nothing", plan="nada"),
    becomes("plan_quota", "a-plan-nobody-sells", plan="inexistente"),
    becomes("plan_quota", "a-handler-that-weighs-more-than-is-left", weights={"ai_reply": 101}),
    becomes("contact_limit", "a-handler-that-weighs-more", contact_daily_limit=1, weights={"ai_reply": 2}),
    becomes("no_message", "an-empty-message", message=""),
    becomes("no_message", "white-space", message=" \n\t"),
    becomes("no_message", "a-bare-placeholder", message="{{message_text}}"),
    becomes("no_message", "another-bare-placeholder", message=" {{contact.phone}} "),
    becomes("no_message", "nothing-to-see", message="\u200b\ufeff"),
    becomes("account_paused", "paused", paused=True),
    # Who is paused is told so, whatever else is wrong.
    becomes("account_paused", "paused-and-without-a-message", paused=True, message=""),
    becomes("account_paused", "paused-and-without-requests", paused=True, plan="nada"),
]
CASES = [*TIMEOUT, *AUTHENTICATION, *NOT_FOUND, *QUOTA, *CONNECTION, *UNEXPECTED, *REFUSED]
TABLE = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code}-{case.name}")


class Failed:
    """A case that was asked."""

    def __init__(self, stack: Stack, case: Case) -> None:
        name = f"{case.code}-{case.name}"
        self.case = case
        change = dict(case.change)
        plan = change.pop("plan", "teste")
        self.shop = Shop(stack, name, failure_text=FAILURE_TEXT, plan=plan, **assistant_fields(case.kind, name))
        if case.fault:
            self.shop.fault(case.fault, **case.options)
        if "secrets" in change:
            change["secrets"] = replace(self.shop.secrets, **change["secrets"])
        if change:
            self.shop.change(**change)
        self.client = self.shop.client()
        self.client.say(case.message)

    @property
    def webhook(self) -> SentWebhook:
        """Of its message."""
        return accepted(self.client.webhooks[0])


@pytest.fixture(scope="module")
def steady(hasty: Stack) -> tuple[Shop, SentWebhook]:
    """An answer that takes longer than OPENAI_READ_TIMEOUT and is never silent for so long."""
    shop = Shop(hasty, "constante")
    shop.fault("slow", total=3.0)
    return shop, shop.asked("um dois três quatro cinco seis sete oito")


@pytest.fixture(scope="module")
def failed(hasty: Stack, steady: tuple[Shop, SentWebhook]) -> dict[str, Failed]:
    hasty.add_plan("nada", 0)
    return {case.name + case.code: Failed(hasty, case) for case in CASES}


@TABLE
def test_kommo_is_told_the_documented_failure_once(failed: dict[str, Failed], case: Case) -> None:
    one = failed[case.name + case.code]
    remaining = {"a-plan-of-nothing": "0", "a-plan-nobody-sells": "0", "paused-and-without-requests": "0"}
    assert one.shop.told(one.webhook) == {
        "data": {
            "status": "fail",
            "error_code": case.code,
            "error": ERRORS[case.code],
            "reply": FAILURE_TEXT,
            "parts": "1",
            "request_id": request_id(one.webhook),
            "remaining": remaining.get(case.name, "100"),
        }
    }
    assert one.shop.statuses(one.webhook) == [202]
    assert one.client.replies == [FAILURE_TEXT]


@TABLE
def test_a_failure_costs_nothing_and_the_ledger_shows_why(failed: dict[str, Failed], case: Case) -> None:
    one = failed[case.name + case.code]
    turn = one.shop.turn(one.webhook)
    assert (turn["status"], turn["error_code"]) == ("delivered", case.code)
    assert one.shop.used_and_reserved() == (0, 0)
    grant, *entries = one.shop.ledger()
    assert grant[0] == "grant"
    if case.reserves:
        assert entries == [("reserve", -1, "ai_reply"), ("release", 1, case.code)]
        assert turn["charge"] == "released"
    else:
        assert entries == [("refuse", 0, case.code)]
        assert turn["charge"] == "none"


def test_an_answer_that_keeps_coming_is_waited_for(steady: tuple[Shop, SentWebhook]) -> None:
    shop, webhook = steady
    assert shop.told(webhook)["data"]["status"] == "success"
    turn = shop.turn(webhook)
    asked, answered = (step["at"] for step in turn["steps"] if step["step"] in ("asking", "answered"))
    assert (datetime.fromisoformat(answered) - datetime.fromisoformat(asked)).total_seconds() >= 2.9


@pytest.fixture(scope="module")
def requests_of(hasty: Stack, failed: dict[str, Failed]) -> Counter[str]:
    """How often OpenAI was asked for an answer with each key, when all is over."""
    for one in failed.values():
        one.shop.turn(one.webhook)
    return Counter(call.key for call in hasty.openai.calls if matches(f"{call.method} {call.path}", GENERATION))


@TABLE
def test_openai_is_asked_as_often_as_makes_sense(
    failed: dict[str, Failed], requests_of: Counter[str], case: Case
) -> None:
    one = failed[case.name + case.code]
    times = requests_of[one.shop.key]
    assert times in case.asked
    assert one.shop.turn(one.webhook)["attempts"] == times


@pytest.fixture(scope="module")
def notes(failed: dict[str, Failed]) -> dict[str, list[Note]]:
    """The notes of each case, when every one that is due has been written."""
    due = [one for one in failed.values() if one.case.code in WITH_A_NOTE]
    wait_until(lambda: all(one.shop.kommo.notes for one in due), PATIENCE)
    return {name: one.shop.kommo.notes for name, one in failed.items()}


@TABLE
def test_the_lead_gets_one_note_where_it_is_due(
    failed: dict[str, Failed], notes: dict[str, list[Note]], case: Case
) -> None:
    one = failed[case.name + case.code]
    found = notes[case.name + case.code]
    if case.code not in WITH_A_NOTE:
        assert found == []
        return
    (note,) = found
    what, cause, remedy, page, request = note.text.splitlines()
    assert note.lead_id == one.client.lead_id
    assert what == f"ByteGPT: {ERRORS[case.code]}"
    assert cause.startswith("Causa: ")
    assert remedy.startswith("O que fazer: ")
    assert page.startswith("Como resolver: http")
    assert page.endswith(f"/help/errors/{case.code}?lang=pt")
    assert request == f"Requisição: {request_id(one.webhook)}"
    assert one.shop.steps(one.webhook, "note_written")
