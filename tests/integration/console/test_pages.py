"""The pages of the base: the overview, the audit log, and what is said where something cannot be shown."""

import re
from dataclasses import replace
from html import unescape

import pytest
import redis
import time_machine

from app.domain.accounts import LOCALES, Locale
from app.domain.audit_log import AuditEntry, Operation, Outcome
from app.domain.service_state import ServiceState, WorkerLoad
from app.storage.audit_log import RedisAuditLog
from app.storage.connection import connect
from tests.builders import NOW_MS, a_state
from tests.console_browser import Console


def shown(html: str) -> str:
    """The text of a page without its marks."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def with_redis(**changes: object) -> ServiceState:
    state = a_state()
    return replace(state, redis=replace(state.redis, **changes))  # type: ignore[arg-type]


def with_work(**changes: object) -> ServiceState:
    state = a_state()
    return replace(state, work=replace(state.work, **changes))  # type: ignore[arg-type]


FINDINGS = [
    pytest.param(a_state(), "Tudo funciona: o Redis responde e há workers ativos.", id="all is well"),
    pytest.param(
        replace(a_state(), workers=()), "Nenhum worker está ativo, por isso nada é respondido.", id="no worker"
    ),
    pytest.param(
        with_work(unattended=3), "Há turnos abertos de que nenhum worker cuida", id="turns nobody looks after"
    ),
    pytest.param(with_redis(writes_kept=False), "O Redis não consegue gravar em disco.", id="a full disk"),
    pytest.param(with_redis(eviction="allkeys-lru"), "O Redis descarta dados", id="a Redis that evicts"),
    pytest.param(with_redis(append_only=False), "O Redis não mantém um arquivo append-only", id="a Redis that forgets"),
    pytest.param(
        with_redis(memory=80, memory_limit=100), "A memória do Redis está quase cheia.", id="little memory left"
    ),
]


@pytest.mark.parametrize(("state", "said"), FINDINGS)
def test_the_overview_says_whether_the_service_works(redis_client: redis.Redis, state: ServiceState, said: str) -> None:
    page = shown(Console(redis_client, state=state).logged_in().get("/console/").text)
    assert said in page
    assert ("Tudo funciona" in page) == (state == a_state())


def test_the_overview_tells_the_figures_of_now(redis_client: redis.Redis) -> None:
    state = replace(
        with_work(open=1234, queued=12, oldest=90.0, ready=3, notes=5, notes_late=2, gates_closed=1, hooks=4),
        access={"granted": 1000, "lost": 2},
        workers=(WorkerLoad("worker-a", 100, 37), WorkerLoad("worker-b")),
    )
    page = shown(Console(redis_client, state=state).logged_in().get("/console/").text)
    for figure in (
        "Abertos 1.234 ",
        "Na fila 12 o mais antigo espera há 1 min 30 s",
        "Prontos para sair 3 ",
        "Notas por escrever 5 2 atrasadas",
        "Chaves em espera 1 ",
        "Avisos da Kommo por tratar 4 ",
        "Contas 1.002 2 sem acesso à Kommo",
        "worker-a 37 de 100 threads",
        "worker-b —",
    ):
        assert figure in page


def test_the_overview_is_in_the_language_of_its_reader(redis_client: redis.Redis) -> None:
    console = Console(redis_client, state=with_work(open=1234)).logged_in()
    console.post("/console/preferences", {"language": "en"})
    page = shown(console.get("/console/").text)
    assert "All is well: Redis answers and workers are alive." in page
    assert "Open 1,234 accepted and not yet delivered" in page


# --- the audit log -----------------------------------------------------------------------------------------------


def lines(html: str) -> list[str]:
    return [shown(row) for row in re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)][1:]


@time_machine.travel("2026-11-21T23:07:33Z", tick=False)
def test_the_log_tells_who_did_what_when_from_where_and_how_it_ended(console: Console) -> None:
    console.logged_in()
    console.post("/console/rq/job/none/requeue")
    console.post("/console/logout")
    console.logged_in()
    assert lines(console.get("/console/log").text) == [
        "21/11/2026 20:07:33 ana Entrou — Feito 203.0.113.7",
        "21/11/2026 20:07:33 ana Saiu — Feito 203.0.113.7",
        "21/11/2026 20:07:33 ana Recolocou um job na fila none Recusado 203.0.113.7",
        "21/11/2026 20:07:33 ana Entrou — Feito 203.0.113.7",
    ]


def test_the_log_tells_of_a_lock_and_of_no_single_guess(console: Console) -> None:
    for number in range(12):
        console.other_browser("198.51.100.1").log_in("ana", f"guess {number}")
    for number in range(12):
        console.other_browser("198.51.100.2").log_in("nobody", f"guess {number}")
    console.redis.delete(*console.redis.keys("*login_attempts*"))
    console.logged_in()
    assert [line.partition("ana ")[2] for line in lines(console.get("/console/log").text)] == [
        "Entrou — Feito 203.0.113.7",
        "Acesso bloqueado por senhas erradas — Feito 198.51.100.1",
    ]


def test_the_log_is_read_page_by_page(operator: Console) -> None:
    log = RedisAuditLog(operator.redis)
    for number in range(120):
        log.write(AuditEntry(NOW_MS, "ana", "192.0.2.1", Operation.QUEUE_COMPACTED, detail=f"line {number}"))
    seen: list[str] = []
    address = "/console/log"
    for _ in range(3):
        page = operator.get(address).text
        seen += re.findall(r"line (\d+)", page)
        found = re.search(r'<a href="([^"]+)" rel="next">', page)
        address = found[1] if found else ""
    assert seen == [str(number) for number in range(119, -1, -1)]
    assert address == ""
    assert 'rel="prev">← Do mais recente</a>' in page


@pytest.mark.parametrize("cursor", ["x", "1", "1-x", "1-2-3", "-", "+", "(1-1", "1-1 2", "²-1"])
def test_a_cursor_that_is_none_is_no_page(operator: Console, cursor: str) -> None:
    assert operator.get(f"/console/log?older_than={cursor}").status_code == 404


def test_what_stands_in_the_log_is_shown_as_text(operator: Console) -> None:
    entry = AuditEntry(
        NOW_MS, "<b>ana</b>", "<i>", Operation.LOGIN, Outcome.FAILED, 7, "<u>", "<script>alert(1)</script>"
    )
    RedisAuditLog(operator.redis).write(entry)
    page = operator.get("/console/log").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not [mark for mark in ("<script>alert", "<b>ana", "<u>", "<i>") if mark in page]
    assert "conta 7" in page


# --- what cannot be shown ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/console/no/such/page", 404, "Página não encontrada"),
        ("GET", "/console/logout", 405, "Ação não disponível"),
        ("GET", "/console/rq/requeue/turns", 405, "Ação não disponível"),
        ("GET", "/console/rq/0/view/job/none", 404, "Página não encontrada"),
        ("POST", "/console/log", 405, "Ação não disponível"),
    ],
)
def test_a_failure_is_a_page_with_the_way_back(
    operator: Console, method: str, path: str, status: int, said: str
) -> None:
    answer = operator.get(path) if method == "GET" else operator.post(path)
    assert answer.status_code == status
    assert said in answer.text
    assert f"Erro {status}" in answer.text
    assert 'href="/console/log"' in answer.text


def test_a_fault_of_ours_is_a_page_that_tells_nothing_of_it(redis_client: redis.Redis) -> None:
    console = Console(redis_client).logged_in()

    def broken() -> str:
        raise RuntimeError("sk-1234567890abcdef in a message")

    console.app.view_functions["console.log"] = broken
    answer = console.get("/console/log")
    assert answer.status_code == 500
    assert "Erro do console" in answer.text
    assert "sk-" not in answer.text


def test_a_redis_that_goes_away_is_told_in_words(redis_client: redis.Redis) -> None:
    console = Console(redis_client).logged_in()

    def away() -> str:
        RedisAuditLog(connect("redis://127.0.0.1:1", for_web=True, max_connections=1)).page(None, 1)
        return "told"

    console.app.view_functions["console.log"] = away
    answer = console.get("/console/log")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "O Redis não responde" in answer.text


# --- for every reader --------------------------------------------------------------------------------------------

PATHS = [
    "/console/",
    "/console/accounts",
    "/console/accounts?access=none",
    "/console/log",
    "/console/rq/",
    "/console/rq/0/view/jobs",
    "/console/rq/0/view/workers",
]


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("path", [*PATHS, "/console/no/such/page", "/console/login"])
def test_a_page_can_be_used_with_a_keyboard_and_a_screen_reader(console: Console, path: str, locale: Locale) -> None:
    console.post("/console/preferences", {"language": locale})
    if path != "/console/login":
        console.logged_in()
    check_usable(console.get(path).text)


def check_usable(html: str) -> None:
    """Whether a page has what keyboards and screen readers need."""
    assert '<a class="skip" href="#content">' in html
    head, _, body = html.partition("</head>")
    assert len(re.findall(r"<h1[ >]", body)) == len(re.findall("<main ", body)) == len(re.findall("<title>", head)) == 1
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert len(re.findall("<table>", html)) == len(re.findall("<caption", html))
    assert "<th>" not in html
    fields = [field for field in re.findall(r"<(?:input|select)[^>]*>", html) if 'type="hidden"' not in field]
    labelled = set(re.findall(r'<label for="([^"]+)"', html))
    for field in fields:
        named = re.search(r'\sid="([^"]+)"', field)
        assert (named and named[1] in labelled) or re.search(rf"<label>[^<]*\s*{re.escape(field)}", html), field


@pytest.mark.parametrize("path", PATHS)
def test_the_navigation_says_where_one_is(operator: Console, path: str) -> None:
    html = operator.get(path).text
    (sections,) = re.findall(r'<nav class="sections".*?</nav>', html, re.DOTALL)
    (current,) = re.findall(r'<a href="([^"]+)" aria-current="page">', sections)
    assert path.startswith(current)


def test_a_remark_waits_for_a_page_that_is_looked_at(operator: Console) -> None:
    operator.post("/console/rq/queue/turns/compact")
    assert "0 ids foram tirados da fila." not in operator.get("/console/rq/", {"X-Console-Refresh": "1"}).text
    assert "0 ids foram tirados da fila." in operator.get("/console/rq/").text
    assert "0 ids foram tirados da fila." not in operator.get("/console/rq/").text
