"""What every page of the console is given."""

from collections.abc import Callable
from dataclasses import dataclass

from app.domain.service_state import ServiceState
from app.web.console.pages import Witness
from app.web.deps import ConsoleFlows


@dataclass(frozen=True, slots=True)
class Room:
    """flows: what pages show and do. state: the service as it stands. secure: cookies travel over https only."""

    flows: ConsoleFlows
    state: Callable[[], ServiceState]
    witness: Witness
    secure: bool
