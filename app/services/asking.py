"""Asking OpenAI: the one layer of retries, and what is done when a conversation or a whole API is gone."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from app.domain.accounts import Account
from app.domain.answers import Answer, Conversation, Deadline, Question
from app.domain.assistants import Api, ApiChoice, Assistant, AssistantUnknown, ProfileMissing, resolve
from app.domain.failures import AskError, ConversationTrouble, Failure
from app.domain.turn import GateClosed
from app.services.held import HeldTurn
from app.services.metered_engine import MeteredEngine
from app.services.metering import SILENT
from app.services.ports import Engine, Gates, Meter, ProfileSwitch
from app.services.retrying import Patience, own_wait, repeated

# With less time than this, in seconds, an answer would be our luck and its absence our fault, not OpenAI's.
TIME_TO_ASK = 1.0
MOST_ATTEMPTS = 6
LONGEST_OWN_WAIT = 8.0
# How often a locked conversation is waited for before it is replaced: the lock of a lost attempt goes within seconds.
LOCKED_TRIES = 3
# With less time left than this there is no point in waiting for a lock.
TIME_FOR_A_LOCK = 3.0
_TOO_MANY = 429
_KEY_TOLD_TO_WAIT = "key_told_to_wait"


@dataclass(frozen=True, slots=True)
class Asking:
    """How this service asks OpenAI.

    choice: the setting OPENAI_API. identifier_key: keys the hash under which OpenAI knows a client.
    first_wait: seconds before the first retry, doubled each time.
    """

    engines: Mapping[Api, Engine]
    gates: Gates
    profile_switch: ProfileSwitch
    choice: ApiChoice
    identifier_key: bytes
    first_wait: float = 0.5
    meter: Meter = SILENT

    def answer(self, held: HeldTurn, account: Account, deadline: Deadline) -> tuple[Answer, str | None]:
        """Get the answer to a held turn, from a lost attempt where there is one, and the gate that watches for it.

        Raises AskError with the failure that the client is told, Parked where the key is told to wait, TurnLost and
        StoreUnavailable.
        """
        assistant = self._assistant_of(account)
        api_key = account.secrets.openai_api_key
        if not api_key:
            raise AskError(Failure.OPENAI_AUTHENTICATION, code="no_key_saved")
        attempts = _Attempts(self, held, account, assistant, api_key, deadline)
        return attempts.answer(), attempts.gate_to_tell

    def _assistant_of(self, account: Account) -> Assistant:
        try:
            return resolve(account.assistant_id, account.profile, self.choice)
        except AssistantUnknown as error:
            raise AskError(Failure.ASSISTANT_NOT_FOUND, code="no_valid_id_saved") from error
        except ProfileMissing as error:
            raise AskError(Failure.OPENAI_UNEXPECTED, code="api_closed_and_no_profile") from error

    def identifier(self, account_id: int, client: str) -> str:
        """The stable hash under which OpenAI knows a client: 64 characters, nothing to look up (openai.md 3.1)."""
        return hmac.new(self.identifier_key, f"{account_id}:{client}".encode(), hashlib.sha256).hexdigest()


class _Attempts:
    """The attempts of one turn."""

    def __init__(
        self, asking: Asking, held: HeldTurn, account: Account, assistant: Assistant, api_key: str, deadline: Deadline
    ) -> None:
        turn = held.turn
        self._asking = asking
        self._held = held
        self._account = account
        self._assistant = assistant
        self._api_key = api_key
        self._deadline = deadline
        self._client = turn.line or turn.request_id
        # Whether the question may stand in the conversation already, by an attempt of a lost worker or one whose fate
        # is unknown. Then it is looked for before it is sent again.
        self._maybe_there = turn.asked
        self._conversation = self._known_conversation()
        self._locked = 0
        self._gate = asking.gates.name(api_key)
        self._watched = False

    @property
    def gate_to_tell(self) -> str | None:
        """The gate that wants to know that OpenAI answers this key; None for one that was open all along."""
        return self._gate if self._watched else None

    def answer(self) -> Answer:
        """Ask until there is an answer, or nothing more can be done."""
        return repeated(
            self._attempt,
            AskError,
            Patience(
                first=self._asking.first_wait,
                longest=LONGEST_OWN_WAIT,
                # An attempt without time for an answer would only hide what went wrong before.
                left=lambda: self._deadline.left() - TIME_TO_ASK,
                tries=max(1, MOST_ATTEMPTS - self._held.turn.attempts),
            ),
            retryable=lambda error: error.retryable and self._held.turn.attempts < MOST_ATTEMPTS,
            retry_after=lambda _: None,  # what OpenAI asks for is waited for at the gate
            before_wait=self._waits,
        )

    def _waits(self, error: AskError, wait: float) -> None:
        self._held.openai_took(wait)
        self._held.waiting_to_retry(error, wait)

    def _attempt(self) -> Answer:
        while True:
            try:
                return self._once()
            except AskError as error:
                waits_for_key = self._told_gate(error)
                if not waits_for_key and not self._mended(error):
                    raise

    def _once(self) -> Answer:
        if self._deadline.passed():
            raise AskError(Failure.OPENAI_TIMEOUT, code="deadline")
        asking, api = self._asking, self._assistant.api
        engine = MeteredEngine(asking.engines[api], api, asking.meter, self._held.openai_took, self._deadline.clock)
        if self._conversation is None or self._maybe_there:
            # Something is sent with the key before the attempt is.
            self._enter_gate()
        conversation = self._conversation or self._opened(engine)
        if self._maybe_there:
            found = engine.find(
                self._question(),
                conversation.conversation_id,
                self._held.turn.answer_id,
                conversation.last_item,
                self._api_key,
                self._deadline,
                lambda answer_id: self._begun_anew(conversation, answer_id),
            )
            if found:
                self._held.told("found", answer_id=found.answer_id)
                return found
        if self._held.turn.attempts >= MOST_ATTEMPTS:
            raise AskError(Failure.OPENAI_UNEXPECTED, code="attempts_used_up")
        self._asking_now(conversation)
        try:
            return engine.ask(
                self._question(), conversation.conversation_id, self._api_key, self._deadline, self._begun
            )
        except AskError as error:
            self._maybe_there = self._maybe_there or error.maybe_processed
            raise

    @property
    def _model(self) -> str | None:
        """The model that is asked, as far as we know: a sleeping profile is a copy of the assistant at OpenAI."""
        profile = self._assistant.profile or self._account.profile
        return profile.model if profile else None

    def _begun_anew(self, conversation: Conversation, answer_id: str) -> None:
        """The question stood in the conversation without an answer, and was asked again without being added again."""
        self._held.asking(conversation, self._model, None)
        self._begun(answer_id)

    def _begun(self, answer_id: str) -> None:
        self._held.answer_begun(answer_id, self.gate_to_tell)
        self._watched = False

    def _asking_now(self, conversation: Conversation) -> None:
        try:
            self._watched = self._held.asking(conversation, self._model, self._gate)
        except GateClosed as closed:
            self._wait_for_key(closed)

    def _enter_gate(self) -> None:
        try:
            self._watched = self._asking.gates.enter(self._gate, self._held.turn.request_id)
        except GateClosed as closed:
            self._wait_for_key(closed)

    def _wait_for_key(self, closed: GateClosed) -> NoReturn:
        if closed.wait >= self._deadline.left():
            raise AskError(closed.reason, code=_KEY_TOLD_TO_WAIT)
        self._held.waiting_for_key(self._gate, closed.reason, self._deadline.at, self._maybe_there)

    def _told_gate(self, error: AskError) -> bool:
        """Close the key's gate where OpenAI says so. Returns whether the turn waits for it to open."""
        gates, turn = self._asking.gates, self._held.turn
        wait = self._asked_wait(error)
        if wait is not None:
            gates.close(self._gate, wait, error.failure, turn.account_id)
            if turn.attempts < MOST_ATTEMPTS:
                self._held.waiting_to_retry(error, wait)
                return True
        elif error.failure is Failure.OPENAI_QUOTA and error.code != _KEY_TOLD_TO_WAIT:
            # Without credit: from now on one turn at a time finds out whether that has changed.
            gates.close(self._gate, 0.0, error.failure, turn.account_id)
        elif self._watched:
            gates.free(self._gate, turn.request_id)
        self._watched = False
        return False

    def _asked_wait(self, error: AskError) -> float | None:
        """Seconds for which OpenAI wants this key silent, and a share of ours; only ours where it says no number."""
        if not error.retryable:
            return None
        own = own_wait(max(1, self._held.turn.attempts), self._asking.first_wait, LONGEST_OWN_WAIT)
        if error.retry_after is None:
            return own if error.status == _TOO_MANY else None
        return error.retry_after + own / 4

    def _mended(self, error: AskError) -> bool:
        """Whether something was changed after which asking again at once makes sense."""
        if error.api_gone and self._assistant.api is Api.ASSISTANTS:
            return self._switched()
        if error.trouble is None or self._held.turn.made_afresh or self._held.turn.attempts >= MOST_ATTEMPTS:
            return False
        if error.trouble is ConversationTrouble.LOCKED:
            self._locked += 1
            if self._locked < LOCKED_TRIES and self._deadline.left() > TIME_FOR_A_LOCK:
                return False
        self._held.made_afresh(error.trouble)
        self._conversation, self._maybe_there = None, False
        return True

    def _switched(self) -> bool:
        profile = self._asking.profile_switch.wake_profile(self._account)
        if profile is None:
            return False
        self._assistant = Assistant(self._assistant.assistant_id, Api.RESPONSES, profile)
        self._held.told("switched_to_profile")
        self._conversation, self._maybe_there = None, False
        return True

    def _known_conversation(self) -> Conversation | None:
        turn, api = self._held.turn, self._assistant.api
        known = self._held.conversation
        if turn.conversation_id and turn.api is api:
            same = known is not None and known.conversation_id == turn.conversation_id
            return Conversation(api, turn.conversation_id, known.last_item if known and same else None)
        # Another API than the lost attempt's: nothing of it can be found here.
        self._maybe_there = False
        return known if known and known.api is api else None

    def _opened(self, engine: Engine) -> Conversation:
        opened = engine.open_conversation(self._api_key, self._deadline)
        self._conversation = Conversation(self._assistant.api, opened)
        return self._conversation

    def _question(self) -> Question:
        turn = self._held.turn
        return Question(
            request_id=turn.request_id,
            text=turn.message,
            step_instructions=turn.instructions,
            safety_identifier=self._asking.identifier(turn.account_id, self._client),
            assistant=self._assistant,
        )
