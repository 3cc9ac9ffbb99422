"""Boosts, alerts and the ledger's audit, from the command line and the chat."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from app.storage import keys
from sandbox.flows import recommended_flow
from sandbox.stack import Company, Stack
from tests.functional.commands import bytegpt, printed
from tests.waiting import wait_until

PATIENCE = 20.0


@pytest.fixture(scope="module")
def company(service: Stack) -> Company:
    service.add_plan("two", 2)
    company = service.add_company("Papelaria", plan="two")
    company.kommo.add_bot(recommended_flow(service.door), after_fail="listen")
    return company


def test_a_boost_is_added_once_and_used_after_the_plan(service: Stack, company: Company) -> None:
    account = str(company.kommo.account_id)
    tomorrow = (datetime.now(UTC) + timedelta(days=3)).date().isoformat()
    client = company.kommo.client("Ana")
    shown = [client.ask(f"pergunta {number}", PATIENCE)[0] for number in range(3)]
    assert shown[:2] == ["[Papelaria] Mensagem 1: pergunta 0", "[Papelaria] Mensagem 2: pergunta 1"]
    assert shown[2].startswith("Desculpe")
    # Both marks of a plan of two are crossed by its second answer, and the refusal is noted once.
    wait_until(lambda: len(company.kommo.notes) == 3, PATIENCE)
    texts = "\n".join(note.text for note in company.kommo.notes)
    assert all(mark in texts for mark in ("80 %", "100 %", "Limite de requisições do plano ByteGPT atingido"))
    assert {note.lead_id for note in company.kommo.notes} == {client.lead_id}

    added = ("boost", "add", account, "--requests", "2", "--key", "natal", "--expires", tomorrow)
    assert printed(service, *added) == {"account_id": company.kommo.account_id, "key": "natal", "added": True}
    assert printed(service, *added)["added"] is False
    usage = printed(service, "usage", account)
    assert [usage[name] for name in ("allowance", "boosts", "used", "reserved", "remaining")] == [2, 2, 2, 0, 2]
    assert client.ask("pergunta 3", PATIENCE) == ["[Papelaria] Mensagem 3: pergunta 3"]
    (boost,) = printed(service, "boost", "list", account)
    assert {**boost, "added_at": None} == {
        "key": "natal",
        "requests": 2,
        "remaining": 1,
        "expires": tomorrow,
        "added_at": None,
    }
    kinds = [entry["kind"] for entry in printed(service, "ledger", account)]
    assert kinds.count("boost") == 1
    assert printed(service, "ledger", account, "--verify")["differences"] == {}

    void = [bytegpt(service, "boost", "void", account, "--key", "natal")[0] for _ in range(2)]
    assert void == [0, 1]
    assert printed(service, "usage", account)["remaining"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--requests", "0", "--key", "a"), 2, "--requests"),
        (("--requests", "1"), 2, "--key"),
        (("--requests", "1", "--key", "a b"), 1, "a boost's key has"),
        (("--requests", "1", "--key", "a", "--expires", "amanhã"), 2, "--expires"),
    ],
)
def test_a_boost_that_makes_no_sense_is_told(
    service: Stack, company: Company, arguments: tuple[str, ...], code: int, told: str
) -> None:
    ended, _, errors = bytegpt(service, "boost", "add", str(company.kommo.account_id), *arguments)
    assert ended == code
    assert told in errors


def test_a_damaged_counter_is_told_and_mended(service: Stack) -> None:
    company = service.add_company("Livraria")
    company.kommo.add_bot(recommended_flow(service.door))
    assert company.kommo.client("Bia").ask("Oi", PATIENCE)
    account = str(company.kommo.account_id)
    period = printed(service, "usage", account)["period"]
    service.redis.hset(keys.quota(company.kommo.account_id, period), "used", 9)
    code, output, _ = bytegpt(service, "ledger", account, "--verify", "--json")
    assert code == 1
    assert json.loads(output)["differences"] == {"used": {"stored": 9, "ledger": 1}}
    assert "--rebuild" in bytegpt(service, "ledger", account, "--verify")[1]
    assert printed(service, "ledger", account, "--rebuild")["rebuilt"] is True
    assert printed(service, "usage", account)["used"] == 1
