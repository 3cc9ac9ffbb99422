"""`bytegpt turn replay` against real processes: what failed is answered, what was not delivered is, nothing twice."""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.turn import CLOSED
from sandbox.kommo_faults import Route, status
from sandbox.kommo_webhook import SentWebhook
from sandbox.stack import Stack
from tests.functional.commands import bytegpt, printed
from tests.functional.shop import PATIENCE, Shop, assistant_fields, request_id
from tests.waiting import wait_until

KINDS = ("profile", "prompt", "assistant")


def printed_with(shop: Shop, *arguments: str) -> tuple[int, str, Any]:
    """Exit code, stderr, and what of the turn is shown afterwards."""
    code, _, errors = bytegpt(shop.stack, *arguments)
    return code, errors, printed(shop.stack, "turn", "show", arguments[2])


def undeliverable_failure(shop: Shop, fault: str, text: str = "Oi") -> SentWebhook:
    """OpenAI fails, and Kommo does not take the failure text either: the bot still waits."""
    shop.fault(fault, times=1)
    shop.kommo.faults.add(status(403), Route.CONTINUE)
    webhook = shop.asked(text)
    assert shop.turn(webhook)["status"] == "undeliverable"
    return webhook


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["unauthorized", "credit_exhausted", "empty_answer"])
def test_what_failed_is_answered_and_charged_once(service: Stack, kind: str, fault: str) -> None:
    name = f"replay-{kind}-{fault.replace('_', '-')}"
    shop = Shop(service, name, **assistant_fields(kind, name))
    webhook = undeliverable_failure(shop, fault)
    assert shop.used_and_reserved() == (0, 0)
    code, errors, turn = printed_with(shop, "turn", "replay", request_id(webhook))
    assert (code, errors) == (0, "")
    assert (turn["status"], turn["error_code"], turn["charge"]) == ("delivered", None, "settled")
    # The empty answer would be found again for ever, so the question is put a second time.
    number = 2 if fault == "empty_answer" else 1
    assert shop.told(webhook)["data"]["reply"] == f"[{name}] Mensagem {number}: Oi"
    assert shop.used_and_reserved() == (1, 0)
    kinds = [kind for kind, _, _ in shop.ledger()]
    assert kinds == ["grant", "reserve", "release", "reserve", "settle"]
    (step,) = [step for step in turn["steps"] if step["step"] == "replayed"]
    assert (step["by"], step["again"]) == ("cli", "answer")


def test_a_bot_that_was_told_the_failure_has_gone_on_and_that_is_said(service: Stack) -> None:
    shop = Shop(service, "replay-told")
    shop.fault("unauthorized", times=1)
    webhook = shop.asked("Oi")
    assert shop.turn(webhook)["status"] == "delivered"
    code, errors, turn = printed_with(shop, "turn", "replay", request_id(webhook))
    assert code == 0
    assert "has most likely gone on" in errors
    assert (turn["status"], turn["error_code"], turn["charge"]) == ("not_waiting", None, "settled")
    assert shop.statuses(webhook) == [202, 404]
    assert shop.used_and_reserved() == (1, 0)


@pytest.mark.parametrize("fault", [403, 503])
def test_an_answer_that_was_not_delivered_is_and_nothing_is_asked_or_charged_again(hasty: Stack, fault: int) -> None:
    shop = Shop(hasty, f"replay-kommo-{fault}")
    shop.kommo.faults.add(status(fault), Route.CONTINUE, times=None)
    webhook = shop.asked("Oi")
    assert shop.turn(webhook)["status"] == "undeliverable"
    shop.kommo.faults.clear()
    asked, books = len(shop.calls(["*"])), shop.ledger()
    code, errors, turn = printed_with(shop, "turn", "replay", request_id(webhook))
    assert (code, errors) == (0, "")
    assert (turn["status"], turn["charge"]) == ("delivered", "settled")
    assert shop.told(webhook)["data"]["reply"] == f"[replay-kommo-{fault}] Mensagem 1: Oi"
    assert len(shop.calls(["*"])) == asked
    assert shop.ledger() == books
    assert shop.used_and_reserved() == (1, 0)


def test_an_answered_one_is_refused_and_stays_what_it_is(service: Stack) -> None:
    shop = Shop(service, "replay-answered")
    webhook = shop.asked("Oi")
    before = shop.turn(webhook)
    code, output, errors = bytegpt(service, "turn", "replay", request_id(webhook))
    assert (code, output) == (1, "")
    assert "answered and delivered" in errors
    assert shop.turn(webhook) == before
    assert shop.used_and_reserved() == (1, 0)


