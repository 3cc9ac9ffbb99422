"""The list of accounts and the page of one, over a real Redis."""

import re
from dataclasses import replace
from datetime import date

import pytest
import redis

from app.domain.accounts import LOCALES, Locale
from app.domain.assistants import Profile
from app.domain.failures import TEXTS, Failure
from app.storage.accounts import RedisAccounts
from app.storage.gates import RedisGates
from app.storage.sealing import Sealer
from tests.builders import ENCRYPTION_KEY, a_state, an_account
from tests.console_browser import Console
from tests.integration.console.offices import ID, Office
from tests.integration.console.test_overview import rows, shown
from tests.integration.console.test_pages import check_usable

PAGE = f"/console/accounts/{ID}"


def accounts_of(console: Console) -> RedisAccounts:
    return RedisAccounts(console.redis, Sealer([ENCRYPTION_KEY]))


def test_no_account_yet(operator: Console) -> None:
    assert "Ainda não há contas." in shown(operator.get("/console/accounts").text)


def test_the_list_tells_of_each_account_what_matters(operator: Console) -> None:
    office = Office(operator.redis)
    for _ in range(9):
        office.turn()
    accounts = accounts_of(operator)
    accounts.add(an_account(account_id=7, subdomain="bolo", paused=True))
    accounts.add(an_account(account_id=8, subdomain="casa", access="lost"))
    assert rows(operator.get("/console/accounts").text, "Contas") == [
        "acme 31000001 ativa small 9 de 10 1",
        "bolo 7 pausada teste 0 de 100 100",
        "casa 8 sem acesso à Kommo teste 0 de 100 100",
    ]


def test_the_list_is_read_page_by_page(operator: Console) -> None:
    accounts = accounts_of(operator)
    for number in range(120):
        accounts.add(an_account(account_id=1000 + number, subdomain=f"shop-{number:03d}"))
    seen: list[str] = []
    address = "/console/accounts?q=shop"
    for _ in range(3):
        html = operator.get(address).text
        seen += re.findall(r">(shop-\d+)</a>", html)
        found = re.search(r'<a href="([^"]+)" rel="next">', html)
        address = found[1].replace("&amp;", "&") if found else ""
    assert seen == [f"shop-{number:03d}" for number in range(120)]
    assert address == ""
    assert '<a href="/console/accounts?q=shop" rel="prev">' in html


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param("", ["123", "acme", "acme-2", "bolo"], id="nothing"),
        pytest.param("ac", ["acme", "acme-2"], id="the beginning of a name"),
        pytest.param("https://ACME.kommo.com/leads", ["acme", "acme-2"], id="an address"),
        pytest.param("1002", ["bolo"], id="an id"),
        pytest.param("123", ["123"], id="a name of digits"),
        pytest.param("9999", [], id="an id of nobody"),
        pytest.param("padaria pão", [], id="no name"),
        pytest.param("<script>", [], id="no name at all"),
    ],
)
def test_accounts_are_searched_by_id_and_by_address(operator: Console, wanted: str, found: list[str]) -> None:
    accounts = accounts_of(operator)
    for number, name in enumerate(("acme", "acme-2", "bolo", "123")):
        accounts.add(an_account(account_id=1000 + number, subdomain=name))
    answer = operator.client.get(
        "/console/accounts", query_string={"q": wanted}, headers={"Accept": "text/html"}, buffered=True
    )
    assert answer.status_code == 200
    assert re.findall(r'<a href="/console/accounts/\d+">([^<]+)</a>', answer.text) == found
    assert "<script>" not in answer.text
    assert ("Nenhuma conta tem este id" in answer.text) == (not found)


