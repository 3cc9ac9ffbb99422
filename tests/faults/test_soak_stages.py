"""Faults that need a stage of their own, under load: a clock, a disk, two machines."""

from pathlib import Path

import pytest

from tests.faults.shortened import STAGES, see_that_no_fault_costs_anything
from tests.faults.soak.kind import Stage
from tests.faults.soak.scene import plain_scene


@pytest.mark.parametrize(
    "stage", [stage for stage in STAGES if stage is not plain_scene], ids=lambda stage: stage.__name__
)
def test_no_fault_there_costs_a_turn_or_a_charge(tmp_path: Path, stage: Stage) -> None:
    see_that_no_fault_costs_anything(tmp_path, stage)
