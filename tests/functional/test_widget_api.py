"""The widget's API as it is delivered: real processes and Redis, the simulated Kommo's tokens, the simulated OpenAI."""

import http.client
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.domain.accounts import Account
from app.domain.assistants import Profile
from app.domain.failures import TEXTS, Failure
from app.web.widget import MOST_AT_ONCE
from sandbox.kommo_jwt import TokenStyle
from sandbox.kommo_server import KommoSimulator
from sandbox.openai_server import OpenAISimulator
from sandbox.stack import Stack
from tests.functional.commands import printed
from tests.functional.shop import REDIRECT_URI, Shop
from tests.redis_contents import everything_in
from tests.waiting import wait_until

SETTINGS, CHECK, USAGE = "/widget/settings", "/widget/check", "/widget/usage"
CHANGE = {"failure_text": "Um momento."}
PATIENCE = 40.0
# Seconds of silence of OpenAI after which there is no answer.
SILENCE = 2.0


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: Any


@dataclass
class Page:
    """A page of a company's Kommo account in which an administrator uses the widget."""

    shop: Shop
    tokens: list[str] = field(default_factory=list)

    @property
    def account(self) -> Account:
        return self.shop.account

    def token(self, *, admin: bool | None = True, style: TokenStyle | None = None) -> str:
        found = self.shop.kommo.front_end_token(self.shop.stack.url + SETTINGS, admin=admin, style=style)
        self.tokens.append(found)
        return found

    def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, origin: str | None = None
    ) -> Answered:
        """One request over a connection of its own, with a good token and the page's own origin by default."""
        headers = {"Origin": self.shop.kommo.url if origin is None else origin, "Content-Type": "application/json"}
        if method != "OPTIONS":
            headers["X-Auth-Token"] = self.token() if token is None else token
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.shop.stack.port, timeout=PATIENCE)
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            raw = answer.read()
            return Answered(answer.status, dict(answer.getheaders()), json.loads(raw) if raw else None)
        finally:
            connection.close()

    def check(self, body: Any = None) -> Any:
        """The outcome of a test."""
        answer = self.call("POST", CHECK, body or {})
        assert answer.status == 200, answer
        return answer.body


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory: Path = tmp_path_factory.mktemp("widget")
    settings = {"OPENAI_READ_TIMEOUT": str(SILENCE), "LOG_LEVEL": "DEBUG"}
    kommo = KommoSimulator(rate=None, public_redirect_uri=REDIRECT_URI)
    with Stack(directory, settings=settings, kommo=kommo, openai=OpenAISimulator()) as stack:
        stack.start("web", "worker")
        stack.wait_until_ready()
        yield stack


def a_page(stack: Stack, name: str, **fields: Any) -> Page:
    return Page(Shop(stack, name, **fields))


def log_of(stack: Stack) -> list[dict[str, Any]]:
    """The lines that the web process has written about this API."""
    (log,) = [log for log in stack.log_files if "web" in log.name]
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("event") == "widget"]


def test_an_administrator_fills_in_the_form_and_the_first_client_is_answered(stack: Stack) -> None:
    page = a_page(stack, "Padaria", profile=None)
    key = page.shop.key
    page.shop.with_secrets(openai_api_key=None)
    stack.openai.add_assistant("asst_padaria", "Padaria", instructions="Assistente da Padaria.")

    shown = page.call("GET", SETTINGS).body
    assert shown["status"]["missing"] == ["openai_api_key", "assistant"]
    assert page.check()["error"] == "Assistant ID Inválido"
    wrong = page.check({"openai_api_key": "sk-wrong-0123456789", "assistant_id": "asst_padaria"})
    assert (wrong["error_code"], wrong["error"]) == ("openai_authentication", "Falha na Autenticação da API")
    typed = {"openai_api_key": key, "assistant_id": "asst_padaria"}
    assert page.check(typed)["ok"]
    assert page.account.secrets.openai_api_key is None

    saved = page.call("PUT", SETTINGS, {**typed, "version": shown["version"]})
    assert (saved.status, saved.body["setup"]["ok"], saved.body["status"]["missing"]) == (200, True, [])
    assert saved.body["openai_api_key"] == f"sk-…{key[-4:]}"
    assert page.account.profile == Profile("gpt-4o-mini", "Assistente da Padaria.", source="imported", active=False)

    webhook = page.shop.asked("Vocês abrem hoje?")
    assert page.shop.told(webhook)["data"]["status"] == "success"
    usage = page.call("GET", USAGE).body
    assert (usage["used"], usage["plan"], len(usage["by_contact"])) == (1, "teste", 1)
    assert usage == printed(stack, "usage", str(page.account.account_id))
    assert re.fullmatch("[0-9a-f]{16}", usage["by_contact"][0]["contact"])


