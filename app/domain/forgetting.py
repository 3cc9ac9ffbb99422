"""What is known of a contact outside its turns, and what became of it: the rules behind `bytegpt contact forget`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from app.domain.assistants import Api

# A turn's figures are kept for 400 days, the counters of a contact's limits for 3, 10 and 40 (storage/keys.py). A day
# more on both sides of each: accounts live in every time zone.
_FIGURES_DAYS = 401
_SPANS = (("%Y-%m-%d", 4), ("%G-W%V", 11), ("%Y-%m", 41))
# Of an answer that was found again in its conversation, the item is known and not the response (clients).
_ITEM_PREFIX = "msg_"
# The step that tells of a turn that its contact is forgotten.
FORGOTTEN = "forgotten"


class Kind(StrEnum):
    """What can be deleted at OpenAI. The value stands in receipts and in Redis."""

    CONVERSATION = "conversation"
    ITEM = "item"
    RESPONSE = "response"
    THREAD = "thread"


class Fate(StrEnum):
    """What became of it. NOT_FOUND: OpenAI does not know it, or not under the key that is stored now."""

    PENDING = "pending"
    DELETED = "deleted"
    NOT_FOUND = "not_found"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Remote:
    """Something at OpenAI."""

    kind: Kind
    id: str


@dataclass(frozen=True, slots=True)
class Deletion:
    """What became of something at OpenAI. reason: a word for why it was refused."""

    remote: Remote
    fate: Fate
    reason: str = ""

    @property
    def done(self) -> bool:
        """Whether there is nothing left to do about it."""
        return self.fate in (Fate.DELETED, Fate.NOT_FOUND)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How far a contact is forgotten. begun_at: milliseconds since the epoch.

    counts: what was deleted here, by a word for each. deletions: everything at OpenAI that is known of the contact.
    """

    begun_at: int
    counts: Mapping[str, int]
    deletions: tuple[Deletion, ...]

    @property
    def undone(self) -> tuple[Deletion, ...]:
        """What still stands at OpenAI, or may."""
        return tuple(deletion for deletion in self.deletions if not deletion.done)


class ContactBusy(Exception):
    """A turn of the contact is open, so its texts are still needed."""

    def __init__(self, turns: int) -> None:
        super().__init__(
            f"{turns} open turn(s) of this contact: nothing was forgotten. Try again when they have ended, or let "
            "--wait wait for them"
        )
        self.turns = turns


class RemovalBlocked(Exception):
    """An account cannot be removed yet; it stays marked as being removed, and its webhooks get 404."""


def conversation_at(api: str, conversation_id: str) -> Remote:
    """A conversation as it is deleted: that of the Assistants API is a thread, with all that stands in it."""
    return Remote(Kind.THREAD if api == Api.ASSISTANTS else Kind.CONVERSATION, conversation_id)


def left_by_turn(
    api: str | None, conversation_id: str | None, answer_id: str | None, steps: Iterable[Mapping[str, Any]]
) -> tuple[Remote, ...]:
    """What a turn has left at OpenAI, by its record and its steps: the attempts that failed have left responses too.

    Runs are part of their thread. What a forgotten turn left is written down elsewhere (storage/contact_memory.py).
    """
    found = [conversation_at(api, conversation_id)] if api and conversation_id else []
    asked: object = None
    for step in steps:
        if step.get("step") == FORGOTTEN:
            return ()
        asked = step.get("api", asked)
        if asked == Api.RESPONSES and step.get("answer_id"):
            found.append(Remote(Kind.RESPONSE, str(step["answer_id"])))
    if api == Api.RESPONSES and answer_id:
        found.append(Remote(Kind.RESPONSE, answer_id))
    return tuple(dict.fromkeys(remote for remote in found if not remote.id.startswith(_ITEM_PREFIX)))


def days_with_figures(now: datetime) -> list[str]:
    """The days, `YYYY-MM-DD`, of which figures may be kept, whatever the account's time zone."""
    return _names(now, "%Y-%m-%d", _FIGURES_DAYS)


def spans_counted(now: datetime) -> list[str]:
    """The days, weeks and months of which a contact's requests may still be counted for its limits."""
    return [name for form, days in _SPANS for name in _names(now, form, days)]


def _names(now: datetime, form: str, days: int) -> list[str]:
    moments = (now + timedelta(days=1 - back) for back in range(days + 2))
    return list(dict.fromkeys(moment.strftime(form) for moment in moments))
