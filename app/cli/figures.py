"""`bytegpt usage` and `bytegpt ledger`: the figures of a month and the entries behind them."""

import csv
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from app.cli.output import print_json, print_table
from app.cli.problems import told
from app.cli.usage_text import usage_text
from app.cli.wiring import open_reporting
from app.services.usage_tables import COLUMNS, rows_of, safe_rows

BAR_WIDTH = 40
_PERIOD = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])")


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
@click.option("--by", "table", type=click.Choice(list(COLUMNS)), help="One table of the figures alone.")
@_as_json
@_as_csv
def usage(account_id: int, period: str | None, table: str | None, as_json: bool, as_csv: bool) -> None:
    """Print what an account's month has used of its plan, and of OpenAI.

    Contacts are told by a hash. Money is in US dollars.
    """
    with told(), open_reporting() as reporting:
        minutes = {"by_minute": list(reporting.minutes(account_id, period))} if table == "minute" else None
        figures = minutes or reporting.usage(account_id, period)
    if table:
        _print_rows(rows_of(figures, table), COLUMNS[table], as_json, as_csv)
        return
    summary = {name: value for name, value in figures.items() if not isinstance(value, list)}
    if as_json:
        print_json(figures)
    elif as_csv:
        _print_csv([summary], tuple(summary))
    else:
        print_table(("FIGURE", "VALUE"), summary.items())
        click.echo(f"\n{_bar(figures)}\n")
        click.echo("\n".join(usage_text(figures)))


@click.command()
@_account_id
@_period
@_as_json
@_as_csv
@click.option("--verify", is_flag=True, help="Compare the counters with the ledger; exit code 1 if they differ.")
@click.option("--rebuild", is_flag=True, help="Put the counters to what the ledger says.")
def ledger(account_id: int, period: str | None, as_json: bool, as_csv: bool, verify: bool, rebuild: bool) -> int | None:
    """Print the ledger of an account's month, oldest entry first."""
    with told(), open_reporting() as reporting:
        if verify or rebuild:
            return _audited(reporting.audit(account_id, period, rebuild=rebuild), as_json)
        entries = list(reporting.entries(account_id, period))
    _print_rows(entries, ("at", "request_id", "kind", "requests", "reason"), as_json, as_csv)
    return None


def _audited(found: Mapping[str, Any], as_json: bool) -> int:
    differences = found["differences"]
    if as_json:
        print_json(found)
    elif not differences:
        click.echo(f"The counters of {found['period']} are what the ledger says.")
    else:
        rows = ((name, values["stored"], values["ledger"]) for name, values in differences.items())
        print_table(("COUNTER", "STORED", "LEDGER"), rows)
        click.echo("The counters were put right." if found["rebuilt"] else "`--rebuild` puts the counters right.")
    return 1 if differences and not found["rebuilt"] else 0


def _bar(figures: Mapping[str, Any]) -> str:
    limit = figures["allowance"] + figures["boosts"]
    gone = figures["used"] + figures["reserved"]
    share = min(1.0, gone / limit) if limit else 1.0
    filled = round(BAR_WIDTH * share)
    return f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {share:.0%}"


def _print_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool, as_csv: bool) -> None:
    if as_json:
        print_json(rows)
    elif as_csv:
        _print_csv(rows, columns)
    else:
        print_table([column.upper() for column in columns], ([row[column] for column in columns] for row in rows))


def _print_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(safe_rows(rows, columns))
