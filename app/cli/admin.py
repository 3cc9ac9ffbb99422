"""`bytegpt admin`: what an operator needs before the console can be used."""

import sys

import click
from werkzeug.security import generate_password_hash


@click.group()
def admin() -> None:
    """Prepare the console's login."""


@admin.command("hash-password")
def hash_password() -> None:
    """Print the value of ADMIN_PASSWORD_HASH, as the last line, for the password on stdin."""
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not password:
        raise click.ClickException("stdin holds no password.")
    if "\n" in password:
        raise click.ClickException("stdin holds more than one line: a password is one line.")
    click.echo(generate_password_hash(password, method="scrypt"))
