"""The pages of turns: looking for them, what each tells, and running them again."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
import redis

from app.domain.answers import Answer, Conversation, Usage
from app.domain.assistants import Api
from app.domain.delivery import CallOutcome, Verdict
from app.domain.failures import TEXTS, AskError, Failure
from app.domain.turn import Status
from app.services.held import HeldTurn
from app.storage import keys, turn_search
from config.prices import read_prices
from tests.console_browser import Console
from tests.integration.console.test_pages import lines, shown
from tests.integration.turn_store import Store

ACCOUNT, OTHER = 31000001, 31000002
SECRETS = ("Quanto custa o bolo?", "Custa 5 reais.", "Seja breve.", "sk-acme", "token-of-acme")


class Desk:
    """An operator's browser, and a company whose turns end as the test wants."""

    def __init__(self, client: redis.Redis) -> None:
        self.redis = client
        self.store = Store(client, requests=1000)
        self.console = Console(client).logged_in()

    def turn(self, how: str = "answered", **fields: Any) -> str:
        """A turn that came a minute after the one before it; its id."""
        self.store.clock.seconds += 60
        refusal = Failure.ACCOUNT_PAUSED if how == "refused" else None
        told = {"message": "" if refusal else SECRETS[0], "instructions": SECRETS[2], "refusal": refusal}
        new = self.store.accept(**{**told, **fields})
        if how == "open":
            return new.request_id
        held = HeldTurn(self.store.turns, self.store.take(new), read_prices(), clock=self.store.clock)
        if how in ("failed", "untold"):
            self.store.clock.seconds += 1.5
            held.failed(Failure.OPENAI_TIMEOUT, AskError(Failure.OPENAI_TIMEOUT, status=504, code="gateway"))
        elif how != "refused":
            self.answer(held)
        held.departure()
        self.store.clock.seconds += 0.25
        self.close(held, how)
        self.store.turns.collect_answers()
        return new.request_id

    def answer(self, held: HeldTurn) -> None:
        held.asking(Conversation(Api.RESPONSES, "conv_1"), "gpt-6-luna", None)
        self.store.clock.seconds += 1
        held.answer_begun("resp_1")
        self.store.clock.seconds += 2
        usage = Usage(1000, 200, 50, 10)
        held.answered(Answer(SECRETS[1], "resp_1", model="gpt-6-luna", usage=usage))

    def close(self, held: HeldTurn, how: str) -> None:
        if how == "not_waiting":
            held.closed(Status.NOT_WAITING, CallOutcome(Verdict.NOT_WAITING, 404))
        elif how in ("untold", "undeliverable"):
            held.closed(Status.UNDELIVERABLE, CallOutcome(Verdict.GIVEN_UP, 403))
        else:
            held.closed(Status.DELIVERED, CallOutcome(Verdict.ACCEPTED, 202))

    def page(self, path: str, status: int = 200) -> str:
        """What a page says."""
        answer = self.console.get(path)
        assert answer.status_code == status
        assert not [secret for secret in SECRETS if secret in unescape(answer.text)]
        return shown(answer.text)

    def listed(self, query: str = "") -> list[str]:
        """Ids of the turns on a page of the list."""
        html = self.console.get(f"/console/turns{query}").text
        return re.findall(r'<th [^>]*><a href="/console/turns/([0-9a-f]{28})">', html)

    def said(self) -> str:
        """The newest line of the audit log."""
        return lines(self.console.get("/console/log").text)[0]


@pytest.fixture
def desk(redis_client: redis.Redis) -> Desk:
    return Desk(redis_client)


# --- the list ---------------------------------------------------------------------------------------------------


def test_turns_are_listed_with_what_became_of_them_and_why(desk: Desk) -> None:
    for how in ("answered", "failed", "untold", "undeliverable", "not_waiting", "refused", "open"):
        desk.turn(how)
    page = desk.console.get("/console/turns").text
    rows = [row.split(" ", 2)[2] for row in lines(page)]
    failure = TEXTS[Failure.OPENAI_TIMEOUT]
    assert rows == [
        "em andamento — acme 31000001 7 1 0",
        f"recusado {TEXTS[Failure.ACCOUNT_PAUSED]} acme 31000001 7 0 0",
        "o bot já não esperava — acme 31000001 7 1 1",
        "não entregue — acme 31000001 7 1 1",
        f"falhou {failure} acme 31000001 7 1 0",
        f"falhou {failure} acme 31000001 7 1 0",
        "respondido — acme 31000001 7 1 1",
    ]
    assert not [secret for secret in SECRETS if secret in unescape(page)]


