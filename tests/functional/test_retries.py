"""What is tried again inside a turn: an answer comes, once, for one request (contract 6)."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from sandbox.flows import recommended_flow
from sandbox.kommo_chat import Client
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop, assistant_fields
from tests.waiting import wait_until

# Of random exponential backoff: half to whole of 0.5 s before the first retry.
FIRST_WAIT = (0.25, 0.5)


@dataclass(frozen=True)
class Passing:
    """A fault that passes. http_status, code: as the steps of the turn tell them."""

    fault: str
    http_status: int | None
    options: dict[str, Any] = field(default_factory=dict)
    kind: str = "profile"
    error_code: str = "openai_unexpected"
    waits: tuple[float, float] = FIRST_WAIT

    @property
    def name(self) -> str:
        options = (f"{name}-{value}" for name, value in self.options.items())
        return "-".join([self.fault, self.kind, *options]).replace("/", "")


def passing(fault: str, http_status: int | None, kind: str = "profile", **options: Any) -> Passing:
    return Passing(fault, http_status, options, kind)


def limited(fault: str, kind: str = "profile", *, waits: tuple[float, float] = FIRST_WAIT, **options: Any) -> Passing:
    return Passing(fault, 503 if fault == "overloaded_503" else 429, options, kind, "openai_quota", waits)


PASSING = [
    limited("rate_limit", retry_after_ms=300, waits=(0.3, 0.43)),
    limited("rate_limit", "assistant", retry_after=1, waits=(1.0, 1.13)),
    limited("rate_limit", "prompt", type="tokens", retry_after_ms=10, waits=(0.01, 0.14)),
    limited("slow_down"),
    limited("slow_down", "assistant", retry_after=1, waits=(1.0, 1.13)),
    passing("overloaded_503", 503),
    passing("overloaded_503", 503, "assistant"),
    passing("timeout_408", 408),
    passing("conflict_409", 409),
    passing("server_error_500", 500),
    passing("server_error_500", 500, "assistant"),
    passing("server_error_500", 500, "prompt"),
    passing("server_error_500", 500, route="POST /conversations"),
    passing("server_error_500", 500, "assistant", route="POST /threads"),
    passing("bad_gateway_html_502", 502),
    passing("nested_error_event", 200),
    passing("flat_error_event", 200),
    passing("nested_error_event", 200, "assistant"),
    passing("response_failed_server_error", 200),
    passing("run_failed_server_error", None, "assistant"),
    passing("locked", 400),
    passing("locked", 400, "assistant"),
    Passing("reset", None, error_code="openai_connection"),
    Passing("reset", None, kind="assistant", error_code="openai_connection"),
    # OpenAI had answered, and its answer was lost: it is found and not asked for again.
    Passing("server_error_500", 500, {"after_effect": True}),
    Passing("server_error_500", 500, {"after_effect": True}, "assistant"),
    Passing("bad_gateway_html_502", 502, {"after_effect": True}),
    Passing("reset", None, {"after_effect": True}, "profile", "openai_connection"),
    Passing("reset", None, {"after_effect": True}, "prompt", "openai_connection"),
    Passing("reset", None, {"after_effect": True}, "assistant", "openai_connection"),
]


@pytest.fixture(scope="module")
def asked(service: Stack) -> dict[str, tuple[Shop, Client]]:
    """A client of a company of its own for each fault, all of them waiting for an answer."""
    waiting = {}
    for case in PASSING:
        shop = Shop(service, case.name, **assistant_fields(case.kind, case.name))
        shop.fault(case.fault, times=1, **case.options)
        waiting[case.name] = (shop, shop.client())
        shop.asked("Oi", waiting[case.name][1])
    return waiting


@pytest.mark.parametrize("case", PASSING, ids=lambda case: case.name)
def test_a_fault_that_passes_is_answered_once_and_costs_one_request(
    asked: dict[str, tuple[Shop, Client]], case: Passing
) -> None:
    shop, client = asked[case.name]
    (webhook,) = client.webhooks
    answer = f"[{case.name}] Mensagem 1: Oi"
    body = shop.told(webhook)["data"]
    assert (body["status"], body["reply"], body["remaining"]) == ("success", answer, "99")
    assert shop.statuses(webhook) == [202]
    assert client.replies == [answer]
    turn = shop.turn(webhook)
    assert (turn["status"], turn["error_code"], turn["charge"]) == ("delivered", None, "settled")
    assert shop.ledger()[1:] == [("reserve", -1, "ai_reply"), ("settle", 0, "answered")]
    assert shop.used_and_reserved() == (1, 0)
    (retry,) = shop.steps(webhook, "retry")
    assert (retry["error_code"], retry.get("http_status")) == (case.error_code, case.http_status)
    shortest, longest = case.waits
    assert shortest <= retry["wait"] <= longest + 0.001
    assert shop.kommo.notes == []


@pytest.mark.parametrize("case", PASSING, ids=lambda case: case.name)
def test_the_conversation_goes_on_as_if_nothing_had_happened(
    asked: dict[str, tuple[Shop, Client]], case: Passing
) -> None:
    shop, client = asked[case.name]
    shop.turn(client.webhooks[0])
    # The number tells that the first message stands in the conversation once.
    assert client.ask("E agora?") == [f"[{case.name}] Mensagem 2: E agora?"]


def test_a_lost_answer_is_found_and_not_asked_for_again(asked: dict[str, tuple[Shop, Client]]) -> None:
    for case in PASSING:
        if case.options.get("after_effect"):
            shop, client = asked[case.name]
            turn = shop.turn(client.webhooks[0])
            assert [step["step"] for step in turn["steps"]].count("found") == 1, case.name
            assert turn["attempts"] == 1, case.name


# --- no more than six -----------------------------------------------------------------------------------------------

LASTING: list[tuple[str, str, dict[str, Any], str]] = [
    ("rate_limit", "profile", {"retry_after_ms": 10}, "openai_quota"),
    ("overloaded_503", "prompt", {"retry_after": 0}, "openai_unexpected"),
    ("slow_down", "assistant", {"retry_after_ms": 10}, "openai_quota"),
]


def test_a_fault_that_lasts_is_met_six_times_at_most(service: Stack) -> None:
    shops = []
    for fault, kind, options, _ in LASTING:
        name = f"seis-{fault}"
        shop = Shop(service, name, **assistant_fields(kind, name))
        shop.fault(fault, **options)
        shops.append((shop, shop.asked("Oi")))
    for (shop, webhook), (_, _, _, code) in zip(shops, LASTING, strict=True):
        assert shop.told(webhook)["data"]["error_code"] == code
        assert len(shop.calls()) == 6
        assert shop.turn(webhook)["attempts"] == 6
        waits = [step["wait"] for step in shop.steps(webhook, "retry")]
        # Each wait is OpenAI's and a random share of ours, which doubles up to 8 s.
        assert len(waits) == 5
        for wait, own in zip(waits, (0.5, 1.0, 2.0, 4.0, 8.0), strict=True):
            assert own / 8 <= wait <= own / 4 + 0.02
        assert shop.used_and_reserved() == (0, 0)


# --- the gate of a key ----------------------------------------------------------------------------------------------


def test_while_a_key_is_told_to_wait_nobody_sends_with_it(service: Stack) -> None:
    shop, other = Shop(service, "Portao"), Shop(service, "Vizinha")
    shop.fault("rate_limit", times=1, retry_after=1)
    first = shop.client("Ana")
    shop.asked("Oi", first)
    request = first.webhooks[0].json()["request_id"]
    wait_until(lambda: any(step["step"] == "retry" for step in shop.reporting.turn(request)["steps"]))
    more = [shop.client(name) for name in ("Bia", "Caio", "Davi")]
    webhooks = [shop.asked(f"Oi de {client.name}", client) for client in more]
    neighbour = other.asked("Oi")
    for webhook in [first.webhooks[0], *webhooks]:
        assert shop.told(webhook)["data"]["status"] == "success"
    refused = next(call for call in shop.calls() if call.status == 429)
    later = [call for call in shop.calls(["*"]) if call.at > refused.at and call is not refused]
    assert len([call for call in later if call.path == "/responses"]) == 4
    assert min(call.at for call in later) - refused.at >= 1.0
    for webhook in webhooks:
        assert shop.steps(webhook, "waiting_for_key")
    told = other.told(neighbour)["data"]
    assert told["status"] == "success"
    (asked_of_other,) = other.calls()
    assert asked_of_other.at < min(call.at for call in later)


@pytest.mark.parametrize(
    ("fault", "code"),
    [("rate_limit", "openai_quota"), ("slow_down", "openai_quota"), ("overloaded_503", "openai_unexpected")],
)
def test_a_key_that_must_wait_longer_than_a_turn_can_fails_all_its_turns_and_sends_none(
    hasty: Stack, fault: str, code: str
) -> None:
    shop = Shop(hasty, f"espera-{fault}")
    shop.fault(fault, times=1, retry_after=60)
    assert shop.told(shop.asked("Oi"))["data"]["error_code"] == code
    second = shop.asked("Oi de novo")
    assert shop.told(second)["data"]["error_code"] == code
    assert len(shop.calls()) == 1
    assert shop.turn(second)["attempts"] == 0
    assert shop.used_and_reserved() == (0, 0)


# --- a fresh conversation -------------------------------------------------------------------------------------------

BROKEN: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("context_too_long", "profile", {}, "too_long", "POST /conversations"),
    ("context_too_long", "prompt", {}, "too_long", "POST /conversations"),
    ("context_too_long", "assistant", {"route": "POST /threads/*/runs"}, "too_long", "POST /threads"),
    ("conversation_lost", "profile", {}, "lost", "POST /conversations"),
    ("conversation_lost", "prompt", {}, "lost", "POST /conversations"),
    ("conversation_lost", "assistant", {}, "lost", "POST /threads"),
    ("locked", "profile", {"seconds": 60.0}, "locked", "POST /conversations"),
    ("locked", "prompt", {"seconds": 60.0}, "locked", "POST /conversations"),
    ("locked", "assistant", {"seconds": 60.0}, "locked", "POST /threads"),
]


@dataclass(frozen=True)
class Broken:
    """A conversation that broke after its first message."""

    shop: Shop
    client: Client


@pytest.fixture(scope="module")
def broken(service: Stack) -> dict[str, Broken]:
    found = {}
    for fault, kind, options, _, _ in BROKEN:
        name = f"{fault}-{kind}"
        shop = Shop(service, name, **assistant_fields(kind, name))
        client = shop.client()
        assert client.ask("Meu nome é Ana") == [f"[{name}] Mensagem 1: Meu nome é Ana"]
        shop.fault(fault, times=1, **options)
        found[name] = Broken(shop, client)
        shop.asked("Oi", client)
    return found


@pytest.mark.parametrize(("fault", "kind", "options", "why", "opening"), BROKEN, ids=[f"{b[0]}-{b[1]}" for b in BROKEN])
def test_a_broken_conversation_is_replaced_once_and_the_turn_answered(
    broken: dict[str, Broken], fault: str, kind: str, options: dict[str, Any], why: str, opening: str
) -> None:
    name = f"{fault}-{kind}"
    shop, client = broken[name].shop, broken[name].client
    webhook = client.webhooks[1]
    assert shop.told(webhook)["data"]["reply"] == f"[{name}] Mensagem 1: Oi"
    assert [step["why"] for step in shop.steps(webhook, "fresh_conversation")] == [why]
    assert len(shop.calls([opening])) == 2
    # The fresh one is the client's conversation from now on.
    assert client.ask("E agora?") == [f"[{name}] Mensagem 2: E agora?"]
    assert len(shop.calls([opening])) == 2
    assert shop.turn(client.webhooks[2])["status"] == "delivered"
    assert shop.used_and_reserved() == (3, 0)


@pytest.mark.parametrize("kind", ["profile", "prompt", "assistant"])
def test_with_a_key_of_another_project_a_client_gets_a_fresh_conversation(service: Stack, kind: str) -> None:
    name = f"chave-nova-{kind}"
    shop = Shop(service, name, **assistant_fields(kind, name))
    client = shop.client()
    assert client.ask("Meu nome é Ana") == [f"[{name}] Mensagem 1: Meu nome é Ana"]
    service.openai.add_key(f"sk-outro-projeto-{name}", "Outro")
    service.openai.add_assistant(f"asst_{name}", "Outro")
    service.openai.add_prompt(f"pmpt_{name}", "Outro")
    shop.with_secrets(openai_api_key=f"sk-outro-projeto-{name}")
    assert client.ask("Oi") == ["[Outro] Mensagem 1: Oi"]
    assert [step["why"] for step in shop.steps(client.webhooks[1], "fresh_conversation")] == ["lost"]
    assert client.ask("E agora?") == ["[Outro] Mensagem 2: E agora?"]


@pytest.mark.parametrize("after_effect", [False, True], ids=["question-lost", "answer-lost"])
@pytest.mark.parametrize("kind", ["profile", "prompt", "assistant"])
def test_the_same_words_again_are_another_question(service: Stack, kind: str, after_effect: bool) -> None:
    name = f"repete-{kind}-{after_effect}".lower()
    shop = Shop(service, name, **assistant_fields(kind, name))
    client = shop.client()
    assert client.ask("Oi") == [f"[{name}] Mensagem 1: Oi"]
    shop.fault("server_error_500", times=1, after_effect=after_effect)
    assert client.ask("Oi") == [f"[{name}] Mensagem 2: Oi"]
    assert client.ask("Oi") == [f"[{name}] Mensagem 3: Oi"]
    assert shop.turn(client.webhooks[2])["status"] == "delivered"
    assert shop.used_and_reserved() == (3, 0)


# --- instructions of a step -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["profile", "prompt", "assistant"])
@pytest.mark.parametrize("instructions", ["Pergunte o nome do cliente.", ""], ids=["with", "without"])
def test_the_instructions_of_a_step_reach_the_assistant(service: Stack, kind: str, instructions: str) -> None:
    name = f"passo-{kind}-{len(instructions)}"
    flow = recommended_flow(service.door, instructions=instructions)
    shop = Shop(service, name, design=flow, **assistant_fields(kind, name))
    shop.told(shop.asked("Oi"))
    (call,) = shop.calls()
    message: dict[str, Any] = {"type": "message", "role": "user", "content": "Oi"}
    developer: dict[str, Any] = {"type": "message", "role": "developer", "content": instructions}
    match kind:
        case "profile":
            told = f"Assistant of {name}.\n\n{instructions}" if instructions else f"Assistant of {name}."
            assert call.body["instructions"] == told
            assert call.body["input"] == [message]
        case "prompt":
            assert "instructions" not in call.body
            assert call.body["prompt"] == {"id": f"pmpt_{name}"}
            assert call.body["input"] == ([developer, message] if instructions else [message])
        case "assistant":
            assert "instructions" not in call.body
            assert call.body.get("additional_instructions", "") == instructions
            (sent,) = call.body["additional_messages"]
            assert (sent["role"], sent["content"]) == ("user", "Oi")


def test_retries_of_one_company_hold_up_nobody_else(service: Stack) -> None:
    slow, quick = Shop(service, "Lenta"), Shop(service, "Rapida")
    slow.fault("server_error_500", times=2)
    waiting = slow.asked("Oi")
    assert quick.told(quick.asked("Oi"))["data"]["status"] == "success"
    assert service.kommo.accepted_continues(waiting.return_url) == []
    assert slow.told(waiting)["data"]["status"] == "success"
    assert len(slow.steps(waiting, "retry")) == 2
    wait_until(lambda: slow.used_and_reserved() == (1, 0), PATIENCE)
