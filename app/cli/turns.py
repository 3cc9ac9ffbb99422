"""`bytegpt turn`: what happened to one request, and running it again."""

from itertools import islice

import click

from app.cli.output import print_json, print_table, print_turn
from app.cli.problems import told
from app.cli.replays import replay
from app.cli.wiring import open_reporting, open_store
from app.domain.accounts import AccountUnknown
from app.domain.turn import CLOSED, Status
from app.domain.turn_search import Ending, Wanted
from app.domain.webhook import contact_key
from app.services.reporting import summary
from app.storage.turn_search import RedisTurnSearch

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
@click.option("--lead", "lead_id", type=click.IntRange(min=1), help="Only turns of this lead.")
@click.option("--contact", metavar="CONTACT", help="Only turns of the contact that the bot calls so.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many at most.")
@_as_json
def list_(
    account_id: int, status: str | None, lead_id: int | None, contact: str | None, limit: int, as_json: bool
) -> None:
    """List an account's turns, newest first.

    --status, --lead and --contact find only turns that came since this service keeps lists of them: those that are
    older than the update to this version are listed without these options.
    """
    wanted = Wanted(account_id, lead_id, contact_key(contact) if contact else None, _ending(status))
    with told(), open_store() as store:
        if store.accounts.get(account_id) is None:
            raise AccountUnknown(account_id)
        turns = RedisTurnSearch(store.redis).all(wanted)
        found = [summary(turn) for turn in islice(filter(lambda turn: status in (None, turn.status), turns), limit)]
    if as_json:
        print_json(found)
    else:
        columns = ("REQUEST_ID", "STATUS", "ERROR_CODE", "ACCEPTED_AT", "REQUESTS", "ATTEMPTS")
        rows = [[turn[name.lower()] for name in columns] for turn in found]
        print_table(columns, rows)


def _ending(status: str | None) -> Ending | None:
    """What narrows the look: only a closed turn is delivered, and only that status says nothing more."""
    if status is None or status == Status.DELIVERED:
        return None
    return Ending(status) if status in CLOSED else Ending.OPEN
