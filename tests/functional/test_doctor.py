"""`bytegpt doctor` beside real processes and the simulated partners."""

import json
import subprocess
from typing import Any

import pytest

from sandbox.stack import Stack
from tests.functional.commands import bytegpt
from tests.functional.shop import Shop

# Settings under which nothing is a warning because of the simulated partners' addresses.
EXPECTED_WARNINGS = {"PUBLIC_URL", "KOMMO_BASE_URL", "OPENAI_BASE_URL", "KOMMO_RATE"}


def checks(stack: Stack, *arguments: str, code: int = 0, **changed: str) -> dict[str, dict[str, Any]]:
    """The lines of the document by what they are about."""
    ended, output, errors = bytegpt(stack, "doctor", *arguments, "--json", **changed)
    assert (ended, errors) == (code, "")
    document = json.loads(output)
    assert (document["state"] == "failed") == (code == 1)
    return {one["check"]: one for one in document["checks"]}


def not_ok(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {what: one["state"] for what, one in found.items() if one["state"] != "ok" and what not in EXPECTED_WARNINGS}


def test_a_service_that_is_well_has_a_line_for_everything(service: Stack) -> None:
    found = checks(service)
    assert not_ok(found) == {}
    assert {what for what in found if what.isupper()} >= EXPECTED_WARNINGS | {"SECRET_KEY", "ENCRYPTION_KEYS"}
    assert {"redis", "redis persistence", "workers", "queue", "openai", "clock against openai", "web"} <= found.keys()


def test_people_read_one_line_for_each_and_what_to_do(service: Stack) -> None:
    argv = service.argv("doctor")
    done = subprocess.run(argv, env=service.environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"ok", "warning"}
    assert "ok       redis: answers" in lines
    (public_url,) = (line for line in lines if "PUBLIC_URL:" in line)
    assert public_url == (
        "warning  PUBLIC_URL: names this machine. Set the https:// address at which Kommo reaches you."
    )


@pytest.mark.parametrize("kind", ["profile", "assistant", "prompt"])
def test_an_account_that_can_be_answered_is_well_and_pays_nothing_for_it(service: Stack, kind: str) -> None:
    name = f"consulta-{kind}"
    fields: dict[str, dict[str, Any]] = {
        "profile": {},
        "assistant": {"assistant_id": f"asst_{name}", "profile": None},
        "prompt": {"assistant_id": f"pmpt_{name}", "profile": None},
    }
    shop = Shop(service, name, **fields[kind])
    found = checks(service, str(shop.kommo.account_id))
    assert not_ok(found) == {}
    assert list(found)[-7:] == [
        "account",
        "kommo address",
        "kommo token",
        "openai key",
        "assistant",
        "dry run",
        "plan",
    ]
    assert shop.used_and_reserved() == (0, 0)
    assert shop.ledger() == []
    deleted = [call for call in service.openai.calls if call.key == shop.key and call.method == "DELETE"]
    assert [call.path.split("/")[1] for call in deleted] == ["threads" if kind == "assistant" else "conversations"]


def test_what_is_wrong_with_an_account_is_told_and_nothing_secret(service: Stack) -> None:
    service.add_plan("gratis", 0)
    shop = Shop(service, "doente", plan="gratis")
    shop.fault("credit_exhausted")
    shop.with_secrets(access_token="not-a-token-of-kommo")
    found = checks(service, str(shop.kommo.account_id), code=1)
    assert not_ok(found) == {
        "kommo token": "failed",
        "assistant": "warning",
        "dry run": "failed",
        "plan": "failed",
    }
    assert found["dry run"]["found"].startswith("Limite de Quota Excedido (")
    told = json.dumps(found)
    for secret in (shop.key, "not-a-token-of-kommo", *service.environment["ENCRYPTION_KEYS"].split(",")):
        assert secret not in told


def test_a_token_that_ends_soon_is_told(service: Stack) -> None:
    shop = Shop(service, "expirando")
    shop.with_secrets(access_token=shop.kommo.long_lived_token(10 * 24 * 3600 + 60))
    found = checks(service, str(shop.kommo.account_id))
    assert not_ok(found) == {"kommo token": "warning"}
    assert found["kommo token"]["found"] == "accepted, and ends in 10 days"


def test_an_account_that_nobody_knows(service: Stack) -> None:
    found = checks(service, "99", code=1)
    assert not_ok(found) == {"account": "failed"}


def test_an_account_whose_key_was_taken_away(service: Stack) -> None:
    shop = Shop(service, "selada")
    other = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    found = checks(service, str(shop.kommo.account_id), code=1, ENCRYPTION_KEYS=other)
    assert not_ok(found) == {"ENCRYPTION_KEYS": "failed", "account": "failed"}


def test_without_redis_the_rest_is_told_at_once(service: Stack) -> None:
    found = checks(service, "31000001", code=1, REDIS_URL="redis://127.0.0.1:1")
    assert not_ok(found) == {"redis": "failed", "account": "failed"}
    assert found["web"]["state"] == "ok"


def test_wrong_settings_are_told_one_by_one(service: Stack) -> None:
    code, output, _ = bytegpt(service, "doctor", PORT="none", TURN_DEADLINE="1")
    assert code == 1
    assert [line.split()[:3] for line in output.splitlines()] == [
        ["failed", "settings:", "PORT"],
        ["failed", "settings:", "TURN_DEADLINE"],
    ]


@pytest.mark.parametrize("arguments", [("x",), ("0",), ("1", "2"), ("--what",)])
def test_a_wrong_command_line_is_no_check_up(service: Stack, arguments: tuple[str, ...]) -> None:
    assert bytegpt(service, "doctor", *arguments)[:2] == (2, "")
