"""Some faults under load, one after the other, and a look at everything when all is quiet again."""

import time
from collections.abc import Sequence
from random import Random

from tests.faults.soak.books import Allowed
from tests.faults.soak.kind import Kind
from tests.faults.soak.leaks import Leaks
from tests.faults.soak.marks import Tally
from tests.faults.soak.scene import PATIENCE_SECONDS, TURN_SECONDS, Scene

# How long all may take to become quiet: the longest wait of a turn, and then some for a busy machine.
QUIET_SECONDS = PATIENCE_SECONDS + TURN_SECONDS + 20.0
# Messages before the first fault, and how long one after the last may take.
RUN_IN_SECONDS, NEXT_SECONDS = 1.0, 30.0
_LOOK = 0.05


def endured(scene: Scene, leaks: Leaks, kinds: Sequence[Kind], dice: Random) -> Tally:
    """What these faults have done together."""
    with scene.under_load(dice) as load:
        time.sleep(RUN_IN_SECONDS)
        for kind in kinds:
            kind.strike(scene, dice)
            scene.linger(dice, kind.apart)
        deadline = time.monotonic() + NEXT_SECONDS
        while not load.answered_since(scene.marks[-1].at) and time.monotonic() < deadline:
            time.sleep(_LOOK)
    is_quiet = quiet(scene)
    failures, late = any(kind.allowed.failures for kind in kinds), any(kind.allowed.late for kind in kinds)
    tally = scene.books.look(load.said, scene.marks, Allowed(failures, late))
    if not is_quiet:
        tally.breaches.append(f"{scene.books.open_turns()} turns are still open after {QUIET_SECONDS:g} s")
    tally.breaches += leaks.found()
    for crew in scene.crews:
        crew.repair()
    return tally


def quiet(scene: Scene) -> bool:
    """Wait until no turn is open; whether that came about."""
    deadline = time.monotonic() + QUIET_SECONDS
    while scene.books.open_turns():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK)
    return True