def test_a_turn_is_found_by_everything_that_it_is_looked_for_by(desk: Desk) -> None:
    desk.turn(account_id=OTHER, line="contact-2", note_lead_id=8)
    wanted = desk.turn("failed", line="contact-33", note_lead_id=44)
    desk.turn()
    # 22:40 was when the clock began, and a minute passes before each turn.
    for query in (
        "?lead=44",
        "?contact=33",
        f"?account={ACCOUNT}&lead=44",
        "?account=acme&contact=33",
        "?ending=failed",
        "?account=https://ACME.kommo.com/leads&ending=failed",
        "?since=2025-11-21T22:42&until=2025-11-21T22:42",
        "?lead=44&contact=33&ending=failed&account=31000001&since=2025-11-21T00:00&until=2025-11-22T00:00",
    ):
        assert desk.listed(query) == [wanted], query
    for query in (
        "?lead=45",
        "?contact=44",
        "?lead=44&ending=answered",
        "?account=31000002&lead=44",
        "?ending=refused",
    ):
        assert desk.listed(query) == []
        assert "Nenhum turno corresponde ao que você procura." in desk.page(f"/console/turns{query}")


def test_the_number_of_a_request_leads_to_its_page(desk: Desk) -> None:
    turn = desk.turn()
    answer = desk.console.get(f"/console/turns?q=%20{turn.upper()}%20")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/console/turns/{turn}")
    for unknown in ("0" * 28, "abc", "../login", "<b>", f"{turn}:steps"):
        page = desk.page(f"/console/turns?q={unknown}")
        assert f"Nenhum turno tem o número {unknown}" in page


def test_an_empty_service_says_so(desk: Desk) -> None:
    assert "Ainda não há turnos" in desk.page("/console/turns")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?account=nobody", "Não há conta com esse endereço."),
        ("?account=%23", "Não há conta com esse endereço."),
        ("?lead=abc", "O número de um lead tem só algarismos."),
        ("?lead=" + "9" * 21, "O número de um lead tem só algarismos."),
        ("?ending=lost", "Escolha um dos resultados da lista."),
        ("?since=ontem", "Escreva data e hora, por exemplo 2026-11-22T10:00."),
        ("?until=9999-99-99T10:00", "Escreva data e hora, por exemplo 2026-11-22T10:00."),
        ("?since=2025-11-22T10:00&until=2025-11-21T10:00", "O fim vem antes do começo."),
    ],
)
def test_what_is_not_understood_is_marked(desk: Desk, query: str, said: str) -> None:
    desk.turn()
    page = desk.page(f"/console/turns{query}", 400)
    assert said in page
    assert "Há campos que não foram entendidos" in page
    assert "acme" not in page.split("Procurar", 1)[1]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00", "9999-12-31T20:59"])
def test_any_moment_that_there_is_is_understood(desk: Desk, moment: str) -> None:
    assert desk.console.get(f"/console/turns?since={moment}").status_code == 200
    assert desk.console.get(f"/console/turns?until={moment}").status_code == 200


# In universal time, or where the console is, the one of them is in the year 10000 and the other in the year 0.
@pytest.mark.parametrize("moment", ["9999-12-31T23:59", "9999-12-31T21:00", "0001-01-01T00:00Z"])
def test_a_moment_beyond_all_calendars_is_refused(desk: Desk, moment: str) -> None:
    desk.turn("failed")
    assert "Escolha um ano de 2 a 9998." in desk.page(f"/console/turns?until={moment}", 400)
    fields = {**FORM, "until": moment} if moment.startswith("9") else {**FORM, "since": moment}
    answer = desk.console.post("/console/replays", fields)
    assert (answer.status_code, "Escolha um ano de 2 a 9998." in answer.text) == (400, True)


