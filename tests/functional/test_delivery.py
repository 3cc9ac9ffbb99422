"""The continue call: what is done with every answer of Kommo, and what the client gets to see (contract 5)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.kommo_accounts import ADMIN_USER
from sandbox.kommo_chat import Client
from sandbox.kommo_design import WidgetBlock
from sandbox.kommo_faults import Fault, Route, redirect, reset, status
from sandbox.kommo_server import KommoSimulator
from sandbox.kommo_webhook import SentWebhook
from sandbox.stack import Stack
from tests.functional.shop import PATIENCE, REDIRECT_URI, Shop, accepted, assistant_fields, request_id, say
from tests.waiting import wait_until

FAILURE_TEXT = "Já vamos te atender, um instante."
ELSEWHERE = "http://127.0.0.1:9/api/v4/salesbot/1/continue/1"


@dataclass(frozen=True)
class Case:
    """What goes wrong at Kommo, what it then has answered, and where the turn ends.

    seen: what the client sees: the answer, the failure text, or nothing.
    """

    name: str
    faults: tuple[Fault, ...]
    statuses: tuple[int | None, ...]
    ends: str
    seen: str = "answer"


def case(name: str, *faults: Fault, then: int | None = None, ends: str = "delivered", seen: str = "answer") -> Case:
    """then: what Kommo answers when the faults are over, None where it is not called any more."""
    statuses = tuple(fault.status or None for fault in faults)
    return Case(name, faults, statuses if then is None else (*statuses, then), ends, seen)


def gives_up(code: int) -> Case:
    return case(str(code), status(code), ends="undeliverable", seen="nothing")


CASES = [
    case("202", then=202),
    case("200", status(200, after_effect=True)),
    case("201", status(201, after_effect=True)),
    case("204", status(204, after_effect=True)),
    case("404", status(404), ends="not_waiting", seen="nothing"),
    case("429", status(429), then=202),
    case("429-retry-after", status(429, retry_after=1), then=202),
    case("429-then-404", status(429), status(404), ends="not_waiting", seen="nothing"),
    case("500", status(500), then=202),
    case("502", status(502), then=202),
    case("503-retry-after", status(503, retry_after=1), then=202),
    case("504-twice", status(504), status(504), then=202),
    case("reset", reset(), then=202),
    case("answer-lost", reset(after_effect=True), then=404),
    case("answer-lost-behind-a-gateway", status(502, after_effect=True), then=404),
    case("500-after-the-effect", status(500, after_effect=True), then=404),
    case("reset-then-answer-lost", reset(), reset(after_effect=True), then=404),
    case("401-of-a-long-lived-token", status(401), ends="undeliverable", seen="nothing"),
    case("400", status(400), then=202, seen="failure"),
    case("400-then-503", status(400), status(503), then=202, seen="failure"),
    case("500-then-400", status(500), status(400), then=202, seen="failure"),
    case("400-twice", status(400), status(400), ends="undeliverable", seen="nothing"),
    case("301", redirect(ELSEWHERE), ends="undeliverable", seen="nothing"),
    case("302", redirect(ELSEWHERE, 302), ends="undeliverable", seen="nothing"),
    case("307", redirect(ELSEWHERE, 307), ends="undeliverable", seen="nothing"),
    case("308", redirect(ELSEWHERE, 308), ends="undeliverable", seen="nothing"),
    gives_up(402),
    gives_up(403),
]


@dataclass(frozen=True)
class Delivery:
    """A case that was asked."""

    shop: Shop
    client: Client

    @property
    def webhook(self) -> SentWebhook:
        """Of its message."""
        return accepted(self.client.webhooks[0])


@pytest.fixture(scope="module")
def deliveries(service: Stack) -> dict[str, Delivery]:
    """All cases, asked at once."""
    found = {}
    for one in CASES:
        shop = Shop(service, one.name, failure_text=FAILURE_TEXT)
        for fault in one.faults:
            shop.kommo.faults.add(fault, Route.CONTINUE)
        client = shop.client()
        client.say("Oi")
        found[one.name] = Delivery(shop, client)
    return found


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_kommos_answer_decides_what_becomes_of_the_turn(deliveries: dict[str, Delivery], one: Case) -> None:
    shop, client, webhook = deliveries[one.name].shop, deliveries[one.name].client, deliveries[one.name].webhook
    turn = shop.turn(webhook)
    assert turn["status"] == one.ends
    assert shop.statuses(webhook) == list(one.statuses)
    answer = f"[{one.name}] Mensagem 1: Oi"
    assert client.replies == {"answer": [answer], "failure": [FAILURE_TEXT], "nothing": []}[one.seen]
    # The answer was obtained and stays charged whatever became of it (contract 7).
    assert (turn["error_code"], turn["charge"]) == (None, "settled")
    assert shop.used_and_reserved() == (1, 0)
    assert shop.kommo.notes == []


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
def test_the_same_body_is_offered_until_it_is_refused(deliveries: dict[str, Delivery], one: Case) -> None:
    shop, webhook = deliveries[one.name].shop, deliveries[one.name].webhook
    shop.turn(webhook)
    identity = {"request_id": request_id(webhook), "remaining": "99"}
    whole = {"data": {"status": "success", "reply": f"[{one.name}] Mensagem 1: Oi", "parts": "1", **identity}}
    last_resort = {"data": {"status": "success", "reply": FAILURE_TEXT, "parts": "1", **identity}}
    refused = False
    for call in shop.stack.kommo.continues_of(webhook.return_url):
        assert call.body == (last_resort if refused else whole)
        refused = refused or call.status == 400


@pytest.mark.parametrize("name", ["429-retry-after", "503-retry-after"])
def test_kommos_retry_after_comes_first(deliveries: dict[str, Delivery], name: str) -> None:
    shop, webhook = deliveries[name].shop, deliveries[name].webhook
    shop.turn(webhook)
    first, second = shop.stack.kommo.continues_of(webhook.return_url)
    assert second.moment - first.moment >= 1.0
    (retry,) = shop.steps(webhook, "retry_continue")
    assert 1.0 <= retry["wait"] <= 1.13
    assert retry["http_status"] == int(name[:3])


def test_a_wait_beyond_all_patience_is_not_waited_for(hasty: Stack) -> None:
    shop = Shop(hasty, "espera-demais")
    shop.kommo.faults.add(status(429, retry_after=60), Route.CONTINUE)
    webhook = shop.asked("Oi")
    assert shop.turn(webhook)["status"] == "undeliverable"
    assert shop.statuses(webhook) == [429]
    assert shop.used_and_reserved() == (1, 0)


def test_a_failure_that_kommo_refuses_keeps_its_status(service: Stack) -> None:
    shop = Shop(service, "falha-recusada", failure_text=FAILURE_TEXT)
    shop.fault("credit_exhausted")
    shop.kommo.faults.add(status(400), Route.CONTINUE)
    webhook = shop.asked("Oi")
    told = {
        "data": {
            "status": "fail",
            "error_code": "openai_quota",
            "error": "Limite de Quota Excedido",
            "reply": FAILURE_TEXT,
            "parts": "1",
            "request_id": request_id(webhook),
            "remaining": "100",
        }
    }
    assert shop.told(webhook) == told
    assert shop.statuses(webhook) == [400, 202]


def test_a_human_who_takes_over_ends_the_turn_without_an_alarm(service: Stack) -> None:
    shop = Shop(service, "atendente")
    shop.fault("slow", first_byte=0.4)
    client = shop.client()
    webhook = shop.asked("Oi", client)
    client.human_takes_over("Oi, aqui é a Rita.")
    assert shop.turn(webhook)["status"] == "not_waiting"
    assert shop.statuses(webhook) == [404]
    assert client.replies == []
    assert shop.used_and_reserved() == (1, 0)
    assert shop.kommo.notes == []


def test_without_a_token_kommo_is_not_called_at_all(service: Stack) -> None:
    shop = Shop(service, "sem-token")
    shop.with_secrets(access_token=None)
    webhook = shop.asked("Oi")
    assert shop.turn(webhook)["status"] == "undeliverable"
    assert shop.statuses(webhook) == []
    assert shop.used_and_reserved() == (1, 0)


# --- tokens of OAuth ------------------------------------------------------------------------------------------------


def installed(stack: Stack, name: str, *, public: bool = False) -> Shop:
    """A company that was installed by OAuth and whose access token has expired since."""
    shop = Shop(stack, name)
    kommo = shop.kommo
    if public:
        kommo.integration = stack.kommo.public_integration
        shop.change(client_id=None)
    kommo.integration.redirect_uri = REDIRECT_URI
    code = kommo.tokens.issue_code(kommo.integration, ADMIN_USER, True)
    access, refresh = kommo.tokens.exchange_code(code, kommo.integration.client_id)
    shop.with_secrets(access_token=access, refresh_token=refresh)
    kommo.tokens.expire_access()
    return shop


def token_calls(shop: Shop) -> int:
    """How often its tokens were asked for at Kommo."""
    calls = shop.stack.kommo.calls
    return len([call for call in calls if call.route is Route.TOKEN and call.account_id == shop.kommo.account_id])


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_an_expired_token_is_refreshed_once_and_used_from_then_on(service: Stack, public: bool) -> None:
    shop = installed(service, f"oauth-{public}", public=public)
    before = shop.secrets
    client = shop.client()
    assert client.ask("Oi") == [f"[oauth-{public}] Mensagem 1: Oi"]
    assert shop.statuses(client.webhooks[0]) == [401, 202]
    after = shop.secrets
    assert after.access_token not in (None, before.access_token)
    assert after.refresh_token not in (None, before.refresh_token)
    assert after.openai_api_key == before.openai_api_key
    assert client.ask("E agora?") == [f"[oauth-{public}] Mensagem 2: E agora?"]
    assert shop.statuses(client.webhooks[1]) == [202]
    assert token_calls(shop) == 1
    assert shop.turn(client.webhooks[1])["status"] == "delivered"


def test_turns_that_are_refused_together_refresh_once(service: Stack) -> None:
    shop = installed(service, "oauth-juntos")
    webhooks = [shop.asked(f"Oi {number}", shop.client(f"Cliente {number}")) for number in range(10)]
    for number, webhook in enumerate(webhooks):
        assert shop.told(webhook)["data"]["reply"] == f"[oauth-juntos] Mensagem 1: Oi {number}"
    assert token_calls(shop) == 1


@pytest.mark.parametrize(
    ("fault", "statuses"),
    [
        (status(500), [401, 401, 202]),
        (status(429), [401, 401, 202]),
        (status(502, after_effect=True), [401, 401, 202]),
        (reset(), [401, 202]),
        (reset(after_effect=True), [401, 202]),
    ],
    ids=["500", "429", "answer-lost-behind-a-gateway", "reset", "answer-lost"],
)
def test_a_token_endpoint_that_stumbles_is_asked_again(service: Stack, fault: Fault, statuses: list[int]) -> None:
    shop = installed(service, "oauth-tropeço")
    shop.kommo.faults.add(fault, Route.TOKEN)
    webhook = shop.asked("Oi")
    assert shop.told(webhook)["data"]["status"] == "success"
    assert shop.statuses(webhook) == statuses
    assert token_calls(shop) == 2


def test_a_refresh_that_is_refused_is_the_end(service: Stack) -> None:
    shop = installed(service, "oauth-revogado")
    shop.kommo.tokens.revoke(shop.kommo.integration.client_id)
    webhook = shop.asked("Oi")
    assert shop.turn(webhook)["status"] == "undeliverable"
    assert shop.statuses(webhook) == [401]
    assert token_calls(shop) == 1
    assert shop.used_and_reserved() == (1, 0)


def test_a_fresh_token_that_is_refused_too_is_the_end(service: Stack) -> None:
    shop = installed(service, "oauth-recusado")
    for _ in range(2):
        shop.kommo.faults.add(status(401), Route.CONTINUE)
    webhook = shop.asked("Oi")
    assert shop.turn(webhook)["status"] == "undeliverable"
    assert shop.statuses(webhook) == [401, 401]
    assert token_calls(shop) == 1


# --- what is shown --------------------------------------------------------------------------------------------------

CHANNELS = [
    ("whatsapp", 4096),
    ("waba", 4096),
    ("telegram", 4096),
    ("facebook", 2000),
    ("instagram", 900),
    ("com.amocrm.viber", 900),
    ("", 900),
]


def sentences(length: int) -> str:
    """A text of exactly so many characters, in paragraphs of numbered sentences."""
    text, number = "", 0
    while len(text) < length:
        number += 1
        text += f"Frase de número {number}.{' ' if number % 7 else chr(10) * 2}"
    return text[: length - 1].rstrip() + "!" * (length - len(text[: length - 1].rstrip()))


def parts_in(data: dict[str, Any]) -> list[str]:
    """The parts of a reply, of which `parts` says how many there are."""
    names = ["reply", *(f"reply_{number}" for number in range(2, int(data["parts"]) + 1))]
    assert [name for name in data if name.startswith("reply")] == names
    return [data[name] for name in names]


@pytest.mark.parametrize(("origin", "limit"), CHANNELS)
def test_a_long_answer_comes_in_parts_that_the_channel_holds(service: Stack, origin: str, limit: int) -> None:
    shop = Shop(service, f"longa-{origin}")
    for length, most in ((limit, 1), (limit + 1, 2), (3 * limit, 4)):
        client = shop.client(origin=origin)
        text = sentences(length)
        webhook = shop.asked(say(text), client)
        data = shop.told(webhook)["data"]
        parts = parts_in(data)
        assert 1 <= len(parts) <= most
        assert all(0 < len(part) <= limit for part in parts)
        assert "".join("".join(parts).split()) == "".join(text.split())
        assert client.replies == parts
        # Cut between words at least: no part begins or ends inside of one.
        words = text.split()
        assert [word for part in parts for word in part.split()] == words
        assert all(isinstance(value, str) and value for value in data.values())


def test_what_five_parts_do_not_hold_is_left_out_visibly(service: Stack) -> None:
    shop = Shop(service, "longuissima")
    client = shop.client(origin="instagram")
    data = shop.told(shop.asked(say(sentences(6000)), client))["data"]
    parts = parts_in(data)
    assert len(parts) == 5
    assert parts[-1].endswith("…")
    assert client.replies == parts


BRACES = [
    "Olá {{contact.name}}!",
    "{{lead.id}}",
    "{{{contact.name}}}",
    "{{ contact.name }} e {{name}}",
    "{{{{contact.name}}}}",
    "{{json.request_id}}",
    "{ {contact.name} }",
    "**{**{contact.name}}",
    "{\u200b{contact.name}\u200b}",
    "{【1】{contact.name}}",
    "`{{`contact.name`}}`",
    "{sandbox:/x {contact.name}}",
    "{\x00{contact.name}\x00}",
]


@pytest.mark.parametrize("text", BRACES)
@pytest.mark.parametrize("origin", ["whatsapp", "instagram"])
def test_no_placeholder_of_an_answer_is_ever_filled_in(service: Stack, origin: str, text: str) -> None:
    shop = Shop(service, "chaves")
    client = shop.client("Segredo da Silva", origin)
    data = shop.told(shop.asked(say(text), client))["data"]
    (shown,) = client.replies
    assert shown == data["reply"]
    assert "{{" not in shown
    assert "}}" not in shown
    for filled_in in ("Segredo", str(client.lead_id), data["request_id"]):
        assert filled_in not in shown


def test_no_placeholder_comes_together_where_two_parts_meet(service: Stack) -> None:
    shop = Shop(service, "chaves-cortadas")
    client = shop.client("Segredo da Silva", "instagram")
    for length in range(895, 903):
        text = "a" * length + "{{contact.name}}" + "b" * 50
        parts = parts_in(shop.told(shop.asked(say(text), client))["data"])
        assert "{{" not in "".join(parts)
        assert "}}" not in "".join(parts)
    assert not any("Segredo" in reply for reply in client.replies)


def test_the_failure_text_is_neutralised_too(service: Stack) -> None:
    shop = Shop(service, "chaves-na-falha", failure_text="Desculpe, {{contact.name}}!")
    shop.fault("unauthorized")
    client = shop.client("Segredo da Silva")
    shop.told(shop.asked("Oi", client))
    assert client.replies == ["Desculpe, { {contact.name} }!"]


@pytest.mark.parametrize("kind", [{}, {"assistant_id": "asst_citacoes", "profile": None}], ids=["profile", "assistant"])
def test_citations_and_sandbox_links_are_not_shown(service: Stack, kind: dict[str, Any]) -> None:
    shop = Shop(service, "citacoes", **kind)
    shop.fault("citations")
    client = shop.client()
    shop.told(shop.asked("Oi", client))
    assert client.replies == ["[citacoes] Mensagem 1: Oi tabela"]


@pytest.mark.parametrize(
    ("fault", "kind", "shown"),
    [
        ("refusal", "profile", "Desculpe, não posso ajudar com isso."),
        ("refusal", "assistant", "Desculpe, não posso ajudar com isso."),
        # What the model says on its way to the answer is not for clients.
        ("commentary_phase", "profile", "[parcial] Mensagem 1: Oi, tudo bem?"),
        ("incomplete_max_tokens", "profile", "[parcial] Mensage"),
        ("run_incomplete", "assistant", "[parcial] Mensage"),
    ],
)
def test_what_the_assistant_says_is_an_answer_also_when_it_is_not_all(
    service: Stack, fault: str, kind: str, shown: str
) -> None:
    shop = Shop(service, "parcial", **assistant_fields(kind, f"parcial-{fault}"))
    shop.fault(fault)
    client = shop.client()
    assert shop.told(shop.asked("Oi, tudo bem?", client))["data"]["status"] == "success"
    (text,) = client.replies
    assert text.strip() == shown
    assert shop.turn(client.webhooks[0])["charge"] == "settled"


MARKDOWN = "# Preços\n\nO **bolo** custa *10* reais, ~~12~~.\n\n- [site](https://loja.example)\n- `cupom`"


@pytest.mark.parametrize(
    ("origin", "shown"),
    [
        ("whatsapp", "*Preços*\n\nO *bolo* custa _10_ reais, ~12~.\n\n- site (https://loja.example)\n- ```cupom```"),
        ("waba", "*Preços*\n\nO *bolo* custa _10_ reais, ~12~.\n\n- site (https://loja.example)\n- ```cupom```"),
        ("instagram", "Preços\n\nO bolo custa 10 reais, 12.\n\n- site (https://loja.example)\n- cupom"),
        ("telegram", "Preços\n\nO bolo custa 10 reais, 12.\n\n- site (https://loja.example)\n- cupom"),
    ],
)
def test_markdown_becomes_what_the_channel_shows(service: Stack, origin: str, shown: str) -> None:
    shop = Shop(service, "markdown")
    client = shop.client(origin=origin)
    shop.told(shop.asked(say(MARKDOWN), client))
    assert client.replies == [shown]


@pytest.mark.parametrize("text", ["【4:0†fonte】", "\u200b", "[](sandbox:/mnt/data/a.csv)", "\n \n"])
def test_an_answer_that_shows_nothing_is_none(service: Stack, text: str) -> None:
    shop = Shop(service, "vazia", failure_text=FAILURE_TEXT)
    webhook = shop.asked(say(text))
    data = shop.told(webhook)["data"]
    assert (data["error_code"], data["reply"]) == ("openai_unexpected", FAILURE_TEXT)
    assert shop.turn(webhook)["charge"] == "released"


def test_emoji_and_line_separators_arrive_whole(service: Stack) -> None:
    shop = Shop(service, "unicode")
    text = "linha\u2028parágrafo fim 👩🏽‍🚀 ação cafe\u0301"
    client = shop.client()
    shop.told(shop.asked(say(text), client))
    assert client.replies == [text]


# --- reply_mode: handlers -------------------------------------------------------------------------------------------


def bare_bot(stack: Stack) -> list[WidgetBlock]:
    """A bot without our widget's second step: it shows what the continue call brings and nothing else."""
    data = {"message": "{{message_text}}", "origin": "{{origin}}"}
    ask = {"handler": "widget_request", "params": {"url": stack.door, "data": data}}
    return [WidgetBlock([{"question": [ask]}])]


