"""What an operator does to an account: each is done, said, and written into the audit log."""

import threading
from collections.abc import Iterator

import pytest
import redis

from app.domain import account_checkup
from app.domain.accounts import Account
from app.domain.audit_log import Operation, Outcome
from app.domain.checkup import Finding, failed, ok, warning
from app.domain.failures import Failure
from app.storage.audit_log import RedisAuditLog
from tests.console_browser import Console
from tests.consoles import console_flows
from tests.integration.console.offices import ID, Office
from tests.integration.console.test_overview import rows, shown

PAGE = f"/console/accounts/{ID}"


@pytest.fixture
def office(redis_client: redis.Redis) -> Office:
    return Office(redis_client)


def account_of(office: Office) -> Account:
    account = office.store.accounts.get(ID)
    assert account is not None
    return account


def done(console: Console, path: str, fields: dict[str, str] | None = None) -> str:
    """What the account's page says after something was done."""
    answer = console.post(f"{PAGE}{path}", fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    return shown(console.get(PAGE).text)


def last_lines(console: Console, number: int = 1) -> list[tuple[Operation, Outcome, int | None, str]]:
    entries = RedisAuditLog(console.redis).page(None, number).entries
    assert {(entry.operator, entry.address) for entry in entries} == {("ana", "203.0.113.7")}
    return [(entry.operation, entry.outcome, entry.account_id, entry.detail) for entry in entries]


def test_an_account_is_paused_and_resumed(office: Office, operator: Console) -> None:
    page = done(operator, "/pause")
    assert "A conta está pausada." in page
    assert "acme 31000001 pausada" in page
    assert account_of(office).paused
    page = done(operator, "/resume")
    assert "A conta voltou a ser respondida." in page
    assert not account_of(office).paused
    assert last_lines(operator, 2) == [
        (Operation.ACCOUNT_RESUMED, Outcome.DONE, ID, ""),
        (Operation.ACCOUNT_PAUSED, Outcome.DONE, ID, ""),
    ]


def test_the_log_shows_it_with_a_way_to_the_account(office: Office, operator: Console) -> None:
    done(operator, "/pause")
    html = operator.get("/console/log").text
    assert "Pausou a conta conta 31000001 Feito 203.0.113.7" in shown(html)
    assert f'<a href="{PAGE}">' in html


@pytest.mark.parametrize("path", ["/pause", "/resume", "/plan", "/boosts", "/boosts/void", "/check-up"])
def test_nothing_is_done_to_nobody(operator: Console, path: str) -> None:
    assert operator.post(f"/console/accounts/7{path}").status_code == 404
    assert last_lines(operator) == [(Operation.LOGIN, Outcome.DONE, None, "")]


@pytest.mark.parametrize("path", ["/pause", "/boosts"])
def test_nothing_is_done_by_looking(office: Office, operator: Console, path: str) -> None:
    assert operator.get(f"{PAGE}{path}").status_code == 405


def test_a_plan_is_changed_at_once(office: Office, operator: Console) -> None:
    page = done(operator, "/plan", {"plan": "grande", "when": "now"})
    assert "O plano foi mudado: small → grande (now)" in page
    assert "Plano grande 5.000 requisições por mês" in page
    assert account_of(office).plan == "grande"
    assert last_lines(operator) == [(Operation.PLAN_CHANGED, Outcome.DONE, ID, "small → grande (now)")]


def test_a_plan_is_changed_from_next_month_on(office: Office, operator: Console) -> None:
    done(operator, "/plan", {"plan": "grande", "when": "next-period"})
    assert (account_of(office).plan, account_of(office).next_plan) == ("small", "grande")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"plan": "nenhum", "when": "now"}, "Esse plano não existe", id="no such plan"),
        pytest.param({"when": "now"}, "Esse plano não existe", id="no plan"),
        pytest.param({"plan": "grande", "when": "soon"}, "Não está claro a partir de quando", id="when"),
        pytest.param({"plan": "grande"}, "Não está claro a partir de quando", id="no when"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(office: Office, operator: Console, fields: dict[str, str], said: str) -> None:
    assert said in done(operator, "/plan", fields)
    assert account_of(office).plan == "small"
    assert last_lines(operator)[0][:2] == (Operation.PLAN_CHANGED, Outcome.REFUSED)


def test_a_boost_is_added_once_for_its_key(office: Office, operator: Console) -> None:
    fields = {"key": "natal-1", "requests": "500", "expires": "2099-12-31"}
    page = done(operator, "/boosts", fields)
    assert "O boost foi acrescentado: 500 · natal-1 · 2099-12-31" in page
    page = done(operator, "/boosts", fields)
    assert "Já havia um boost com essa chave" in page
    assert [(boost.key, boost.remaining) for boost in office.boosts.all(account_of(office))] == [("natal-1", 500)]
    (row,) = rows(operator.get(PAGE).text, "Boosts")
    assert row.startswith("natal-1 ")
    assert " 500 500 31/12/2099 Anular" in row
    assert [line[1] for line in last_lines(operator, 2)] == [Outcome.REFUSED, Outcome.DONE]


@pytest.mark.parametrize("day", ["9999-12-30", "9999-12-31"])
def test_a_boost_may_last_until_the_last_day_that_there_is(office: Office, operator: Console, day: str) -> None:
    page = done(operator, "/boosts", {"key": "b", "requests": "5", "expires": day})
    assert f"O boost foi acrescentado: 5 · b · {day}" in page
    (boost,) = office.boosts.all(account_of(office))
    assert (str(boost.expires), boost.remaining) == (day, 5)


def test_a_boost_may_last_for_ever(office: Office, operator: Console) -> None:
    done(operator, "/boosts", {"key": "b", "requests": "1", "expires": ""})
    assert office.boosts.all(account_of(office))[0].expires is None
    assert "1 1 sem fim" in rows(operator.get(PAGE).text, "Boosts")[0]


def test_the_page_offers_a_key_that_is_new_each_time(office: Office, operator: Console) -> None:
    keys = {operator.get(PAGE).text.split('name="key" value="')[1].split('"')[0] for _ in range(3)}
    assert len(keys) == 3
    for key in keys:
        assert "O boost foi acrescentado" in done(operator, "/boosts", {"key": key, "requests": "5", "expires": ""})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"key": "", "requests": "5"}, "A chave de um boost tem", id="no key"),
        pytest.param({"key": "a b", "requests": "5"}, "A chave de um boost tem", id="a key with a space"),
        pytest.param({"key": "k" * 65, "requests": "5"}, "A chave de um boost tem", id="a long key"),
        pytest.param({"key": "k", "requests": "0"}, "Um boost tem de 1", id="none"),
        pytest.param({"key": "k", "requests": "-5"}, "Um boost tem de 1", id="fewer"),
        pytest.param({"key": "k", "requests": "1.5"}, "Um boost tem de 1", id="a half"),
        pytest.param({"key": "k", "requests": "1000000001"}, "Um boost tem de 1", id="too many"),
        pytest.param({"key": "k", "requests": "9" * 5000}, "Um boost tem de 1", id="far too many"),
        pytest.param({"key": "k", "requests": "٣"}, "Um boost tem de 1", id="digits of another script"),
        pytest.param({"key": "k", "requests": "5", "expires": "soon"}, "é uma data", id="no day"),
        pytest.param({"key": "k", "requests": "5", "expires": "2025-02-30"}, "é uma data", id="no such day"),
    ],
)
def test_a_boost_that_cannot_be_is_refused(
    office: Office, operator: Console, fields: dict[str, str], said: str
) -> None:
    assert said in done(operator, "/boosts", fields)
    assert office.boosts.all(account_of(office)) == []
    assert last_lines(operator)[0][1] is Outcome.REFUSED


