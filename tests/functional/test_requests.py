"""What is accepted and what it costs, through the real web process (contract 4 and 7)."""

import threading
from collections import Counter
from typing import Any

import pytest

from app.domain.plans import Plan
from app.storage.plans import RedisPlans
from sandbox.flows import recommended_flow, three_step_flow
from sandbox.kommo_chat import Client
from sandbox.kommo_webhook import WebhookStyle
from sandbox.openai_faults import GENERATION, matches
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, Shop, accepted, assistant_fields, request_id, say
from tests.waiting import wait_until

LIMIT_TEXT = "Limite de requisições do plano ByteGPT atingido"


def shop_with_plan(stack: Stack, name: str, requests: int, **fields: Any) -> Shop:
    """A company on a plan of its own."""
    stack.add_plan(f"plano-{name}", requests)
    return Shop(stack, name, plan=f"plano-{name}", **fields)


# --- duplicates -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["at-once", "when-it-is-over"])
def test_a_repeated_webhook_is_answered_with_the_first_id_and_costs_nothing(service: Stack, when: str) -> None:
    shop = Shop(service, f"repetida-{when}")
    client = shop.client()
    client.say("Oi")
    (first,) = client.webhooks
    if when == "when-it-is-over":
        shop.turn(accepted(first))
    repeats = [service.kommo.resend(first) for _ in range(5)]
    answers = [accepted(webhook).json() for webhook in [first, *repeats]]
    assert Counter(answer["status"] for answer in answers) == {"accepted": 1, "duplicate": 5}
    assert {answer["request_id"] for answer in answers} == {request_id(first)}
    assert shop.turn(first)["status"] == "delivered"
    assert shop.statuses(first) == [202]
    assert client.replies == [f"[repetida-{when}] Mensagem 1: Oi"]
    assert shop.ledger() == [("grant", 100, "teste"), ("reserve", -1, "ai_reply"), ("settle", 0, "answered")]
    assert len(shop.calls()) == 1


def test_a_trailing_slash_makes_no_other_return_url(service: Stack) -> None:
    shop = Shop(service, "barra")
    client = shop.client()
    shop.kommo.style = WebhookStyle(trailing_slash=True)
    client.say("Oi")
    (webhook,) = client.webhooks
    assert webhook.return_url.endswith("/")
    accepted(webhook)
    assert shop.told(webhook)["data"]["reply"] == "[barra] Mensagem 1: Oi"
    assert accepted(service.kommo.resend(webhook)).json() == {
        "status": "duplicate",
        "request_id": request_id(webhook),
    }


def test_a_refused_webhook_is_remembered_too(service: Stack) -> None:
    shop = Shop(service, "recusada-repetida", paused=True)
    client = shop.client()
    webhook = shop.asked("Oi", client)
    assert shop.told(webhook)["data"]["error_code"] == "account_paused"
    shop.change(paused=False)
    again = accepted(service.kommo.resend(webhook))
    assert again.json() == {"status": "duplicate", "request_id": request_id(webhook)}
    assert shop.used_and_reserved() == (0, 0)
    # The next message is answered: only this return_url was spent.
    assert client.ask("E agora?") == ["[recusada-repetida] Mensagem 1: E agora?"]


def test_json_is_taken_like_a_form(service: Stack) -> None:
    shop = Shop(service, "json")
    shop.kommo.style = WebhookStyle(as_json=True)
    assert shop.client().ask("Oi, tudo bem? çãé 👋") == ["[json] Mensagem 1: Oi, tudo bem? çãé 👋"]


# --- what it costs --------------------------------------------------------------------------------------------------


def test_a_flow_of_three_handlers_costs_three_requests(service: Stack) -> None:
    shop = Shop(service, "tres", design=three_step_flow(service.door))
    client = shop.client()
    for number, text in enumerate(["Oi", "Meu nome é Ana", "Quero um bolo"], start=1):
        assert client.ask(text) == [f"[tres] Mensagem {number}: {text}"]
        wait_until(lambda cost=number: shop.used_and_reserved() == (cost, 0), PATIENCE)  # type: ignore[misc]
    assert len(client.webhooks) == 3
    reasons = [reason for kind, _, reason in shop.ledger() if kind == "reserve"]
    assert reasons == ["ask_name", "ask_product", "product_details"]
    figures = shop.usage()
    assert (figures["allowance"], figures["used"], figures["reserved"], figures["remaining"]) == (100, 3, 0, 97)