def test_a_long_list_is_read_page_by_page_and_the_wish_goes_along(desk: Desk) -> None:
    turns = [desk.turn("failed" if number % 2 else "open", line=None) for number in range(120)]
    seen, address = [], "/console/turns?ending=open&lead=7"
    while address:
        page = desk.console.get(address).text
        seen += re.findall(r'<th [^>]*><a href="/console/turns/([0-9a-f]{28})">', page)
        found = re.search(r'<a href="([^"]+)" rel="next">', page)
        address = unescape(found[1]) if found else ""
        assert not address or "ending=open" in address
    assert sorted(seen) == sorted(turns[::2])
    assert "← Do mais recente" in page


def test_a_search_that_was_ended_says_how_far_it_came_and_goes_on(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_search, "MOST_LOOKED_AT", 2)
    failed = desk.turn("failed")
    for _ in range(2):
        desk.turn("open", line=None)
    page = desk.console.get("/console/turns?lead=7&ending=failed").text
    assert "a procura parou aqui. Vistos até agora: os aceitos a partir de 21/11/2025 22:42:01" in shown(page)
    assert "Nenhum turno corresponde" not in page
    found = re.search(r'<a href="([^"]+)" rel="next">Continuar procurando', page)
    assert found
    assert desk.listed(unescape(found[1]).removeprefix("/console/turns")) == [failed]


@pytest.mark.parametrize("cursor", ["x", "1", "-", "1-", "é"])
def test_a_cursor_that_is_none_is_no_page(desk: Desk, cursor: str) -> None:
    assert desk.console.get(f"/console/turns?older_than={cursor}").status_code == 404


# --- one turn ---------------------------------------------------------------------------------------------------


def test_an_answered_turn_tells_where_its_time_went_what_it_used_and_cost(desk: Desk) -> None:
    page = desk.page(f"/console/turns/{desk.turn()}")
    for told in (
        "A resposta foi entregue ao bot.",
        "OpenAI: até o primeiro sinal 1,0 s",
        "OpenAI: escrevendo 2,0 s",
        "Chamada à Kommo 250 ms",
        "Aceito e cobrado (reserva) requisições: 1",
        "Pergunta enviada à OpenAI tentativa: 1 · API: responses",
        "A Kommo aceitou status HTTP: 202 · resposta da Kommo: aceita",
        "1.000 de entrada (200 do cache), 50 de saída (10 de raciocínio)",
        "Custo na OpenAI US$ 0,00",
        "Conversa na OpenAI conv_1",
        "Resposta na OpenAI resp_1",
        "cobrada · 1 requisição",
        "mensagem: 20 caracteres, instruções: 11, resposta: 14.",
        "O console não mostra textos de clientes: nenhuma conta tem uma configuração que o permita.",
    ):
        assert told in page
    assert "Repetir este turno" not in page
    assert "Por que não houve resposta" not in page


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("failed", "Não houve resposta. O bot recebeu a falha, seguiu pela saída de erro e não foi cobrado nada."),
        ("untold", "Não houve resposta, e a Kommo não aceitou nem o aviso da falha"),
        ("refused", "O turno foi recusado na entrada"),
        ("not_waiting", "A resposta ficou pronta, mas o bot já não esperava por ela"),
        ("undeliverable", "A resposta existe e foi cobrada, mas a Kommo não a aceitou."),
        ("open", "O turno está sendo tratado; esta página se atualiza sozinha."),
    ],
)
def test_every_end_is_said_in_a_sentence(desk: Desk, how: str, said: str) -> None:
    assert said in desk.page(f"/console/turns/{desk.turn(how)}")


def test_a_failure_is_told_with_its_text_cause_remedy_and_help_page(desk: Desk) -> None:
    turn = desk.turn("failed")
    page = desk.page(f"/console/turns/{turn}")
    for told in (
        "ERRO OpenAi Limite de tempo atingido. OpenAI está com lentidão openai_timeout",
        "Causa A requisição à OpenAI demorou mais que o limite de tempo",
        "O que fazer Aguarde e tente novamente; veja a página de status da OpenAI.",
        "erro: openai_timeout · status HTTP: 504 · código: gateway",
        "devolvida · 1 requisição",
    ):
        assert told in page
    assert '<a href="/help/errors/openai_timeout?lang=pt">' in desk.console.get(f"/console/turns/{turn}").text


