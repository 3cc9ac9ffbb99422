"""`make fuzz`: hostile input to every route and every parser for some minutes, and a table of what became of it."""

import random
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.hostile.campaign.rounds import Rounds
from tests.hostile.campaign.table import drawn
from tests.hostile.tally import Tally

# Seconds between two lines of progress where there is no terminal.
SELDOM = 30.0
# Of the log of a round in which something failed.
LINES_SHOWN = 120
FAILURES_SHOWN = 40


@click.command()
@click.option("--minutes", default=15.0, show_default=True, help="How long; one whole round is always tried.")
@click.option("--only", default="", help="Tests whose names match, as in `pytest -k`: tokens, sockets, every_route, …")
@click.option("--seed", type=int, help="Of every choice that is left to chance; said at the end of a run.")
@click.option("--processes", default=2, show_default=True, help="Rounds that go on side by side.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Write the final table there, too.")
@click.option("--logs", type=click.Path(file_okay=False, path_type=Path), help="Keep what each round printed there.")
def main(minutes: float, only: str, seed: int | None, processes: int, save: Path | None, logs: Path | None) -> None:
    """Try hostile input, count it, and exit with 1 where anything failed."""
    first_seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        directory = logs or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        rounds = Rounds(directory, minutes * 60, only, first_seed, processes)
        progress = Progress(minutes * 60)
        try:
            rounds.run(progress.tell)
        finally:
            rounds.end()
        progress.end()
        for log in rounds.failed_logs:
            click.echo("\n".join(["", f"{log.name}:", *log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]]))
    table = drawn(rounds.tally)
    click.echo(f"\n{table}\n")
    click.echo(f"{rounds.begun} rounds in {progress.seconds / 60:.1f} minutes, seed {first_seed}.")
    if save is not None:
        save.write_text(f"{table}\n")
    for failure in rounds.tally.failures[:FAILURES_SHOWN]:
        click.echo(f"failed: {failure}", err=True)
    sys.exit(1 if rounds.failed_logs or rounds.tally.failures else 0)


class Progress:
    """One line that is written again and again on a terminal, a line now and then elsewhere."""

    def __init__(self, planned: float) -> None:
        self._planned = planned
        self._began = time.monotonic()
        self._told = float("-inf")
        self._terminal = sys.stderr.isatty()

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began

    def tell(self, tally: Tally, rounds: int) -> None:
        """Say how far it is."""
        if not self._terminal and time.monotonic() - self._told < SELDOM:
            return
        self._told = time.monotonic()
        done, planned = (f"{int(seconds) // 60:02}:{int(seconds) % 60:02}" for seconds in (self.seconds, self._planned))
        line = f"{done} of {planned}  round {rounds}  {tally.inputs:,} inputs  {len(tally.failures)} failures"
        click.echo(f"\r{line}\x1b[K" if self._terminal else line, nl=not self._terminal, err=True)

    def end(self) -> None:
        """Leave the line."""
        if self._terminal:
            click.echo(err=True)


if __name__ == "__main__":
    main()