def test_without_requests_left_it_is_refused(service: Stack) -> None:
    bytegpt(service, "plan", "set", "um", "--requests", "1")
    shop = Shop(service, "replay-quota", plan="um")
    webhook = undeliverable_failure(shop, "unauthorized")
    shop.turn(shop.asked("Outra"))
    code, _, errors = bytegpt(service, "turn", "replay", request_id(webhook))
    assert code == 1
    assert "no requests left this month" in errors
    assert shop.used_and_reserved() == (1, 0)


def test_one_that_fails_again_says_so_with_exit_code_1(service: Stack) -> None:
    shop = Shop(service, "replay-again")
    shop.fault("unauthorized")
    webhook = shop.asked("Oi")
    shop.turn(webhook)
    code, output, _ = bytegpt(service, "turn", "replay", request_id(webhook))
    assert code == 1
    assert "It failed again (openai_authentication) and cost nothing." in output
    assert shop.used_and_reserved() == (0, 0)


def test_of_two_processes_that_replay_it_at_once_one_does(service: Stack) -> None:
    shop = Shop(service, "replay-twice")
    webhook = undeliverable_failure(shop, "unauthorized")
    argv = service.argv("turn", "replay", request_id(webhook), "--json")

    def run(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv, env=service.environment, capture_output=True, text=True, timeout=3 * PATIENCE, check=False
        )

    with ThreadPoolExecutor(2) as pool:
        done = sorted(pool.map(run, range(2)), key=lambda one: one.returncode)
    assert [one.returncode for one in done] == [0, 1]
    assert "cannot be run again" in done[1].stderr
    assert [kind for kind, _, _ in shop.ledger()].count("settle") == 1
    assert shop.statuses(webhook) == [403, 202]


def test_nobody_needs_to_wait(service: Stack) -> None:
    shop = Shop(service, "replay-no-wait")
    webhook = undeliverable_failure(shop, "unauthorized")
    code, output, _ = bytegpt(service, "turn", "replay", request_id(webhook), "--no-wait")
    assert code == 0
    assert "replayed" in output
    wait_until(lambda: shop.reporting.turn(request_id(webhook))["status"] in CLOSED, PATIENCE)
    assert shop.turn(webhook)["status"] == "delivered"


def test_all_that_ended_badly_in_a_span_are_run_again(service: Stack) -> None:
    shop = Shop(service, "replay-span", timezone="America/Sao_Paulo")
    shop.turn(shop.asked("Antes"))
    begin = datetime.now(UTC)
    shop.fault("unauthorized", times=1)
    told = shop.asked("Um")
    shop.turn(told)
    untold = undeliverable_failure(shop, "unauthorized", "Dois")
    end = datetime.now(UTC) + timedelta(seconds=1)
    shop.turn(shop.asked("Depois"))
    span = [moment.astimezone(shop.account.zone).replace(tzinfo=None).isoformat() for moment in (begin, end)]
    arguments = ("turn", "replay", "--account", str(shop.kommo.account_id), "--failed-between", *span)
    code, output, errors = bytegpt(service, *arguments, "--untold")
    assert (code, errors) == (0, "1 turn(s) to run again\n")
    assert re.search(rf"{request_id(untold)} +delivered +1", output)
    code, output, errors = bytegpt(service, *arguments)
    assert (code, errors) == (0, "1 turn(s) to run again\n")
    assert re.search(rf"{request_id(told)} +not_waiting +1", output)
    assert "not_waiting: 1" in output
    assert bytegpt(service, *arguments)[0] == 0
    assert shop.used_and_reserved() == (4, 0)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("r1", "--account", "31000001"),
        ("--failed-between", "2026-01-01", "2026-01-02"),
        ("r1", "--untold"),
        ("--account", "31000001", "--failed-between", "2026-01-01", "2026-01-02", "--no-wait"),
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense_is_said(service: Stack, arguments: tuple[str, ...]) -> None:
    code, output, errors = bytegpt(service, "turn", "replay", *arguments)
    assert (code, output) == (2, "")
    assert "Error: " in errors


def test_a_moment_that_is_none_is_said(service: Stack) -> None:
    shop = Shop(service, "replay-moment")
    account = str(shop.kommo.account_id)
    code, _, errors = bytegpt(service, "turn", "replay", "--account", account, "--failed-between", "ontem", "hoje")
    assert code == 2
    assert "'ontem' is no moment" in errors


def test_a_turn_that_is_not_known_is_said(service: Stack) -> None:
    code, output, errors = bytegpt(service, "turn", "replay", "0123456789abcdef")
    assert (code, output) == (1, "")
    assert "no turn has the id" in errors