@pytest.mark.parametrize(
    ("text", "count"),
    [("Oi!", 1), (sentences(80), 1), (sentences(300), range(4, 8)), (sentences(5000), 10)],
    ids=["short", "80", "300", "more-than-fits"],
)
def test_bots_without_our_second_step_show_handlers(service: Stack, text: str, count: int | range) -> None:
    shop = Shop(service, "handlers", design=bare_bot(service), reply_mode="handlers")
    client = shop.client()
    body = shop.told(shop.asked(say(text), client))
    handlers = body["execute_handlers"]
    assert len(handlers) in ([count] if isinstance(count, int) else count)
    shown = [handler["params"]["value"] for handler in handlers]
    assert [handler["handler"] for handler in handlers] == ["show"] * len(handlers)
    assert {handler["params"]["type"] for handler in handlers} == {"text"}
    assert all(0 < len(value) <= 80 for value in shown)
    assert client.replies == shown
    assert body["data"]["status"] == "success"
    if len(text) <= 300:
        assert " ".join(shown).split() == text.split()
    else:
        assert shown[-1].endswith("…")


def test_the_failure_text_is_shown_by_handlers_too(service: Stack) -> None:
    shop = Shop(service, "handlers-falha", design=bare_bot(service), reply_mode="handlers", failure_text=FAILURE_TEXT)
    shop.fault("unauthorized")
    client = shop.client()
    body = shop.told(shop.asked("Oi", client))
    assert body["data"]["error_code"] == "openai_authentication"
    assert client.replies == [FAILURE_TEXT]


