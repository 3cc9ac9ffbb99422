"""What operators see of turns that real processes have answered: `usage`, `ledger`, `turn` (contract 1)."""

import csv
import io
import json
import subprocess
from datetime import UTC, datetime

import pytest

from app.storage import keys
from sandbox.kommo_faults import Route, status
from sandbox.kommo_webhook import SentWebhook
from sandbox.stack import Stack
from tests.functional.commands import bytegpt, printed
from tests.functional.shop import PATIENCE, Shop, request_id


class Day:
    """A company after messages that were answered, that failed, that nobody waited for, and one without text."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.shop = shop = Shop(stack, "Padaria", weights={"ai_reply": 2})
        self.answered = self._closed("Meu nome é Ana")
        shop.fault("rate_limit", message="de novo", times=1, retry_after_ms=20)
        self.retried = self._closed("de novo")
        shop.fault("credit_exhausted", message="falhe", times=1)
        self.failed = self._closed("falhe")
        shop.kommo.faults.add(status(404), Route.CONTINUE)
        self.not_waiting = self._closed("até logo")
        self.refused = self._closed("")

    @property
    def account_id(self) -> str:
        return str(self.shop.kommo.account_id)

    def _closed(self, text: str) -> SentWebhook:
        webhook = self.shop.asked(text)
        self.shop.turn(webhook)
        return webhook


@pytest.fixture(scope="module")
def day(service: Stack) -> Day:
    return Day(service)


def this_month(day: Day) -> str:
    return datetime.now(UTC).astimezone(day.shop.account.zone).strftime("%Y-%m")


def test_usage_adds_up(day: Day) -> None:
    figures = printed(day.stack, "usage", day.account_id)
    expected = {
        "account_id": day.shop.kommo.account_id,
        "period": this_month(day),
        "plan": "teste",
        "allowance": 100,
        "boosts": 0,
        "used": 6,
        "reserved": 0,
        "remaining": 94,
    }
    assert {name: figures[name] for name in expected} == expected
    assert printed(day.stack, "usage", day.account_id, "--period", this_month(day)) == figures


def test_the_console_script_prints_the_same(day: Day) -> None:
    argv = day.stack.argv("usage", day.account_id, "--json")
    done = subprocess.run(argv, env=day.stack.environment, capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert json.loads(done.stdout) == printed(day.stack, "usage", day.account_id)
    assert done.stderr == ""


def test_a_month_in_which_nothing_happened_is_empty(day: Day) -> None:
    figures = printed(day.stack, "usage", day.account_id, "--period", "2020-02")
    assert (figures["period"], figures["used"], figures["reserved"], figures["remaining"]) == ("2020-02", 0, 0, 100)
    assert printed(day.stack, "ledger", day.account_id, "--period", "2020-02") == []


def test_the_ledger_tells_every_movement_and_its_sum_is_the_usage(day: Day) -> None:
    entries = printed(day.stack, "ledger", day.account_id)
    assert set(entries[0]) >= {"at", "request_id", "kind", "requests", "reason"}
    ids = {name: request_id(getattr(day, name)) for name in ("answered", "retried", "failed", "not_waiting", "refused")}
    assert [(entry["request_id"], entry["kind"], entry["requests"], entry["reason"]) for entry in entries] == [
        (None, "grant", 100, "teste"),
        (ids["answered"], "reserve", -2, "ai_reply"),
        (ids["answered"], "settle", 0, "answered"),
        (ids["retried"], "reserve", -2, "ai_reply"),
        (ids["retried"], "settle", 0, "answered"),
        (ids["failed"], "reserve", -2, "ai_reply"),
        (ids["failed"], "release", 2, "openai_quota"),
        (ids["not_waiting"], "reserve", -2, "ai_reply"),
        (ids["not_waiting"], "settle", 0, "answered"),
        (ids["refused"], "refuse", 0, "no_message"),
    ]
    moved = sum(entry["requests"] for entry in entries if entry["kind"] in ("reserve", "settle", "release"))
    figures = printed(day.stack, "usage", day.account_id)
    assert moved == -figures["used"] - figures["reserved"] == -6
    moments = [datetime.fromisoformat(entry["at"]) for entry in entries]
    assert moments == sorted(moments)
    assert all(moment.tzinfo is not None for moment in moments)


def test_csv_holds_the_same_figures(day: Day) -> None:
    _, output, _ = bytegpt(day.stack, "usage", day.account_id, "--csv")
    (figures,) = csv.DictReader(io.StringIO(output))
    assert (figures["used"], figures["remaining"]) == ("6", "94")
    _, output, _ = bytegpt(day.stack, "ledger", day.account_id, "--csv")
    rows = list(csv.DictReader(io.StringIO(output)))
    assert sum(int(row["requests"]) for row in rows) == 94


def test_usage_tells_where_the_requests_and_the_money_went(day: Day) -> None:
    figures = printed(day.stack, "usage", day.account_id)
    (handler,) = figures["by_handler"]
    assert handler == {"handler": "ai_reply", "requests": figures["used"]}
    assert sum(row["requests"] for row in figures["by_contact"]) == figures["used"]
    assert {row["outcome"]: row["turns"] for row in figures["by_outcome"]} == {
        "answered": 3,
        "openai_quota": 1,
        "no_message": 1,
    }
    (model,) = figures["by_model"]
    assert model["answers"] == 3
    assert model["tokens_input"] > 0
    (rate,) = figures["rate"]
    # One question each, and one more: the attempt that was repeated. The failed ones count too.
    assert rate["requests"] == 5
    assert rate["tokens"] == model["tokens_input"] + model["tokens_output"]


def test_every_table_of_usage_is_printed_in_every_way(day: Day) -> None:
    for table in ("day", "hour", "handler", "contact", "outcome", "model", "rate", "minute"):
        rows = printed(day.stack, "usage", day.account_id, "--by", table)
        _, output, _ = bytegpt(day.stack, "usage", day.account_id, "--by", table, "--csv")
        assert len(list(csv.DictReader(io.StringIO(output)))) == len(rows) > 0
        bytegpt(day.stack, "usage", day.account_id, "--by", table)


def test_a_turn_is_told_step_by_step(day: Day) -> None:
    told = printed(day.stack, "turn", "show", request_id(day.retried))
    assert (told["request_id"], told["account_id"]) == (request_id(day.retried), day.shop.kommo.account_id)
    assert (told["status"], told["error_code"]) == ("delivered", None)
    steps = told["steps"]
    assert [step["step"] for step in steps] == [
        "accepted",
        "taken",
        "asking",
        "retry",
        "waiting_for_key",
        "key_may_be_used",
        "taken",
        "asking",
        "answer_begun",
        "answered",
        "continue_call",
        "delivered",
    ]
    assert [step["attempt"] for step in steps if step["step"] == "asking"] == [1, 2]
    retry = next(step for step in steps if step["step"] == "retry")
    assert (retry["error_code"], retry["http_status"]) == ("openai_quota", 429)
    assert 0.02 <= retry["wait"] <= 0.16
    moments = [datetime.fromisoformat(step["at"]) for step in steps]
    assert moments == sorted(moments)
    names = [step["step"] for step in steps]
    waited = moments[names.index("key_may_be_used")] - moments[names.index("retry")]
    assert waited.total_seconds() >= retry["wait"] - 0.002


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("answered", "delivered", None),
        ("failed", "delivered", "openai_quota"),
        ("not_waiting", "not_waiting", None),
        ("refused", "delivered", "no_message"),
    ],
)
def test_every_end_of_a_turn_is_shown(day: Day, name: str, status: str, code: str | None) -> None:
    told = printed(day.stack, "turn", "show", request_id(getattr(day, name)))
    assert (told["status"], told["error_code"]) == (status, code)


def test_turns_are_listed_newest_first_and_by_status(day: Day) -> None:
    names = ["refused", "not_waiting", "failed", "retried", "answered"]
    listed = printed(day.stack, "turn", "list", day.account_id)
    assert [turn["request_id"] for turn in listed] == [request_id(getattr(day, name)) for name in names]
    only = printed(day.stack, "turn", "list", day.account_id, "--status", "not_waiting")
    assert [turn["request_id"] for turn in only] == [request_id(day.not_waiting)]
    delivered = printed(day.stack, "turn", "list", day.account_id, "--status", "delivered", "--limit", "1")
    assert [turn["request_id"] for turn in delivered] == [request_id(day.refused)]
    assert printed(day.stack, "turn", "list", day.account_id, "--status", "asking") == []
    assert printed(day.stack, "turn", "list", day.account_id, "--lead", "1", "--contact", "nobody") == []


def test_no_command_shows_what_was_said(day: Day) -> None:
    shown = ""
    for arguments in (
        ("usage", day.account_id),
        ("ledger", day.account_id),
        ("turn", "list", day.account_id),
        ("turn", "show", request_id(day.answered)),
    ):
        code, output, _ = bytegpt(day.stack, *arguments)
        assert code == 0
        assert output
        shown += output
    for text in ("Meu nome", "Ana", "Mensagem 1", day.shop.key, day.shop.secrets.access_token or "?"):
        assert text not in shown


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("usage", "99999999"), 1),
        (("ledger", "99999999"), 1),
        (("turn", "list", "99999999"), 1),
        (("turn", "show", "0123456789abcdef"), 1),
        (("turn", "show", ""), 1),
        (("turn", "replay", "0123456789abcdef"), 1),
        (("usage", "abc"), 2),
        (("usage", "31000001", "--period", "2026-13"), 2),
        (("turn", "list", "31000001", "--status", "verloren"), 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_what_is_not_there_is_an_error_on_stderr(day: Day, arguments: tuple[str, ...], expected: int) -> None:
    code, output, errors = bytegpt(day.stack, *arguments)
    assert (code, output) == (expected, "")
    assert errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("command", [("turn", "show"), ("turn", "replay")], ids=" ".join)
def test_the_name_of_a_key_beside_a_turn_is_no_id(day: Day, command: tuple[str, ...]) -> None:
    steps = f"{request_id(day.answered)}:steps"
    assert day.stack.redis.exists(keys.turn(steps))
    code, output, errors = bytegpt(day.stack, *command, steps)
    assert (code, output) == (1, "")
    assert f"no turn has the id {steps}" in errors
