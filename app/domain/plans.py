"""Plans: how many requests a month holds (contract 3 and 7)."""

import re
from dataclasses import dataclass
from typing import Literal

DEFAULT_PLAN = "teste"
DEFAULT_PLAN_REQUESTS = 100
# Far above any plan that is sold, far below what Redis and Lua count exactly.
MOST_REQUESTS = 1_000_000_000

PLAN_NAME = re.compile(r"[a-z0-9_-]{1,40}")
PLAN_NAME_RULE = "1 to 40 characters of a-z, 0-9, _ and -"

# When a change of plan counts: at once, or from the first moment of the next month.
When = Literal["now", "next-period"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as it is sold. requests: allowed per month, 0 or more."""

    name: str
    requests: int

    def __post_init__(self) -> None:
        """Raise ValueError for a name or a number that no plan may have."""
        if not PLAN_NAME.fullmatch(self.name):
            raise ValueError(f"a plan's name has {PLAN_NAME_RULE}")
        if not 0 <= self.requests <= MOST_REQUESTS:
            raise ValueError(f"a plan has 0 to {MOST_REQUESTS} requests")


class PlanUnknown(Exception):
    """No plan has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no plan is called {name}")
        self.name = name
