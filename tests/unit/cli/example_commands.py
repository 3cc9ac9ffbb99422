"""Commands that go wrong in every way a real one can."""

import click

from config.settings import load_settings


@click.command()
def broken() -> None:
    """Fails as no command should."""
    raise RuntimeError("cannot\nuse sk-proj-0123456789abcdef")


@click.command()
def unsettled() -> None:
    """Finds its settings wrong."""
    load_settings({"PORT": "none"}, dotenv=None)


@click.command()
def refused() -> None:
    """Tells the operator what to do."""
    raise click.ClickException("there is no such account")


@click.command()
def interrupted() -> None:
    """Is ended with Ctrl-C."""
    raise KeyboardInterrupt


@click.command()
def busy() -> int:
    """Says its own exit code."""
    return 1


@click.command()
def done() -> None:
    """Does what it should."""
    click.echo("done")
