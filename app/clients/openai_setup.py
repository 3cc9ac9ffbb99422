"""What is asked of OpenAI when an account is set up: is the key good, and what is this assistant made of."""

from urllib.parse import quote

from app.clients.http import PartnerSession, Timeouts
from app.clients.openai_assistants import AssistantsTransport
from app.clients.openai_errors import RESPONSES_TABLE, unexpected
from app.clients.openai_transport import Caller, JsonObject, OpenAiTransport
from app.domain.answers import Deadline
from app.domain.assistant_definition import profile_fields
from app.domain.assistants import Api, Profile


class OpenAiSetup:
    """Port `OpenAiSetup`. All calls are free; they raise AskError, as the engines do."""

    def __init__(self, session: PartnerSession, base_url: str, connect_timeout: float, read_timeout: float) -> None:
        """base_url: with its `/v1`. Times in seconds; read_timeout is the longest silence."""
        timeouts = Timeouts(connect_timeout, read_timeout)
        self._transport = OpenAiTransport(session, base_url, timeouts, RESPONSES_TABLE)
        self._assistants = AssistantsTransport(session, base_url, timeouts)

    def check_key(self, api_key: str, deadline: Deadline) -> None:
        """Return when OpenAI accepts the key; spent credit is not seen this way (openai.md 8)."""
        models = self._transport.fetch(Caller(api_key, deadline), "GET", "/models")
        if not isinstance(models.get("data"), list):
            raise unexpected("no_models")

    def import_profile(self, assistant_id: str, api_key: str, deadline: Deadline) -> Profile:
        """Copy an assistant's definition as a sleeping profile.

        Functions and the code interpreter have no place in a profile and stay behind. The AskError has `api_gone`
        when it is not this assistant but the whole Assistants API that is missing.
        """
        path = f"/assistants/{quote(assistant_id, safe='')}"
        return _profile_of(self._assistants.fetch(Caller(api_key, deadline), "GET", path))

    def discard_conversation(self, api: Api, conversation_id: str, api_key: str, deadline: Deadline) -> None:
        """Delete a conversation (a thread) with what stands in it."""
        transport, kind = (self._assistants, "threads") if api is Api.ASSISTANTS else (self._transport, "conversations")
        transport.fetch(Caller(api_key, deadline), "DELETE", f"/{kind}/{quote(conversation_id, safe='')}")


def _profile_of(assistant: JsonObject) -> Profile:
    model = assistant.get("model")
    if not isinstance(model, str) or not model:
        raise unexpected("no_model")
    fields = profile_fields(assistant)
    stores = tuple(fields.pop("vector_store_ids"))
    return Profile(**fields, vector_store_ids=stores, source="imported", active=False)
