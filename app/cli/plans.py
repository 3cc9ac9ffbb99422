"""`bytegpt plan`: what is on sale."""

import click

from app.cli.output import print_json, print_table
from app.cli.wiring import open_store
from app.domain.plans import MOST_REQUESTS, PLAN_NAME_RULE, Plan

_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def plan() -> None:
    """Plans: how many requests a month they hold."""


@plan.command("set")
@click.argument("name")
@click.option(
    "--requests",
    required=True,
    type=click.IntRange(0, MOST_REQUESTS),
    metavar="N",
    help="Requests a month.",
)
@_as_json
def set_(name: str, requests: int, as_json: bool) -> None:
    """Put a plan on sale, or change how many requests it holds."""
    try:
        wanted = Plan(name.lower(), requests)
    except ValueError:
        raise click.BadParameter(f"a plan's name has {PLAN_NAME_RULE}.", param_hint="NAME") from None
    with open_store() as store:
        store.plans.set(wanted)
    if as_json:
        print_json(_document(wanted))
    else:
        click.echo(f"Plan {wanted.name} has {wanted.requests} requests a month.")


@plan.command("list")
@_as_json
def list_(as_json: bool) -> None:
    """List all plans."""
    with open_store() as store:
        plans = store.plans.all()
    if as_json:
        print_json([_document(found) for found in plans])
    else:
        print_table(("PLAN", "REQUESTS"), [(found.name, found.requests) for found in plans])


def _document(plan: Plan) -> dict[str, object]:
    return {"name": plan.name, "requests": plan.requests}
