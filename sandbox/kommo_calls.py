"""What is recorded of every call to the simulated Kommo."""

import time
from dataclasses import dataclass, field
from typing import Any

from sandbox.kommo_faults import Route


@dataclass(eq=False, slots=True)
class ApiCall:
    """One call that reached Kommo.

    account_id: whose host was called, None for the shared API host and for a host that has been given up.
    body: decoded JSON, the text where it is none, None where there is none.
    status: None until answered, and for good when the answer never came.
    accepted: the call did its work, also when its answer was lost.
    moment: on the monotonic clock, in seconds; time: since the epoch.
    """

    route: Route
    method: str
    url: str
    account_id: int | None
    source: str
    token: str | None = field(repr=False)
    body: Any = field(repr=False)
    moment: float
    time: float = field(default_factory=time.time)
    status: int | None = None
    accepted: bool = False

    @property
    def return_url(self) -> str:
        """The URL as bots know it: no slash at the end."""
        return self.url.rstrip("/")