def test_a_boost_is_voided_once(office: Office, operator: Console) -> None:
    done(operator, "/boosts", {"key": "natal", "requests": "5"})
    assert "Nada mais resta do boost natal." in done(operator, "/boosts/void", {"key": "natal"})
    assert "Já não restava nada desse boost" in done(operator, "/boosts/void", {"key": "natal"})
    assert [line[1] for line in last_lines(operator, 2)] == [Outcome.REFUSED, Outcome.DONE]
    assert rows(operator.get(PAGE).text, "Boosts")[0].endswith(" 5 0 sem fim —")


def test_the_form_may_lead_back_to_where_it_stood(office: Office, operator: Console) -> None:
    answer = operator.post(f"{PAGE}/pause", {"next": f"{PAGE}?period=2025-01"})
    assert answer.headers["Location"] == f"{PAGE}?period=2025-01"


# --- the check-up ----------------------------------------------------------------------------------------------------


def checked(client: redis.Redis, *findings: Finding) -> Console:
    """A console whose doctor finds this."""
    return Console(client, flows=console_flows(client, check_up=lambda _id: iter(findings))).logged_in()


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        pytest.param([ok("account", "31000001 (acme)")], "Está tudo certo", id="well"),
        pytest.param([ok("plan", "p"), warning("kommo token", "ends soon.", "Renew it.")], "há o que olhar", id="soon"),
        pytest.param([failed("openai key", "none.", "Save one."), ok("plan", "p")], "Há algo a corrigir", id="failed"),
    ],
)
def test_a_check_up_shows_what_the_doctor_finds(
    redis_client: redis.Redis, office: Office, findings: list[Finding], said: str
) -> None:
    console = checked(redis_client, *findings)
    answer = console.post(f"{PAGE}/check-up")
    assert answer.status_code == 200
    assert said in answer.text
    found = rows(answer.text, "Verificação da conta")
    assert len(found) == len(findings)
    for row, finding in zip(found, findings, strict=True):
        assert finding.found in row
        assert finding.remedy in row
    assert last_lines(console) == [(Operation.ACCOUNT_CHECKED, Outcome.DONE, ID, "")]


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("pt", ["Aceita, e vence em 1.200 dias.", "Crie outra na Kommo e salve-a.", "Verifique se a chave"]),
        ("es", ["Aceptada, y vence en 1.200 días.", "Cree otra en Kommo y guárdela.", "Compruebe que la clave"]),
        ("en", ["Accepted, and ends in 1,200 days.", "Make another one in Kommo and save it.", "Check that the key"]),
    ],
)
def test_a_check_up_speaks_the_language_of_its_reader(
    redis_client: redis.Redis, office: Office, locale: str, said: list[str]
) -> None:
    console = checked(
        redis_client,
        warning("kommo token", "ends.", "Renew it.").saying("token.ends", days=1200),
        *account_checkup.of_openai(account_of(office), Failure.OPENAI_AUTHENTICATION, "401", False, 0),
    )
    console.post("/console/preferences", {"language": locale})
    page = shown(console.post(f"{PAGE}/check-up").text)
    assert "Falha na Autenticação da API (401)." in page
    for text in said:
        assert text in page


