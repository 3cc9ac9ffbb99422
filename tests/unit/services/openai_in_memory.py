"""OpenAI as the setting up of accounts sees it, from memory."""

from collections.abc import Callable
from dataclasses import dataclass, field

from app.domain.answers import Deadline
from app.domain.assistants import Api, Profile
from app.domain.failures import AskError

COPY = Profile(model="gpt-5", instructions="Copied.", source="imported", active=False)


@dataclass
class FakeSetup:
    """Port OpenAiSetup. definition: what the Assistants API says of every assistant. Each error is raised if given.

    meanwhile: called in the middle of a look.
    """

    definition: Profile = COPY
    key_error: AskError | None = None
    import_error: AskError | None = None
    discard_error: AskError | None = None
    meanwhile: Callable[[], None] = lambda: None
    calls: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def check_key(self, api_key: str, deadline: Deadline) -> None:
        self._called("key", api_key, deadline, self.key_error)

    def import_profile(self, assistant_id: str, api_key: str, deadline: Deadline) -> Profile:
        self._called(assistant_id, api_key, deadline, self.import_error)
        return self.definition

    def discard_conversation(self, api: Api, conversation_id: str, api_key: str, deadline: Deadline) -> None:
        self._called(f"discard {api} {conversation_id}", api_key, deadline, self.discard_error)

    def _called(self, what: str, api_key: str, deadline: Deadline, error: AskError | None) -> None:
        self.calls.append(what)
        self.keys.append(api_key)
        self.seconds.append(deadline.left())
        self.meanwhile()
        if error:
            raise error
