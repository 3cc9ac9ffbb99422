"""`bytegpt contact`: what is stored of one person who writes to a company."""

import time

import click

from app.cli.erasure_wiring import open_erasure
from app.cli.output import print_json
from app.cli.problems import told
from app.cli.progress import progress
from app.cli.receipts import print_receipt
from app.domain.webhook import contact_key, lead_key
from app.services.receipts import contact_receipt


@click.group()
def contact() -> None:
    """What is stored of one contact of a company."""


@contact.command()
@click.argument("account_id", metavar="ID", type=click.IntRange(min=1))
@click.argument("contact_id", metavar="CONTACT")
@click.option("--lead", is_flag=True, help="CONTACT is the id of a lead: for bots that send no contact id.")
@click.option("--wait", is_flag=True, help="Wait for open turns of the contact to end; else nothing is done then.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def forget(account_id: int, contact_id: str, lead: bool, wait: bool, as_json: bool) -> int:
    """Delete what is stored of one contact, here and at OpenAI, and print a receipt.

    CONTACT is what the bot sends as contact_id. Turns stay for accounting, without texts and without what leads to the
    contact; ledger and sums of usage stay what they are. Doing it again does no harm, and goes on with what was
    interrupted or refused.

    Looks at every turn of the account that is kept, some tens of thousands a second. At OpenAI each item, response and
    conversation is one call.

    Exit code 1: a turn of the contact is open, or OpenAI refused something, which the receipt names.
    """
    line = lead_key(contact_id) if lead else contact_key(contact_id)
    with told(), open_erasure() as erasure:
        patience = erasure.patience if wait else 0.0
        forgotten = erasure.forgetting.forget(account_id, line, progress(), patience)
    receipt = contact_receipt(account_id, contact_id, forgotten, int(time.time() * 1000))
    if as_json:
        print_json(receipt)
    else:
        print_receipt(receipt)
    if not receipt["complete"]:
        click.echo("Not everything is gone at OpenAI: see `refused`. Do it again to try once more.", err=True)
    return 0 if receipt["complete"] else 1
