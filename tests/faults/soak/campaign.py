"""One run: batches of faults in a random order, each followed by a look at the books, and the table of all."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from random import Random

import click

from tests.faults.soak import table
from tests.faults.soak.endurance import endured
from tests.faults.soak.kind import Kind, Stage
from tests.faults.soak.leaks import Leaks
from tests.faults.soak.marks import Tally
from tests.faults.soak.scene import Scene

MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Some faults of one kind. seed: of all that chance decides in it."""

    kind: Kind
    faults: int
    seed: str


class Campaign:
    """Runs the batches of all chosen kinds."""

    def __init__(self, kinds: Sequence[Kind], faults: int, seed: int, rate: float, directory: Path) -> None:
        self.not_tried = {kind.name: why for kind in kinds if (why := kind.missing())}
        self._kinds = [kind for kind in kinds if kind.name not in self.not_tried]
        self.tallies = {kind.name: Tally() for kind in self._kinds}
        self._seed = seed
        self._rate = rate
        self._directory = directory
        self._batches = list(_batches(self._kinds, faults, seed))
        self._began = time.monotonic()

    @property
    def failed(self) -> bool:
        """Whether anything happened that must not."""
        return any(tally.breaches for tally in self.tallies.values())

    def run(self) -> None:
        """Try everything, stage after stage."""
        for number, (stage, batches) in enumerate(_by_stage(self._batches)):
            directory = self._directory / f"stage-{number}"
            directory.mkdir(parents=True)
            with stage(directory, self._rate) as scene:
                leaks = Leaks(scene)
                for batch in batches:
                    self._try(scene, leaks, batch)

    def tell(self, save: Path | None) -> None:
        """Print the table, and what must not have happened."""
        seconds = time.monotonic() - self._began
        rows = [(kind.name, kind.what, self.tallies[kind.name]) for kind in self._kinds]
        text = table.drawn(rows)
        click.echo(f"\n{text}\n\n{seconds / 60:.1f} minutes, seed {self._seed}, {self._rate:g} webhooks a second.")
        for name, why in self.not_tried.items():
            click.echo(f"{name} was not tried: {why}")
        for kind in self._kinds:
            breaches = self.tallies[kind.name].breaches
            for breach in breaches[:MOST_TOLD]:
                click.echo(f"{kind.name}: {breach}", err=True)
            if len(breaches) > MOST_TOLD:
                click.echo(f"{kind.name}: and {len(breaches) - MOST_TOLD} more", err=True)
        if save is not None:
            save.write_text(text + "\n")

    def _try(self, scene: Scene, leaks: Leaks, batch: Batch) -> None:
        tally = endured(scene, leaks, [batch.kind] * batch.faults, Random(batch.seed))
        tally.breaches = [f"{breach} (batch {batch.seed})" for breach in tally.breaches]
        self.tallies[batch.kind.name].add(tally)
        self._show(batch, tally)

    def _show(self, batch: Batch, tally: Tally) -> None:
        total = self.tallies[batch.kind.name]
        done = sum(each.tried for each in self.tallies.values())
        planned = sum(each.faults for each in self._batches)
        now = datetime.now(UTC).strftime("%H:%M:%S")
        click.echo(
            f"{now} {done:>4}/{planned} {batch.kind.name}: {tally.tried} faults, {tally.turns} turns, "
            f"{tally.in_flight} in flight, {tally.failed} told a failure, {tally.refused} webhooks refused, "
            f"lost {tally.lost}, doubled {tally.doubled}, mischarged {tally.mischarged}, "
            f"{len(total.breaches)} breaches"
        )
        for breach in tally.breaches[:5]:
            click.echo(f"  {breach}", err=True)


def _batches(kinds: Sequence[Kind], faults: int, seed: int) -> Iterator[Batch]:
    """Each kind's share, at least one, cut into batches; those of one stage in a random order."""
    # One that is only tried when it is asked for has no share of the ordinary run.
    shares = {kind.name: kind.share or 1 for kind in kinds}
    whole = sum(shares.values())
    batches: list[Batch] = []
    for kind in kinds:
        left, number = max(1, round(faults * shares[kind.name] / whole)), 0
        while left > 0:
            batches.append(Batch(kind, min(left, kind.batch), f"{seed}:{kind.name}:{number}"))
            left, number = left - kind.batch, number + 1
    Random(seed).shuffle(batches)
    yield from batches


def _by_stage(batches: Sequence[Batch]) -> Iterator[tuple[Stage, list[Batch]]]:
    order = list(dict.fromkeys(batch.kind.stage for batch in batches))
    for stage, group in groupby(
        sorted(batches, key=lambda batch: order.index(batch.kind.stage)), lambda batch: batch.kind.stage
    ):
        yield stage, list(group)