def test_a_page_is_in_the_language_of_its_reader(desk: Desk) -> None:
    turn = desk.turn("failed")
    desk.console.post("/console/preferences", {"language": "es"})
    page = desk.page(f"/console/turns/{turn}")
    assert "Por qué no hubo respuesta ERRO OpenAi Limite de tempo atingido" in page
    assert "La solicitud a OpenAI tardó" in page
    assert "lang=es" in desk.console.get(f"/console/turns/{turn}").text


def test_a_page_refreshes_until_the_turn_is_over(desk: Desk) -> None:
    assert '<div id="turn">' in desk.console.get(f"/console/turns/{desk.turn('open')}").text
    assert '<div id="turn" data-final>' in desk.console.get(f"/console/turns/{desk.turn(line=None)}").text


@pytest.mark.parametrize("request_id", ["0" * 28, "x", "%3Cscript%3E"])
def test_a_turn_that_is_not_there_has_no_page(desk: Desk, request_id: str) -> None:
    assert desk.console.get(f"/console/turns/{request_id}").status_code == 404
    assert desk.console.post(f"/console/turns/{request_id}/replay").status_code == 404


@pytest.mark.parametrize("beside", [":steps", ":x", "/", "0"])
def test_what_stands_beside_a_turn_is_none(desk: Desk, beside: str) -> None:
    turn = desk.turn()
    assert desk.console.get(f"/console/turns/{turn}{beside}").status_code == 404
    assert desk.console.post(f"/console/turns/{turn}{beside}/replay").status_code == 404


def test_what_others_wrote_is_shown_as_text(desk: Desk) -> None:
    turn = desk.turn(line="contact-<b>", handler="<i>", origin="<u>")
    desk.redis.rpush(keys.turn_steps(turn), '{"at": 1, "step": "<s>", "code": "<script>alert(1)</script>"}')
    html = desk.console.get(f"/console/turns/{turn}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert not [mark for mark in ("<b>", "<i>", "<u>", "<s>", "<script>a") if mark in html]


def test_a_forgotten_turn_still_tells_what_happened(desk: Desk) -> None:
    turn = desk.turn()
    desk.redis.hdel(keys.turn(turn), "sealed", "answer", "line", "note_lead_id", "conversation_id", "answer_id")
    assert "Textos nenhum está guardado." in desk.page(f"/console/turns/{turn}")


# --- running one again ------------------------------------------------------------------------------------------


def test_a_failed_turn_is_run_again_and_that_is_written_down(desk: Desk) -> None:
    turn = desk.turn("untold")
    page = desk.page(f"/console/turns/{turn}")
    assert "Repetir este turno A pergunta será feita de novo à OpenAI." in page
    assert "O bot já recebeu a falha" not in page
    answer = desk.console.post(f"/console/turns/{turn}/replay")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/console/turns/{turn}")
    page = desk.page(f"/console/turns/{turn}")
    assert "O turno está sendo repetido" in page
    assert "em andamento" in page
    assert "Repetição requisições: 1 · o quê: perguntar de novo · por: console:ana" in page
    assert page.count("Execução de") == 2
    assert f"ana Repetiu um turno conta 31000001 {turn} Feito" in desk.said()
    # A second click finds it open.
    desk.console.post(f"/console/turns/{turn}/replay")
    assert "O turno não foi repetido: ainda está sendo tratado." in desk.page(f"/console/turns/{turn}")
    assert f"ana Repetiu um turno conta 31000001 {turn} Recusado" in desk.said()


def test_who_was_told_the_failure_is_said_to_have_gone_on(desk: Desk) -> None:
    assert "O bot já recebeu a falha e seguiu adiante" in desk.page(f"/console/turns/{desk.turn('failed')}")


def test_of_an_answer_that_exists_only_the_delivery_is_repeated(desk: Desk) -> None:
    turn = desk.turn("undeliverable")
    assert "A resposta que existe será oferecida de novo à Kommo." in desk.page(f"/console/turns/{turn}")
    desk.console.post(f"/console/turns/{turn}/replay")
    found = desk.store.turns.read(turn)
    assert found is not None
    assert found.status is Status.ANSWERED


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda desk, turn: desk.redis.hdel(keys.turn(turn), "sealed"), "os textos dele já foram apagados."),
        (lambda desk, _: desk.redis.delete(keys.account(ACCOUNT)), "a conta não está instalada."),
    ],
    ids=["texts", "account"],
)
def test_why_a_turn_cannot_be_run_again_is_said(desk: Desk, change: Callable[[Desk, str], object], why: str) -> None:
    turn = desk.turn("failed")
    change(desk, turn)
    page = desk.page(f"/console/turns/{turn}")
    assert f"Não pode ser repetido: {why}" in page
    assert "Repetir este turno" not in page


