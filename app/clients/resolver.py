"""Host names to addresses, with a limit on the wait, which the operating system's own call does not have."""

import socket
import threading
import time
from dataclasses import dataclass, field

# Long enough that a burst of new connections asks once, short enough to follow a partner that moves.
KEPT_SECONDS = 30.0


@dataclass(slots=True)
class _Lookup:
    """One question to the operating system; everyone who wants the same host waits for the same one."""

    host: str
    port: int
    done: threading.Event = field(default_factory=threading.Event)
    addresses: tuple[str, ...] = ()
    error: tuple[object, ...] | None = None
    ended_at: float = 0.0

    def run(self) -> None:
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
            self.addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        except OSError as error:
            self.error = error.args
        except UnicodeError:  # a label that is empty or too long
            self.error = (socket.EAI_NONAME, "malformed host name")
        finally:
            self.ended_at = time.monotonic()
            self.done.set()

    def usable(self) -> bool:
        """Whether its answer, which may still be on its way, serves a new connection."""
        if not self.done.is_set():
            return True
        return self.error is None and time.monotonic() - self.ended_at < KEPT_SECONDS


class Resolver:
    """Looks hosts up on threads of its own and remembers what was found for half a minute.

    A lookup that hangs (a dead name server takes half a minute) holds one thread per host, never a caller.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lookups: dict[tuple[str, int], _Lookup] = {}

    def addresses(self, host: str, port: int, wait: float) -> tuple[str, ...]:
        """The addresses of a host, in the system's order of preference, within so many seconds.

        Raises socket.gaierror when there are none and TimeoutError when no answer came.
        """
        lookup = self._lookup(host, port)
        if not lookup.done.wait(wait):
            raise TimeoutError("no answer from the name server")
        if lookup.error is not None:
            raise socket.gaierror(*lookup.error)
        return lookup.addresses

    def forget(self, host: str, port: int) -> None:
        """Look it up again next time: none of its addresses answered."""
        with self._lock:
            lookup = self._lookups.get((host, port))
            if lookup is not None and lookup.done.is_set():
                del self._lookups[host, port]

    def _lookup(self, host: str, port: int) -> _Lookup:
        with self._lock:
            lookup = self._lookups.get((host, port))
            if lookup is None or not lookup.usable():
                # Whoever sends an unsigned hook names a host: what is of no use any more must not pile up.
                self._lookups = {asked: one for asked, one in self._lookups.items() if one.usable()}
                lookup = self._lookups[host, port] = _Lookup(host, port)
                threading.Thread(target=lookup.run, name=f"resolve-{host}", daemon=True).start()
            return lookup
