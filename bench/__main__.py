"""`make bench`: every benchmark, one after the other, or those that are named.

python -m bench [--quick] [part ...]
"""

import time
from collections.abc import Callable, Sequence
from importlib import import_module

import click

Part = Callable[[bool], object]


def _command(name: str, *when_quick: str) -> Part:
    """A part that is a command of its own. when_quick: its arguments then."""

    def part(quick: bool) -> None:
        import_module(f"bench.{name}").main.main(when_quick if quick else (), standalone_mode=False)

    return part


def _run(name: str) -> Part:
    return lambda quick: import_module(f"bench.{name}").run(quick)


# In this order; each writes bench/results/<part>.json.
PARTS: dict[str, Part] = {
    "accepting": lambda _quick: import_module("bench.accepting").main(),
    "acknowledging": _command("acknowledging", "--requests", "300"),
    "door": _command("door", "--requests", "300", "--rounds", "2"),
    "ledger": _run("ledger"),
    "memory": _run("memory"),
    "pages": _run("pages"),
    "departures": _run("departures"),
    "fairness": _run("fairness"),
    "pieces": _run("pieces"),
    "workers": _run("workers"),
}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--quick", is_flag=True, help="Smaller and shorter: to see that it works, not to quote.")
def main(parts: Sequence[str], quick: bool) -> None:
    """Measure ByteGPT beside what it must be compared with; all PARTS where none is named."""
    began = time.monotonic()
    for number, part in enumerate(parts or PARTS):
        click.echo(f"{'' if number == 0 else chr(10)}== {part} ({time.monotonic() - began:.0f} s)")
        PARTS[part](quick)
    click.echo(f"\nall done in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
