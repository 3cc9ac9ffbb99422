"""Outages of the simulated Kommo: what goes wrong, on which route, how many times."""

import threading
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Route(StrEnum):
    """What can be called on an account's host."""

    CONTINUE = "continue"
    TOKEN = "token"
    SUBDOMAIN = "subdomain"
    ACCOUNT = "account"
    SHARED_ACCOUNT = "shared_account"
    USER = "user"
    LEAD = "lead"
    CONTACT = "contact"
    NOTE = "note"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong; made by the functions below.

    seconds: how long it takes before anything else happens; a hang that names none lasts until the caller gives up.
    after_effect: the call does its work first and only its answer suffers.
    """

    kind: Literal["answer", "hang", "reset", "garbage", "trickle"]
    status: int = 0
    retry_after: int | None = None
    location: str | None = None
    seconds: float | None = None
    after_effect: bool = False


def hang(*, after_effect: bool = False) -> Fault:
    """No answer ever comes."""
    return Fault("hang", after_effect=after_effect)


def reset(*, after_effect: bool = False) -> Fault:
    """The connection is reset. With after_effect: the answer is lost, the work is done."""
    return Fault("reset", after_effect=after_effect)


def garbage(*, after_effect: bool = False) -> Fault:
    """An answer that is no HTTP."""
    return Fault("garbage", after_effect=after_effect)


def trickle() -> Fault:
    """The work is done; its answer is a 200 whose body never ends, though a byte comes from time to time."""
    return Fault("trickle", after_effect=True)


def status(code: int, *, retry_after: int | None = None, after_effect: bool = False) -> Fault:
    """An answer with this status and the kind of body Kommo gives it. retry_after: seconds, in header and body."""
    return Fault("answer", code, retry_after=retry_after, after_effect=after_effect)


def redirect(location: str, code: int = 301) -> Fault:
    """A redirect to that address."""
    return Fault("answer", code, location=location)


def slow(seconds: float) -> Fault:
    """The work is done at once, its genuine answer comes so many seconds late."""
    return Fault("answer", seconds=seconds, after_effect=True)


class FaultBoard:
    """The faults that are to come. Usable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: list[tuple[Route | None, Fault, int | None]] = []
        self.injected: Counter[Route] = Counter()

    def add(self, fault: Fault, route: Route | None = None, times: int | None = 1) -> None:
        """Let calls fail so many times; times None: until `clear`. route None: whatever is called.

        Faults of one route happen in the order in which they were added.
        """
        with self._lock:
            self._due.append((route, fault, times))

    def clear(self) -> None:
        """Nothing more goes wrong; connections that hang go on hanging."""
        with self._lock:
            self._due.clear()

    def take(self, route: Route) -> Fault | None:
        """The fault that this call suffers, used up once."""
        with self._lock:
            for index, (wanted, fault, times) in enumerate(self._due):
                if wanted in (None, route):
                    if times is not None:
                        self._due[index : index + 1] = [(wanted, fault, times - 1)] if times > 1 else []
                    self.injected[route] += 1
                    return fault
        return None
