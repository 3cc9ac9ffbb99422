"""The overview over a real Redis: the last hour, who waits, who is near a limit."""

import re
import time
from dataclasses import replace
from html import unescape

import redis

from app.domain.assistants import Api
from app.domain.delivery import Verdict
from app.domain.failures import Failure
from app.domain.service_metrics import ANSWERED
from app.domain.service_state import WorkerLoad
from app.services.metering import Counting
from app.storage.gates import RedisGates
from app.storage.metrics import RedisMetrics
from tests.builders import a_state
from tests.console_browser import Console
from tests.integration.console.offices import Office


def shown(html: str) -> str:
    """The text of a page without its marks."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def rows(html: str, caption: str) -> list[str]:
    """The rows of the table with this caption."""
    (table,) = [found for found in re.findall(r"<table>.*?</table>", html, re.DOTALL) if caption in found]
    return [shown(row) for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)][1:]


def count(client: redis.Redis, minutes_ago: int = 1) -> None:
    """A minute in which twelve turns came: ten were answered, one failed, one was refused."""
    counting = Counting()
    for _ in range(11):
        counting.accepted(None)
    counting.accepted(Failure.PLAN_QUOTA)
    for _ in range(10):
        counting.answered()
        counting.called_first(2.0, 0.02)
        counting.asked(Api.RESPONSES, "ask", ANSWERED, 2.0)
        counting.continued(Verdict.ACCEPTED, 0.1)
    counting.failed(Failure.OPENAI_QUOTA)
    counting.asked(Api.RESPONSES, "ask", Failure.OPENAI_QUOTA, 0.2)
    store = RedisMetrics(client, lambda: time.time() - 60 * minutes_ago)
    store.add(f"web-{minutes_ago}", 1, counting.taken())


def test_one_sentence_says_how_the_service_is_and_what_went_on(redis_client: redis.Redis) -> None:
    console = Console(redis_client).logged_in()
    page = shown(console.get("/console/").text)
    assert "Tudo funciona: o Redis responde e há workers ativos. Nenhum turno nos últimos 5 minutos." in page
    count(redis_client)
    page = shown(console.get("/console/").text)
    assert "Nos últimos 5 minutos: 12 turnos chegaram, 10 foram respondidos, 1 falhou." in page


def test_what_is_wrong_stands_below_with_its_weight(redis_client: redis.Redis) -> None:
    state = replace(a_state(redis={"append_only": False}), workers=())
    page = shown(Console(redis_client, state=state).logged_in().get("/console/").text)
    assert "Há um problema: clientes podem ficar sem resposta." in page
    assert page.index("Problema Nenhum worker está ativo") < page.index("Atenção O Redis não mantém")


def test_the_last_hour_is_told_and_drawn(operator: Console) -> None:
    count(operator.redis)
    count(operator.redis, 30)
    html = operator.get("/console/").text
    page = shown(html)
    for figure in (
        "Turnos por minuto 2,4 média de 5 minutos",
        "Respondidos 20 ",
        "Falharam 2 9 % dos cobrados",
        "Recusados 2 sem cobrança",
        "p50 18 ms",
        "p95 24 ms",
        "p99 25 ms",
    ):
        assert figure in page, figure
    assert len(rows(html, "Turnos por minuto")) == 60
    assert rows(html, "Turnos por minuto")[-2].endswith(" 10 1 1")
    assert len(rows(html, "Tempo acrescentado, em milissegundos")) == 12
    assert rows(html, "Por que falharam ou foram recusados") == [
        "Limite de Quota Excedido openai_quota · Saiba mais 2",
        "Limite de requisições do plano ByteGPT atingido plan_quota · Saiba mais 2",
    ]
    assert 'href="/help/errors/openai_quota?lang=pt"' in html


def test_both_partners_are_told_by_success_and_errors(operator: Console) -> None:
    empty = rows(operator.get("/console/").text, "OpenAI e Kommo, na última hora")
    assert empty == ["OpenAI — 0 0 — —", "Kommo — 0 0 — —"]
    count(operator.redis)
    openai, kommo = rows(operator.get("/console/").text, "OpenAI e Kommo, na última hora")
    assert re.fullmatch(r"OpenAI \d\d/\d\d/\d{4} \d\d:\d\d:\d\d 11 1 9 % openai_quota 1", openai)
    assert re.fullmatch(r"Kommo \d\d/\d\d/\d{4} \d\d:\d\d:\d\d 10 0 0 % —", kommo)


def test_keys_that_wait_are_told_by_their_account_and_never_by_the_key(operator: Console) -> None:
    office = Office(operator.redis)
    gates = RedisGates(operator.redis)
    key = office.store.account.secrets.openai_api_key
    assert key
    gates.close(gates.name(key), 60, Failure.OPENAI_QUOTA, 31000001)
    gates.close("another", 30, Failure.OPENAI_UNEXPECTED)
    html = operator.get("/console/").text
    first, second = rows(html, "Chaves da OpenAI em espera")
    assert re.fullmatch(r"acme 31000001 Limite de Quota Excedido \d\d/\d\d/\d{4} \d\d:\d\d:\d\d 0", first)
    assert second.startswith("ainda não se sabe Resposta Inesperada da OpenAI")
    assert key not in html
    assert gates.name(key) not in html


def test_accounts_near_their_limit_are_told(operator: Console) -> None:
    office = Office(operator.redis)
    html = operator.get("/console/").text
    assert "Nenhuma conta usou 80 % do mês." in shown(html)
    for _ in range(8):
        office.turn()
    html = operator.get("/console/").text
    assert rows(html, "Contas perto do limite do mês") == ["acme 31000001 small 8 de 10 2"]
    assert '<a href="/console/accounts/31000001">acme</a>' in html


def test_workers_and_redis_are_told(redis_client: redis.Redis) -> None:
    state = replace(
        a_state(redis={"evicted": 3, "memory": 536_870_912, "memory_limit": 1_073_741_824}),
        workers=(WorkerLoad("worker-a", 100, 37), WorkerLoad("worker-b")),
    )
    page = shown(Console(redis_client, state=state).logged_in().get("/console/").text)
    for told in (
        "worker-a 37 de 100 threads",
        "worker-b —",
        "Memória 512,0 MiB de 1,0 GiB",
        "Servidor redis 7.2.4",
        "Persistência arquivo append-only última gravação feita",
        "noeviction 3 chaves descartadas",
    ):
        assert told in page, told