FAULTS = {
    "unauthorized": Failure.OPENAI_AUTHENTICATION,
    "assistant_not_found": Failure.ASSISTANT_NOT_FOUND,
    "credit_exhausted": Failure.OPENAI_QUOTA,
    "rate_limit": Failure.OPENAI_QUOTA,
    "server_error_500": Failure.OPENAI_UNEXPECTED,
    "model_not_found": Failure.OPENAI_UNEXPECTED,
    "hang": Failure.OPENAI_TIMEOUT,
    "reset": Failure.OPENAI_CONNECTION,
    "empty_answer": Failure.OPENAI_UNEXPECTED,
}


# A profile asks for no assistant.
CASES = [(kind, fault) for fault in FAULTS for kind in ("profile", "assistant")]
CASES.remove(("profile", "assistant_not_found"))


@pytest.mark.parametrize(("kind", "fault"), CASES)
def test_a_test_says_what_a_turn_would_fail_with(stack: Stack, kind: str, fault: str) -> None:
    fields = {} if kind == "profile" else {"assistant_id": f"asst_{fault}", "profile": None}
    page = a_page(stack, f"Teste {kind} {fault}", **fields)
    page.shop.fault(fault)
    answer = page.check()
    assert (answer["ok"], answer["error_code"], answer["error"]) == (False, FAULTS[fault], TEXTS[FAULTS[fault]])
    assert answer["remedy"]
    assert answer["reply"] is None
    assert page.shop.used_and_reserved() == (0, 0)


def test_a_test_leaves_nothing_at_openai_and_costs_nothing(stack: Stack) -> None:
    page = a_page(stack, "Limpa", assistant_id="asst_limpa", profile=None)
    assert page.check()["ok"]
    stack.openai.fault("slow", key=page.shop.key, first_byte=0.1)
    assert page.check({"profile": {"model": "gpt-6-luna"}})["ok"]
    methods = [call.method for call in page.shop.calls(("*",))]
    assert methods.count("DELETE") == 2
    assert page.shop.used_and_reserved() == (0, 0)
    assert page.shop.ledger() == []


def test_where_the_assistants_api_has_ended_the_form_is_told_and_a_pasted_assistant_helps(
    tmp_path: Path,
) -> None:
    with Stack(tmp_path) as stack:
        stack.start("web", "worker")
        stack.wait_until_ready()
        page = a_page(stack, "Antiga", assistant_id="asst_antiga", profile=None)
        stack.openai.sunset()
        answer = page.check()
        assert (answer["ok"], answer["assistants_api_gone"], answer["reason"]) == (
            False,
            True,
            "api_closed_and_no_profile",
        )
        pasted = {
            "object": "assistant",
            "id": "asst_antiga",
            "model": "gpt-6-luna",
            "instructions": "Assistente da Antiga.",
            "tools": [{"type": "code_interpreter"}],
        }
        assert page.check({"assistant_definition": pasted})["ok"]
        saved = page.call("PUT", SETTINGS, {"assistant_definition": pasted}).body
        assert (saved["setup"]["ok"], saved["setup"]["left_behind"]) == (True, ["code_interpreter"])
        assert saved["status"]["asked_through"] == "responses"
        webhook = page.shop.asked("Ainda responde?")
        assert page.shop.told(webhook)["data"]["status"] == "success"