@pytest.mark.parametrize(("handler", "weight"), [("ai_reply", 1), ("ai_summary", 2), ("ai_speech", 25), ("outro", 1)])
def test_the_weight_of_a_handler_is_charged(service: Stack, handler: str, weight: int) -> None:
    weights = {"ai_summary": 2, "ai_speech": 25}
    shop = Shop(service, f"peso-{handler}", design=recommended_flow(service.door, handler), weights=weights)
    client = shop.client()
    shop.told(shop.asked("Oi", client))
    assert shop.turn(client.webhooks[0])["requests"] == weight
    assert shop.used_and_reserved() == (weight, 0)
    shop.fault("unauthorized")
    failed = shop.asked("E agora?", client)
    assert shop.told(failed)["data"]["remaining"] == str(100 - weight)
    assert shop.turn(failed)["charge"] == "released"
    assert shop.used_and_reserved() == (weight, 0)
    assert [entry[:2] for entry in shop.ledger()[1:]] == [
        ("reserve", -weight),
        ("settle", 0),
        ("reserve", -weight),
        ("release", weight),
    ]


def test_the_weight_charged_is_the_one_at_acceptance(service: Stack) -> None:
    shop = Shop(service, "peso-mudado", weights={"ai_reply": 3})
    shop.fault("slow", first_byte=0.5)
    webhook = shop.asked("Oi")
    shop.change(weights={"ai_reply": 7})
    assert shop.told(webhook)["data"]["remaining"] == "97"
    assert shop.turn(webhook)["requests"] == 3
    assert shop.used_and_reserved() == (3, 0)


def test_the_price_depends_neither_on_length_nor_on_model(service: Stack) -> None:
    shop = Shop(service, "preco", assistant_id="asst_preco", profile=None)
    shop.told(shop.asked("Oi"))
    shop.told(shop.asked(say("palavra " * 3000)))
    wait_until(lambda: shop.used_and_reserved() == (2, 0))


# --- limits ---------------------------------------------------------------------------------------------------------


def test_the_last_request_is_usable_and_the_next_is_refused_with_one_note(service: Stack) -> None:
    shop = shop_with_plan(service, "ultima", 2)
    clients = [shop.client(name) for name in ("Ana", "Bia", "Caio", "Davi")]
    assert [shop.told(shop.asked("Oi", client))["data"]["remaining"] for client in clients[:2]] == ["1", "0"]
    for client in clients[2:]:
        data = shop.told(shop.asked("Oi", client))["data"]
        assert (data["error_code"], data["error"], data["remaining"]) == ("plan_quota", LIMIT_TEXT, "0")
    wait_until(lambda: shop.used_and_reserved() == (2, 0))
    assert [entry[0] for entry in shop.ledger()].count("refuse") == 2
    assert len(shop.calls()) == 2
    # Only the first refusal of a month puts a note on its lead.
    first = clients[2].webhooks[0]
    wait_until(lambda: shop.steps(first, "note_written"), PATIENCE)
    notes = [note for note in shop.kommo.notes if LIMIT_TEXT in note.text]
    assert [note.lead_id for note in notes] == [clients[2].lead_id]
    assert not shop.steps(clients[3].webhooks[0], "note_written")


