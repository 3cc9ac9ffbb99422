"""`bytegpt secrets`: what is sealed in Redis, and with which of ENCRYPTION_KEYS."""

from typing import Any

import click

from app.cli.output import print_json, print_table
from app.cli.problems import told
from app.cli.progress import progress
from app.cli.wiring import open_store
from app.storage.resealing import NO_KEY, RedisResealing, Resealed

_DROP = (
    "Nothing needs the older keys any more. When every process of the service runs with this list of keys, look once "
    "more with --check, and then take them out of ENCRYPTION_KEYS."
)
_ONE_KEY = "There is one key, and everything is sealed with it."
_KEEP = "Keep the older keys: some of what is stored needs them. bytegpt secrets rotate seals it with the first one."
_UNREADABLE = "None of ENCRYPTION_KEYS opens these: put the key back that sealed them."


@click.group()
def secrets() -> None:
    """What is sealed in Redis, and with which key."""


@secrets.command()
@click.option("--check", is_flag=True, help="Only tell what still needs an older key.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def rotate(check: bool, as_json: bool) -> int:
    """Seal everything with the first of ENCRYPTION_KEYS that an older one has sealed.

    Put the new key in front of the old one in ENCRYPTION_KEYS and restart every process, so that all of them read both
    and write with the new one; then do this, while the service runs. It may be interrupted and repeated.

    Looks at every key of Redis, some tens of thousands a second, and seals some thousands of values a second. Exit
    code 1: something needs an older key still, or no key opens it.
    """
    with told(), open_store() as store:
        tell, found = progress(), Resealed()
        for found in RedisResealing(store.redis, store.sealer).run(change=not check):
            tell(f"{found.looked_at} of {found.total} keys of Redis looked at")
        keys = len(store.settings.encryption_keys)
    document = _document(found, keys, check)
    if as_json:
        print_json(document)
    else:
        _print(document)
    return 0 if document["old_keys_can_be_dropped"] else 1


def _document(found: Resealed, keys: int, check: bool) -> dict[str, Any]:
    left = found.older - (0 if check else found.resealed.total())
    kinds = sorted({kind for kind, _ in found.by_key})
    return {
        "keys": keys,
        "sealed": [
            {
                "kind": kind,
                **{f"key_{position}": found.by_key[kind, position] for position in range(1, keys + 1)},
                "unreadable": found.by_key[kind, NO_KEY],
                "resealed": found.resealed[kind],
            }
            for kind in kinds
        ],
        "resealed": found.resealed.total(),
        "need_an_older_key": left,
        "unreadable": found.unreadable,
        "old_keys_can_be_dropped": not left and not found.unreadable,
        "next": _next(keys, left, found.unreadable),
    }


def _next(keys: int, left: int, unreadable: list[str]) -> str:
    if unreadable:
        return _UNREADABLE
    if left:
        return _KEEP
    return _DROP if keys > 1 else _ONE_KEY


def _print(document: dict[str, Any]) -> None:
    rows = document["sealed"]
    if rows:
        print_table([name.upper() for name in rows[0]], [list(row.values()) for row in rows])
    for where in document["unreadable"]:
        click.echo(f"unreadable: {where}")
    click.echo(document["next"])
