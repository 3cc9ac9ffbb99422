"""`bytegpt turn`: what happened to one request, and running it again."""

from itertools import islice

import click

from app.cli.output import print_json, print_table, print_turn
from app.cli.problems import told
from app.cli.replays import replay
from app.cli.wiring import open_reporting
from app.domain.turn import Status

_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def turn() -> None:
    """Look at turns, and run them again: one turn is one request of a client's message."""


turn.add_command(replay)


@turn.command()
@click.argument("request_id")
@_as_json
def show(request_id: str, as_json: bool) -> None:
    """Print what happened to one turn, step by step."""
    with told(), open_reporting() as reporting:
        found = reporting.turn(request_id)
    if as_json:
        print_json(found)
    else:
        print_turn(found)


@turn.command("list")
@click.argument("account_id", metavar="ID", type=click.IntRange(min=1))
@click.option("--status", type=click.Choice([status.value for status in Status]), help="Only turns that stand there.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many at most.")
@_as_json
def list_(account_id: int, status: str | None, limit: int, as_json: bool) -> None:
    """List an account's turns, newest first."""
    with told(), open_reporting() as reporting:
        found = list(islice(reporting.turns_of(account_id, Status(status) if status else None), limit))
    if as_json:
        print_json(found)
    else:
        columns = ("REQUEST_ID", "STATUS", "ERROR_CODE", "ACCEPTED_AT", "REQUESTS", "ATTEMPTS")
        rows = [[turn[name.lower()] for name in columns] for turn in found]
        print_table(columns, rows)