def test_so_many_check_ups_at_once_and_no_more(redis_client: redis.Redis, office: Office) -> None:
    begun, end = threading.Semaphore(0), threading.Event()

    def slow(_account_id: int) -> Iterator[Finding]:
        begun.release()
        assert end.wait(20)
        yield ok("account", "31000001 (acme)")

    console = Console(redis_client, flows=console_flows(redis_client, check_up=slow)).logged_in()
    browsers = [console.other_browser().logged_in() for _ in range(2)]
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda one=one: statuses.append(one.post(f"{PAGE}/check-up").status_code))
        for one in browsers
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in threads:
            assert begun.acquire(timeout=20)
        assert console.post(f"{PAGE}/check-up").status_code == 303
        assert "Outras verificações ainda estão em curso." in shown(console.get(PAGE).text)
    finally:
        end.set()
    for thread in threads:
        thread.join(20)
    assert statuses == [200, 200]
    assert console.post(f"{PAGE}/check-up").status_code == 200


def test_a_check_up_that_breaks_leaves_room_for_the_next(redis_client: redis.Redis, office: Office) -> None:
    def broken(_account_id: int) -> Iterator[Finding]:
        yield ok("account", "31000001 (acme)")
        raise RuntimeError("sk-1234567890abcdef in a message")

    console = Console(redis_client, flows=console_flows(redis_client, check_up=broken)).logged_in()
    for _ in range(4):
        answer = console.post(f"{PAGE}/check-up")
        assert answer.status_code == 500
        assert "sk-" not in answer.text
    assert last_lines(console) == [(Operation.ACCOUNT_CHECKED, Outcome.FAILED, ID, "")]