def test_of_two_administrators_nobody_is_overwritten(stack: Stack) -> None:
    page = a_page(stack, "Dupla")
    version = page.call("GET", SETTINGS).body["version"]
    answers: list[Answered] = []

    def save(text: str) -> None:
        answers.append(page.call("PUT", SETTINGS, {"failure_text": text, "version": version}))

    threads = [threading.Thread(target=save, args=(text,)) for text in ("Primeiro.", "Segundo.")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status for answer in answers) == [200, 409]
    (refused,) = [answer for answer in answers if answer.status == 409]
    (done,) = [answer for answer in answers if answer.status == 200]
    assert refused.body["settings"]["failure_text"] == done.body["failure_text"] == page.account.failure_text
    assert refused.body["error"]["code"] == "settings_changed"


def forged(page: Page, other: Page) -> dict[str, tuple[str, str | None, int]]:
    """By what is wrong: a token, an origin where it is not the page's own, and the status."""
    genuine = page.token
    return {
        "no token": ("", None, 401),
        "HS512": (genuine(style=TokenStyle(algorithm="HS512")), None, 401),
        "none": (genuine(style=TokenStyle(algorithm="none")), None, 401),
        "another secret": (genuine(style=TokenStyle(secret="x" * 64)), None, 401),
        "expired": (genuine(style=TokenStyle(clock_offset=-3600)), None, 401),
        "not yet valid": (genuine(style=TokenStyle(clock_offset=3600)), None, 401),
        "another service": (genuine(style=TokenStyle(claims={"aud": "https://else.example"})), None, 401),
        "another account's id": (
            genuine(style=TokenStyle(claims={"account_id": other.account.account_id})), None, 403,
        ),
        "another account's page": (genuine(style=TokenStyle(claims={"iss": other.shop.kommo.url})), None, 403),
        "sent from another account's page": (genuine(), other.shop.kommo.url, 403),
        "sent from elsewhere": (genuine(), "https://evil.example", 403),
        "another account's token": (other.token(), None, 403),
        "not installed": (genuine(style=TokenStyle(claims={"account_id": 99999999})), None, 404),
        "no administrator": (genuine(admin=False), None, 403),
        "nothing about administrators": (genuine(admin=None), None, 403),
    }  # fmt: skip


def test_what_is_forged_foreign_or_replayed_changes_nothing_and_is_logged_once(stack: Stack) -> None:
    page, other = a_page(stack, "Alvo"), a_page(stack, "Outra")
    before, others = page.account, other.account
    for what, (token, origin, status) in forged(page, other).items():
        logged = len(log_of(stack))
        for method, path in (("PUT", SETTINGS), ("POST", CHECK)):
            answer = page.call(
                method, path, {**CHANGE, "openai_api_key": "sk-stolen-0123456789"}, token=token, origin=origin
            )
            assert answer.status == status, (what, answer)
            assert "code" in answer.body["error"]
            assert "sk-stolen" not in json.dumps(answer.body)
        assert len(log_of(stack)) == logged + 2, what
    used = page.token()
    assert page.call("PUT", SETTINGS, {}, token=used).status == 200
    logged = len(log_of(stack))
    for method, path in (("PUT", SETTINGS), ("POST", CHECK)):
        replay = page.call(method, path, CHANGE, token=used)
        assert (replay.status, replay.body["error"]["code"]) == (401, "token_used")
    assert [line["reason"] for line in log_of(stack)[logged:]] == ["token_used"] * 2
    assert (page.account, other.account) == (before, others)
    assert page.shop.calls() == other.shop.calls() == []


