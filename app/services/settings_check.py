"""The test of a company's settings: key, assistant, model, and one dry question (contract 8). No plan is charged."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from app.domain.accounts import Account, Locale
from app.domain.answers import Deadline, Question
from app.domain.assistants import Api, ApiChoice, Assistant, AssistantUnknown, Profile, ProfileMissing, resolve
from app.domain.failures import AskError, Failure
from app.domain.reply import EmptyReply, answered_body
from app.domain.turn import GateClosed
from app.services.ports import Engine, Gates, OpenAiSetup
from app.services.retrying import Patience, repeated
from app.services.setup_look import API_CLOSED

# Whoever presses the button waits for it, and a thread of the web process waits with them.
CHECK_SECONDS = 25.0
# Beyond that, for taking the dry question away again.
TIDY_SECONDS = 3.0
TRIES = 2
LONGEST_WAIT = 2.0

NO_KEY = "no_key_saved"
NO_ID = "no_valid_id_saved"

QUESTIONS: dict[Locale, str] = {
    "pt": "Este é um teste de conexão do ByteGPT. Responda com uma saudação curta.",
    "es": "Esta es una prueba de conexión de ByteGPT. Responda con un saludo corto.",
    "en": "This is a connection test of ByteGPT. Answer with a short greeting.",
}


@dataclass(frozen=True, slots=True)
class Checked:
    """What a test has found.

    failure: how a turn would fail with these settings, None where it would be answered. reason: a word for why.
    api_gone: OpenAI's Assistants API, through which the id would be asked, has ended.
    imported: the assistant's definition where that API gave it.
    reply: the answer to the dry question, as a client of a channel without marks of its own would read it.
    """

    failure: Failure | None = None
    reason: str | None = None
    api_gone: bool = False
    imported: Profile | None = None
    reply: str | None = None


def obstacle(account: Account, choice: ApiChoice) -> Checked | None:
    """Why OpenAI would not even be asked with these settings, None where it would."""
    try:
        resolve(account.assistant_id, account.profile, choice)
    except AssistantUnknown:
        return Checked(Failure.ASSISTANT_NOT_FOUND, NO_ID)
    except ProfileMissing:
        return Checked(Failure.OPENAI_UNEXPECTED, API_CLOSED, api_gone=True)
    if not account.secrets.openai_api_key:
        return Checked(Failure.OPENAI_AUTHENTICATION, NO_KEY)
    return None


@dataclass(frozen=True, slots=True)
class SettingsCheck:
    """Asks OpenAI as a turn would be asked, once, in a conversation of its own that is deleted afterwards.

    choice: the setting OPENAI_API. identifier_key: keys the hash under which OpenAI knows who asks.
    """

    engines: Mapping[Api, Engine]
    setup: OpenAiSetup
    gates: Gates
    choice: ApiChoice
    identifier_key: bytes
    clock: Callable[[], float] = time.time

    def check(self, account: Account) -> Checked:
        """Try these settings, saved or not. Takes up to 28 seconds; raises StoreUnavailable."""
        found = obstacle(account, self.choice)
        if found is not None:
            return found
        trial = _Trial(self, account, Deadline(self.clock() + CHECK_SECONDS, self.clock))
        try:
            return trial.passed()
        except AskError as error:
            return Checked(error.failure, error.code, api_gone=trial.api_gone, imported=trial.imported)


class _Trial:
    """One test of settings that name an assistant and have a key."""

    def __init__(self, tools: SettingsCheck, account: Account, deadline: Deadline) -> None:
        self._tools = tools
        self._account = account
        self._deadline = deadline
        self._api_key = account.secrets.openai_api_key or ""
        self._gate = tools.gates.name(self._api_key)
        self._check_id = f"check-{secrets.token_hex(8)}"
        self.api_gone = False
        self.imported: Profile | None = None

    def passed(self) -> Checked:
        """Go through all of it. Raises AskError at the first thing that does not work."""
        assistant = resolve(self._account.assistant_id, self._account.profile, self._tools.choice)
        if assistant.api is Api.ASSISTANTS:
            assistant = self._fetched(assistant)
        reply = repeated(
            lambda: self._asked(assistant),
            AskError,
            Patience(first=0.5, longest=LONGEST_WAIT, left=self._deadline.left, tries=TRIES),
            retryable=lambda error: error.retryable and (error.retry_after or 0.0) <= LONGEST_WAIT,
            retry_after=lambda error: error.retry_after,
            before_wait=lambda _error, _wait: None,
        )
        return Checked(api_gone=self.api_gone, imported=self.imported, reply=reply)

    def _fetched(self, assistant: Assistant) -> Assistant:
        """The assistant once its definition was seen; its profile where the API that knew it has ended."""
        self._pass_the_gate()
        try:
            self.imported = self._tools.setup.import_profile(assistant.assistant_id, self._api_key, self._deadline)
        except AskError as error:
            if not error.api_gone:
                raise
            self.api_gone = True
            # What the first turn does that finds the API gone (services/switching.py), without waking it for good.
            if self._account.profile is None:
                raise AskError(Failure.OPENAI_UNEXPECTED, code=API_CLOSED) from error
            return Assistant(assistant.assistant_id, Api.RESPONSES, replace(self._account.profile, active=True))
        return assistant

    def _asked(self, assistant: Assistant) -> str:
        watched = self._pass_the_gate()
        engine = self._tools.engines[assistant.api]
        try:
            conversation = engine.open_conversation(self._api_key, self._deadline)
            try:
                question = self._question(assistant)
                answer = engine.ask(question, conversation, self._api_key, self._deadline, lambda _answer_id: None)
                return _shown(answer.text)
            finally:
                self._tidy(assistant.api, conversation)
        except AskError as error:
            if error.retryable and error.retry_after is not None:
                self._tools.gates.close(self._gate, error.retry_after, error.failure, self._account.account_id)
            raise
        finally:
            if watched:
                self._tools.gates.free(self._gate, self._check_id)

    def _pass_the_gate(self) -> bool:
        """While a key is told to wait nobody sends with it (contract 6), and nobody who tests waits for long."""
        try:
            return self._tools.gates.enter(self._gate, self._check_id)
        except GateClosed as closed:
            raise AskError(closed.reason, code="key_told_to_wait") from closed

    def _tidy(self, api: Api, conversation: str) -> None:
        """Take the dry question away again; what stays because OpenAI does not answer now does no harm."""
        until = Deadline(self._tools.clock() + TIDY_SECONDS, self._tools.clock)
        with suppress(AskError):
            self._tools.setup.discard_conversation(api, conversation, self._api_key, until)

    def _question(self, assistant: Assistant) -> Question:
        account_id = self._account.account_id
        named = f"{account_id}:settings-check".encode()
        return Question(
            request_id=self._check_id,
            text=QUESTIONS[self._account.locale],
            step_instructions="",
            safety_identifier=hmac.new(self._tools.identifier_key, named, hashlib.sha256).hexdigest(),
            assistant=assistant,
        )


def _shown(text: str) -> str:
    """What a client would read of an answer. Raises AskError where that is nothing, as a turn does."""
    try:
        body = answered_body(text, origin=None, reply_mode="data", request_id="", remaining=0)
    except EmptyReply:
        raise AskError(Failure.OPENAI_UNEXPECTED, code="empty_answer") from None
    reply: str = body["data"]["reply"]
    return reply
