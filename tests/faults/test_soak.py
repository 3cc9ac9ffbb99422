"""Faults on one machine, under load: processes, Redis and the partners."""

from pathlib import Path

from tests.faults.shortened import see_that_no_fault_costs_anything
from tests.faults.soak.scene import plain_scene


def test_no_fault_on_one_machine_costs_a_turn_or_a_charge(tmp_path: Path) -> None:
    see_that_no_fault_costs_anything(tmp_path, plain_scene)