def test_never_more_than_the_limit_whatever_comes_at_once(service: Stack) -> None:
    shop = shop_with_plan(service, "limite", 7)
    clients = [shop.client(f"Cliente {number}") for number in range(25)]
    start = threading.Barrier(5)

    def write(some: list[Client]) -> None:
        start.wait()
        for client in some:
            client.say("Oi")

    threads = [threading.Thread(target=write, args=(clients[number::5],)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = Counter(shop.told(client.webhooks[0])["data"].get("error_code") for client in clients)
    assert codes == {None: 7, "plan_quota": 18}
    wait_until(lambda: shop.used_and_reserved() == (7, 0))
    assert shop.usage()["remaining"] == 0
    assert len(shop.calls()) == 7


def test_what_a_failure_gives_back_can_be_used(service: Stack) -> None:
    shop = shop_with_plan(service, "devolvida", 1)
    shop.fault("unauthorized", times=1)
    client = shop.client()
    assert shop.told(shop.asked("Oi", client))["data"]["error_code"] == "openai_authentication"
    assert client.ask("E agora?") == ["[devolvida] Mensagem 1: E agora?"]
    assert shop.told(shop.asked("E agora?", client))["data"]["error_code"] == "plan_quota"


def test_a_contact_has_its_own_limit_each_day(service: Stack) -> None:
    shop = Shop(service, "contato", contact_daily_limit=2)
    shop.fault("unauthorized", message="falhe", times=1)
    eager, other = shop.client("Ana"), shop.client("Bia")
    # What fails counts for nobody.
    assert shop.told(shop.asked("falhe", eager))["data"]["error_code"] == "openai_authentication"
    for _ in range(2):
        assert shop.told(shop.asked("Oi", eager))["data"]["status"] == "success"
    refused = shop.told(shop.asked("Oi", eager))["data"]
    assert (refused["error_code"], refused["error"]) == (
        "contact_limit",
        "Limite diário de requisições deste contato atingido",
    )
    assert shop.told(shop.asked("Oi", other))["data"]["status"] == "success"
    wait_until(lambda: shop.used_and_reserved() == (3, 0))
    assert shop.ledger()[-4:].count(("refuse", 0, "contact_limit")) == 1


def test_a_plan_that_grows_opens_at_once(service: Stack) -> None:
    shop = shop_with_plan(service, "cresce", 1)
    client = shop.client()
    assert client.ask("Oi") == ["[cresce] Mensagem 1: Oi"]
    assert shop.told(shop.asked("Mais", client))["data"]["error_code"] == "plan_quota"
    RedisPlans(service.redis).set(Plan("plano-cresce", 3))
    assert client.ask("E agora?") == ["[cresce] Mensagem 2: E agora?"]
    figures = shop.usage()
    assert (figures["allowance"], figures["used"], figures["remaining"]) == (3, 2, 1)
    assert sum(requests for kind, requests, _ in shop.ledger() if kind in ("grant", "plan_change")) == 3


def test_a_paused_company_is_answered_again_as_soon_as_it_is_resumed(service: Stack) -> None:
    shop = Shop(service, "pausada", paused=True, failure_text="Voltamos já.")
    client = shop.client()
    assert client.ask("Oi") == ["Voltamos já."]
    shop.change(paused=False)
    assert client.ask("Oi") == ["[pausada] Mensagem 1: Oi"]
    wait_until(lambda: shop.used_and_reserved() == (1, 0))


# --- order ----------------------------------------------------------------------------------------------------------


def test_turns_of_one_client_run_one_after_another_in_order_of_acceptance(service: Stack) -> None:
    shop = Shop(service, "fila")
    shop.fault("slow", total=0.15)
    ana = shop.client()
    # Several bots of the company run for one contact at a time.
    webhooks = []
    for number in range(6):
        data = {"message": f"Mensagem de número {number}", "contact_id": str(ana.contact_id), "handler": "ai_reply"}
        webhooks.append(accepted(shop.kommo.send_webhook(service.door, data)))
    for number, webhook in enumerate(webhooks):
        told = shop.told(webhook)["data"]["reply"]
        assert told == f"[fila] Mensagem {number + 1}: Mensagem de número {number}"
    calls = shop.calls()
    assert [call.body["input"][0]["content"] for call in calls] == [f"Mensagem de número {n}" for n in range(6)]
    assert len({call.body["conversation"] for call in calls}) == 1
    moments = [shop.stack.kommo.accepted_continues(webhook.return_url)[0].time for webhook in webhooks]
    for asked, answered in zip(calls[1:], moments[:-1], strict=True):
        assert asked.at >= answered
    assert all(shop.steps(webhook, "waiting") for webhook in webhooks[1:])
    assert all(shop.steps(webhook, "woken") for webhook in webhooks[1:])


def test_messages_that_wait_for_the_bot_are_answered_in_order(service: Stack) -> None:
    shop = Shop(service, "enfileirada", while_paused="queued")
    client = shop.client()
    for number in range(1, 5):
        client.say(f"Linha {number}")
    expected = [f"[enfileirada] Mensagem {number}: Linha {number}" for number in range(1, 5)]
    assert client.wait_for_replies(4, PATIENCE) == expected


def test_other_clients_do_not_wait_in_the_line_of_one(service: Stack) -> None:
    shop = Shop(service, "paralela")
    shop.fault("slow", message="devagar", first_byte=0.6)
    slow = shop.asked("devagar", shop.client("Ana"))
    assert shop.client("Bia").ask("Oi") == ["[paralela] Mensagem 1: Oi"]
    assert service.kommo.accepted_continues(slow.return_url) == []
    assert shop.told(slow)["data"]["status"] == "success"


def test_without_a_contact_the_lead_of_the_token_is_the_conversation(service: Stack) -> None:
    data = {"message": "{{message_text}}", "contact_id": "{{contact.cf.9}}", "origin": "{{origin}}"}
    flow = [
        {"question": [{"handler": "widget_request", "params": {"url": service.door, "data": data}}]},
    ]
    shop = Shop(service, "sem-contato", design=flow)
    client, other = shop.client("Ana"), shop.client("Bia")
    for number, text in enumerate(["Meu nome é Ana", "Oi"], start=1):
        assert shop.told(shop.asked(text, client))["data"]["reply"] == f"[sem-contato] Mensagem {number}: {text}"
        shop.turn(client.webhooks[-1])
    assert shop.told(shop.asked("Oi", other))["data"]["reply"] == "[sem-contato] Mensagem 1: Oi"


SAME_CONTACT = [("5551", "5551"), ("5551", " 5551 "), ("cliente:1/ä", "cliente:1/ä"), ("0" * 300, "0" * 300)]
OTHER_CONTACT = [("5551", "5552"), ("5551", "05551"), ("a", "A"), ("0" * 300, "0" * 301), ("5551", "")]


@pytest.mark.parametrize(("first", "second"), [*SAME_CONTACT, *OTHER_CONTACT])
def test_a_contact_is_known_by_whatever_a_bot_sends_as_its_id(service: Stack, first: str, second: str) -> None:
    shop = Shop(service, "contatos")
    numbers = []
    for contact_id in (first, second):
        data = {"message": "Oi", "contact_id": contact_id, "handler": "ai_reply"}
        webhook = accepted(shop.kommo.send_webhook(service.door, data))
        numbers.append(shop.told(webhook)["data"]["reply"])
        shop.turn(webhook)
    again = (first, second) in SAME_CONTACT
    assert numbers == ["[contatos] Mensagem 1: Oi", f"[contatos] Mensagem {2 if again else 1}: Oi"]


def test_a_marketing_bot_is_continued_at_its_own_address(service: Stack) -> None:
    shop = Shop(service, "marketing")
    bot = shop.kommo.add_bot(recommended_flow(service.door), kind="marketingbot")
    client = shop.client(bot=bot)
    assert client.ask("Oi") == ["[marketing] Mensagem 1: Oi"]
    assert f"/marketingbot/{bot.bot_id}/continue/" in service.kommo.continues_of(client.webhooks[0].return_url)[0].url


def test_a_message_of_almost_64_kib_is_answered(service: Stack) -> None:
    shop = Shop(service, "enorme")
    text = "a" * 62_000
    client = shop.client()
    webhook = shop.asked(text, client)
    assert len(webhook.body) > 62_000
    data = shop.told(webhook)["data"]
    assert (data["status"], data["parts"]) == ("success", "5")
    (call,) = shop.calls()
    assert call.body["input"][0]["content"] == text


# --- nothing crosses over -------------------------------------------------------------------------------------------


def test_many_turns_of_several_companies_keep_apart(service: Stack) -> None:
    kinds = ["profile", "assistant", "prompt", "profile"]
    shops = [
        Shop(service, f"mistura-{kind}-{number}", **assistant_fields(kind, f"mistura{number}"))
        for number, kind in enumerate(kinds)
    ]
    for shop in shops:
        shop.fault("slow", first_byte=0.02, total=0.1)
    # Every company's clients have the same names, and every second one the same words.
    clients = [(shop, shop.client(f"Cliente {number}")) for number in range(13) for shop in shops]
    words = {client.contact_id: f"segredo-{shop.company.project}-{client.contact_id}" for shop, client in clients}
    for _, client in clients:
        client.say(f"Meu nome é Ana {words[client.contact_id]}")
    for shop, client in clients:
        body = shop.told(accepted(client.webhooks[0]))["data"]
        answer = f"[{shop.company.project}] Mensagem 1: Meu nome é Ana {words[client.contact_id]}"
        assert (body["reply"], body["request_id"]) == (answer, request_id(client.webhooks[0]))
        assert client.replies == [answer]
    projects = {shop.key: shop.company.project for shop in shops}
    asked = [call for call in service.openai.calls if matches(f"{call.method} {call.path}", GENERATION)]
    seen = [call for call in asked if call.key in projects]
    assert len(seen) == len(clients) == 52
    for call in seen:
        assert f"segredo-{projects[call.key]}-" in str(call.body)
        assert str(call.body).count("segredo-") == 1
    tokens = {shop.kommo.account_id: shop.secrets.access_token for shop in shops}
    for shop, client in clients:
        (told,) = service.kommo.continues_of(client.webhooks[0].return_url)
        assert told.account_id == shop.kommo.account_id
        assert told.token == tokens[shop.kommo.account_id]
        assert told.url.startswith(shop.kommo.url)
    for shop in shops:
        wait_until(lambda shop=shop: shop.used_and_reserved() == (13, 0))  # type: ignore[misc]
        assert Counter(kind for kind, _, _ in shop.ledger()) == {"grant": 1, "reserve": 13, "settle": 13}
