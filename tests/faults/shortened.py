"""The soak in short: every kind of fault that takes seconds, once, all of a stage after each other."""

from pathlib import Path
from random import Random

import pytest

from tests.faults.soak.endurance import endured
from tests.faults.soak.kind import Stage
from tests.faults.soak.kinds import KINDS
from tests.faults.soak.leaks import Leaks

# Calls that hang there hold their turns for fifteen seconds, and sentinels take as long to agree.
TOO_LONG = ("kommo-hangs", "kommo-trickles", "worker-freeze", "sentinel-kill", "sentinel-freeze")
RATE, HASTE = 10.0, 6.0
# Where the faults can be tried.
STAGES = list(dict.fromkeys(kind.stage for kind in KINDS if kind.name not in TOO_LONG))


def see_that_no_fault_costs_anything(directory: Path, stage: Stage) -> None:
    """Try the faults of a stage; skip where they cannot be tried."""
    kinds = [kind for kind in KINDS if kind.stage is stage and kind.name not in TOO_LONG]
    for kind in kinds:
        if why := kind.missing():
            pytest.skip(why)
    with stage(directory, RATE) as scene:
        scene.haste = HASTE
        tally = endured(scene, Leaks(scene), kinds, Random(1))
    assert tally.breaches == []
    assert (tally.tried, tally.lost, tally.doubled, tally.mischarged) == (len(kinds), 0, 0, 0)
    assert tally.turns
