"""What every page of the console is given."""

from collections.abc import Callable, Iterable, Mapping
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

    def hosts_of(self, account_ids: Iterable[int | None]) -> Mapping[int, str]:
        """The subdomains of those of these accounts that are installed. Raises StoreUnavailable."""
        wanted = sorted({account_id for account_id in account_ids if account_id is not None})
        return {one.account_id: one.subdomain for one in self.flows.accounts.months.accounts.some(wanted)}
