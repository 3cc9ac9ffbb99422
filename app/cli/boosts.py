"""`bytegpt boost`: extra requests beside the plan."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime

import click

from app.cli.output import print_json, print_table
from app.cli.problems import told
from app.cli.wiring import open_store
from app.domain.accounts import Account, AccountUnknown
from app.services.reporting import iso
from app.storage.boosts import RedisBoosts

_account_id = click.argument("account_id", metavar="ID", type=click.IntRange(min=1))
_key = click.option("--key", required=True, help="Your name for this boost; the same key twice adds once.")


@click.group()
def boost() -> None:
    """Extra requests beside the plan; they are burnt when the month's allowance is used up."""


@boost.command()
@_account_id
@click.option("--requests", required=True, type=click.IntRange(min=1), help="How many.")
@_key
@click.option("--expires", type=click.DateTime(["%Y-%m-%d"]), help="The last day it counts; never when left out.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def add(account_id: int, requests: int, key: str, expires: datetime | None, as_json: bool) -> None:
    """Add a boost to an account."""
    day: date | None = expires.date() if expires else None
    with _boosts_of(account_id) as (boosts, account):
        try:
            added = boosts.add(account, key, requests, day)
        except ValueError as error:
            raise click.ClickException(f"{error}.") from None
    if as_json:
        print_json({"account_id": account_id, "key": key, "added": added})
    else:
        known = f"A boost with the key {key} was added before: nothing changed."
        click.echo(f"{requests} requests added." if added else known)


@boost.command("list")
@_account_id
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def list_(account_id: int, as_json: bool) -> None:
    """List an account's boosts, the oldest first."""
    with _boosts_of(account_id) as (boosts, account):
        rows = [
            {
                "key": one.key,
                "requests": one.requests,
                "remaining": one.remaining,
                "expires": one.expires.isoformat() if one.expires else None,
                "added_at": iso(one.added_at),
            }
            for one in boosts.all(account)
        ]
    if as_json:
        print_json(rows)
    else:
        print_table(("KEY", "REQUESTS", "REMAINING", "EXPIRES", "ADDED_AT"), (list(row.values()) for row in rows))


@boost.command()
@_account_id
@_key
def void(account_id: int, key: str) -> None:
    """Take back what is left of a boost; what was used of it stays used."""
    with _boosts_of(account_id) as (boosts, account):
        boosts.void(account, key)
    click.echo(f"Nothing is left of the boost {key} now.")


@contextmanager
def _boosts_of(account_id: int) -> Iterator[tuple[RedisBoosts, Account]]:
    with told(), open_store() as store:
        account = store.accounts.get(account_id)
        if account is None:
            raise AccountUnknown(account_id)
        yield RedisBoosts(store.redis), account
