"""`bytegpt usage` and `bytegpt ledger`: the figures of a month and the entries behind them."""

import csv
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import click

from app.cli.output import print_json, print_table
from app.cli.problems import told
from app.cli.wiring import open_reporting

BAR_WIDTH = 40
_PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def _checked_period(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _PERIOD.fullmatch(value):
        raise click.BadParameter("a month is written YYYY-MM")
    return value


_account_id = click.argument("account_id", metavar="ID", type=click.IntRange(min=1))
_period = click.option("--period", callback=_checked_period, help="The month, YYYY-MM; the present one when left out.")
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values.")


@click.command()
@_account_id
@_period
@_as_json
@_as_csv
def usage(account_id: int, period: str | None, as_json: bool, as_csv: bool) -> None:
    """Print what an account's month has used of its plan."""
    with told(), open_reporting() as reporting:
        figures = reporting.usage(account_id, period)
    if as_json:
        print_json(figures)
    elif as_csv:
        _print_csv([figures])
    else:
        print_table(("FIGURE", "VALUE"), figures.items())
        click.echo(f"\n{_bar(figures)}")


@click.command()
@_account_id
@_period
@_as_json
@_as_csv
def ledger(account_id: int, period: str | None, as_json: bool, as_csv: bool) -> None:
    """Print the ledger of an account's month, oldest entry first."""
    with told(), open_reporting() as reporting:
        entries = list(reporting.entries(account_id, period))
    if as_json:
        print_json(entries)
    elif as_csv:
        _print_csv(entries, ("at", "request_id", "kind", "requests", "reason"))
    else:
        columns = ("AT", "REQUEST_ID", "KIND", "REQUESTS", "REASON")
        print_table(columns, (list(entry.values()) for entry in entries))


def _bar(figures: Mapping[str, Any]) -> str:
    limit = figures["allowance"] + figures["boosts"]
    gone = figures["used"] + figures["reserved"]
    share = min(1.0, gone / limit) if limit else 1.0
    filled = round(BAR_WIDTH * share)
    return f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {share:.0%}"


def _print_csv(rows: Iterable[Mapping[str, Any]], columns: Iterable[str] = ()) -> None:
    rows = list(rows)
    writer = csv.DictWriter(sys.stdout, list(columns) or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
