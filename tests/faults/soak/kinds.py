"""The table of everything that goes wrong."""

from tests.faults.soak.clock import CLOCK
from tests.faults.soak.disk import DISK
from tests.faults.soak.kind import Kind
from tests.faults.soak.network import NETWORKED
from tests.faults.soak.partners import PARTNERS
from tests.faults.soak.processes import PROCESSES
from tests.faults.soak.sentinel import SENTINEL
from tests.faults.soak.store import STORE

KINDS: tuple[Kind, ...] = (*PROCESSES, *STORE, *SENTINEL, *DISK, *PARTNERS, *CLOCK, *NETWORKED)
