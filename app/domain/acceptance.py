"""What the door asks of the store when a webhook comes in, and what it hears."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of a genuine webhook (contract 4).

    status: the word Kommo reads. A turn that quota refused is `accepted` too: its answer goes through the bot.
    request_id: of the turn; the first one's for a duplicate.
    """

    status: Literal["accepted", "duplicate"]
    request_id: str


class StoreUnavailable(Exception):
    """Redis cannot be reached or does not answer in time: nothing is known to have been changed."""


class AccountChanged(Exception):
    """The account's record is not any more the one that was looked at: look again and decide anew."""