def test_accounts_without_access_are_a_step_away_from_the_overview(redis_client: redis.Redis) -> None:
    state = a_state(access={"granted": 1, "lost": 1, "revoked": 1})
    operator = Console(redis_client, state=state).logged_in()
    (way,) = re.findall(r'href="(/console/accounts\?[^"]+)"', operator.get("/console/").text)
    assert "A Kommo dá acesso a todas as contas." in shown(operator.get(way).text)
    accounts = accounts_of(operator)
    for number, (name, access) in enumerate((("acme", "granted"), ("bolo", "lost"), ("casa", "revoked"))):
        accounts.add(an_account(account_id=1000 + number, subdomain=name, access=access))
    html = operator.get(way).text
    assert re.findall(r'<a href="/console/accounts/\d+">([^<]+)</a>', html) == ["bolo", "casa"]
    assert "Instalar de novo" in html


def test_the_page_of_an_account_tells_its_month(operator: Console) -> None:
    office = Office(operator.redis, requests=5)
    office.boosts.add(office.store.account, "natal", 10, date(2099, 12, 31))
    for _ in range(6):
        office.turn()
    page = shown(operator.get(PAGE).text)
    for told in (
        "acme 31000001 ativa",
        "Requisições do mês 6 de 15",
        "Restam 9",
        "Usadas 6",
        "Plano small 5 requisições por mês",
        "Extras 10 de boosts",
        "Gasto na OpenAI US$ 0,0",
    ):
        assert told in page.replace("\N{NO-BREAK SPACE}", " "), told


def test_what_is_under_way_and_what_is_to_come_are_told(operator: Console) -> None:
    office = Office(operator.redis)
    office.store.accept(period=office.period)
    operator.post(f"{PAGE}/plan", {"plan": "grande", "when": "next-period"})
    page = shown(operator.get(PAGE).text)
    assert "Usadas 0 e 1 em andamento" in page
    assert "Do próximo mês em diante, o plano será grande." in page


def test_usage_is_drawn_by_day_and_told_by_model(operator: Console) -> None:
    office = Office(operator.redis)
    for _ in range(3):
        office.turn()
    office.turn(Failure.OPENAI_TIMEOUT)
    office.turn(refusal=Failure.NO_MESSAGE)
    html = operator.get(PAGE).text
    days = rows(html, "Turnos por dia")
    assert len(days) == office.now.astimezone(office.store.account.zone).day
    assert days[-1].endswith(" 3 1 1")
    (model,) = rows(html, "Tokens e dinheiro por modelo")
    assert model.replace("\N{NO-BREAK SPACE}", " ").startswith("gpt-4o 3 3.000 300 600 US$ 0,0")


def test_a_month_without_turns_says_so(operator: Console) -> None:
    Office(operator.redis)
    assert "Nenhum turno neste mês." in shown(operator.get(PAGE).text)


@pytest.mark.parametrize("locale", LOCALES)
def test_failures_are_told_with_the_documented_text_cause_and_remedy(operator: Console, locale: Locale) -> None:
    office = Office(operator.redis)
    ids = [office.turn(Failure.OPENAI_AUTHENTICATION) for _ in range(6)]
    refused = office.turn(refusal=Failure.NO_MESSAGE)
    operator.post("/console/preferences", {"language": locale})
    html = operator.get(PAGE).text
    captions = {"pt": "Últimas falhas", "es": "Últimos fallos", "en": "Last failures"}
    first, second = rows(html, captions[locale])
    assert TEXTS[Failure.NO_MESSAGE] in first
    assert TEXTS[Failure.OPENAI_AUTHENTICATION] in second
    causes = {"pt": "chave de API", "es": "clave de API", "en": "API key"}
    assert causes[locale] in second
    assert re.findall(r'href="/console/turns/([0-9a-f]+)">', html)[:5] == [refused, *reversed(ids[2:])]
    assert second.endswith({"pt": "e mais 2", "es": "y 2 más", "en": "and 2 more"}[locale])
    assert f'href="/help/errors/openai_authentication?lang={locale}"' in html


