"""Receipts for people: what was deleted where, and what remains and why."""

from collections.abc import Mapping
from typing import Any

import click

from app.cli.output import plain, print_table


def print_receipt(receipt: Mapping[str, Any]) -> None:
    """A receipt as text, with everything that its JSON has."""
    heading = {name: value for name, value in receipt.items() if name not in ("here", "at_openai", "remains")}
    print_table(("RECEIPT", ""), heading.items())
    click.echo()
    print_table(("DELETED HERE", ""), receipt["here"].items())
    click.echo()
    at_openai = receipt["at_openai"]
    print_table(("AT OPENAI", ""), at_openai.get("counts", at_openai).items())
    for fate in ("deleted", "not_found", "refused"):
        for one in at_openai.get(fate, ()):
            click.echo(f"  {fate.replace('_', ' ')}: {plain(' '.join(one.values()))}")
    click.echo()
    click.echo("WHAT REMAINS")
    for one in receipt["remains"]:
        click.echo(f"- {one['what']}: {one['why']}.")
