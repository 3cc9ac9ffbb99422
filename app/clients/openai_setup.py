"""What is asked of OpenAI when an account is set up: is the key good, and what is this assistant made of."""

from typing import Any
from urllib.parse import quote

from app.clients.http import PartnerSession, Timeouts
from app.clients.openai_assistants import AssistantsTransport
from app.clients.openai_errors import RESPONSES_TABLE, unexpected
from app.clients.openai_transport import Caller, JsonObject, OpenAiTransport, objects_in
from app.domain.answers import Deadline
from app.domain.assistants import Profile

# The Assistants API's own default. Kept as "no value": reasoning models refuse any (openai.md 3.1).
_DEFAULT_TEMPERATURE = 1


class OpenAiSetup:
    """Port `OpenAiSetup`. All calls are free and change nothing at OpenAI; they raise AskError, as the engines do."""

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


def _profile_of(assistant: JsonObject) -> Profile:
    model, instructions = assistant.get("model"), assistant.get("instructions")
    if not isinstance(model, str) or not model:
        raise unexpected("no_model")
    return Profile(
        model=model,
        instructions=instructions if isinstance(instructions, str) else "",
        vector_store_ids=_vector_stores(assistant),
        temperature=_temperature(assistant.get("temperature")),
        source="imported",
        active=False,
    )


def _vector_stores(assistant: JsonObject) -> tuple[str, ...]:
    if not any(tool.get("type") == "file_search" for tool in objects_in(assistant.get("tools"))):
        return ()
    match assistant.get("tool_resources"):
        case {"file_search": {"vector_store_ids": list(ids)}}:
            return tuple(identity for identity in ids if isinstance(identity, str))
        case _:
            return ()


def _temperature(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value != _DEFAULT_TEMPERATURE else None
