"""Deleting what stands at OpenAI of a client's conversations (openai.md 2.1, 3.1, 3.3)."""

from urllib.parse import quote

from app.clients.http import PartnerSession, Timeouts
from app.clients.openai_assistants import AssistantsTransport
from app.clients.openai_errors import RESPONSES_TABLE, unexpected
from app.clients.openai_transport import Caller, OpenAiTransport, id_of, objects_in
from app.domain.answers import Deadline
from app.domain.failures import AskError

# The most there is.
_PAGE_SIZE = 100


class OpenAiDeletion:
    """Port `OpenAiDeletion`. All calls are free and may be repeated; they raise AskError, as the engines do."""

    def __init__(self, session: PartnerSession, base_url: str, connect_timeout: float, read_timeout: float) -> None:
        """base_url: with its `/v1`. Times in seconds; read_timeout is the longest silence."""
        timeouts = Timeouts(connect_timeout, read_timeout)
        self._transport = OpenAiTransport(session, base_url, timeouts, RESPONSES_TABLE)
        self._assistants = AssistantsTransport(session, base_url, timeouts)

    def items(
        self, conversation_id: str, after: str | None, api_key: str, deadline: Deadline
    ) -> tuple[str, ...] | None:
        """Up to a hundred ids of a conversation's items, oldest first; None when the conversation is not there.

        after: the id of the item behind which they begin, None for the oldest.
        """
        path = f"{_conversation(conversation_id)}/items?order=asc&limit={_PAGE_SIZE}"
        if after is not None:
            path += f"&after={quote(after, safe='')}"
        try:
            page = self._transport.fetch(Caller(api_key, deadline), "GET", path)
        except AskError as error:
            if error.status == 404:
                return None
            raise
        return tuple(id_of(item) for item in objects_in(page.get("data")))

    def delete_item(self, conversation_id: str, item_id: str, api_key: str, deadline: Deadline) -> bool:
        """Take an item out of a conversation. False when it is not there."""
        path = f"{_conversation(conversation_id)}/items/{quote(item_id, safe='')}"
        return _deleted(self._transport, path, Caller(api_key, deadline))

    def delete_conversation(self, conversation_id: str, api_key: str, deadline: Deadline) -> bool:
        """Delete a conversation; its items are not deleted with it. False when it is not there."""
        return _deleted(self._transport, _conversation(conversation_id), Caller(api_key, deadline))

    def delete_response(self, response_id: str, api_key: str, deadline: Deadline) -> bool:
        """Delete a response with what was asked; what it brought into a conversation stays. False when not there."""
        return _deleted(self._transport, f"/responses/{quote(response_id, safe='')}", Caller(api_key, deadline))

    def delete_thread(self, thread_id: str, api_key: str, deadline: Deadline) -> bool:
        """Delete a thread with its messages and runs. False when it is not there."""
        return _deleted(self._assistants, f"/threads/{quote(thread_id, safe='')}", Caller(api_key, deadline))


def _conversation(conversation_id: str) -> str:
    return f"/conversations/{quote(conversation_id, safe='')}"


def _deleted(transport: OpenAiTransport, path: str, caller: Caller) -> bool:
    try:
        answer = transport.fetch(caller, "DELETE", path)
    except AskError as error:
        # An API that is gone as a whole says nothing about what it once held.
        if error.status == 404 and not error.api_gone:
            return False
        raise
    if answer.get("deleted") is False:
        raise unexpected("not_deleted")
    return True
