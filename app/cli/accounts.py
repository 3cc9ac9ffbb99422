"""`bytegpt account`: the accounts, as operators change them."""

from typing import Any

import click

from app.cli.erasure_wiring import open_erasure
from app.cli.input import at_a_terminal, read_json
from app.cli.output import print_json, print_table, print_warnings
from app.cli.problems import told
from app.cli.progress import progress
from app.cli.receipts import print_receipt
from app.cli.wiring import open_administration, open_store
from app.domain.accounts import Account, AccountUnknown
from app.domain.plans import When
from app.schemas.account import read_account_change, read_new_account
from app.schemas.account_view import shown_account
from app.services.administration import Administration

_account_id = click.argument("account_id", metavar="ID", type=click.IntRange(min=1))
_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def account() -> None:
    """Add, show, change, pause and remove accounts."""


@account.command()
@_as_json
def add(as_json: bool) -> None:
    """Add the account that JSON on stdin describes.

    account_id and subdomain are needed, everything else may follow with `set`. An account that cannot answer yet is
    added, and what it lacks is said on stderr.
    """
    with told():
        account_id, change = read_new_account(read_json())
    with open_administration() as administration:
        saved = administration.add(account_id, change)
        _print(administration, saved.account, "added", as_json, saved.warnings)


@account.command("set")
@_account_id
@_as_json
def set_(account_id: int, as_json: bool) -> None:
    """Change the fields that JSON on stdin names; the others stay.

    null empties a field. A masked secret, as `show` prints it, means that it stays.
    """
    with told():
        change = read_account_change(account_id, read_json())
    with open_administration() as administration:
        saved = administration.change(account_id, change)
        _print(administration, saved.account, "changed", as_json, saved.warnings)


@account.command()
@_account_id
@_as_json
def show(account_id: int, as_json: bool) -> None:
    """Print an account with its secrets masked."""
    with open_administration() as administration:
        found = administration.account(account_id)
        document = shown_account(found, administration.client_secret(found))
    if as_json:
        print_json(document)
    else:
        print_table(("FIELD", "VALUE"), document.items())


@account.command("list")
@_as_json
def list_(as_json: bool) -> None:
    """List all accounts."""
    rows: list[dict[str, Any]] = []
    with open_store() as store:
        page = store.accounts.page()
        while page:
            rows.extend(_summary(found) for found in page)
            page = store.accounts.page(after=page[-1].account_id)
    if as_json:
        print_json(rows)
    else:
        headings = ("ID", "SUBDOMAIN", "PLAN", "PAUSED", "ACCESS", "ASSISTANT", "KEY")
        print_table(headings, [list(row.values()) for row in rows])


@account.command()
@_account_id
@click.option("--yes", is_flag=True, help="Do not ask. Nobody is asked either where stdin is no terminal.")
@click.option("--at-openai", is_flag=True, help="Delete its conversations and responses there too: a call for each.")
@_as_json
def remove(account_id: int, yes: bool, at_openai: bool, as_json: bool) -> None:
    """Remove an account with everything that is stored of it, and print a receipt.

    Its webhooks get 404 at once. Turns that were accepted before end as they must, which is waited for; then
    everything goes, the account itself last. If it is interrupted, do it again to go on; until then the account cannot
    be added anew.

    Looks at every key of Redis once, some tens of thousands a second. Exit code 1: turns are still open and no worker
    ends them, or OpenAI refused something.
    """
    with told(), open_erasure() as erasure:
        found = erasure.store.accounts.get(account_id)
        if found is None:
            raise AccountUnknown(account_id)
        if not yes and at_a_terminal():
            click.confirm(f"Remove account {account_id} ({found.subdomain}) with all its data?", abort=True, err=True)
        receipt = erasure.removing.remove(account_id, erasure.patience, progress(), at_openai=at_openai)
    if as_json:
        print_json(receipt)
    else:
        print_receipt(receipt)
        click.echo(f"Account {account_id} removed.")


@account.command()
@_account_id
@_as_json
def pause(account_id: int, as_json: bool) -> None:
    """Stop answering: the bot reads that ByteGPT is paused, and nothing is charged."""
    with open_administration() as administration:
        _print(administration, administration.pause(account_id), "paused", as_json)


@account.command()
@_account_id
@_as_json
def resume(account_id: int, as_json: bool) -> None:
    """Answer again after a pause."""
    with open_administration() as administration:
        _print(administration, administration.resume(account_id), "resumed", as_json)


@account.command("set-plan")
@_account_id
@click.argument("name")
@click.option(
    "--when",
    type=click.Choice(["now", "next-period"]),
    default="now",
    show_default=True,
    help="At once, or from the first day of the account's next month.",
)
@_as_json
def set_plan(account_id: int, name: str, when: When, as_json: bool) -> None:
    """Give an account another plan."""
    name = name.lower()
    with open_administration() as administration:
        changed = administration.set_plan(account_id, name, when)
        done = f"has plan {name} now" if when == "now" else f"will have plan {name} from next month on"
        _print(administration, changed, done, as_json)


def _print(
    administration: Administration, account: Account, done: str, as_json: bool, warnings: tuple[str, ...] = ()
) -> None:
    print_warnings(warnings)
    if as_json:
        print_json({**shown_account(account, administration.client_secret(account)), "warnings": list(warnings)})
    else:
        click.echo(f"Account {account.account_id} ({account.subdomain}) {done}.")


def _summary(account: Account) -> dict[str, Any]:
    document = shown_account(account, None)
    names = ("account_id", "subdomain", "plan", "paused", "access", "assistant_id", "openai_api_key")
    return {name: document[name] for name in names}
