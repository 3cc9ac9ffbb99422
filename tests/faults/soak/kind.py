"""What a kind of fault is."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.faults.soak.books import NOTHING, Allowed
from tests.faults.soak.scene import Scene, plain_scene

Stage = Callable[[Path, float], AbstractContextManager[Scene]]
Strike = Callable[[Scene, Random], None]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault.

    what: in words, for the table. strike: lets it happen once, and mends what was broken.
    share: of about a thousand faults; none where it is only tried when it is asked for.
    batch: how many follow each other before all must be quiet. apart: seconds between them, at most.
    missing: why it cannot be tried on this machine.
    """

    name: str
    what: str
    strike: Strike
    share: int
    batch: int = 20
    apart: float = 0.8
    allowed: Allowed = NOTHING
    stage: Stage = plain_scene
    missing: Callable[[], str | None] = lambda: None
