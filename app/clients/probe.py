"""A look at an address: whether anything answers there, and what time it is for whoever does."""

from email.utils import mktime_tz, parsedate_tz

from app.clients.http import Fault, NetworkFault, PartnerSession, Timeouts
from app.domain.answers import Deadline
from app.domain.checkup import Probed, Unreachable

_LARGEST_BODY = 4096
# A Date header says whole seconds: on average half a second has passed since.
_HALF_A_SECOND = 0.5


class Probe:
    """Asks once, without any credential."""

    def __init__(self, session: PartnerSession, connect_timeout: float, read_timeout: float) -> None:
        """connect_timeout: seconds for name, TCP and TLS together. read_timeout: the longest silence, in seconds."""
        self._session = session
        self._timeouts = Timeouts(connect=connect_timeout, silence=read_timeout)

    def get(self, url: str, deadline: Deadline) -> Probed:
        """GET an address. Raises Unreachable where no whole answer comes."""
        began = deadline.clock()
        try:
            with self._session.call("GET", url, headers={}, timeouts=self._timeouts, deadline=deadline) as reply:
                ours = (began + deadline.clock()) / 2
                date = parsedate_tz(reply.headers.get("Date", ""))
                ahead = mktime_tz(date) + _HALF_A_SECOND - ours if date else None
                return Probed(reply.status, ahead, reply.body(_LARGEST_BODY))
        except NetworkFault as fault:
            if fault.fault is Fault.TOO_LARGE:
                return Probed(reply.status, ahead)
            raise Unreachable(fault.detail) from fault
