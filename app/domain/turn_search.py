"""How turns are looked for: by account, lead, contact, how they ended, and time; and what a list shows of each."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from app.domain.failures import Failure
from app.domain.turn import CLOSED, Charge, Status

_CURSOR = re.compile(r"(?P<at>[0-9]{1,15})-(?P<id>[0-9a-f]{1,64})")


class Ending(StrEnum):
    """How a turn ended, in the words of whoever asks why there was no answer.

    failed: charged and released, by one of the six or `busy`. refused: never charged, at the door.
    """

    OPEN = "open"
    ANSWERED = "answered"
    FAILED = "failed"
    REFUSED = "refused"
    NOT_WAITING = "not_waiting"
    UNDELIVERABLE = "undeliverable"


# Those by which turns are listed (storage/lua/listing.lua). The open ones have a set of their own, and all others were
# answered: most of what any list holds.
LISTED = (Ending.FAILED, Ending.REFUSED, Ending.NOT_WAITING, Ending.UNDELIVERABLE)


@dataclass(frozen=True, slots=True)
class FoundTurn:
    """What a list shows of a turn; its texts stay sealed. Times are milliseconds since the epoch."""

    request_id: str
    account_id: int
    status: Status
    accepted_at: int
    charge: Charge
    weight: int
    attempts: int = 0
    error_code: Failure | None = None
    handler: str | None = None
    origin: str | None = None
    line: str | None = None
    lead_id: int | None = None
    replays: int = 0

    @property
    def ending(self) -> Ending:
        """The one word for it."""
        if self.status not in CLOSED:
            return Ending.OPEN
        if self.error_code is not None:
            return Ending.REFUSED if self.charge is Charge.NONE else Ending.FAILED
        return Ending.ANSWERED if self.status is Status.DELIVERED else Ending(self.status.value)

    @property
    def cursor(self) -> str:
        """By which the page that follows it is asked for."""
        return str(Cursor(self.accepted_at, self.request_id))


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in a list of turns: right behind the turn that was accepted then and has this id."""

    accepted_at: int
    request_id: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError for what is no cursor."""
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise ValueError("no cursor of a list of turns")
        return cls(int(found["at"]), found["id"])

    def __str__(self) -> str:
        return f"{self.accepted_at}-{self.request_id}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; what is None is not asked about.

    line: the conversation's key within the account. since, until: of the acceptance, in milliseconds, both included.
    """

    account_id: int | None = None
    lead_id: int | None = None
    line: str | None = None
    ending: Ending | None = None
    since: int | None = None
    until: int | None = None

    def fits(self, turn: FoundTurn) -> bool:
        """Whether this turn is one of those."""
        return (
            self.account_id in (None, turn.account_id)
            and self.lead_id in (None, turn.lead_id)
            and self.line in (None, turn.line)
            and (self.since or 0) <= turn.accepted_at
            and (self.until is None or turn.accepted_at <= self.until)
            and self._ends_so(turn)
        )

    def _ends_so(self, turn: FoundTurn) -> bool:
        """A failure that could not be told either is found as both."""
        if self.ending in (None, turn.ending):
            return True
        return turn.status in CLOSED and self.ending == turn.status.value


@dataclass(frozen=True, slots=True)
class TurnPage:
    """Turns, newest first. older: the cursor of the page behind this one, None for the last.

    looked_back_to: where the look was ended because so many did not fit, in milliseconds; None where it was not.
    """

    turns: Sequence[FoundTurn]
    older: str | None = None
    looked_back_to: int | None = None