def test_a_plan_without_requests_is_found_out_when_it_matters(desk: Desk) -> None:
    turn = desk.turn("failed")
    desk.redis.hset(keys.plans(), "small", 0)
    desk.console.post(f"/console/turns/{turn}/replay")
    assert "O turno não foi repetido: a conta não tem mais requisições neste mês." in desk.page(
        f"/console/turns/{turn}"
    )


@pytest.mark.parametrize("how", ["answered", "not_waiting", "refused", "open"])
def test_what_need_not_be_run_again_is_not_offered_and_not_done(desk: Desk, how: str) -> None:
    turn = desk.turn(how)
    assert "Repetir este turno" not in desk.page(f"/console/turns/{turn}")
    before = desk.redis.hgetall(keys.turn(turn))
    desk.console.post(f"/console/turns/{turn}/replay")
    assert desk.redis.hgetall(keys.turn(turn)) == before
    assert "Recusado" in desk.said()


# --- running many again -----------------------------------------------------------------------------------------

SPAN = "account=acme&since=2025-11-21T22:00&until=2025-11-22T01:00"
FORM = {"account": "acme", "since": "2025-11-21T22:00", "until": "2025-11-22T01:00"}


def test_those_of_a_span_are_counted_before_anything_is_done(desk: Desk) -> None:
    for how in ("answered", "failed", "untold", "undeliverable", "refused"):
        desk.turn(how)
    page = desk.page(f"/console/replays?{SPAN}")
    assert "Turnos 3 acme" in page
    assert "Com falha já informada 1" in page
    assert "Repetir 3 turnos" in page
    assert "Repetir 2 turnos" in desk.page(f"/console/replays?{SPAN}&untold=1")
    assert desk.redis.exists(keys.batches()) == 0


def test_a_batch_is_begun_and_its_page_shows_how_far_it_is(desk: Desk) -> None:
    turns = [desk.turn("untold"), desk.turn("undeliverable")]
    answer = desk.console.post("/console/replays", FORM)
    assert answer.status_code == 303
    address = answer.headers["Location"]
    flows = desk.console.flows.turns  # type: ignore[union-attr]
    (batch,) = flows.batches.newest(5)
    assert flows.batches.left(batch) == turns
    page = desk.page(address)
    for told in ("2 turnos estão sendo repetidos.", "Prontos 0 de 2", "Ainda nenhum.", "21/11/2025 22:00:00", "acme"):
        assert told in page
    assert "ana Repetiu turnos com falha conta 31000001 2 · 2025-11-22T01:00Z → 2025-11-22T04:00Z" in desk.said()
    flows.batches.record(batch, turns[0], "delivered")
    flows.batches.record(batch, turns[1], "not_run:plan_quota")
    flows.batches.end(batch)
    page = desk.page(address)
    for told in (
        "Terminou em",
        "Prontos 2 de 2",
        "respondido e entregue 1",
        "não repetido: a conta não tem mais requisições neste mês. 1",
        f"{turns[1]} não repetido",
    ):
        assert told in page
    assert "data-final" in desk.console.get(address).text
    assert "terminada acme 31000001" in desk.page("/console/replays")


def test_a_batch_is_stopped_and_that_is_written_down(desk: Desk) -> None:
    desk.turn("untold")
    address = desk.console.post("/console/replays", FORM).headers["Location"]
    assert desk.console.post(f"{address}/stop").headers["Location"] == address
    assert "Nenhum outro turno será repetido" in desk.page(address)
    assert "ana Parou uma repetição conta 31000001" in desk.said()


