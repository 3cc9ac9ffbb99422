"""`bytegpt`: its commands, each in a module that is imported only when it is called."""

import os
import sys
import traceback
from importlib import import_module

import click

# name: where it stands, and its line in `bytegpt --help`
_COMMANDS = {
    "account": ("app.cli.accounts:account", "Add, show, change, pause and remove accounts."),
    "admin": ("app.cli.admin:admin", "Prepare the console's login."),
    "boost": ("app.cli.boosts:boost", "Extra requests beside the plan."),
    "contact": ("app.cli.contacts:contact", "What is stored of one contact: forget it."),
    "demo": ("app.cli.demo:demo", "Show the main job, end to end, between simulated partners."),
    "doctor": ("app.cli.doctor:doctor", "Is all well, and what to do where it is not."),
    "ledger": ("app.cli.figures:ledger", "The entries behind an account's figures."),
    "plan": ("app.cli.plans:plan", "Plans: how many requests a month they hold."),
    "secrets": ("app.cli.rotation:secrets", "What is sealed, and with which key: change the key."),
    "turn": ("app.cli.turns:turn", "What happened to one request; run again what failed."),
    "up": ("app.cli.services:up", "Run everything on this machine: web, workers, and Redis where none is set."),
    "usage": ("app.cli.figures:usage", "What an account's month has used."),
    "web": ("app.cli.web:web", "Run the web process."),
    "widget": ("app.cli.widget:widget", "Build the widget for Kommo."),
    "worker": ("app.cli.services:worker", "Run the worker processes."),
}


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=_LazyGroup)
def bytegpt() -> None:
    """Connects Kommo accounts to their own OpenAI assistants."""


def run(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code; arguments: those of the process when None.

    0 where all is well, 2 where the command line or the settings are wrong, 1 for everything else. A command may
    return another code. Errors are told on stderr: in one line, with the traceback only where LOG_LEVEL is DEBUG.
    """
    try:
        outcome = bytegpt.main(arguments, prog_name="bytegpt", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Aborted.", err=True)
        return 1
    except Exception as error:  # noqa: BLE001 - the last line of defence of every command
        return _tell(error)
    return outcome if isinstance(outcome, int) else 0


def _tell(error: Exception) -> int:
    from config.logs import without_secrets
    from config.settings import ConfigError

    if isinstance(error, ConfigError):
        click.echo(f"Error: {error}", err=True)
        return 2
    if os.environ.get("LOG_LEVEL", "").upper() == "DEBUG":
        click.echo(without_secrets("".join(traceback.format_exception(error))), err=True)
    _report(error)
    told = " ".join(without_secrets(str(error)).split())
    click.echo(f"Error: {type(error).__name__}: {told} (LOG_LEVEL=DEBUG shows where)", err=True)
    return 1


def _report(error: Exception) -> None:
    from config.error_reports import report_error
    from config.settings import ConfigError, load_settings

    try:
        dsn = load_settings().sentry_dsn
    except ConfigError:
        return
    report_error(dsn, error)


def main() -> None:
    """Run as the console script."""
    sys.exit(run())


if __name__ == "__main__":
    main()
