"""`make soak`: lets everything go wrong that may, under load, and looks whether anything was lost or paid for twice."""

import logging
import sys
import tempfile
from pathlib import Path

import click

from tests.faults.soak.campaign import Campaign
from tests.faults.soak.kinds import KINDS


@click.command()
@click.option("--faults", default=1000, show_default=True, help="How many in all; each kind has its share of them.")
@click.option("--only", multiple=True, type=click.Choice([kind.name for kind in KINDS]), help="A kind; repeatable.")
@click.option("--seed", default=1, show_default=True, help="Of every choice that is left to chance.")
@click.option("--rate", default=15.0, show_default=True, help="Webhooks a second.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Write the final table there, too.")
@click.option("--logs", type=click.Path(file_okay=False, path_type=Path), help="Keep the logs of the processes there.")
def main(faults: int, only: tuple[str, ...], seed: int, rate: float, save: Path | None, logs: Path | None) -> None:
    """Try faults on real processes, and count what they cost."""
    # Handlers of the simulated partners whose clients are killed.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    chosen = [kind for kind in KINDS if kind.name in only or (kind.share and not only)]
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        campaign = Campaign(chosen, faults, seed, rate, logs or Path(temporary))
        campaign.run()
        campaign.tell(save)
    sys.exit(1 if campaign.failed else 0)


if __name__ == "__main__":
    main()
