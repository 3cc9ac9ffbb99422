"""How far long work is, on stderr: nothing for work that is short, a line every few seconds for the rest."""

import time
from collections.abc import Callable

import click

EVERY_SECONDS = 2.0


def progress() -> Callable[[str], None]:
    """What a flow tells its progress to."""
    next_at = time.monotonic() + EVERY_SECONDS

    def told(text: str) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            next_at = time.monotonic() + EVERY_SECONDS
            click.echo(text, err=True)

    return told