def test_settings_are_told_without_a_secret(operator: Console) -> None:
    accounts = accounts_of(operator)
    profile = Profile(model="gpt-6-luna", instructions="Seja breve.", source="imported")
    account = an_account(
        profile=profile,
        contact_daily_limit=50,
        alert_marks=(50,),
        weights={"ai_image": 2},
        failure_text="Já <b>voltamos</b>",
        retention_days=7,
        client_id="0b0123f4-1111-2222-3333-444444444444",
    )
    accounts.add(account, "s" * 64)
    html = operator.get(PAGE).text
    page = shown(html)
    for told in (
        "Chave da OpenAI salva",
        "asst_acme",
        "gpt-6-luna · copiado do assistente",
        "dia 50, semana —, mês —",
        "80 %, 100 %, 50 %",
        "ai_image 2",
        "7 dias",
        "0b0123f4-1111-2222-3333-444444444444",
    ):
        assert told in page, told
    assert "Já &lt;b&gt;voltamos&lt;/b&gt;" in html
    for secret in ("sk-acme", "token-of-acme", "ssss", "Seja breve."):
        assert secret not in html


def test_other_months_are_a_step_away_and_no_other(operator: Console) -> None:
    office = Office(operator.redis)
    office.turn()
    html = operator.get(PAGE).text
    (before,) = re.findall(r'<a href="([^"]+)" rel="prev">', html)
    assert 'rel="next"' not in html
    earlier = operator.get(before).text
    assert "Nenhum turno neste mês." in earlier
    assert f'<a href="{PAGE}?period={office.period}" rel="next">' in earlier


@pytest.mark.parametrize("period", ["2099-01", "2025-13", "2025-1", "x", "2025-01-01", "1999-01", "../../etc", ""])
def test_what_is_no_month_is_no_page(operator: Console, period: str) -> None:
    Office(operator.redis)
    assert operator.get(f"{PAGE}?period={period}").status_code == 404
    assert operator.get(f"{PAGE}/ledger?period={period}").status_code == 404


@pytest.mark.parametrize(
    "path", ["/console/accounts/7", "/console/accounts/7/ledger", f"/console/accounts/{'9' * 400}"]
)
def test_who_is_no_account_has_no_page(operator: Console, path: str) -> None:
    assert operator.get(path).status_code == 404


@pytest.mark.parametrize("cursor", ["x", "1", "1-x", "+", ""])
def test_a_cursor_that_is_none_is_no_page_of_the_ledger(operator: Console, cursor: str) -> None:
    Office(operator.redis)
    assert operator.get(f"{PAGE}/ledger?older_than={cursor}").status_code == 404


def test_the_ledger_is_read_page_by_page(operator: Console) -> None:
    office = Office(operator.redis, requests=100)
    for _ in range(30):
        office.turn()
    html = operator.get(PAGE).text
    assert len(rows(html, "Extrato")) == 10
    (address,) = re.findall(rf'<a href="({PAGE}/ledger[^"]+)">', html)
    sizes = []
    while address:
        html = operator.get(address.replace("&amp;", "&")).text
        found = rows(html, "Extrato")
        sizes.append(len(found))
        more = re.search(r'<a href="([^"]+)" rel="next">', html)
        address = more[1] if more else ""
    assert sizes == [50, 11]
    assert "Plano do mês +100 — small" in found[-1]


def test_an_account_that_kommo_has_left_is_told(operator: Console) -> None:
    accounts = accounts_of(operator)
    account = accounts.add(an_account())
    accounts.replace(replace(account, access="revoked"), account.version)
    assert "desinstalada na Kommo" in shown(operator.get(PAGE).text)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("path", ["/console/", "/console/accounts", PAGE, f"{PAGE}/ledger"])
def test_pages_with_everything_on_them_can_be_used_by_everybody(operator: Console, path: str, locale: Locale) -> None:
    office = Office(operator.redis)
    office.boosts.add(office.store.account, "natal", 3, date(2099, 12, 31))
    for _ in range(12):
        office.turn()
    office.turn(Failure.OPENAI_TIMEOUT)
    RedisGates(operator.redis).close("a key", 60, Failure.OPENAI_QUOTA, ID)
    operator.post("/console/preferences", {"language": locale})
    html = operator.get(path).text
    check_usable(html)
    assert f"{ID}" in html
