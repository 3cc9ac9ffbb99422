"""Deleting at OpenAI, one thing after the other, until each is gone or was refused."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from app.domain.answers import Deadline
from app.domain.failures import AskError, Failure
from app.domain.forgetting import Deletion, Fate, Kind, Remote
from app.services.ports import OpenAiDeletion
from app.services.retrying import Patience, repeated

# For one call with its repetitions. Nobody's answer waits behind it.
CALL_SECONDS = 60.0
TRIES = 6
FIRST_WAIT = 0.5
LONGEST_WAIT = 8.0

NO_KEY = "no_key_saved"
API_CLOSED = "api_closed"
# What will be refused for everything else, too: it is not asked for again and again.
_HOPELESS = (
    Failure.OPENAI_AUTHENTICATION,
    Failure.OPENAI_CONNECTION,
    Failure.OPENAI_QUOTA,
    Failure.OPENAI_TIMEOUT,
)

T = TypeVar("T")


@dataclass(slots=True)
class RemoteDeletion:
    """Deletes with one company's key; nothing is raised. api_key: None where none is stored.

    hopeless: why nothing more is sent with this key.
    """

    openai: OpenAiDeletion
    api_key: str | None = field(repr=False)
    clock: Callable[[], float] = time.time
    hopeless: str | None = None

    def __post_init__(self) -> None:
        if not self.api_key:
            self.hopeless = NO_KEY

    def delete(self, remote: Remote) -> Iterator[Deletion]:
        """Delete it, and tell of each thing that was deleted with it; it stands last itself.

        A conversation stays where an item of it was refused, so that a later try finds the item.
        """
        if remote.kind is not Kind.CONVERSATION:
            yield self._tried(remote, lambda deadline: self._one(remote, deadline))
            return
        # What is deleted leaves the list, so each page begins behind what stays.
        refused: Deletion | None = None
        while page := self._page(remote, refused.remote.id if refused else None):
            if isinstance(page, Deletion):
                yield page
                return
            for item_id in page:
                deletion = self._tried(Remote(Kind.ITEM, item_id), self._item_call(remote.id, item_id))
                yield deletion
                refused = refused if deletion.done else deletion
        if refused:
            yield Deletion(remote, Fate.REFUSED, refused.reason)
        else:
            yield self._tried(remote, lambda deadline: self._one(remote, deadline))

    def _page(self, conversation: Remote, after: str | None) -> tuple[str, ...] | Deletion:
        """Some items of a conversation, none where there are no more; or why they cannot be had."""
        found: list[str] = []

        def listed(deadline: Deadline) -> bool:
            found.extend(self.openai.items(conversation.id, after, self.api_key or "", deadline) or ())
            return True

        outcome = self._tried(conversation, listed)
        return tuple(found) if outcome.done else outcome

    def _item_call(self, conversation_id: str, item_id: str) -> Callable[[Deadline], bool]:
        return lambda deadline: self.openai.delete_item(conversation_id, item_id, self.api_key or "", deadline)

    def _one(self, remote: Remote, deadline: Deadline) -> bool:
        calls = {
            Kind.CONVERSATION: self.openai.delete_conversation,
            Kind.RESPONSE: self.openai.delete_response,
            Kind.THREAD: self.openai.delete_thread,
        }
        return calls[remote.kind](remote.id, self.api_key or "", deadline)

    def _tried(self, remote: Remote, call: Callable[[Deadline], bool]) -> Deletion:
        if self.hopeless is not None:
            return Deletion(remote, Fate.REFUSED, self.hopeless)
        deadline = Deadline(self.clock() + CALL_SECONDS, self.clock)
        try:
            there = repeated(
                lambda: call(deadline),
                AskError,
                Patience(first=FIRST_WAIT, longest=LONGEST_WAIT, left=deadline.left, tries=TRIES),
                retryable=lambda error: error.retryable,
                retry_after=lambda error: error.retry_after,
                before_wait=lambda _error, _wait: None,
            )
        except AskError as error:
            reason = API_CLOSED if error.api_gone else error.code or str(error.failure)
            # A key that may not delete one kind of things may delete another (403).
            if error.failure in _HOPELESS and error.status != 403:
                self.hopeless = reason
            return Deletion(remote, Fate.REFUSED, reason)
        return Deletion(remote, Fate.DELETED if there else Fate.NOT_FOUND)