@pytest.mark.parametrize(
    "became", ["delivered", "not_waiting", "undeliverable", "in_work", *TEXTS, "not_run:contact_limit", "not_run:open"]
)
def test_every_result_has_words(desk: Desk, became: str) -> None:
    turn = desk.turn("untold")
    address = desk.console.post("/console/replays", FORM).headers["Location"]
    flows = desk.console.flows.turns  # type: ignore[union-attr]
    flows.batches.record(flows.batches.newest(1)[0], turn, str(became))
    assert desk.page(address)


def test_of_too_many_the_first_are_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.console.replays.MOST_TURNS", 2)
    first, second, _ = (desk.turn("untold") for _ in range(3))
    assert "Há mais: só os 2 primeiros são repetidos de uma vez." in desk.page(f"/console/replays?{SPAN}")
    desk.console.post("/console/replays", FORM)
    flows = desk.console.flows.turns  # type: ignore[union-attr]
    assert flows.batches.left(flows.batches.newest(1)[0]) == [first, second]


def test_of_far_too_many_it_is_said_how_far_was_looked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.console.replays.MOST_LOOKED_AT", 2)
    for _ in range(2):
        desk.turn("failed")
    last = desk.turn("untold")
    page = desk.page(f"/console/replays?{SPAN}&untold=1")
    assert "Até agora, nenhum turno dessa conta que se possa repetir falhou nesse período." in page
    assert "Vistos até agora: os turnos aceitos até 21/11/2025 22:42:01" in page
    # All that were counted begin with those that were seen.
    assert "Repetir 2 turnos" in desk.page(f"/console/replays?{SPAN}")
    monkeypatch.setattr("app.web.console.replays.MOST_LOOKED_AT", 4)
    assert "Vistos até agora" not in desk.page(f"/console/replays?{SPAN}&untold=1")
    desk.console.post("/console/replays", {**FORM, "untold": "1"})
    flows = desk.console.flows.turns  # type: ignore[union-attr]
    assert flows.batches.left(flows.batches.newest(1)[0]) == [last]


def test_where_nothing_failed_nothing_is_begun(desk: Desk) -> None:
    desk.turn()
    assert "Nenhum turno dessa conta falhou nesse período." in desk.page(f"/console/replays?{SPAN}")
    answer = desk.console.post("/console/replays", FORM)
    assert answer.headers["Location"] == "/console/replays"
    assert "Nenhum turno dessa conta falhou" in desk.page("/console/replays")
    assert "Recusado" in desk.said()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"account": "99"}, "Não há conta com esse endereço."),
        ({"account": ""}, "Não há conta com esse endereço."),
        ({"since": ""}, "Escreva data e hora"),
        ({"until": "x"}, "Escreva data e hora"),
        ({"until": "2025-11-20T00:00"}, "O fim vem antes do começo."),
    ],
)
def test_a_wish_that_is_not_understood_is_said_and_nothing_begun(desk: Desk, fields: dict[str, str], said: str) -> None:
    desk.turn("failed")
    query = "&".join(f"{name}={value}" for name, value in {**FORM, **fields}.items())
    assert said in desk.page(f"/console/replays?{query}", 400)
    assert desk.console.post("/console/replays", {**FORM, **fields}).status_code == 400
    assert desk.redis.exists(keys.batches()) == 0


def test_an_empty_form_begins_nothing(desk: Desk) -> None:
    assert desk.console.post("/console/replays").status_code == 400
    assert "Nada foi repetido nos últimos 7 dias." in desk.page("/console/replays")


@pytest.mark.parametrize("address", ["31000001/none", "31000002/none"])
def test_a_batch_that_is_not_there_has_no_page(desk: Desk, address: str) -> None:
    assert desk.console.get(f"/console/replays/{address}").status_code == 404
    assert desk.console.post(f"/console/replays/{address}/stop").status_code == 404


@pytest.mark.parametrize("beside", [":results", ":turns", "0"])
def test_what_stands_beside_a_batch_is_none(desk: Desk, beside: str) -> None:
    turn = desk.turn("untold")
    address = desk.console.post("/console/replays", FORM).headers["Location"]
    flows = desk.console.flows.turns  # type: ignore[union-attr]
    flows.batches.record(flows.batches.newest(1)[0], turn, "delivered")
    assert desk.console.get(f"{address}{beside}").status_code == 404
    assert desk.console.post(f"{address}{beside}/stop").status_code == 404
