"""A look at OpenAI when an account's settings are saved (contract 3)."""

import time
from collections.abc import Callable

from app.domain.answers import Deadline
from app.domain.failures import AskError, Failure
from app.services.ports import OpenAiSetup, SetupFindings

# Whoever saves waits for it.
LOOK_SECONDS = 10.0

_WARNINGS: dict[Failure, str] = {
    Failure.OPENAI_TIMEOUT: "OpenAI did not answer in time: openai_api_key and assistant_id are saved unchecked.",
    Failure.OPENAI_AUTHENTICATION: "OpenAI refuses the openai_api_key: the account cannot answer.",
    Failure.ASSISTANT_NOT_FOUND: "OpenAI knows no assistant with this assistant_id in the project of the key.",
    Failure.OPENAI_QUOTA: "OpenAI says that a limit of the key is reached or its credit is spent.",
    Failure.OPENAI_CONNECTION: "OpenAI cannot be reached: openai_api_key and assistant_id are saved unchecked.",
    Failure.OPENAI_UNEXPECTED: "OpenAI gave an unexpected answer: openai_api_key and assistant_id are saved unchecked.",
}
# The reason where the Assistants API has ended and nothing else speaks against the settings.
API_CLOSED = "api_closed_and_no_profile"
_API_GONE = "The Assistants API has ended: this assistant can only be asked through a profile."


class SetupLook:
    """Port `SetupCheck`."""

    def __init__(self, openai: OpenAiSetup, clock: Callable[[], float] = time.time) -> None:
        self._openai = openai
        self._clock = clock

    def look(self, assistant_id: str | None, api_key: str) -> SetupFindings:
        """See whether the key is accepted and the assistant is there. Ends within 10 seconds and raises nothing.

        assistant_id: None where the account is answered from a profile of its own; then only the key is tried.
        """
        deadline = Deadline(self._clock() + LOOK_SECONDS, self._clock)
        if assistant_id is None or not assistant_id.startswith("asst_"):
            return self._look_at_key(api_key, deadline)
        try:
            return SetupFindings(imported_profile=self._openai.import_profile(assistant_id, api_key, deadline))
        except AskError as error:
            if not error.api_gone:
                return _warned(error)
        # An API that is gone does not look at keys any more.
        key = self._look_at_key(api_key, deadline)
        return SetupFindings(
            (_API_GONE, *key.warnings),
            failure=key.failure or Failure.OPENAI_UNEXPECTED,
            reason=key.reason if key.failure else API_CLOSED,
            api_gone=True,
        )

    def _look_at_key(self, api_key: str, deadline: Deadline) -> SetupFindings:
        try:
            self._openai.check_key(api_key, deadline)
        except AskError as error:
            return _warned(error)
        return SetupFindings()


def _warned(error: AskError) -> SetupFindings:
    return SetupFindings((_WARNINGS[error.failure],), failure=error.failure, reason=error.code)