def test_every_web_process_knows_which_tokens_were_used(tmp_path: Path) -> None:
    with Stack(tmp_path, settings={"WEB_PROCESSES": "2"}) as stack:
        stack.start("web", "worker")
        stack.wait_until_ready()
        page = a_page(stack, "Repetida")
        token = page.token()
        statuses = [page.call("PUT", SETTINGS, CHANGE, token=token).status for _ in range(12)]
        assert statuses == [200] + [401] * 11


def test_no_secret_and_no_token_rests_or_is_logged(stack: Stack) -> None:
    page = a_page(stack, "Calada")
    new_key = "sk-calada-0123456789abcdefgh"
    stack.openai.add_key(new_key, "Calada")
    page.check({"openai_api_key": new_key})
    saved = page.call("PUT", SETTINGS, {"openai_api_key": new_key, "failure_text": "segredo-da-loja"})
    assert saved.body["openai_api_key"] == "sk-…efgh"
    logs = b"".join(log.read_bytes() for log in stack.log_files)
    redis = everything_in(stack.redis)
    assert b'"event": "widget"' in logs
    for text in (new_key, *page.tokens):
        assert text.encode() not in logs
        assert text.encode() not in redis
    assert b"segredo-da-loja" not in logs


def test_browsers_are_let_through_from_pages_of_accounts_only(stack: Stack) -> None:
    page = a_page(stack, "Vitrine")
    let_in = page.call("OPTIONS", SETTINGS)
    assert let_in.status == 204
    assert let_in.headers["Access-Control-Allow-Origin"] == page.shop.kommo.url
    assert "X-Auth-Token" in let_in.headers["Access-Control-Allow-Headers"]
    assert let_in.headers["Vary"] == "Origin"
    elsewhere = page.call("OPTIONS", SETTINGS, origin="https://evil.example")
    assert "Access-Control-Allow-Origin" not in elsewhere.headers
    for answer in (
        page.call("GET", SETTINGS),
        page.call("PUT", SETTINGS, {"x": 1}),
        page.call("GET", USAGE, token="x"),
    ):
        assert answer.headers["Access-Control-Allow-Origin"] == page.shop.kommo.url


def test_a_body_that_is_too_long_is_answered_whoever_sends_it(stack: Stack) -> None:
    page = a_page(stack, "Longa")
    assert page.call("PUT", SETTINGS, b"x" * (3 * 1024 * 1024)).status == 413
    assert page.call("PUT", SETTINGS, b"x" * (3 * 1024 * 1024), token="forged").status == 401


def test_webhooks_are_answered_while_openai_hangs_and_every_place_is_taken(stack: Stack) -> None:
    page = a_page(stack, "Lenta")
    page.shop.fault("hang", message="teste de conexão")
    answers: list[Answered] = []
    threads = [
        threading.Thread(target=lambda: answers.append(page.call("POST", CHECK, {}))) for _ in range(MOST_AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(page.shop.calls()) == MOST_AT_ONCE, PATIENCE)
    sent_away = page.call("PUT", SETTINGS, CHANGE)
    webhook = page.shop.asked("Tudo bem?")
    assert answers == []
    assert (sent_away.status, sent_away.body["error"]["code"]) == (503, "unavailable")
    assert int(sent_away.headers["Retry-After"]) > 0
    assert page.account.failure_text is None
    assert page.shop.told(webhook)["data"]["status"] == "success"
    for thread in threads:
        thread.join()
    assert [answer.body["error"] for answer in answers] == [TEXTS[Failure.OPENAI_TIMEOUT]] * MOST_AT_ONCE
    assert page.call("PUT", SETTINGS, CHANGE).status == 200


def test_who_tests_too_often_is_told_when_to_come_back(stack: Stack) -> None:
    page = a_page(stack, "Ansiosa", profile=None)
    answers = [page.call("POST", CHECK, {}) for _ in range(45)]
    assert {answer.status for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status == 429)
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert page.call("PUT", SETTINGS, CHANGE).status == 200
