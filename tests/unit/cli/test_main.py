"""The command line: what it lists, how it ends, and what it tells on which stream."""

import pytest

from app.cli import main


@pytest.fixture(autouse=True)
def example_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("broken", "unsettled", "refused", "interrupted", "busy", "done"):
        monkeypatch.setitem(main._COMMANDS, name, (f"tests.unit.cli.example_commands:{name}", f"Is {name}."))
    monkeypatch.delenv("LOG_LEVEL", raising=False)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ["unsettled"],
            2,
            "Error: These settings are missing or wrong:\n  PORT must be a whole number from 1 to 65535",
        ),
        (["unknown"], 2, "No such command 'unknown'"),
        (["done", "--what"], 2, "No such option '--what'"),
        (["refused"], 1, "Error: there is no such account"),
        (["broken"], 1, "Error: RuntimeError: cannot use sk-[removed] (LOG_LEVEL=DEBUG shows where)\n"),
        (["interrupted"], 1, "Aborted."),
        (["busy"], 1, ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_goes_wrong_is_told_on_stderr(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, told: str
) -> None:
    assert main.run(arguments) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert told in printed.err


def test_a_fault_shows_where_it_happened_only_when_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main.run(["broken"])
    assert len(capsys.readouterr().err.splitlines()) == 1
    monkeypatch.setenv("LOG_LEVEL", "debug")
    main.run(["broken"])
    told = capsys.readouterr().err
    assert "in broken" in told
    assert "sk-proj" not in told


def test_what_goes_well_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["done"]) == 0
    assert capsys.readouterr().out == "done\n"


def test_help_lists_every_command_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--help"]) == 0
    printed = capsys.readouterr().out
    for name in ("up", "web", "worker", "admin"):
        assert f"\n  {name} " in printed


@pytest.mark.parametrize("name", sorted(main._COMMANDS))
def test_every_listed_command_exists_and_has_help(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert main.run([name, "--help"]) == 0
    assert f"Usage: bytegpt {name}" in capsys.readouterr().out
