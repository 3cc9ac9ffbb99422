"""What commands read on stdin: secrets never stand in argv."""

import json
import sys

import click

_LARGEST = 4 * 1024 * 1024


def at_a_terminal() -> bool:
    """Whether there is somebody who can be asked."""
    return sys.stdin.isatty()


def read_json() -> object:
    """The JSON document on stdin. Exits with an error that repeats nothing of it where there is none."""
    if at_a_terminal():
        click.echo("Reading JSON from the keyboard; Ctrl-D ends it.", err=True)
    given = sys.stdin.buffer.read(_LARGEST + 1)
    if len(given) > _LARGEST:
        raise click.ClickException(f"stdin is longer than {_LARGEST} bytes.")
    if not given.strip():
        raise click.ClickException("stdin is empty: send a JSON object.")
    try:
        document: object = json.loads(given)
    except json.JSONDecodeError as error:
        raise click.ClickException(f"stdin is not JSON: line {error.lineno}, column {error.colno}.") from None
    except (ValueError, RecursionError):  # not text, a number of thousands of digits, or nested without end
        raise click.ClickException("stdin is not JSON.") from None
    return document
