"""`bytegpt account` and `bytegpt plan` against a real Redis."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result
from cryptography.fernet import Fernet

from app.cli.accounts import account
from app.cli.main import run
from app.cli.plans import plan
from app.cli.wiring import open_administration
from app.domain.account_changes import AccountChange
from app.storage.embedded import EmbeddedRedis
from tests.redis_contents import everything_in

SECRETS = {
    "client_secret": "CLIENTsecretOfTheIntegration",
    "access_token": "eyJ.LONGlivedTOKENofKOMMO.sig",
    "openai_api_key": "sk-proj-KEYofTHEcompany0123",
}
FULL: dict[str, Any] = {
    **SECRETS,
    "account_id": 31000001,
    "subdomain": "acme",
    "client_id": "0b0123f4-aaaa",
    "assistant_id": "pmpt_abc123",
    "profile": {"model": "gpt-6-luna", "instructions": "Seja gentil.", "vector_store_ids": [], "temperature": None},
    "plan": "basico",
    "timezone": "America/Sao_Paulo",
    "locale": "pt",
    "failure_text": "Já falamos.",
    "contact_daily_limit": None,
    "contact_weekly_limit": 50,
    "contact_monthly_limit": None,
    "alert_marks": [50, 90],
    "reply_mode": "data",
    "weights": {"ai_reply": 1, "ai_summary": 2},
}
BARE = {"account_id": 7, "subdomain": "12345"}

Cli = Callable[..., Result]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A loopback port on which nobody can listen while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def environment(
    redis_server: EmbeddedRedis, redis_client: redis.Redis, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    for name, value in {
        "REDIS_URL": redis_server.url,
        "SECRET_KEY": "session-signing-key",
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "ADMIN_USERNAME": "admin",
        "ADMIN_PASSWORD_HASH": "scrypt:32768:8:1$salt$0123456789abcdef",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{closed_port}/v1",
        "OPENAI_CONNECT_TIMEOUT": "1",
        "OPENAI_READ_TIMEOUT": "1",
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def cli(environment: pytest.MonkeyPatch) -> Cli:
    """Run `account …` or `plan …`; stdin is sent as JSON unless it is text."""
    groups = {"account": account, "plan": plan}

    def call(group: str, *arguments: str, stdin: object = "", code: int = 0) -> Result:
        text = stdin if isinstance(stdin, str | bytes) else json.dumps(stdin)
        result = CliRunner().invoke(groups[group], arguments, input=text)
        assert result.exit_code == code, result.output
        return result

    return call


def document(result: Result) -> Any:
    return json.loads(result.stdout)


def shown(cli: Cli, account_id: int = 31000001) -> dict[str, Any]:
    found: dict[str, Any] = document(cli("account", "show", str(account_id), "--json"))
    return found


def test_an_account_is_shown_as_it_was_added_with_masked_secrets(cli: Cli) -> None:
    cli("plan", "set", "basico", "--requests", "500")
    cli("account", "add", stdin=FULL)
    found = shown(cli)
    version = found.pop("version")
    assert isinstance(version, int)
    assert found == {
        **FULL,
        "client_secret": "…tion",
        "access_token": "….sig",
        "openai_api_key": "sk-…0123",
        "profile": {**FULL["profile"], "source": "manual", "active": True},
        "paused": False,
        "access": "granted",
        "next_plan": None,
        "retention_days": 30,
        "removing": False,
    }


def test_what_people_see_is_a_table_without_secrets(cli: Cli) -> None:
    cli("account", "add", stdin={**FULL, "plan": "teste", "failure_text": "bell\x07 \x1b[31m red"})
    lines = cli("account", "show", "31000001").stdout.splitlines()
    assert lines[0].split() == ["FIELD", "VALUE"]
    assert ["openai_api_key", "sk-…0123"] in [line.split() for line in lines]
    assert any(line.startswith("failure_text ") and line.endswith("  bell   [31m red") for line in lines)
    listed = cli("account", "list").stdout.splitlines()
    assert listed[0].split() == ["ID", "SUBDOMAIN", "PLAN", "PAUSED", "ACCESS", "ASSISTANT", "KEY"]
    assert listed[1].split() == ["31000001", "acme", "teste", "no", "granted", "pmpt_abc123", "sk-…0123"]


def test_an_account_that_cannot_answer_yet_is_added_and_told_why(cli: Cli) -> None:
    result = cli("account", "add", stdin=BARE)
    assert result.stdout == "Account 7 (12345) added.\n"
    warnings = result.stderr.splitlines()
    assert len(warnings) == 3
    assert all(warning.startswith("Warning: ") for warning in warnings)
    assert shown(cli, 7)["plan"] == "teste"


def test_an_openai_that_cannot_be_reached_is_a_warning(cli: Cli) -> None:
    added = cli("account", "add", "--json", stdin={**FULL, "plan": "teste"})
    assert document(added)["warnings"] == [
        "OpenAI cannot be reached: openai_api_key and assistant_id are saved unchecked."
    ]
    assert "OpenAI cannot be reached" in added.stderr
    assert shown(cli)["openai_api_key"] == "sk-…0123"


def test_an_openai_that_hangs_does_not_keep_the_account_from_being_saved(
    cli: Cli, environment: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/v1")
        added = cli("account", "add", "--json", stdin={**FULL, "plan": "teste"})
    assert document(added)["warnings"] == [
        "OpenAI did not answer in time: openai_api_key and assistant_id are saved unchecked."
    ]
    assert shown(cli)["openai_api_key"] == "sk-…0123"


def test_the_assistant_s_definition_is_stored_where_the_assistants_api_gives_it(
    cli: Cli, environment: pytest.MonkeyPatch
) -> None:
    with assistants_api() as base_url:
        environment.setenv("OPENAI_BASE_URL", base_url)
        body = {**FULL, "plan": "teste", "assistant_id": "asst_1", "profile": None}
        added = document(cli("account", "add", "--json", stdin=body))
    imported = {
        "model": "gpt-4o",
        "instructions": "Imported.",
        "vector_store_ids": ["vs_9"],
        "temperature": 0.2,
        "source": "imported",
        "active": False,
    }
    assert (added["profile"], added["warnings"]) == (imported, [])
    assert shown(cli)["profile"] == imported
    cli("account", "set", "31000001", stdin={"assistant_id": "asst_2"})
    assert shown(cli)["profile"] is None


@contextmanager
def assistants_api() -> Iterator[str]:
    """A server that knows one assistant; yields its base URL."""
    assistant = {
        "id": "asst_1",
        "model": "gpt-4o",
        "instructions": "Imported.",
        "temperature": 0.2,
        "tools": [{"type": "file_search"}],
        "tool_resources": {"file_search": {"vector_store_ids": ["vs_9"]}},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/v1/assistants/asst_1" and self.headers["OpenAI-Beta"] == "assistants=v2"
            content = json.dumps(assistant if found else {}).encode()
            self.send_response(200 if found else 500)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            thread.join()


def test_set_changes_what_it_names_and_nothing_else(cli: Cli) -> None:
    cli("account", "add", stdin={**FULL, "plan": "teste"})
    before = shown(cli)
    cli("account", "set", "31000001", stdin={"locale": "es", "failure_text": None, "openai_api_key": "sk-…0123"})
    after = shown(cli)
    assert after == {**before, "locale": "es", "failure_text": None, "version": before["version"] + 1}


def test_what_show_prints_can_be_sent_back(cli: Cli) -> None:
    cli("account", "add", stdin={**FULL, "plan": "teste"})
    before = shown(cli)
    ours = ("version", "paused", "next_plan", "access", "profile", "removing")
    sent = {name: value for name, value in before.items() if name not in ours}
    cli("account", "set", "31000001", stdin=sent)
    assert shown(cli) == before


def test_a_client_secret_is_changed_alone(cli: Cli) -> None:
    cli("account", "add", stdin={**FULL, "plan": "teste"})
    cli("account", "set", "31000001", stdin={"client_secret": "aNewSecretOfTheIntegration-99"})
    assert shown(cli)["client_secret"] == "…n-99"


def test_pause_and_resume(cli: Cli) -> None:
    cli("account", "add", stdin=BARE)
    assert document(cli("account", "pause", "7", "--json"))["paused"] is True
    assert shown(cli, 7)["paused"] is True
    cli("account", "resume", "7")
    assert shown(cli, 7)["paused"] is False


def test_every_account_is_listed_however_many_there_are(cli: Cli) -> None:
    assert document(cli("account", "list", "--json")) == []
    for number in range(1, 104):
        cli("account", "add", stdin={"account_id": number, "subdomain": f"a{number}"})
    listed = document(cli("account", "list", "--json"))
    assert [found["account_id"] for found in listed] == list(range(1, 104))
    assert set(listed[0]) == {"account_id", "subdomain", "plan", "paused", "access", "assistant_id", "openai_api_key"}


@pytest.mark.parametrize(
    ("terminal", "arguments", "answer", "code", "left"),
    [
        (True, ("--yes",), "", 0, False),
        (True, (), "y\n", 0, False),
        (True, (), "n\n", 1, True),
        (True, (), "", 1, True),
        (False, (), "", 0, False),
    ],
    ids=["said beforehand", "confirmed", "refused", "no answer", "nobody to ask"],
)
def test_at_a_terminal_removal_is_confirmed(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
    arguments: tuple[str, ...],
    answer: str,
    code: int,
    left: bool,
) -> None:
    monkeypatch.setattr("app.cli.accounts.at_a_terminal", lambda: terminal)
    cli("account", "add", stdin=BARE)
    cli("account", "remove", "7", *arguments, stdin=answer, code=code)
    cli("account", "show", "7", code=0 if left else 1)


def test_an_account_keeps_texts_for_as_long_as_an_operator_says(cli: Cli) -> None:
    cli("account", "add", stdin={**BARE, "retention_days": 7})
    assert shown(cli, 7)["retention_days"] == 7
    cli("account", "set", "7", stdin={"retention_days": 400})
    cli("account", "pause", "7")
    assert shown(cli, 7)["retention_days"] == 400
    for wrong in (0, 401, "7", None):
        assert "retention_days" in cli("account", "set", "7", stdin={"retention_days": wrong}, code=1).stderr
    assert shown(cli, 7)["retention_days"] == 400


def test_plans_are_set_and_listed(cli: Cli) -> None:
    assert document(cli("plan", "list", "--json")) == [{"name": "teste", "requests": 100}]
    assert document(cli("plan", "set", "Grande", "--requests", "5000", "--json")) == {
        "name": "grande",
        "requests": 5000,
    }
    cli("plan", "set", "teste", "--requests", "0")
    assert cli("plan", "list").stdout.splitlines() == ["PLAN    REQUESTS", "teste   0", "grande  5000"]


def test_an_account_changes_its_plan(cli: Cli) -> None:
    cli("plan", "set", "grande", "--requests", "5000")
    cli("account", "add", stdin=BARE)
    assert cli("account", "set-plan", "7", "Grande").stdout == "Account 7 (12345) has plan grande now.\n"
    assert shown(cli, 7)["plan"] == "grande"
    cli("account", "set-plan", "7", "teste", "--when", "next-period")
    assert (shown(cli, 7)["plan"], shown(cli, 7)["next_plan"]) == ("grande", "teste")
    cli("account", "set", "7", stdin={"plan": "teste"})
    assert (shown(cli, 7)["plan"], shown(cli, 7)["next_plan"]) == ("teste", None)


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "words"),
    [
        (("account", "add"), "", 1, ["stdin is empty"]),
        (("account", "add"), '{"openai_api_key": "sk-TYPO', 1, ["stdin is not JSON: line 1, column 20"]),
        (("account", "add"), b"\xff\xfe\xfa", 1, ["stdin is not JSON"]),
        (("account", "add"), "[" * 100_000, 1, ["stdin is not JSON"]),
        (("account", "add"), [FULL], 1, ["body: Must be a JSON object."]),
        (("account", "add"), {**BARE, "locale": "fr", "x": 1}, 1, ["  locale: Must be one of", "  x: Unknown field."]),
        (("account", "add"), {**BARE, "plan": "nope"}, 1, ["  plan: No plan has this name"]),
        (("account", "set", "7"), {"locale": "es"}, 1, ["Error: account 7 is not known"]),
        (("account", "show", "7"), "", 1, ["Error: account 7 is not known"]),
        (("account", "pause", "7"), "", 1, ["Error: account 7 is not known"]),
        (("account", "remove", "7", "--yes"), "", 1, ["Error: account 7 is not known"]),
        (("account", "set-plan", "7", "nope"), "", 1, ["no plan is called nope"]),
        (("account", "set-plan", "7", "teste"), "", 1, ["account 7 is not known"]),
        (("account", "show", "seven"), "", 2, ["Invalid value for 'ID'"]),
        (("account", "set-plan", "7", "teste", "--when", "then"), "", 2, ["Invalid value for '--when'"]),
        (("account", "show"), "", 2, ["Missing argument 'ID'"]),
        (("plan", "set", "a b", "--requests", "1"), "", 2, ["a plan's name has"]),
        (("plan", "set", "a", "--requests", "-1"), "", 2, ["Invalid value for '--requests'"]),
        (("plan", "set", "a"), "", 2, ["Missing option '--requests'"]),
    ],
)
def test_errors_are_told_on_stderr_with_their_exit_code(
    cli: Cli, arguments: tuple[str, ...], stdin: object, code: int, words: list[str]
) -> None:
    result = cli(*arguments, stdin=stdin, code=code)
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr


def test_an_account_is_added_once(cli: Cli) -> None:
    cli("account", "add", stdin=BARE)
    assert "account 7 exists already" in cli("account", "add", stdin=BARE, code=1).stderr


def test_a_redis_that_is_away_is_an_error_in_one_line(cli: Cli, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    result = cli("account", "list", code=1)
    assert result.stderr == "Error: Redis is not available (ConnectionError): see REDIS_URL.\n"


def test_another_encryption_key_is_told_as_what_it_is(cli: Cli, environment: pytest.MonkeyPatch) -> None:
    cli("account", "add", stdin=BARE)
    environment.setenv("ENCRYPTION_KEYS", Fernet.generate_key().decode())
    assert "see ENCRYPTION_KEYS" in cli("account", "show", "7", code=1).stderr


def test_wrong_settings_end_every_command_with_exit_code_2(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv("ENCRYPTION_KEYS")
    assert run(["account", "list"]) == 2
    assert "ENCRYPTION_KEYS" in capsys.readouterr().err


def test_no_secret_is_ever_printed_or_stored_in_the_clear(cli: Cli, redis_client: redis.Redis) -> None:
    changed = {name: f"{value}-CHANGED" for name, value in SECRETS.items()}
    plan_of = {**FULL, "plan": "teste"}
    results = [
        cli("account", "add", stdin=json.dumps(plan_of)[:-1], code=1),
        cli("account", "add", stdin={**plan_of, SECRETS["openai_api_key"]: 1}, code=1),
        cli(
            "account", "add", stdin={**plan_of, **{name: f"{value} \u00e4" for name, value in SECRETS.items()}}, code=1
        ),
        cli("account", "add", "--json", stdin=plan_of),
        cli("account", "add", stdin=plan_of, code=1),
        cli("account", "show", "31000001"),
        cli("account", "show", "31000001", "--json"),
        cli("account", "list"),
        cli("account", "list", "--json"),
        cli("account", "set", "31000001", "--json", stdin=changed),
        cli("account", "set", "31000001", stdin={"openai_api_key": "sk-…else"}, code=1),
        cli("account", "pause", "31000001", "--json"),
        cli("account", "set-plan", "31000001", "teste", "--json"),
    ]
    stored = everything_in(redis_client)
    assert b"31000001" in stored
    assert b"pmpt_abc123" in stored
    printed = "".join(result.output for result in results)
    assert "NGED" in printed
    for secret in [*SECRETS.values(), *changed.values()]:
        assert secret not in printed
        assert secret.encode() not in stored


def test_changes_from_two_sides_at_once_are_both_kept(cli: Cli) -> None:
    cli("account", "add", stdin=BARE)
    start, finished = threading.Barrier(2), threading.Semaphore(0)
    changes: list[Callable[[int], AccountChange]] = [
        lambda number: {"contact_daily_limit": number},
        lambda number: {"failure_text": str(number)},
    ]

    def make(change: Callable[[int], AccountChange]) -> None:
        with open_administration() as administration:
            start.wait()
            for number in range(1, 11):
                administration.change(7, change(number))
            finished.release()

    threads = [threading.Thread(target=make, args=(change,)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert finished.acquire(blocking=False)
    assert finished.acquire(blocking=False)
    found = shown(cli, 7)
    assert (found["contact_daily_limit"], found["failure_text"]) == (10, "10")