def test_handlers_that_kommo_refuses_are_left_out_of_the_last_resort(service: Stack) -> None:
    shop = Shop(service, "handlers-400", design=bare_bot(service), reply_mode="handlers", failure_text=FAILURE_TEXT)
    shop.kommo.faults.add(status(400), Route.CONTINUE)
    webhook = shop.asked("Oi")
    body = shop.told(webhook)
    assert body["data"]["reply"] == FAILURE_TEXT
    assert "execute_handlers" not in body
    wait_until(lambda: shop.turn(webhook)["status"] == "delivered", PATIENCE)


@pytest.mark.parametrize("locale", ["pt", "es", "en"])
def test_without_a_text_of_its_own_a_company_says_a_polite_sentence_of_its_language(
    service: Stack, locale: Any
) -> None:
    shop = Shop(service, f"padrao-{locale}", locale=locale, failure_text=None)
    shop.fault("unauthorized")
    client = shop.client()
    shop.told(shop.asked("Oi", client))
    (text,) = client.replies
    assert text.startswith({"pt": "Desculpe", "es": "Disculpe", "en": "Sorry"}[locale])


# --- the rate -------------------------------------------------------------------------------------------------------


def test_kommos_rate_is_kept_and_continue_calls_go_before_notes(tmp_path: Path) -> None:
    # The limits as they are: Kommo takes 7 calls a second from one address, and the settings have their defaults.
    settings = {"KOMMO_RATE": "6", "KOMMO_ACCOUNT_RATE": "5"}
    with Stack(tmp_path, settings=settings, kommo=KommoSimulator()) as stack:
        stack.start("web", "worker")
        failing, answering = Shop(stack, "falha"), Shop(stack, "responde")
        failing.fault("unauthorized")
        stack.wait_until_ready()
        for _ in range(5):
            for client in (failing.client(), answering.client()):
                client.say("Oi")
        webhooks = stack.kommo.webhooks
        shops = {shop.kommo.account_id: shop for shop in (failing, answering)}
        for webhook in webhooks:
            assert shops[webhook.account_id].turn(accepted(webhook))["status"] == "delivered"
            assert shops[webhook.account_id].statuses(webhook) == [202]
        wait_until(lambda: failing.kommo.notes, PATIENCE)
        calls = stack.kommo.calls
        assert {call.status for call in calls} <= {None, 200, 202}
        assert stack.kommo.busiest_second() <= 7
        assert max(stack.kommo.busiest_second(shop.kommo) for shop in shops.values()) <= 6
        # Ten continue calls took their time; at most one of the five notes slipped in before the last of them.
        continues = [call.moment for call in calls if call.route is Route.CONTINUE]
        assert max(continues) - min(continues) >= 9 / 6 - 0.05
        notes = [call.moment for call in calls if call.route is Route.NOTE]
        assert sum(note < max(continues) for note in notes) <= 1
