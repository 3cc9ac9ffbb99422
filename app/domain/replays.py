"""Which turns may be run again, and what is done again of them (contract 1; docs/decisions.md, "A replay …")."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.accounts import Account
from app.domain.failures import Failure
from app.domain.quota import ContactLimit
from app.domain.turn import CLOSED, Charge, Status, Turn


class Again(StrEnum):
    """What is done again. ANSWER: everything, charged anew. DELIVERY: the continue call of an answer that exists."""

    ANSWER = "answer"
    DELIVERY = "delivery"


class Obstacle(StrEnum):
    """Why a turn cannot be run again."""

    OPEN = "open"
    REFUSED = "refused"
    DELIVERED = "delivered"
    NOT_WAITING = "not_waiting"
    TEXTS_GONE = "texts_gone"
    NOT_INSTALLED = "not_installed"
    ACCESS_LOST = "access_lost"
    PAUSED = "paused"
    PLAN_QUOTA = "plan_quota"
    CONTACT_LIMIT = "contact_limit"


_TOLD: dict[Obstacle, str] = {
    Obstacle.OPEN: "it is still being worked on: `bytegpt turn show` tells how far it is",
    Obstacle.REFUSED: "it was refused and never asked: nothing of it is stored that could be asked now",
    Obstacle.DELIVERED: "it was answered and delivered, and nobody is answered twice",
    Obstacle.NOT_WAITING: "it was answered and charged, and its bot no longer waits",
    Obstacle.TEXTS_GONE: "its texts are erased: their time is over, or the contact was forgotten",
    Obstacle.NOT_INSTALLED: "its account is not installed any more",
    Obstacle.ACCESS_LOST: "Kommo takes none of the account's tokens: install the integration again first",
    Obstacle.PAUSED: "its account is paused: `bytegpt account resume` first",
    Obstacle.PLAN_QUOTA: "the account has no requests left this month; nothing was changed",
    Obstacle.CONTACT_LIMIT: "its contact has reached a limit of the account; nothing was changed",
}


class NotReplayable(Exception):
    """This turn cannot be run again, at least not now; nothing was changed."""

    def __init__(self, request_id: str, obstacle: Obstacle) -> None:
        super().__init__(f"turn {request_id} cannot be run again: {_TOLD[obstacle]}")
        self.request_id = request_id
        self.obstacle = obstacle


@dataclass(frozen=True, slots=True)
class Replay:
    """A turn about to be run again, as it was judged. Times are milliseconds since the epoch of the service's clock.

    account_version: of the account record that it was judged with.
    period, day, hour: of this moment, where the account lives. contact_limits: as at an acceptance.
    look_first: what the failed run left at OpenAI is looked for before anything is asked.
    by: who wants it.
    """

    turn: Turn
    again: Again
    account_version: int
    at: int
    deadline_at: int
    period: str
    day: str
    hour: int
    contact_limits: tuple[ContactLimit, ...]
    look_first: bool
    by: str


@dataclass(frozen=True, slots=True)
class EndedBadly:
    """A turn that failed or could not be delivered. at: when, in milliseconds. told: its bot was told the failure."""

    request_id: str
    at: int
    told: bool


@dataclass(frozen=True, slots=True)
class BadTurns:
    """Turns of a span that ended badly, oldest first.

    seen_until: when the last one was accepted that was looked at, in milliseconds, where there may be more behind it;
    None where all were looked at.
    """

    turns: list[EndedBadly]
    seen_until: int | None = None


class ReplayStatus(StrEnum):
    """What the atomic replay found. STALE: turn or account are not what they were when it was judged: look again."""

    REPLAYED = "replayed"
    STALE = "stale"
    TEXTS_GONE = "texts_gone"
    PLAN_QUOTA = "plan_quota"
    CONTACT_LIMIT = "contact_limit"


def failed(turn: Turn) -> bool:
    """Whether it ended without an answer after it had been charged: by one of the six, or `busy`."""
    return turn.error_code is not None and turn.charge is Charge.RELEASED


def failure_was_told(turn: Turn) -> bool:
    """Whether its bot was told the failure and has gone on, so that Kommo will most likely take no answer any more."""
    return failed(turn) and turn.status is Status.DELIVERED


def what_again(turn: Turn) -> Again:
    """What a replay of this turn does. Raises NotReplayable."""
    obstacle = _obstacle_in(turn)
    if obstacle:
        raise NotReplayable(turn.request_id, obstacle)
    return Again.ANSWER if failed(turn) else Again.DELIVERY


def _obstacle_in(turn: Turn) -> Obstacle | None:
    if turn.status not in CLOSED:
        return Obstacle.OPEN
    if failed(turn):
        return None if turn.message else Obstacle.TEXTS_GONE
    if turn.error_code is not None:
        return Obstacle.REFUSED
    if turn.status is Status.DELIVERED:
        return Obstacle.DELIVERED
    if turn.status is Status.NOT_WAITING:
        return Obstacle.NOT_WAITING
    return None if turn.answer else Obstacle.TEXTS_GONE


def obstacle_at(account: Account | None, again: Again) -> Obstacle | None:
    """What stands in the way at the turn's account; None where it may be done."""
    if account is None or account.removing or account.access == "revoked":
        return Obstacle.NOT_INSTALLED
    if account.access == "lost":
        return Obstacle.ACCESS_LOST
    return Obstacle.PAUSED if account.paused and again is Again.ANSWER else None


def looks_first(turn: Turn) -> bool:
    """Whether a new run looks for what the failed one left, so that the conversation holds the question once.

    Not after an answer that could not be used, such as an empty one: it would be found, and fail the turn again.
    """
    return turn.asked and turn.error_code is not Failure.OPENAI_UNEXPECTED


def ended_badly_at(steps: Iterable[dict[str, Any]]) -> int | None:
    """When a turn that ended badly did so, by its steps, in milliseconds; None where it did not."""
    bad = (str(Status.FAILED), str(Status.UNDELIVERABLE))
    return max((step["at"] for step in steps if step["step"] in bad), default=None)
